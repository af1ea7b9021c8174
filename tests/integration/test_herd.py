"""P5, one render: fifty clients on one page, over threads and over processes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.client import eventually, herd, nonces, states
from tests.integration.servers import Serve, Server
from tests.integration.world import World

SERVERS = [
    pytest.param("gunicorn-gthread", 1, 50, id="one-process"),
    pytest.param("gunicorn-gthread", 4, 16, id="four-workers"),
    pytest.param("gunicorn-gthread-preload", 4, 16, id="four-preloaded-workers"),
    pytest.param("waitress", 1, 50, id="waitress"),
    pytest.param("gunicorn-gevent", 2, 0, id="two-gevent-workers"),
]


@pytest.mark.parametrize(("kind", "workers", "threads"), SERVERS)
def test_p5_a_thousand_requests_on_a_cold_page_are_one_render(
    kind: str, workers: int, threads: int, serve: Serve, world: World
) -> None:
    server = serve(kind, workers=workers, threads=threads)
    world.knob("/page/cold", sleep=1)
    answers = herd(lambda: server.get("/page/cold"), clients=50, requests=1000)
    assert len(world.renders("/page/cold")) == 1
    assert {answer.status for answer in answers} == {200}
    assert len(nonces(answers)) == 1
    assert states(answers) <= {"MISS", "HIT"}
    assert len({answer.served_by for answer in answers}) >= min(workers, 2)


@pytest.mark.parametrize(("kind", "workers", "threads"), SERVERS)
def test_p5_nobody_waits_for_the_one_render_of_a_stale_page(
    kind: str, workers: int, threads: int, serve: Serve, world: World
) -> None:
    server = serve(kind, workers=workers, threads=threads)
    old = server.get("/page/stale")
    with world.held("/page/stale"):
        server.do("revalidate_path", "/page/stale")
        answers = herd(lambda: server.get("/page/stale"), clients=50, requests=1000)
    assert states(answers) == {"STALE"}
    assert nonces(answers) == {old.nonce}
    eventually(lambda: server.get("/page/stale"), lambda it: it.nonce != old.nonce, within=60)
    assert len(world.renders("/page/stale")) == 2


def test_p5_a_purged_page_is_one_render_for_all_who_come(serve: Serve, world: World) -> None:
    server = serve(workers=4, threads=16)
    old = server.get("/page/a")
    world.knob("/page/a", sleep=1)
    server.do("purge_path", "/page/a")
    answers = herd(lambda: server.get("/page/a"), clients=50, requests=500)
    assert len(world.renders("/page/a")) == 2
    assert len(nonces(answers)) == 1
    assert old.nonce not in nonces(answers)


def test_p5_an_error_is_shared_by_those_who_waited(serve: Serve, world: World) -> None:
    server = serve(threads=30)
    assert server.get("/page/works").status == 200
    with ThreadPoolExecutor(1) as pool:
        with world.held("/page/fails", status=500):
            herded = pool.submit(
                lambda: herd(lambda: server.get("/page/fails"), clients=20, requests=20)
            )
            eventually(lambda: server.get("/-/waiting").body, lambda it: it == b"19", within=60)
        answers = herded.result()
    assert {answer.status for answer in answers} == {500}
    assert len(world.renders("/page/fails")) == 1


def test_nobody_queues_for_a_page_that_may_not_be_stored(serve: Serve, world: World) -> None:
    server = serve(threads=30)
    world.knob("/page/mine", headers={"Set-Cookie": "a=b"})
    learned = server.get("/page/mine")
    assert learned.state == "BYPASS"
    before = len(world.renders("/page/mine"))
    with ThreadPoolExecutor(1) as pool:
        with world.held("/page/mine", headers={"Set-Cookie": "a=b"}):
            herded = pool.submit(
                lambda: herd(lambda: server.get("/page/mine"), clients=20, requests=20)
            )
            eventually(
                lambda: len(world.renders("/page/mine")), lambda it: it == before + 20, within=60
            )
        answers = herded.result()
    assert states(answers) == {"BYPASS"}
    assert len(nonces(answers)) == 20


def test_p5_each_of_a_hundred_revalidations_is_one_render(serve: Serve, world: World) -> None:
    """Two processes see the page stale at once; whoever comes second finds what the first made."""
    servers = [serve("waitress"), serve("waitress")]
    old = servers[0].get("/page/a").nonce
    with ThreadPoolExecutor(4) as pool:
        for _ in range(100):
            servers[0].do("revalidate_path", "/page/a")
            news = [pool.submit(until_new, server, old) for server in servers * 2]
            assert len({new.result() for new in news}) == 1
            old = news[0].result()
    assert len(world.renders("/page/a")) == 101


def until_new(server: Server, old: str) -> str:
    """Visit the page until this server has another than the old one: its nonce."""
    return eventually(
        lambda: server.get("/page/a"), lambda it: it.nonce != old, within=60, every=0.001
    ).nonce
