"""P8: a hit is a lookup. What a plain hit does is traced, call by call."""

from __future__ import annotations

import gc
import logging
import sys
import threading

import pytest

from isgware import Policy
from tests.promises.faults import FaultyBackend
from tests.promises.kit import Later, environ_of, reachable, visit

ROUTES = {"/page": Policy(revalidate=60, tags=["t"])}


def functions_of(isg, environ) -> list[str]:
    """The names of all functions that one request calls, Python's and C's."""
    called: list[str] = []

    def profile(frame, event, argument):
        if event == "call":
            called.append(f"{frame.f_globals.get('__name__')}.{frame.f_code.co_name}")
        elif event == "c_call":
            called.append(f"{argument.__module__ or 'builtins'}.{argument.__qualname__}")

    def start_response(status, headers, exc_info=None):
        pass

    gc.collect()
    gc.disable()  # what it calls back is not the hit's
    sys.setprofile(profile)
    try:
        isg(environ, start_response)
    finally:
        sys.setprofile(None)
        gc.enable()
    return called


@pytest.fixture
def store():
    return FaultyBackend()


@pytest.fixture
def hot(wrap, site, store, clock):
    isg = wrap(site, routes=ROUTES, store=store)
    visit(isg, "/page")
    visit(isg, "/page")
    assert visit(isg, "/page").cache == "HIT"
    return isg


ALLOWED = {
    "isgware.wsgi.__call__",
    "tests.promises.kit.__call__",
    "builtins.dict.get",
    "builtins.list.copy",
    "builtins.next",
    "builtins.dict.keys",
    "builtins.dict_keys.isdisjoint",
    "tests.promises.test_p8_lookup.start_response",
    "builtins.setprofile",
    "sys.setprofile",
}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"User-Agent": "me", "Accept": "*/*"},
        {"Accept-Encoding": "gzip, br"},
        {"Accept-Language": "fr"},
    ],
    ids=["bare", "browser", "encoding", "language"],
)
def test_p8_a_plain_hit_is_a_handful_of_look_ups(hot, store, site, headers):
    visit(hot, "/page", headers=headers)
    calls, asked = own_calls(store), len(site.seen)
    called = functions_of(hot, environ_of("/page", headers=headers))
    backend = {name for name in called if "faults" in name or name.endswith(".version")}
    assert set(called) - backend <= ALLOWED
    assert len(called) <= 12
    assert (own_calls(store), len(site.seen)) == (calls, asked)


def test_p8_a_304_calls_no_more_than_a_hit(hot):
    etag = visit(hot, "/page").get("ETag")
    assert visit(hot, "/page", headers={"If-None-Match": etag}).status == "304 Not Modified"
    plain = functions_of(hot, environ_of("/page"))
    assert functions_of(hot, environ_of("/page", headers={"If-None-Match": etag})) == plain


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"If-None-Match": '"other"'}, 200),
        ({"If-None-Match": "W/{}"}, 304),
        ({"If-None-Match": '"other"', "If-Modified-Since": "Sun, 06 Nov 2094 08:49:37 GMT"}, 200),
        ({"If-Modified-Since": "Sun, 06 Nov 2094 08:49:37 GMT"}, 304),
        ({"If-Modified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"}, 200),
        ({"If-Match": '"other"'}, 412),
        ({"If-None-Match": "{}", "If-Match": '"other"'}, 412),
        ({"Range": "bytes=0-1"}, 206),
        ({"If-None-Match": "{}", "Range": "bytes=0-1"}, 304),
    ],
    ids=str,
)
def test_p8_no_condition_is_overlooked_on_the_way(hot, asked, code):
    etag = visit(hot, "/page").get("ETag")
    headers = {name: value.replace("{}", etag) for name, value in asked.items()}
    assert visit(hot, "/page", headers=headers).code == code


FORBIDDEN = ("acquire", "lock", "Lock", "match", "log", "sql", "execute", "plan", "resolve")


