"""P5 and P7 when renders hang: waiters have a deadline, slots are replaced, other pages go on."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

import pytest
from werkzeug.test import Client

from isgware import ISG, Policy
from tests.integration.client import Answer, eventually
from tests.integration.servers import Serve
from tests.integration.sites import sitecore
from tests.integration.world import World


def test_p5_who_waits_for_a_hung_render_renders_alone_in_the_end(
    serve: Serve, world: World
) -> None:
    server = serve("waitress", env={"ISGWARE_WAIT_TIME": "1"})
    first: list[Answer] = []
    visitor = threading.Thread(target=lambda: first.append(server.get("/page/a")))
    with world.held("/page/a", text="slow"):
        visitor.start()
        eventually(lambda: world.renders("/page/a"), bool, within=60)
        world.knob("/page/a", text="quick")
        answer = server.get("/page/a")
    assert (answer.status, answer.page["text"]) == (200, "quick")
    assert answer.seconds > 0.5
    visitor.join()
    assert first[0].page["text"] == "slow"
    assert server.get("/page/a").state == "HIT"


def test_p7_hung_regenerations_lose_their_slots_and_other_pages_go_on(
    serve: Serve, world: World
) -> None:
    server = serve("waitress", env={"ISGWARE_RENDER_TIMEOUT": "1", "ISGWARE_WORKERS": "2"})
    hung, sound = ["/page/x", "/page/y"], "/page/sound"
    old = {path: server.get(path).nonce for path in [*hung, sound]}
    for path in hung:
        world.knob(path, sleep=600)
    server.do("revalidate_tag", "pages")
    assert {server.get(path).state for path in hung} == {"STALE"}
    eventually(lambda: len(world.renders()), lambda count: count >= 5, within=60)
    assert server.get(sound).state == "STALE"
    new = eventually(lambda: server.get(sound), lambda it: it.state == "HIT", within=60)
    assert new.nonce != old[sound]
    again = [server.get(path) for path in hung]
    assert [(answer.state, answer.nonce) for answer in again] == [
        ("STALE", old[path]) for path in hung
    ]


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_a_page_whose_render_hung_is_tried_again_after_its_back_off(
    where: str, serve: Serve, world: World
) -> None:
    """Given up after a second, tried again later: the hung thread must not keep its lease."""
    server = serve("waitress", env={"ISGWARE_RENDER_TIMEOUT": "1", "ISGWARE_LEASE_TIME": "2"})
    visited = server if where == "here" else serve("waitress")
    old = server.get("/page/a")
    world.knob("/page/a", sleep=600)
    server.do("revalidate_path", "/page/a")
    assert server.get("/page/a").state == "STALE"
    eventually(lambda: len(world.renders("/page/a")), lambda count: count >= 2, within=60)
    world.knob("/page/a", text="mended")
    new = eventually(lambda: visited.get("/page/a"), lambda it: it.state == "HIT", within=60)
    assert (new.nonce != old.nonce, new.page["text"]) == (True, "mended")


def test_p7_threads_stay_few_while_every_regeneration_hangs(serve: Serve, world: World) -> None:
    server = serve("waitress", env={"ISGWARE_RENDER_TIMEOUT": "0.2", "ISGWARE_WORKERS": "2"})
    paths = [f"/page/{number}" for number in range(60)]
    assert {server.get(path).state for path in paths} == {"MISS"}
    for path in paths:
        world.knob(path, sleep=600)
    server.do("revalidate_tag", "pages")
    assert {server.get(path).state for path in paths} == {"STALE"}
    eventually(lambda: len(world.renders()), lambda count: count > 62, within=60)
    answers = [server.get(path) for path in paths]
    assert {(answer.status, answer.state) for answer in answers} == {(200, "STALE")}
    threads = list(Path(f"/proc/{server.pid}/task").iterdir())
    assert len(threads) < 30
    server.stop()


def test_a_regeneration_does_not_queue_behind_another_while_threads_are_few() -> None:
    """Two pages go stale at once when one of the four threads exists and is idle: two renders."""
    release, hung, quick = (threading.Event() for _ in range(3))
    stage = {"wait": False}

    def site(environ: sitecore.Environ, start_response: sitecore.StartResponse) -> Iterable[bytes]:
        if stage["wait"]:
            if environ["PATH_INFO"] == "/hung":
                hung.set()
                release.wait(60)
            else:
                quick.set()
        return sitecore.answer(start_response, 200, b"page")

    routes = {"/<name>": Policy(revalidate=3600, tags=["all"])}
    client = Client(isg := ISG(site, routes=routes, store="memory:"))
    try:
        for path in ("/hung", "/quick"):
            assert client.get(path).headers["X-ISG-Cache"] == "MISS"
        isg.regenerate("/quick")  # on the pool: its first thread has been started, and is idle now
        stage["wait"] = True
        isg.revalidate_tag("all")
        states = [client.get(path).headers["X-ISG-Cache"] for path in ("/hung", "/quick")]
        assert states == ["STALE", "STALE"]
        assert hung.wait(60)
        assert quick.wait(60)
    finally:
        release.set()
        isg.close(timeout=1)
