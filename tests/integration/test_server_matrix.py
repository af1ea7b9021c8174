"""Every supported server, really started: pages are stored, go stale, are regenerated."""

from __future__ import annotations

import time

import pytest

from tests.integration.client import Answer, eventually
from tests.integration.servers import KINDS, Serve, Server, run_script
from tests.integration.world import World

FRAMEWORKS_UNDER = (
    "gunicorn-gthread-preload",
    "uwsgi-master",
    "waitress",
    "flask-run",
    "runserver",
)
MATRIX = [
    pytest.param(kind.id, app, id=f"{kind.id}-{app}")
    for kind in KINDS.values()
    for app in kind.apps
    if app == "plain" or kind.id in FRAMEWORKS_UNDER
]
STRANGE = {"Cookie": "session=mine", "X-Probe": "strange", "X-Forwarded-For": "203.0.113.9"}
#: Without a cookie: a page that looks at the raw Cookie header is its owner's own (P11).
FOREIGN = {name: value for name, value in STRANGE.items() if name != "Cookie"}


def hit_within_its_second(server: Server) -> tuple[str, Answer]:
    """A page that was rendered and hit; a machine that stalls may take some for it."""
    for number in range(20):
        path = f"/brief/{number}"
        first, second = server.get(path, headers=FOREIGN), server.get(path)
        assert (first.state, second.nonce) == ("MISS", first.nonce)
        if second.state == "HIT":
            return path, first
    raise AssertionError("no page was hit while it was fresh")


@pytest.mark.parametrize(("kind", "app"), MATRIX)
def test_a_stale_page_is_served_at_once_and_regenerated(
    kind: str, app: str, serve: Serve, world: World
) -> None:
    server = serve(kind, app=app, workers=2)
    path, first = hit_within_its_second(server)
    time.sleep(max(0, first.page["time"] + 1.1 - time.time()))
    with world.held(path):
        third = server.get(path, headers=FOREIGN)
        assert (third.state, third.nonce) == ("STALE", first.nonce)
        eventually(lambda: len(world.renders(path)), lambda count: count == 2, within=60)
        assert server.get(path).nonce == first.nonce
        assert len(world.renders(path)) == 2
    fresh = eventually(lambda: server.get(path), lambda it: it.nonce != first.nonce, within=60)
    seen = [(page["client"], page["cookie"], page["probe"]) for page in (first.page, fresh.page)]
    assert seen == [("192.0.2.1", "", "")] * 2
    server.stop()
    assert "Traceback" not in server.stderr()


@pytest.mark.parametrize(("kind", "app"), MATRIX)
def test_an_undeclared_page_passes_untouched(kind: str, app: str, serve: Serve) -> None:
    server = serve(kind, app=app)
    first, second = server.get("/open/a", headers=STRANGE), server.get("/open/a")
    assert first.nonce != second.nonce
    assert (first.page["cookie"], first.page["probe"]) == ("session=mine", "strange")
    assert (
        not {"x-isg-cache", "cache-status", "age", "etag", "cache-control"} & first.headers.keys()
    )


def hang(server: Server, world: World) -> None:
    """Leave four regenerations running for ever and two in the queue behind them."""
    names = [f"/page/{number}" for number in range(6)]
    assert {server.get(name).state for name in names} == {"MISS"}
    for name in names:
        world.knob(name, sleep=600)
    assert "error" not in server.do("revalidate_tag", "pages")
    assert {server.get(name).state for name in names} == {"STALE"}
    eventually(lambda: len(world.renders()), lambda count: count >= 10, within=60)


@pytest.mark.parametrize(("kind", "app"), MATRIX)
def test_sigterm_ends_it_with_renders_hung_and_pending(
    kind: str, app: str, serve: Serve, world: World
) -> None:
    server = serve(kind, app=app, workers=2, env={"ISGWARE_DRAIN_TIME": "0.5"})
    hang(server, world)
    server.stop()
    assert "Traceback" not in server.stderr()


def test_sigterm_drains_for_no_longer_than_the_servers_grace(serve: Serve, world: World) -> None:
    server = serve("gunicorn-gthread", workers=2)
    hang(server, world)
    server.stop()


@pytest.mark.parametrize("module", ["plain_site", "flask_site", "django_wsgi"])
def test_nothing_starts_at_import(module: str, world: World) -> None:
    found = run_script(world, "import_script.py", module)
    assert found == {"threads": 1, "open": []}


#: The new page is fresh for a second only; a machine that stalls may show it later.
AT_ONCE_AND_THEN = (["STALE", "HIT"], ["STALE", "STALE"])


@pytest.mark.parametrize("when", ["before-use", "after-use"])
def test_a_child_forked_regenerates_on_its_own(when: str, world: World) -> None:
    found = run_script(world, "fork_script.py", when)
    assert found["child"]["states"] in AT_ONCE_AND_THEN
    assert found["child"]["renderer"] == found["child"]["pid"]
    assert found["child"]["status"] == 0
    assert found["parent"]["states"] in AT_ONCE_AND_THEN
    assert found["parent"]["renderer"] == found["parent"]["pid"]