def own_calls(store) -> int:
    """Store operations of this thread: the maintenance's, once in a while, are no visitor's."""
    return store.callers.count(threading.get_ident())


def check_hit(isg, store, site, headers=None) -> list[str]:
    calls, asked = own_calls(store), len(site.seen)
    called = functions_of(isg, environ_of("/page", headers=headers or {}))
    assert (own_calls(store), len(site.seen)) == (calls, asked)
    offending = [name for name in called if any(version in name for version in FORBIDDEN)]
    assert offending == []
    return called


def test_p8_a_hit_in_another_second_is_a_lookup_too(hot, store, site, clock):
    """Most pages are not visited every second."""
    for _ in range(5):
        clock.tick(3)
        check_hit(hot, store, site)
    assert visit(hot, "/page").get("Age") == "15"


def test_p8_a_first_visit_of_an_encoding_asks_neither_store_nor_app(hot, store, site):
    calls, asked = own_calls(store), len(site.seen)
    assert visit(hot, "/page", headers={"Accept-Encoding": "gzip"}).cache == "HIT"
    assert (own_calls(store), len(site.seen)) == (calls, asked)
    check_hit(hot, store, site, {"Accept-Encoding": "gzip"})


def test_p8_a_harmless_cookie_does_not_leave_the_hit_path(hot, store, site):
    check_hit(hot, store, site, {"Cookie": "sid=1"})


def test_p8_no_lock_is_taken(hot):
    """A hit goes on while somebody else holds every lock there is."""
    kinds = (type(threading.Lock()), type(threading.RLock()))
    locks = [lock for lock, _ in reachable(hot) if isinstance(lock, kinds)]
    held = [lock for lock in locks if lock.acquire(blocking=False)]
    try:
        assert len(held) >= 4
        assert Later(lambda: visit(hot, "/page").cache).result(60) == "HIT"
    finally:
        for lock in held:
            lock.release()


def test_p8_no_log_call(hot, monkeypatch):
    monkeypatch.setattr(logging.Logger, "_log", lambda *args, **kwargs: 1 / 0)
    monkeypatch.setattr(logging.Logger, "isEnabledFor", lambda *args: 1 / 0)
    assert visit(hot, "/page").cache == "HIT"


@pytest.mark.parametrize(
    "headers", [{}, {"Accept-Encoding": "gzip"}, {"If-None-Match": "*"}], ids=str
)
def test_p8_start_response_gets_a_list_of_its_own(hot, headers):
    def hostile(status, given, exc_info=None):
        assert type(given) is list
        assert all(type(pair) is tuple for pair in given)
        seen.append(list(given))
        given.clear()
        given.append(("X-Evil", "1"))

    seen: list = []
    for _ in range(3):
        chunks = hot(environ_of("/page", headers=headers), hostile)
        if isinstance(chunks, list):
            chunks.clear()
    assert seen[0] == seen[1] == seen[2]
    if not headers:
        assert visit(hot, "/page").text == "/page #1"


@pytest.mark.parametrize("state", ["miss", "stale", "debug"])
def test_p8_so_it_does_for_every_stored_page(wrap, clock, later, site, state):
    isg = wrap(site, routes=ROUTES)

    def hostile(status, given, exc_info=None):
        given.append(("X-Evil", "1"))

    isg(environ_of("/page"), hostile)
    clock.tick(61 if state == "stale" else 0)
    for _ in range(2):
        isg(environ_of("/page"), hostile)
    later.run()
    assert visit(isg, "/page").get("X-Evil") == ""


def test_p8_encodings_are_made_when_a_page_is_stored(wrap, site, monkeypatch):
    import gzip

    from tests.promises.kit import html

    site.views["/page"] = lambda environ: html("x" * 5000)
    isg = wrap(site, routes=ROUTES, compress=["gzip"])
    visit(isg, "/page")
    monkeypatch.setattr(gzip, "compress", lambda *args, **kwargs: 1 / 0)
    reply = visit(isg, "/page", headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(reply.body) == b"x" * 5000
