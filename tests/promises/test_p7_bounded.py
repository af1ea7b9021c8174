"""P7: everything has a limit, and a defined thing happens there."""

from __future__ import annotations

import gc
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from cachelib import SimpleCache

from isgware import ISG, Policy
from isgware.backends.base import Limits
from isgware.backends.cachelib import CachelibBackend
from isgware.backends.memory import MemoryBackend
from isgware.backends.sqlite.backend import SQLiteBackend
from isgware.errors import BackendUnavailable
from isgware.regeneration.backoff import Failures
from tests.promises.faults import FaultyBackend
from tests.promises.kit import (
    MARK,
    Gate,
    Inline,
    Later,
    Site,
    environ_of,
    eventually,
    html,
    reachable,
    visit,
)

ROUTES = {"/<path:x>": Policy(revalidate=60, expire=3000)}


def test_p7_a_full_queue_drops_regenerations_and_says_so(wrap, clock, later, site):
    isg = wrap(site, routes=ROUTES, queue_size=3)
    for number in range(6):
        visit(isg, f"/{number}")
    clock.tick(61)
    replies = [visit(isg, f"/{number}") for number in range(6)]
    assert [reply.cache for reply in replies] == ["STALE"] * 6
    assert [reply.detail for reply in replies] == [""] * 3 + ["regeneration-dropped"] * 3
    assert isg.runtime.engine.background.pool.dropped == 3
    assert later.run() == 3
    assert visit(isg, "/0").cache == "HIT"
    assert visit(isg, "/5").detail == ""


def test_p7_a_page_waits_in_the_queue_once(wrap, clock, later, site):
    isg = wrap(site, routes=ROUTES)
    visit(isg, "/p")
    clock.tick(61)
    for _ in range(20):
        visit(isg, "/p")
    assert later.run() == 1


def test_p7_the_most_visited_of_stale_pages_are_rendered_first(wrap, clock, later, site):
    isg = wrap(site, routes=ROUTES, queue_size=2)
    for path in ("/a", "/b", "/c"):
        visit(isg, path)
    clock.tick(61)
    replies = [visit(isg, path) for path in ("/a", "/b", "/c", "/c", "/b", "/b")]
    assert [reply.detail for reply in replies] == ["", "", "regeneration-dropped", "", "", ""]
    site.seen.clear()
    assert later.run() == 2
    assert [environ["PATH_INFO"] for environ in site.seen] == ["/b", "/c"]


def test_p7_beyond_the_limit_of_waiters_visitors_render_for_themselves(wrap, site):
    gate = Gate()

    def view(environ):
        if MARK not in environ:
            return html("own")
        gate.pass_through()
        return html("clean")

    site.views["/p"] = view
    isg = wrap(site, routes=ROUTES, max_waiters=3)
    visits = [Later(lambda: visit(isg, "/p")) for _ in range(10)]
    eventually(lambda: sum(each.done for each in visits) == 6)
    gate.open.set()
    texts = sorted(each.result().text for each in visits)
    assert texts == ["clean"] * 4 + ["own"] * 6


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_p7_the_least_recently_visited_pages_go_first(clock, tmp_path, kind):
    limits = Limits(pages=3)
    store: Any = MemoryBackend(limits) if kind == "memory" else SQLiteBackend(tmp_path, limits)
    isg = ISG(Site(), store=store, clock=clock, executor=Inline(), memory=10**6,
              routes={"/<x>": Policy(revalidate=False)})  # fmt: skip
    for path in ("/a", "/b", "/c", "/a", "/b", "/c"):
        visit(isg, path)
    isg.runtime.engine.page_store.flush_recency()
    for _ in range(3):
        clock.tick(200)
        visit(isg, "/a")
        visit(isg, "/c")
        isg.runtime.engine.page_store.flush_recency()
    clock.tick(2)
    visit(isg, "/d")
    assert sorted(info.path for info in isg.pages()) == ["/a", "/c", "/d"]
    isg.close(0)


