"""P3, P5 and P6 when processes die (kill -9 in mid-render and in mid-write) or are frozen."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import signal
import threading
import time

from tests.integration.client import Answer, eventually
from tests.integration.damage import children
from tests.integration.servers import Serve, Server
from tests.integration.world import World

#: Seconds a lease lasts, unless renewed: how long a dead worker can keep others from a page.
SHORTER = {"ISGWARE_LEASE_TIME": "3"}


def visit_in_background(server: Server, path: str) -> threading.Thread:
    def visit() -> None:
        with contextlib.suppress(
            OSError, http.client.HTTPException
        ):  # the worker is about to be killed
            server.get(path)

    thread = threading.Thread(target=visit)
    thread.start()
    return thread


def renderer(world: World, path: str, number: int = 1) -> int:
    """The process in which the page's `number`th render is running."""
    begun = eventually(
        lambda: world.renders(path), lambda entries: len(entries) >= number, within=60
    )
    pid: int = begun[number - 1]["pid"]
    return pid


def test_p5_another_worker_takes_over_when_one_is_killed_in_mid_render(
    serve: Serve, world: World
) -> None:
    server = serve(workers=2, threads=4, env=SHORTER)
    world.knob("/page/a", sleep=600)
    victim = visit_in_background(server, "/page/a")
    pid = renderer(world, "/page/a")
    world.knob("/page/a", text="whole")
    os.kill(pid, signal.SIGKILL)
    victim.join()
    answer = server.get("/page/a")
    assert (answer.status, answer.page["text"]) == (200, "whole")
    assert len(world.renders("/page/a")) == 2
    assert (
        eventually(lambda: server.get("/page/a"), lambda it: it.state == "HIT", within=60).nonce
        == answer.nonce
    )


def test_p5_a_killed_regeneration_is_taken_over_and_nobody_waits(
    serve: Serve, world: World
) -> None:
    server = serve(workers=2, threads=4, env=SHORTER)
    old = server.get("/page/a")
    world.knob("/page/a", sleep=600)
    server.do("revalidate_path", "/page/a")
    assert server.get("/page/a").state == "STALE"
    pid = renderer(world, "/page/a", 2)
    world.knob("/page/a", text="new")
    os.kill(pid, signal.SIGKILL)
    eventually(server.pids, lambda pids: len(pids) == 2 and pid not in pids, within=60)
    seen: list[Answer] = []

    def look() -> Answer:
        seen.append(server.get("/page/a"))
        return seen[-1]

    eventually(look, lambda it: it.nonce != old.nonce, within=60, every=0.2)
    assert {answer.state for answer in seen[:-1]} <= {"STALE"}
    assert seen[-1].state == "HIT"
    assert len(world.renders("/page/a")) == 3


def test_p6_a_worker_that_was_frozen_does_not_bring_back_the_old_page(
    serve: Serve, world: World
) -> None:
    frozen, other = (serve("waitress", env=SHORTER) for _ in range(2))
    with world.held("/page/a", text="old"):
        visitor = visit_in_background(frozen, "/page/a")
        pid = renderer(world, "/page/a")
        os.kill(pid, signal.SIGSTOP)
        world.knob("/page/a", text="new")
        try:
            answer = other.get("/page/a")
        finally:
            os.kill(pid, signal.SIGCONT)
    assert (answer.status, answer.page["text"]) == (200, "new")
    visitor.join()
    assert len(world.renders("/page/a", "end")) == 2
    time.sleep(0.3)  # the old render's page, were it stored, would be by now
    seen = [server.get("/page/a") for server in (other, frozen, other, frozen)]
    assert {answer.page["text"] for answer in seen} == {"new"}


def test_p3_no_page_is_torn_by_kills_in_mid_write(serve: Serve, world: World) -> None:
    """Thirty kills while pages are purged, rendered and written: every answer is whole."""
    server = serve("gunicorn-gthread-preload", workers=2, threads=4, env=SHORTER)
    paths = [f"/page/{number}" for number in range(6)]
    for path in paths:
        world.knob(path, size=300_000)
    done = threading.Event()
    torn: list[AssertionError] = []
    answered = [0]

    def work(draw: random.Random) -> None:
        while not done.is_set():
            try:
                server.do("purge_path", draw.choice(paths))
                for path in draw.sample(paths, 2):
                    answered[0] += server.get(path).status == 200
            except AssertionError as error:
                torn.append(error)
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.01)  # its worker was killed under it

    threads = [threading.Thread(target=work, args=(random.Random(seed),)) for seed in range(4)]
    for thread in threads:
        thread.start()
    draw = random.Random(1)
    try:
        for _ in range(30):
            time.sleep(draw.uniform(0.05, 0.25))
            workers = eventually(lambda: children(server.pid), bool, within=60)
            with contextlib.suppress(ProcessLookupError):
                os.kill(draw.choice(workers), signal.SIGKILL)
        eventually(lambda: answered[0], lambda count: count > 30, within=60)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not torn
    eventually(server.pids, lambda pids: len(pids) == 2, within=60)
    after = [server.get(path) for path in paths]
    assert {answer.status for answer in after} == {200}
    old = {path: server.get(path).nonce for path in paths}
    assert "error" not in server.do("purge_tag", "pages")
    assert all(server.get(path).nonce != old[path] for path in paths)
    assert {server.get(path).state for path in paths} == {"HIT"}
