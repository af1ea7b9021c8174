"""P7 under a flood of invented requests: tables stay small, the hot page stays a hit, and the app
has no more to do than without a cache.

The suite sends a sample against limits that were made small. FLOOD=100000 sends that many, against
the limits as they are; with FLOOD set the numbers are printed (``-s``).
"""

from __future__ import annotations

import gc
import itertools
import os
import random
from collections.abc import Callable
from typing import Any

import pytest

import isgware.shared_cache.cache  # noqa: F401  (loaded on use; its limits are made small, too)
from isgware import ISG, Policy
from isgware.backends.base import Limits
from isgware.backends.memory import MemoryBackend
from isgware.backends.sqlite.backend import SQLiteBackend
from tests.promises.kit import MARK, Clock, Environ, Inline, html, visit
from tests.promises.test_p7_bounded import containers, make_limits_small

FLOOD = int(os.environ.get("FLOOD", "0"))
COUNT = FLOOD or 700
#: What a table may hold: the limits are 40, or as they are for a real flood; none is far above.
LIMIT = 10_500 if FLOOD else 90
HOT = "/p/hot"
ROUTE = "/p/<path:x>"
#: Of a size of their own: the mapped word of the store's file, a connection's last 200 cursors and
#: its 128 statements (which Python shows from 3.12 on), the smallest list of paths.
KNOWN = ("mmap", "Connection.list", "Connection._lru_cache_wrapper.dict", "Seen.array")
BROWSER = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}


class App:
    """Counts its work. What is not hot is answered with ``headers`` and ``status``."""

    def __init__(
        self,
        *headers: tuple[str, str],
        status: str = "200 OK",
        fails: bool = False,
        hides: bool = False,
    ):
        self._headers = headers
        self._status = status
        self._fails = fails
        self._hides = hides
        self.calls = 0

    def __call__(self, environ: Environ, start_response: Any) -> list[bytes]:
        self.calls += 1
        if environ["PATH_INFO"] == HOT:
            status, headers, body = html("hot", ("Cache-Control", "max-age=9999"))
        elif self._fails and MARK in environ:
            raise RuntimeError("not in the clean room")
        elif self._hides and MARK in environ:
            status, headers, body = html("x", ("Set-Cookie", "a=1"))
        else:
            status, headers, body = html("x" * 200, *self._headers, status=self._status)
        start_response(status, headers)
        return [body]


def declared(**fields: Any) -> dict[str, Any]:
    return {"routes": {ROUTE: Policy(**{"revalidate": 9999, **fields})}}


#: A route that works in the clean room, and another that does not.
SEPARATE = {"routes": {HOT: Policy(revalidate=9999), ROUTE: Policy(revalidate=9999)}}
SAYS = ("Cache-Control", "max-age=9999")
#: What answers the flood, the options, and how often the app may be asked per request.
KINDS: dict[str, tuple[Callable[[], App], dict[str, Any], float]] = {
    "pages": (App, declared(), 1),
    "keyed": (App, declared(vary=["X-A"], tags=["{x}"]), 1),
    "keyed cookies": (App, declared(vary={"cookie:c": ["1", "2"], "X-A": ["1"]}), 1),
    # One that has the header of a page not met before costs a second render: name it in ``vary``.
    "learned Vary": (lambda: App(("Vary", "X-A, X-B")), declared(), 1.35),
    "errors": (lambda: App(status="404 Not Found"), declared(), 1),
    "refused": (lambda: App(("Set-Cookie", "a=1")), declared(), 1),
    "not for the clean room": (lambda: App(fails=True), SEPARATE, 1),
    "redirects": (lambda: App(("Location", "/p/hot"), status="302 Found"), declared(), 1),
    "loading": (App, declared(fallback="loading"), 1),
    "loading, refused": (lambda: App(("Set-Cookie", "a=1")), declared(fallback="loading"), 2),
    "not-found": (App, declared(fallback="not-found", paths=[HOT]), 0),
    "undeclared": (App, {}, 1),
    "learned": (App, {"revalidate": 9999}, 2),
    "learned, refused": (lambda: App(hides=True), {"revalidate": 9999}, 2),
    "full": (lambda: App(SAYS), {"cache_control": "full"}, 1),
    "full, Vary": (lambda: App(SAYS, ("Vary", "X-A, Cookie")), {"cache_control": "full"}, 1),
    "full, silent": (App, {"cache_control": "full"}, 1),
}


def invented(chance: random.Random) -> dict[str, Any]:
    """A request as nobody has sent it before."""
    name, asked = f"{chance.getrandbits(60):x}", {"path": "/p/warm", "headers": dict(BROWSER)}
    where = chance.randrange(10)
    if where < 4:
        asked["path"] = f"/p/{name}" + chance.choice(("", "", "/x.css", "y" * 900, "z" * 4000))
    elif where < 6:
        asked["query"] = f"q={name}" + chance.choice(("", "&" * 900, "&a" * 1500))
    elif where == 6:
        asked["host"] = f"h{name}.test"
    extra = chance.choice(("X-A", "X-B", "Cookie", "Accept-Encoding", "Range", "If-None-Match", ""))
    if extra:
        asked["headers"][extra] = f"c={name}" if extra == "Cookie" else name
    asked["method"] = chance.choice(("GET",) * 18 + ("HEAD", "POST"))
    return asked