def test_p7_a_flood_of_pages_nobody_returns_to_leaves_the_hot_page(clock, tmp_path):
    site = Site()
    isg = ISG(site, store=f"file:{tmp_path}", max_pages=20, clock=clock, executor=Inline(),
              routes={"/<path:x>": Policy(revalidate=9999)}, memory=30_000)  # fmt: skip
    for _ in range(3):
        visit(isg, "/hot")
        clock.tick(2)
    isg.runtime.engine.page_store.flush_recency()
    for number in range(300):
        visit(isg, "/cold", f"q={number}")
        clock.tick(0.5)
        visit(isg, "/hot")
        if number % 10 == 0:
            isg.runtime.engine.page_store.flush_recency()  # every five seconds
    assert site.rendered("/hot") == 1
    assert len(list(isg.pages())) <= 20
    isg.close(0)


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_p7_the_store_is_bounded_in_bytes(clock, tmp_path, kind):
    site = Site()
    site.views["*"] = lambda environ: html("x" * 10_000)
    limits = Limits(bytes=100_000)
    store: Any = MemoryBackend(limits) if kind == "memory" else SQLiteBackend(tmp_path, limits)
    isg = ISG(site, store=store, clock=clock, routes=ROUTES, compress=False)
    for number in range(40):
        assert visit(isg, f"/{number}").cache == "MISS"
    assert 5 <= len(list(isg.pages())) <= 10
    isg.close(0)


def test_p7_memory_is_bounded_in_bytes(wrap, site):
    site.views["*"] = lambda environ: html("x" * 10_000)
    isg = wrap(site, routes=ROUTES, memory=200_000, compress=False)
    for number in range(100):
        visit(isg, f"/{number}")
        visit(isg, f"/{number}")
    assert isg.runtime.memory.size <= 200_000
    assert len(isg._memo) <= 20
    assert visit(isg, "/0").cache == "HIT"  # from the store


def test_p7_without_memory_everything_works(wrap, clock, later, site):
    isg = wrap(site, routes=ROUTES, memory=0)
    assert [visit(isg, "/p").cache for _ in range(3)] == ["MISS", "HIT", "HIT"]
    clock.tick(61)
    assert visit(isg, "/p").cache == "STALE"
    later.run()
    assert visit(isg, "/p").text == "/p #2"
    isg.purge_path("/p")
    assert visit(isg, "/p").cache == "REVALIDATED"


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_p7_a_page_has_fifty_variants_and_the_least_recently_used_go(
    wrap, clock, later, site, tmp_path, kind
):
    site.views["/p"] = lambda environ: html(environ.get("HTTP_X_A", "none"), ("Vary", "X-A"))
    isg = wrap(site, routes={"/p": Policy(revalidate=9999)}, memory=0,
               store="memory:" if kind == "memory" else f"file:{tmp_path}")  # fmt: skip
    for number in range(70):
        clock.tick(1)
        assert visit(isg, "/p", headers={"X-A": str(number)}).text == str(number)
    assert len(list(isg.pages())) <= 51
    assert visit(isg, "/p", headers={"X-A": "69"}).cache == "HIT"
    assert visit(isg, "/p", headers={"X-A": "1"}).cache == "MISS"


def test_p7_errors_have_a_small_quota_of_their_own(wrap, clock, later, site):
    site.views["*"] = lambda environ: html("no", status="404 Not Found")
    site.views["/good"] = lambda environ: html("good")
    isg = wrap(site, routes=ROUTES, store=MemoryBackend(Limits(pages=10, error_pages=5)))
    visit(isg, "/good")
    for number in range(50):
        assert visit(isg, f"/{number}").cache == "MISS"
    assert visit(isg, "/good").cache == "HIT"
    assert sum(info.status == 404 for info in isg.pages()) <= 5


@pytest.fixture(params=["memory", "file", "foreign"])
def named(request, wrap, tmp_path):
    """A site whose store knows a hundred names."""
    limits = Limits(names=100)
    store: Any = MemoryBackend(limits)
    if request.param != "memory":
        store = SQLiteBackend(tmp_path, limits)
    if request.param == "foreign":
        store = CachelibBackend(SimpleCache(), store)
    return wrap(Site(), store=store, routes=ROUTES)


def test_p7_the_table_of_names_is_bounded_and_what_was_purged_stays_purged(named):
    visit(named, "/p")
    named.purge_path("/p")
    for number in range(500):
        named.purge_tag(f"tag{number}")
    mirror = named.runtime.engine.page_store.mirror
    assert len(mirror.hard) <= 100
    assert visit(named, "/p").cache in ("MISS", "REVALIDATED")


