"""P8, for pages that are stale: who gets one waits for nothing, and its answer is prepared once."""

from __future__ import annotations

import threading

import pytest

from isgware import Policy
from tests.promises.faults import FaultyBackend
from tests.promises.kit import Later, environ_of, html, reachable, visit
from tests.promises.test_p8_lookup import functions_of, own_calls

ROUTES = {"/page": Policy(revalidate=60, expire=100, tags=["t"], bypass=["team"])}
FORBIDDEN = ("acquire", "lock", "Lock", "match", "log", "sql", "execute", "plan", "resolve", "find")


@pytest.fixture
def store():
    return FaultyBackend()


@pytest.fixture
def stale(wrap, site, store, clock):
    """/page is in memory, past its time, and its first visitor since has had it."""
    isg = wrap(site, routes=ROUTES, store=store)
    visit(isg, "/page")
    clock.tick(61)
    assert visit(isg, "/page").cache == "STALE"
    return isg


def called_by(isg, **headers):
    called = functions_of(isg, environ_of("/page", headers=headers))
    return [name for name in called if not name.startswith("tests.")]


def test_p8_the_next_visitor_of_a_stale_page_gets_what_was_prepared(stale, store, site, later):
    calls, asked = own_calls(store), len(site.seen)
    called = called_by(stale)
    assert [name for name in called if any(version in name for version in FORBIDDEN)] == [
        "isgware.runtime._wall_clock"
    ] * ("isgware.runtime._wall_clock" in called)
    assert len(called) < 50
    assert (own_calls(store), len(site.seen)) == (calls, asked)
    assert later.run() == 1


def test_p8_it_is_the_same_answer(stale):
    first, second = visit(stale, "/page"), visit(stale, "/page")
    assert (second.status, second.headers, second.body) == (first.status, first.headers, first.body)
    assert (second.cache, second.get("Age")) == ("STALE", "61")
    assert second.get("Cache-Status") == "isgware; fwd=stale; ttl=-1"


def test_p8_a_visitor_of_a_stale_page_waits_for_no_lock(stale):
    kinds = (type(threading.Lock()), type(threading.RLock()))
    locks = [lock for lock, _ in reachable(stale) if isinstance(lock, kinds)]
    held = [lock for lock in locks if lock.acquire(blocking=False)]
    try:
        assert len(held) >= 4
        assert Later(lambda: visit(stale, "/page").cache).result() == "STALE"
    finally:
        for lock in held:
            lock.release()


def test_p8_a_page_in_memory_that_is_stale_is_read_once_a_second(wrap, site, store, clock):
    isg = wrap(site, routes=ROUTES, store=store)
    for _ in range(3):
        visit(isg, "/page")
    isg.revalidate_tag("t")
    for _ in range(3):
        reads = store.calls.count("get")
        assert [visit(isg, "/page").cache for _ in range(3)] == ["STALE"] * 3
        assert store.calls.count("get") == reads + 1
        clock.tick(1)


def test_p8_every_visit_counts_for_the_order_of_renders(wrap, site, clock, later):
    isg = wrap(site, routes={"/<name>": Policy(revalidate=60)})
    for path in "abc":
        visit(isg, f"/{path}")
    clock.tick(61)
    for path in "abcbbcbcbb":
        assert visit(isg, f"/{path}").cache == "STALE"
    site.seen.clear()
    later.run()
    assert [environ["PATH_INFO"] for environ in site.seen] == ["/b", "/c", "/a"]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Cookie": "sid=1"}, "STALE"),
        ({"Cookie": "team=1"}, "BYPASS"),
        ({"Authorization": "Basic eDp5"}, "BYPASS"),
    ],
    ids=str,
)
def test_p8_who_is_known_is_looked_at(stale, headers, expected):
    assert visit(stale, "/page", headers=headers).cache == expected


@pytest.mark.parametrize(
    ("headers", "code"),
    [({"If-None-Match": "*"}, 304), ({"Range": "bytes=0-1"}, 206), ({"If-Match": '"no"'}, 412)],
    ids=str,
)
def test_p8_conditions_of_who_gets_a_stale_page_are_heeded(stale, headers, code):
    reply = visit(stale, "/page", headers=headers)
    assert (reply.code, reply.cache) == (code, "STALE")


def test_p8_a_stale_page_has_headers_for_its_age(stale, clock):
    clock.tick(3)
    reply = visit(stale, "/page")
    assert (reply.cache, reply.get("Age")) == ("STALE", "64")
    assert reply.get("Cache-Status") == "isgware; fwd=stale; ttl=-4"


def test_p8_a_stale_page_that_was_purged_is_not_sent(stale):
    stale.purge_tag("t")
    assert visit(stale, "/page").cache == "REVALIDATED"


def test_p8_a_stale_page_that_expired_is_not_sent(wrap, site, clock):
    isg = wrap(site, routes={"/page": Policy(revalidate=60, expire=61.5)})
    visit(isg, "/page")
    clock.tick(61)
    assert [visit(isg, "/page").cache for _ in range(2)] == ["STALE"] * 2
    clock.tick(0.75)
    assert visit(isg, "/page").cache == "REVALIDATED"


def test_p8_a_stale_page_that_was_replaced_is_not_sent(stale, later):
    assert visit(stale, "/page").text == "/page #1"
    later.run()
    reply = visit(stale, "/page")
    assert (reply.cache, reply.text) == ("HIT", "/page #2")


def test_p8_a_stale_page_whose_render_failed_says_so(stale, site, later):
    site.views["/page"] = lambda environ: html("no", status="500 Broken")
    later.run()
    assert visit(stale, "/page").detail == "regeneration-failed"


def test_p8_a_stale_page_whose_render_was_dropped_is_asked_for_again(stale, later):
    stale.runtime.engine.background.pool._queue.clear()
    assert visit(stale, "/page").cache == "STALE"
    assert visit(stale, "/page").cache == "STALE"
    assert stale.runtime.engine.background.pool.waiting == 1


def test_p8_head_of_a_stale_page_has_no_body(stale):
    replies = [visit(stale, "/page", method="HEAD") for _ in range(2)]
    assert [(reply.cache, reply.body) for reply in replies] == [("STALE", b"")] * 2
    assert visit(stale, "/page").text == "/page #1"