@pytest.mark.parametrize("store", ["memory", "file"])
@pytest.mark.parametrize("kind", KINDS)
def test_p7_a_flood_leaves_the_hot_page_and_costs_no_more_than_no_cache(
    kind: str, store: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not FLOOD:
        make_limits_small(monkeypatch, 40)
    size = 2_000 if FLOOD else 40
    limits = Limits(pages=size, error_pages=size, names=10_000 if FLOOD else 40)
    backend: Any = MemoryBackend(limits) if store == "memory" else SQLiteBackend(tmp_path, limits)
    make, options, share = KINDS[kind]
    app, clock, chance = make(), Clock(), random.Random(kind)
    memory = 2_000_000 if FLOOD else 150_000
    isg = ISG(app, store=backend, clock=clock, executor=Inline(), memory=memory, **options)
    for _ in range(3):
        visit(isg, HOT)
    before, posts = app.calls, 0
    for number in range(COUNT):
        asked = invented(chance)
        posts += asked["method"] == "POST"
        visit(isg, **asked)
        clock.tick(0.001)
        if number % 10 == 0:
            hot = visit(isg, HOT)
            assert hot.text == "hot"
            if "learned" not in kind:  # what was learned of a page goes when all notes are full
                assert hot.cache == ("HIT" if options else "")
            before += not options
            isg.runtime.engine.page_store.flush_recency()
    made = app.calls - before
    gc.collect()
    tables = {
        name: size for name, size in containers(isg) if size > LIMIT and not name.endswith(KNOWN)
    }
    stored = len(list(isg.pages()))
    if FLOOD:
        print(f"{kind}, {store}: {COUNT} requests, {made} renders, {stored} pages, "
              f"{isg.runtime.memory.size} bytes")  # fmt: skip
    assert tables == {}
    assert isg.runtime.memory.size <= memory
    assert stored <= 2 * size
    assert made <= share * COUNT + posts + 60
    isg.close(0)


def test_p7_a_route_whose_pages_are_refused_is_tried_seldom_and_seldomer(clock, wrap):
    """Two pages at once, then with growing pauses; and at once when an answer looks storable."""
    cookie, asked = [("Set-Cookie", "a=1")], []

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        asked.append(MARK in environ)
        status, headers, body = html("page", *cookie)
        start_response(status, headers)
        return [body]

    isg = wrap(app, **declared())
    tries = []
    for number in range(5_000):
        assert visit(isg, f"/p/{number}").detail == "set-cookie"
        clock.tick(0.05)
        tries.append(sum(asked))
    at = [tries.index(count) for count in sorted(set(tries))]
    assert (at[:2], len(at)) == ([0, 1], 5)
    pauses = [later - earlier for earlier, later in itertools.pairwise(at[1:])]
    assert all(64 << 2 * step <= pause < 90 << 2 * step for step, pause in enumerate(pauses))
    cookie.clear()
    assert visit(isg, "/p/a").cache == "BYPASS"
    assert [visit(isg, f"/p/{name}").cache for name in "abc"] == ["MISS"] * 3


def flooded(wrap: Any, clock: Clock, path: str = "") -> tuple[ISG, list[bool]]:
    """A site of which nothing but /p/good can be stored, after a flood. Before it, ``path`` was."""
    asked: list[bool] = []

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        asked.append(MARK in environ)
        good = environ["PATH_INFO"] == "/p/good"
        status, headers, body = html("page", *(() if good else (("Set-Cookie", "a=1"),)))
        start_response(status, headers)
        return [body]

    isg = wrap(app, **declared())
    if path:
        assert visit(isg, path).cache == "MISS"
    for number in range(40):
        visit(isg, f"/p/{number}")
    asked.clear()
    return isg, asked


def test_p7_a_flood_does_not_keep_a_page_that_is_visited_again_out_of_the_store(clock, wrap):
    isg, _ = flooded(wrap, clock)
    assert [visit(isg, "/p/good").cache for _ in range(3)] == ["BYPASS", "MISS", "HIT"]


def test_p7_a_refused_page_that_is_visited_again_is_not_tried(clock, wrap):
    isg, asked = flooded(wrap, clock)
    assert {visit(isg, "/p/bad").detail for _ in range(5)} == {"set-cookie"}
    assert sum(asked) == 0


def test_p7_a_flood_does_not_keep_a_purged_page_out_of_the_store(clock, wrap):
    isg, _ = flooded(wrap, clock, "/p/good")
    isg.purge_path("/p/good")
    assert [visit(isg, "/p/good").cache for _ in range(2)] == ["REVALIDATED", "HIT"]