def test_p7_a_flood_of_revalidations_makes_pages_stale_not_gone(named, later):
    visit(named, "/p")
    for number in range(500):
        named.revalidate_tag(f"tag{number}")
    mirror = named.runtime.engine.page_store.mirror
    assert len(mirror.soft) <= 100
    assert visit(named, "/p").cache == "STALE"
    assert "revalidations" in str(named.why("/p", host="site.test"))
    assert [info.state for info in named.pages()] == ["stale"]
    later.run()
    assert visit(named, "/p").cache == "HIT"


def test_p7_a_flood_of_revalidations_forgets_no_purge(named):
    visit(named, "/old")
    named.purge_tag("some")
    visit(named, "/p")
    visit(named, "/q")
    named.purge_path("/q")
    for number in range(500):
        named.revalidate_tag(f"tag{number}")
    answers = [visit(named, path).cache for path in ("/old", "/p", "/q")]
    assert answers == ["STALE", "STALE", "REVALIDATED"]


def test_p7_a_flood_of_purges_makes_gone_what_is_older_alone(named):
    visit(named, "/old")
    for number in range(500):
        named.purge_tag(f"tag{number}")
    visit(named, "/new")
    assert [visit(named, path).cache for path in ("/old", "/new")] == ["REVALIDATED", "HIT"]


def test_p7_hung_renders_are_given_up_and_replaced(wrap, clock, site):
    gate = Gate()

    def hang(environ):
        if len(site.asked("/hang")) > 1:
            gate.pass_through()
        return html("hang")

    site.views["/hang"] = hang
    isg = wrap(site, routes=ROUTES, executor=None, workers=1)
    visit(isg, "/hang")
    visit(isg, "/p")
    clock.tick(61)
    visit(isg, "/hang")
    gate.wait()
    visit(isg, "/p")
    pool = isg.runtime.engine.background.pool
    (hung,) = pool._running.values()
    hung.started -= 61  # seconds ago
    leases = isg.runtime.engine.page_store.backend.backend._leases
    assert leases
    pool.give_up_hung()
    eventually(lambda: visit(isg, "/p").cache == "HIT")
    assert not leases, "another process may try at once"
    eventually(lambda: visit(isg, "/hang").detail == "regeneration-failed")
    states = {info.path: (info.state, info.failures) for info in isg.pages()}
    assert states == {"/hang": ("failing", 1), "/p": ("fresh", 0)}
    gate.open.set()
    eventually(lambda: not isg.runtime.engine.background.pool._running)
    assert visit(isg, "/hang").cache == "STALE"  # its late result is not taken


def test_p7_threads_left_behind_are_bounded(wrap, clock, site):
    gate = Gate()

    def hang(environ):
        if len(site.asked(environ["PATH_INFO"])) > 1:
            gate.pass_through()
        return html("hang")

    site.views["*"] = hang
    isg = wrap(
        site, routes=ROUTES, executor=None, workers=2, render_timeout=0.05, probe_interval=0.02
    )
    for number in range(12):
        visit(isg, f"/{number}")
    before = threading.active_count()
    clock.tick(61)
    for number in range(12):
        assert visit(isg, f"/{number}").cache == "STALE"
    threading.Event().wait(0.5)
    assert threading.active_count() - before <= 2 * 2 + 1
    gate.open.set()


def test_p7_no_thread_to_be_had_costs_the_regeneration_and_nothing_else(
    wrap, clock, site, monkeypatch
):
    isg = wrap(site, routes=ROUTES, executor=None)
    visit(isg, "/p")
    clock.tick(61)
    start = threading.Thread.start

    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    for _ in range(3):
        assert visit(isg, "/p").cache == "STALE"
    assert visit(isg, "/cold").cache == "MISS"
    monkeypatch.setattr(threading.Thread, "start", start)
    visit(isg, "/p")
    eventually(lambda: visit(isg, "/p").cache == "HIT")


def test_p7_close_is_bounded_though_a_render_hangs(wrap, clock, site):
    gate = Gate()
    site.views["/p"] = lambda environ: (
        (gate.pass_through() if len(site.asked("/p")) > 1 else None) or html("p")
    )
    isg = wrap(site, routes=ROUTES, executor=None)
    visit(isg, "/p")
    clock.tick(61)
    visit(isg, "/p")
    gate.wait()
    closing = Later(lambda: isg.close(0.1))
    closing.result(60)
    reply = visit(isg, "/p")
    assert (reply.cache, reply.code) == ("STALE", 200)
    gate.open.set()


