"""Pages of several builds in one store: side by side, rolled back to, cleaned up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cachelib import SimpleCache

from isgware import ISG, BackendUnavailable, Policy, connect
from isgware.backends.memory import MemoryBackend
from isgware.testing import FakeClock
from tests.promises.kit import eventually, html, visit
from tests.stores import Redis

Start = Callable[..., ISG]


@pytest.fixture(params=["file", "memory", "cachelib", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Options of ISGs that share one store."""
    if request.param != "redis":
        yield _here(request.param, tmp_path)
        return
    server = Redis()
    try:
        server.start()
        yield {"store": server.url}
    finally:
        server.close()


def _here(kind: str, tmp_path: Path) -> dict[str, Any]:
    if kind == "memory":
        return {"store": MemoryBackend()}
    if kind == "cachelib":
        return {"store": SimpleCache(threshold=5_000), "coordinator": f"file:{tmp_path}/beside"}
    return {"store": f"file:{tmp_path}/pages"}


@pytest.fixture
def start(store: dict[str, Any]) -> Iterator[Start]:
    """``start("v1")`` starts the site as of that build."""
    made: list[ISG] = []
    clock = FakeClock()

    def site(build_id: str, *, closed: bool = False) -> ISG:
        def app(environ: Any, start_response: Any) -> list[bytes]:
            status, headers, body = html(f"{environ['PATH_INFO']} of {build_id}")
            start_response(status, headers)
            return [body]

        routes = {"/<path:rest>": Policy(revalidate=60, tags=["all"])}
        options = {"backend_timeout": 10, **store}  # the tests may share a slow machine
        made.append(ISG(app, build_id=build_id, routes=routes, clock=clock, **options))
        return made[-1]

    yield site
    for isg in made:
        isg.close(0)


def seen(isg: ISG, path: str) -> tuple[str, str]:
    reply = visit(isg, path)
    return reply.cache, reply.text


def test_builds_do_not_see_each_others_pages(start: Start) -> None:
    old, new = start("v1"), start("v2")
    assert seen(old, "/a") == ("MISS", "/a of v1")
    assert seen(new, "/a") == ("MISS", "/a of v2")
    assert seen(old, "/a") == ("HIT", "/a of v1")


def test_a_rollback_finds_the_pages_of_the_old_build(start: Start) -> None:
    first = start("v1")
    visit(first, "/a")
    first.close(0)
    visit(start("v2"), "/a")
    assert seen(start("v1"), "/a") == ("HIT", "/a of v1")


def test_an_invalidation_counts_in_every_build(start: Start) -> None:
    old, new = start("v1"), start("v2")
    for isg in (old, new):
        visit(isg, "/a")
    new.purge_tag("all")
    eventually(lambda: seen(old, "/a")[0] == "REVALIDATED")  # over Redis after its message


def test_the_listing_shows_ones_own_build_unless_asked(start: Start) -> None:
    for build in ("v1", "v2"):
        visit(start(build), "/a")
    isg = start("v2")
    assert [info.build_id for info in isg.pages()] == ["v2"]
    every = isg.core.runtime.catalogue.pages(builds=True)
    assert sorted(info.build_id for info in every) == ["v1", "v2"]


def test_purging_builds_removes_the_pages_of_the_others(start: Start) -> None:
    old, new = start("v1"), start("v2")
    for path in ("/a", "/b"):
        visit(old, path)
    visit(new, "/a")
    assert new.core.runtime.catalogue.purge_builds() == 2
    assert [info.build_id for info in new.core.runtime.catalogue.pages(builds=True)] == ["v2"]
    assert seen(new, "/a")[0] == "HIT"
    assert seen(start("v1"), "/a")[0] == "MISS"
    assert new.core.runtime.catalogue.purge_builds() == 1


def test_a_build_may_be_named_that_is_kept(start: Start) -> None:
    for build in ("v1", "v2", ""):
        visit(start(build), "/a")
    assert start("v3").core.runtime.catalogue.purge_builds(keep="v1") == 2
    assert seen(start("v1"), "/a")[0] == "HIT"


def test_more_pages_than_one_batch_are_removed(start: Start) -> None:
    old = start("v1")
    for number in range(1_050):
        visit(old, f"/{number}")
    new = start("v2")
    assert new.core.runtime.catalogue.purge_builds() == 1_050
    assert list(new.core.runtime.catalogue.pages(builds=True)) == []


def test_a_store_that_is_away_says_so(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    visit(start("v1"), "/a")
    isg = start("v2")
    backend = isg.core.runtime.catalogue._page_store.backend.backend
    monkeypatch.setattr(backend, "delete", lambda key: (_ for _ in ()).throw(OSError("gone")))
    with pytest.raises(BackendUnavailable):
        isg.core.runtime.catalogue.purge_builds()


def test_a_slow_removal_does_not_end_the_rest(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = start("v1")
    for path in ("/a", "/b", "/c"):
        visit(old, path)
    isg = start("v2")
    breaker = isg.core.runtime.catalogue._page_store.backend
    delete = breaker.backend.delete

    def slow(key: str) -> None:
        delete(key)
        breaker.trip(TimeoutError("it took 0.4 s"))

    monkeypatch.setattr(breaker.backend, "delete", slow)
    assert isg.core.runtime.catalogue.purge_builds() == 3


def test_from_outside_a_build_is_named_like_a_store(tmp_path: Path) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/html")])
        return [b"x"]

    where = f"file:{tmp_path}/pages"
    for build in ("v1", "v2"):
        isg = ISG(app, routes={"/a": Policy(revalidate=60)}, store=where, build_id=build)
        visit(isg, "/a")
        isg.close(0)
    with connect(where, build_id="v1") as pages:
        assert [info.build_id for info in pages.pages()] == ["v1"]
        assert pages.catalogue.purge_builds() == 1


def test_the_statistics_count_every_build(start: Start) -> None:
    for build in ("v1", "v2"):
        visit(start(build), "/a")
    core = start("v2").core
    found = core.stats()
    assert (found.pages, found.builds) == (2, {"v1": 1, "v2": 1})
    assert (found.states["fresh"], found.error_pages, found.circuit) == (2, 0, "closed")
    assert found.bytes == sum(info.size for info in core.runtime.catalogue.pages(builds=True))
    assert found.process is not None
    assert found.process["memory_pages"] == 0  # a process of its own, which served nothing yet
