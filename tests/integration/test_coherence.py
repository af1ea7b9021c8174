"""P6 between processes: what one says of a page, every other sees with its very next request."""

from __future__ import annotations

import threading
import time

import pytest

from tests.integration.client import Answer, eventually, herd, nonces, request
from tests.integration.servers import Serve, Server, run_script
from tests.integration.world import World

PAGE = "/page/a"


@pytest.fixture
def pair(serve: Serve) -> tuple[Server, Server]:
    """Two processes that share nothing but the store, the page hot in the memory of both."""
    here, there = serve("waitress"), serve("waitress")
    seen = [server.get(PAGE) for server in (here, there, here, there)]
    assert [answer.state for answer in seen] == ["MISS", "HIT", "HIT", "HIT"]
    assert len({answer.nonce for answer in seen}) == 1
    return here, there


@pytest.mark.parametrize(
    "call",
    [
        ("purge_path", PAGE),
        ("purge_path", "/page/*"),
        ("purge_tag", "pages"),
        ("purge_tag", "other", "page:a"),
        ("purge_all",),
    ],
    ids=" ".join,
)
def test_p6_a_purge_is_seen_by_the_next_request_elsewhere(
    call: tuple[str, ...], pair: tuple[Server, Server]
) -> None:
    here, there = pair
    old = here.get(PAGE)
    assert "error" not in here.do(*call)
    new = there.get(PAGE)
    assert (new.state, new.nonce != old.nonce) == ("REVALIDATED", True)
    back = here.get(PAGE)
    assert (back.state, back.nonce) == ("HIT", new.nonce)


@pytest.mark.parametrize(
    "call",
    [("revalidate_path", PAGE), ("revalidate_path", "/page/*"), ("revalidate_tag", "pages")],
    ids=" ".join,
)
def test_p6_a_revalidation_is_seen_by_the_next_request_elsewhere(
    call: tuple[str, ...], pair: tuple[Server, Server]
) -> None:
    here, there = pair
    old = here.get(PAGE)
    assert "error" not in here.do(*call)
    answer = there.get(PAGE)
    assert (answer.state, answer.nonce) == ("STALE", old.nonce)
    new = eventually(lambda: there.get(PAGE), lambda it: it.state == "HIT", within=60)
    assert new.nonce != old.nonce
    back = eventually(lambda: here.get(PAGE), lambda it: it.state == "HIT", within=60)
    assert back.nonce == new.nonce


def test_p6_a_regenerated_page_is_what_the_next_request_elsewhere_gets(
    pair: tuple[Server, Server], world: World
) -> None:
    here, there = pair
    world.knob(PAGE, text="new")
    assert "PageInfo" in here.do("regenerate", PAGE).get("result", "")
    answers = [there.get(PAGE), here.get(PAGE)]
    assert [(answer.state, answer.page["text"]) for answer in answers] == [("HIT", "new")] * 2
    assert len(world.renders(PAGE)) == 2


@pytest.mark.parametrize("fault", [{"raises": True}, {"status": 500}], ids=["raises", "500"])
def test_a_regeneration_that_fails_says_so_and_keeps_the_page(
    fault: dict[str, object], pair: tuple[Server, Server], world: World
) -> None:
    here, there = pair
    old = there.get(PAGE)
    world.knob(PAGE, **fault)
    assert here.do("regenerate", PAGE).get("error") == "RegenerationError"
    answers = [there.get(PAGE), here.get(PAGE)]
    assert {(answer.status, answer.nonce) for answer in answers} == {(200, old.nonce)}


@pytest.mark.parametrize("status", [200, 303])
def test_p6_a_post_that_succeeds_purges_its_page_everywhere(
    status: int, pair: tuple[Server, Server], world: World
) -> None:
    here, there = pair
    old = here.get(PAGE)
    world.knob(PAGE, post_status=status)
    assert request(here.port, PAGE, method="POST", body=b"a=b").status == status
    new = there.get(PAGE)
    assert (new.state, new.nonce != old.nonce) == ("REVALIDATED", True)
    assert here.get(PAGE).nonce == new.nonce


def test_a_post_that_fails_purges_nothing(pair: tuple[Server, Server], world: World) -> None:
    here, there = pair
    old = here.get(PAGE)
    world.knob(PAGE, post_status=400)
    assert request(here.port, PAGE, method="POST", body=b"a=b").status == 400
    assert [(answer.state, answer.nonce) for answer in (there.get(PAGE), here.get(PAGE))] == [
        ("HIT", old.nonce)
    ] * 2