def test_p7_failures_remembered_are_bounded():
    failures = Failures(lambda: 0.0)
    for number in range(Failures.LIMIT + 500):
        failures.add(str(number), 0.0, "error", 60.0)
    assert failures.get("0") is None
    assert failures.get(str(Failures.LIMIT + 499)) is not None


def containers(root: Any) -> Iterator[tuple[str, int]]:
    """Every container that hangs on ``root``, with its place and size."""
    for here, name in reachable(root):
        if hasattr(here, "__len__") and not isinstance(here, memoryview | bytes | str):
            yield name, len(here)


def make_limits_small(monkeypatch, limit: int) -> None:
    """Every ``_MAX_…`` of the package, wherever it lives."""
    for module in [module for name, module in sys.modules.items() if name.startswith("isgware.")]:
        for name, value in list(vars(module).items()):
            if name.startswith("_MAX_") and type(value) is int and 1_000 <= value < 100_000:
                monkeypatch.setattr(module, name, limit)
    monkeypatch.setattr(Failures, "LIMIT", limit)


def test_p7_no_table_grows_with_what_is_asked_for(monkeypatch, later):
    """Every limit is made small; then many URLs, tags, hosts, headers, cookies, failures and
    refusals go by, and no container in the whole object graph may have grown with them."""
    small = 40
    make_limits_small(monkeypatch, small)
    site = Site()
    limits = Limits(pages=small, error_pages=small, names=small)

    def view(environ):
        number = int(environ["PATH_INFO"].rpartition("/")[2])
        return [
            lambda: html("page"), lambda: html("x", ("Set-Cookie", f"a={number}")),
            lambda: html("x", status="404 No"), lambda: html("x", status="500 No"),
            lambda: html("x", ("Vary", f"X-{number % 7}")), lambda: html("x", ("Vary", "Cookie")),
            lambda: 1 / 0, lambda: html("x", ("Location", f"/{number}"), status="301 Moved"),
        ][number % 8]()  # fmt: skip

    site.views["*"] = view
    for options in ({"routes": {"/<path:x>": Policy(revalidate=60, tags=["{x}"])}},
                    {"revalidate": 60}, {"revalidate": 60, "enabled": "report"}):  # fmt: skip
        isg = ISG(site, store=MemoryBackend(limits), executor=Inline(), memory=150_000, **options)

        def flood(start: int, isg=isg) -> dict[str, int]:
            for number in range(start, start + 800):
                for _ in range(2):
                    try:
                        visit(isg, f"/p/{number}", f"q={number}", host=f"h{number}.test",
                              headers={"X-1": str(number), "Cookie": f"c{number}=1"})  # fmt: skip
                    except ZeroDivisionError:
                        pass
                try:
                    isg.purge_tag(f"p/{number}")
                except BackendUnavailable:
                    pass
            site.seen.clear()
            gc.collect()
            return {name: size for name, size in containers(isg) if size > 90}

        assert flood(1000) == {}, options
        isg.close(0)


def test_p7_a_flood_of_tracking_parameters_is_one_page_and_a_few_look_ups(wrap, site):
    isg = wrap(site, routes=ROUTES)
    for number in range(300):
        for _ in range(2):
            visit(isg, "/p", f"utm_source={number}")
    assert site.rendered("/p") == 1
    assert len(isg._memo) <= 32


def test_p7_an_endless_body_stays_under_the_cap(wrap):
    def endless(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (b"x" * 65536 for _ in range(800))

    isg = wrap(endless, routes={"/p": Policy(revalidate=60)}, max_page=1_000_000)
    tracemalloc.start()
    total = 0
    chunks = isg(environ_of("/p"), lambda *told: None)
    for chunk in chunks:
        total += len(chunk)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == 800 * 65536
    assert peak < 6_000_000


def test_p7_recency_is_told_only_for_what_was_visited(wrap, clock, site):
    store = FaultyBackend()
    isg = wrap(site, routes=ROUTES, store=store)
    visit(isg, "/p")
    visit(isg, "/p")
    isg.runtime.engine.page_store.flush_recency()
    told = store.calls.count("touch")
    clock.tick(100)
    isg.runtime.engine.page_store.flush_recency()
    assert (told, store.calls.count("touch")) == (1, 1)
