"""Loading pages where the next request comes to any of several processes, and processes die."""

from __future__ import annotations

import os
import re
import signal

import pytest

from tests.integration.client import Answer, eventually, herd, nonces, states
from tests.integration.servers import Serve, Server
from tests.integration.world import World

BROWSER = {
    "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
}
SHORTER = {"ISGWARE_LEASE_TIME": "2"}


def open_page(server: Server, path: str) -> Answer:
    return server.get(path, headers=BROWSER)


def follow(server: Server, path: str, loading: Answer, *, within: float = 60) -> str:
    """Do what the script does, until it would stop: what it has heard then."""
    key = re.search(rb'data-isg-key="([0-9a-f]+)"', loading.body)
    assert key is not None
    headers = {"X-ISG-Poll": key[1].decode(), "Accept": "*/*", "Sec-Fetch-Dest": "empty"}

    def ask() -> str:
        answer = server.get(path, method="HEAD", headers=headers)
        return answer.headers.get("x-isg-poll") or "ready"

    return eventually(ask, lambda said: said != "rendering", within=within)


def once_all_know(server: Server, path: str) -> list[Answer]:
    """What visitors get of a page that is not to be had. A process that the script has come to may
    have a render of its own in its queue, which on a busy machine takes a moment to begin."""
    return eventually(
        lambda: herd(lambda: open_page(server, path), clients=6, requests=12),
        lambda answers: states(answers) == {"BYPASS"},
        within=60,
    )


@pytest.mark.parametrize(
    ("kind", "workers", "threads"),
    [
        pytest.param("gunicorn-gthread", 3, 8, id="three-workers"),
        pytest.param("gunicorn-gthread-preload", 3, 8, id="three-preloaded-workers"),
        pytest.param("gunicorn-gevent", 2, 0, id="two-gevent-workers"),
    ],
)
def test_all_who_come_get_the_loading_page_and_then_the_one_render(
    kind: str, workers: int, threads: int, serve: Serve, world: World
) -> None:
    server = serve(kind, workers=workers, threads=threads)
    with world.held("/first/a"):
        first = herd(lambda: open_page(server, "/first/a"), clients=16, requests=48)
    assert states(first) == {"LOADING"}
    assert follow(server, "/first/a", first[0]) == "ready"
    then = herd(lambda: open_page(server, "/first/a"), clients=8, requests=24)
    assert states(then) == {"HIT"}
    assert len(nonces(then)) == 1
    assert len(world.renders("/first/a")) == 1


def test_a_failed_render_is_known_to_all_processes_and_nobody_is_sent_round(
    serve: Serve, world: World
) -> None:
    server = serve(workers=3, threads=4)
    world.knob("/first/a", status=500, sleep=0.5)
    loading = open_page(server, "/first/a")
    assert loading.state == "LOADING"
    assert follow(server, "/first/a", loading) == "failed"
    again = once_all_know(server, "/first/a")
    assert {answer.status for answer in again} == {500}


def test_a_page_that_may_not_be_stored_is_the_app_s_own_answer_in_all_processes(
    serve: Serve, world: World
) -> None:
    server = serve(workers=3, threads=4)
    world.knob("/first/a", headers={"Set-Cookie": "a=b"}, sleep=0.5)
    loading = open_page(server, "/first/a")
    assert follow(server, "/first/a", loading) == "ready"
    again = once_all_know(server, "/first/a")
    assert {answer.headers["set-cookie"] for answer in again} == {"a=b"}


def test_p5_a_promise_outlives_the_process_that_made_it(serve: Serve, world: World) -> None:
    server = serve(workers=2, threads=4, env=SHORTER)
    world.knob("/first/a", sleep=600)
    loading = open_page(server, "/first/a")
    begun = eventually(lambda: world.renders("/first/a"), bool, within=60)
    world.knob("/first/a", text="whole")
    os.kill(begun[0]["pid"], signal.SIGKILL)
    eventually(server.pids, lambda pids: len(pids) == 2 and begun[0]["pid"] not in pids, within=60)
    assert follow(server, "/first/a", loading) == "ready"
    answer = open_page(server, "/first/a")
    assert (answer.state, answer.page["text"]) == ("HIT", "whole")