@pytest.mark.parametrize("verb", ["purge_tag", "revalidate_tag"])
def test_p6_a_script_outside_reaches_every_process(
    verb: str, pair: tuple[Server, Server], world: World
) -> None:
    here, there = pair
    old = here.get(PAGE)
    found = run_script(world, "outside_script.py", verb, "pages")
    assert found["pages"] == [PAGE]
    expected = "REVALIDATED" if verb == "purge_tag" else "STALE"
    answers = [there.get(PAGE), here.get(PAGE)]
    assert answers[0].state == expected
    assert (answers[0].nonce == old.nonce) is (verb == "revalidate_tag")


def test_p6_no_purge_of_a_hundred_is_missed(pair: tuple[Server, Server]) -> None:
    seen = {pair[0].get(PAGE).nonce}
    for number in range(100):
        here, there = pair if number % 2 else pair[::-1]
        here.do("purge_tag", "page:a")
        nonce = there.get(PAGE).nonce
        assert nonce not in seen, f"purge {number} was not seen by the next request elsewhere"
        assert here.get(PAGE).nonce == nonce
        seen.add(nonce)


@pytest.mark.parametrize("kind", ["gunicorn-gthread", "gunicorn-gthread-preload", "uwsgi-master"])
def test_p6_a_purge_reaches_every_worker_of_one_server(kind: str, serve: Serve) -> None:
    server = serve(kind, workers=3, threads=4)
    for _ in range(5):
        old = server.get(PAGE).nonce
        by_worker: dict[int, Answer] = {}
        while len(by_worker) < 3:
            for answer in herd(lambda: server.get(PAGE), clients=12, requests=36):
                by_worker[answer.served_by] = answer
        assert {answer.nonce for answer in by_worker.values()} == {old}
        server.do("purge_path", PAGE)
        assert old not in nonces(herd(lambda: server.get(PAGE), clients=12, requests=36))


def test_p6_a_render_begun_before_a_purge_is_for_nobody_who_came_after(
    pair: tuple[Server, Server], world: World
) -> None:
    here, there = pair
    early: list[Answer] = []
    visitor = threading.Thread(target=lambda: early.append(here.get("/page/b")))
    with world.held("/page/b", text="old"):
        visitor.start()
        eventually(lambda: world.renders("/page/b"), bool, within=60)
        world.knob("/page/b", text="new")
        there.do("purge_path", "/page/b")
        late = [there.get("/page/b"), here.get("/page/b")]
    assert [answer.page["text"] for answer in late] == ["new", "new"]
    visitor.join()
    assert early[0].status == 200
    after = [server.get("/page/b") for server in (here, there, here, there)]
    assert {(answer.state, answer.page["text"]) for answer in after} == {("HIT", "new")}
    assert len(world.renders("/page/b")) == 2


def test_p6_a_background_render_begun_before_a_purge_does_not_count(
    pair: tuple[Server, Server], world: World
) -> None:
    here, there = pair
    with world.held(PAGE, text="old"):
        here.do("revalidate_path", PAGE)
        assert here.get(PAGE).state == "STALE"
        eventually(lambda: len(world.renders(PAGE)), lambda count: count == 2, within=60)
        world.knob(PAGE, text="new")
        there.do("purge_tag", "pages")
        assert [server.get(PAGE).page["text"] for server in (here, there)] == ["new", "new"]
    eventually(lambda: len(world.renders(PAGE, "end")), lambda count: count == 3, within=60)
    time.sleep(0.2)  # the old render's page, were it stored, would be by now
    assert [server.get(PAGE).page["text"] for server in (here, there)] == ["new", "new"]


@pytest.mark.parametrize("ending", ["stop", "kill"])
def test_pages_outlive_a_restart_with_their_lifetimes(
    ending: str, serve: Serve, world: World
) -> None:
    server = serve(workers=2)
    paths = ["/page/a", "/kept/a", "/brief/a"]
    old = {path: server.get(path) for path in paths}
    server.stop() if ending == "stop" else server.kill()
    time.sleep(max(0, max(answer.page["time"] for answer in old.values()) + 1.2 - time.time()))
    again = serve(workers=2)
    new = {path: again.get(path) for path in paths}
    assert {path: answer.state for path, answer in new.items()} == {
        "/page/a": "HIT",
        "/kept/a": "HIT",
        "/brief/a": "STALE",
    }
    assert all(new[path].nonce == old[path].nonce for path in paths)
    assert all(int(answer.headers["age"]) >= 1 for answer in new.values())


def test_a_purge_outlives_a_restart(serve: Serve) -> None:
    server = serve()
    old = server.get(PAGE)
    server.do("purge_all")
    server.stop()
    new = serve().get(PAGE)
    assert new.nonce != old.nonce
    assert new.state in {"REVALIDATED", "MISS"}
