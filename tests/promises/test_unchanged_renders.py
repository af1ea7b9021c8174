"""A render that finds its page unchanged: what visitors see of it, what is written and counted."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from cachelib import SimpleCache

from isgware import Policy
from isgware.core.series import UNCHANGED, parts_of
from tests.promises.kit import Clock, Manual, Site, forget, html, visit

ROUTES = {"/<path:x>": Policy(revalidate=60, expire=86_400)}
TEXT = "text, and more of it. " * 20_000
Wrap = Callable[..., Any]


@pytest.fixture(params=["file", "memory", "redis", "cachelib"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "redis":
        return request.getfixturevalue("redis_url")
    if request.param == "cachelib":
        return SimpleCache()
    return f"file:{tmp_path}" if request.param == "file" else "memory:"


@pytest.fixture
def isg(wrap: Wrap, site: Site, store: Any, tmp_path: Path) -> Any:
    more = {"coordinator": f"file:{tmp_path}"} if isinstance(store, SimpleCache) else {}
    return wrap(site, routes=ROUTES, store=store, backend_timeout=30.0, **more)


def again(isg: Any, clock: Clock, later: Manual, path: str = "/p") -> None:
    """A visit to a stale page, and the render behind it."""
    clock.tick(61)
    visit(isg, path)
    assert later.run() == 1


def test_it_keeps_its_validators_and_is_fresh_again(
    isg: Any, site: Site, clock: Clock, later: Manual
) -> None:  # fmt: skip
    site.views["/p"] = lambda environ: html(
        TEXT, ("Last-Modified", formatdate(clock.now, usegmt=True)), ("ETag", f'W/"{clock.now}"')
    )
    first = visit(isg, "/p", headers={"Accept-Encoding": "gzip"})
    again(isg, clock, later)
    forget(isg)
    now = visit(isg, "/p", headers={"Accept-Encoding": "gzip"})
    assert (now.cache, now.get("Age")) == ("HIT", "0")
    assert (now.get("ETag"), now.get("Last-Modified")) == (
        first.get("ETag"), first.get("Last-Modified"),
    )  # fmt: skip
    assert now.body == first.body
    known = {"Accept-Encoding": "gzip", "If-None-Match": first.get("ETag")}
    assert visit(isg, "/p", headers=known).code == 304
    site.views["/p"] = lambda environ: html(TEXT + "!")
    again(isg, clock, later)
    assert visit(isg, "/p", headers=known).code == 200


def test_it_is_counted_and_changed_ones_are_not(
    isg: Any, site: Site, clock: Clock, later: Manual
) -> None:  # fmt: skip
    visit(isg, "/changes")
    again(isg, clock, later, "/changes")
    site.views["/same"] = lambda environ: html(TEXT)
    visit(isg, "/same")
    again(isg, clock, later, "/same")
    again(isg, clock, later, "/same")
    isg.runtime.counts.flush()
    totals = {parts_of(name): amount for _, name, amount in isg.runtime.store.counts(0, clock.now)}
    assert sum(amount for parts, amount in totals.items() if parts[0] == UNCHANGED) == 2
    assert isg.stats().fleet.unchanged_renders == 2


@pytest.mark.parametrize("store", ["file"], indirect=True)
def test_sqlite_writes_its_body_once(
    isg: Any, site: Site, clock: Clock, later: Manual, tmp_path: Path
) -> None:  # fmt: skip
    site.views["/p"] = lambda environ: html(bytes(range(256)) * 4_000)
    visit(isg, "/p")
    written = _log_of(tmp_path)
    again(isg, clock, later)
    forget(isg)
    assert visit(isg, "/p").cache == "HIT"
    assert _log_of(tmp_path) - written < 300_000


def _log_of(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.glob("*-wal"))


@pytest.mark.parametrize("store", ["redis"], indirect=True)
def test_redis_is_sent_its_body_once(
    isg: Any, site: Site, clock: Clock, later: Manual, store: str
) -> None:  # fmt: skip
    from redis import Redis

    site.views["/p"] = lambda environ: html(bytes(range(256)) * 4_000)
    visit(isg, "/p")
    client = Redis.from_url(store)
    sent = client.info()["total_net_input_bytes"]
    again(isg, clock, later)
    forget(isg)
    assert visit(isg, "/p").cache == "HIT"
    assert client.info()["total_net_input_bytes"] - sent < 300_000
    client.close()


@pytest.mark.parametrize("store", ["memory"], indirect=True)
def test_memory_holds_the_same_body(
    isg: Any, site: Site, clock: Clock, later: Manual
) -> None:  # fmt: skip
    site.views["/p"] = lambda environ: html(TEXT)
    visit(isg, "/p")
    backend = isg.runtime.store.backend
    (before,) = (bodies for _, _, bodies in backend._good.pages.values())
    again(isg, clock, later)
    (after,) = (bodies for _, _, bodies in backend._good.pages.values())
    assert after is before


def test_its_tags_and_headers_are_those_of_the_last_render(
    isg: Any, site: Site, clock: Clock, later: Manual
) -> None:  # fmt: skip
    from isgware import page

    def view(environ: Any) -> Any:
        page.tag(f"at-{clock.now:g}")
        return html(TEXT, ("Expires", formatdate(clock.now + 1_000, usegmt=True)))

    site.views["/p"] = view
    visit(isg, "/p")
    again(isg, clock, later)
    forget(isg)
    assert visit(isg, "/p").get("Expires") == formatdate(clock.now + 1_000, usegmt=True)
    assert [info.path for info in isg.pages(tag=f"at-{clock.now:g}")] == ["/p"]
    isg.purge_tag(f"at-{clock.now:g}")
    assert visit(isg, "/p").cache == "REVALIDATED"
