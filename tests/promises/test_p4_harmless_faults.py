"""P3 and P4: whatever the backend does at its n-th call, for every n, a request gets a whole old
page, a whole new page or the app's own answer; it never gets an error, and never waits long."""

from __future__ import annotations

import time
from types import SimpleNamespace

import cachelib
import pytest

from isgware import ISG, BackendUnavailable, ISGError, Policy
from isgware.backends import circuit
from isgware.errors import ConfigurationError
from tests.promises.faults import FAULTS, FaultyBackend, broken
from tests.promises.kit import Clock, Inline, Site, forget, html, visit

ROUTES = {"/page": Policy(revalidate=60, expire=600, tags=["t"]), "/<x>": Policy(revalidate=60)}


class Story:
    """A life of one page, step by step; each answer is checked to be whole."""

    def __init__(self, store, **options) -> None:
        self.clock, self.site, self.version = Clock(), Site(), 1
        self.site.views["/page"] = lambda environ: html(f"page {self.version} " + "x" * 400)
        self.isg = ISG(
            self.site,
            store=store,
            clock=self.clock,
            executor=Inline(),
            probe_interval=60,
            wait_time=0.02,
            **{"routes": ROUTES, **options},
        )

    def look(self, *, newest_only: bool = False) -> str:
        reply = visit(self.isg, "/page")
        assert reply.status == "200 OK"
        versions = [self.version] if newest_only else range(1, self.version + 1)
        assert reply.text in [f"page {number} " + "x" * 400 for number in versions]
        return reply.cache

    def tell(self) -> None:
        self.look()
        self.look()
        forget(self.isg)
        self.look()
        self.version += 1
        self.clock.tick(61)
        self.look()
        self.look()
        self.version += 1
        self.say("revalidate_tag", "t")
        forget(self.isg)
        self.look()
        self.version += 1
        if self.say("purge_path", "/page"):
            self.look(newest_only=True)
        self.version += 1
        self.clock.tick(700)
        self.look()
        self.say("regenerate", "/page")
        visit(self.isg, "/page", method="POST")
        self.look()
        list_pages(self.isg)
        visit(self.isg, "/unknown/path")
        visit(self.isg, "/other")

    def say(self, verb: str, argument: str) -> bool:
        """Whether the verb was obeyed; ISGError is how it may say that it was not."""
        try:
            getattr(self.isg, verb)(argument)
        except ISGError:
            return False
        return True


def list_pages(isg) -> None:
    try:
        list(isg.pages())
    except BackendUnavailable:
        pass


def steps(make) -> int:
    """How many calls a story makes of its backend when nothing fails."""
    store = make()
    story = Story(store)
    story.tell()
    story.isg.close(0)
    return len(store.calls)


@pytest.mark.parametrize("along", [True, False], ids=["along", "apart"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("once", [True, False], ids=["once", "from-then-on"])
def test_p4_any_fault_at_any_call_is_never_the_visitors(fault, once, along):
    calls = steps(lambda: FaultyBackend(along=along))
    assert calls > 30
    for nth in range(1, calls + 1):
        store = FaultyBackend(along=along)
        story = Story(store)
        store.fail_at(nth, FAULTS[fault], only_once=once)
        try:
            story.tell()
        except Exception as error:
            error.add_note(f"{fault} at call {nth}, {store.calls[nth - 1]}")
            raise
        finally:
            story.isg.close(0)


@pytest.mark.parametrize("fault", ["raises", "none", "junk-bytes"])
def test_p4_after_a_fault_everything_works_again(fault):
    for nth in range(1, 12):
        store = FaultyBackend()
        story = Story(store)
        store.fail_at(nth, FAULTS[fault])
        story.tell()
        store.repair()
        story.isg.runtime.store.probe()
        story.isg.purge_all()
        visit(story.isg, "/page")
        story.clock.tick(1)
        assert visit(story.isg, "/page").cache == "HIT"
        story.isg.close(0)


class FaultyCache(cachelib.SimpleCache):
    """A foreign cache with the same faults."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.fault = lambda: None
        self.nth = 0

    def _do(self, name, method, *args, **kwargs):
        self.calls.append(name)
        if self.nth and len(self.calls) >= self.nth:
            answer = self.fault()
            if answer is not None:
                return answer[0]
        return method(*args, **kwargs)

    def get(self, key):
        return self._do("get", super().get, key)

    def set(self, key, value, timeout=None):
        return self._do("set", super().set, key, value, timeout)

    def delete(self, key):
        return self._do("delete", super().delete, key)


@pytest.mark.parametrize("fault", FAULTS)
def test_p4_any_fault_of_a_foreign_cache_is_never_the_visitors(tmp_path, fault):
    for nth in range(1, 13):
        cache = FaultyCache()
        cache.fault, cache.nth = FAULTS[fault], nth
        story = Story(cache, coordinator=f"file:{tmp_path / str(nth)}")
        try:
            story.tell()
        except Exception as error:
            error.add_note(f"{fault} from call {nth} on")
            raise
        finally:
            story.isg.close(0)


@pytest.fixture
def store():
    return FaultyBackend()


@pytest.fixture
def spent(monkeypatch):
    """The breaker's own time, in seconds: it passes only by ``spent.tick()``."""
    spent = Clock(0.0)
    monkeypatch.setattr(circuit, "time", SimpleNamespace(monotonic=spent))
    return spent


def test_p4_a_dead_store_costs_nothing_once_the_circuit_is_open(wrap, site, store, spent):
    isg = wrap(site, store=store, routes=ROUTES, probe_interval=60)

    def fault(operation):
        spent.tick(0.1)
        broken()

    store.fault = fault
    visit(isg, "/one")
    assert spent.now < 0.5
    calls, before = len(store.calls), spent.now
    for number in range(20):
        assert visit(isg, f"/page{number}").code == 200
    assert (len(store.calls), spent.now) == (calls, before)


def test_p4_who_purges_or_regenerates_by_name_tries_a_store_that_may_be_well_again(
    wrap, site, store
):
    origin = "http://localhost"
    isg = wrap(site, store=store, routes=ROUTES, probe_interval=60, base_url=origin,
               executor=Inline())  # fmt: skip
    breaker = isg.runtime.store
    for call in (lambda: isg.purge_path("/one"), lambda: isg.regenerate("/one")):
        breaker.trip(RuntimeError("gone"))
        breaker._retried = float("-inf")  # a second has passed
        call()
        assert breaker.open_since is None


def test_p4_a_regenerate_that_the_store_did_not_take_is_told_once_by_its_exception(
    wrap, site, store, caplog
):
    isg = wrap(site, store=store, routes=ROUTES, probe_interval=60, executor=Inline(),
               base_url="http://localhost")  # fmt: skip
    store.fault = lambda operation: broken() if operation == "acquire" else None
    with pytest.raises(BackendUnavailable):
        isg.regenerate("/one")
    assert not [record for record in caplog.records if record.exc_info]


def test_p4_a_visitors_own_purge_does_not_wait_for_a_store_that_is_out_of_reach(wrap, site, store):
    isg = wrap(site, store=store, routes=ROUTES, probe_interval=60)
    visit(isg, "/one")
    isg.runtime.store.trip(RuntimeError("gone"))
    calls = len(store.calls)
    assert visit(isg, "/one", method="POST").code == 200
    assert len(store.calls) == calls


@pytest.mark.parametrize("delay", [0.05, 0.2, 0.29])
def test_p4_a_slow_store_costs_half_a_second_at_most_and_once(wrap, site, store, spent, delay):
    """However slow: below the limit of one operation, too."""
    isg = wrap(site, store=store, routes=ROUTES, probe_interval=60, backend_timeout=0.3)
    store.fault = lambda operation: spent.tick(delay)
    costs = []
    for number in range(4):
        before = spent.now
        visit(isg, f"/page{number}")
        costs.append(spent.now - before)
    assert max(costs) <= 0.5
    if delay > 0.1:
        assert max(costs[1:]) == 0


@pytest.mark.parametrize("what", ["post", "post-elsewhere", "purge", "pages", "regenerate", "hits"])
def test_p4_a_healthy_store_is_never_given_up_for_the_sum_of_many_requests(
    wrap, site, store, spent, what
):
    """What one request may spend is counted for that request only."""
    isg = wrap(site, store=store, routes=ROUTES, probe_interval=60, executor=Inline(),
               backend_timeout=0.3)  # fmt: skip
    store.fault = lambda operation: spent.tick(0.003)
    visit(isg, "/page")
    for number in range(70):
        if what == "post":
            visit(isg, "/page", method="POST")
        elif what == "post-elsewhere":
            visit(isg, f"/undeclared/{number}", method="POST")
        elif what == "purge":
            isg.purge_path(f"/{number}")
        elif what == "pages":
            list(isg.pages())
        elif what == "regenerate" and number < 10:
            isg.regenerate("/page")
        elif what == "hits":
            visit(isg, "/page")
    assert (isg.runtime.store.open_since, isg.runtime.store.trips) == (None, 0)


def test_p4_a_stale_page_in_memory_is_replaced_though_the_store_is_down(
    wrap, clock, later, site, store
):
    isg = wrap(site, store=store, routes=ROUTES, probe_interval=60)
    visit(isg, "/page")
    clock.tick(61)
    store.fault = lambda operation: broken()
    assert visit(isg, "/page").cache == "STALE"
    later.run()
    assert visit(isg, "/page").text == "/page #2"
    for _ in range(3):
        visit(isg, "/page")
        later.run()
    assert site.rendered("/page") == 2


def test_p4_an_expired_page_is_rendered_anew_though_the_store_is_down(wrap, clock, site, store):
    isg = wrap(site, store=store, routes=ROUTES, probe_interval=60)
    visit(isg, "/page")
    clock.tick(601)
    store.fault = lambda operation: broken()
    reply = visit(isg, "/page")
    assert (reply.text, reply.cache) == ("/page #2", "REVALIDATED")
    assert visit(isg, "/page").text == "/page #2"
    assert site.rendered("/page") == 2


def test_p4_pages_in_memory_count_for_a_minute_without_the_coordinator(
    wrap, site, store, monkeypatch
):
    isg = wrap(site, store=store, routes={"/page": Policy(revalidate=False)}, offline_time=60,
               probe_interval=60)  # fmt: skip
    visit(isg, "/page")
    isg.revalidate_path("/else")  # the word moves on, so that memory has to ask
    store.fault = lambda operation: broken()
    store.inner.version[0] += 2
    assert visit(isg, "/page").cache == "HIT"
    now = time.monotonic()
    monkeypatch.setattr("isgware.storage.page_store.time.monotonic", lambda: now + 61)
    assert visit(isg, "/page").cache == "STALE"


def test_p4_an_invalidation_that_was_not_taken_says_so(wrap, site, store):
    isg = wrap(site, store=store, routes=ROUTES, probe_interval=60)
    visit(isg, "/page")
    store.fault = lambda operation: broken()
    for verb, argument in (("purge_path", "/page"), ("revalidate_tag", "t"), ("purge_tag", "t"),
                           ("revalidate_path", "/page")):  # fmt: skip
        with pytest.raises(BackendUnavailable):
            getattr(isg, verb)(argument)
    with pytest.raises(BackendUnavailable):
        isg.purge_all()
    assert visit(isg, "/page", method="POST").code == 200


def test_p4_the_outage_is_told_once_and_so_is_its_end(wrap, site, store, caplog):
    isg = wrap(site, store=store, routes=ROUTES, probe_interval=60)
    store.fault = lambda operation: broken()
    for number in range(5):
        visit(isg, f"/page{number}")
    assert caplog.text.count("out of reach") == 1
    store.repair()
    isg.runtime.store.probe()
    assert caplog.text.count("The store is back") == 1


def test_p3_a_directory_that_cannot_be_used_any_more_is_a_fault_like_another(tmp_path, site, wrap):
    isg = wrap(site, store=f"file:{tmp_path / 'store'}", routes=ROUTES)
    visit(isg, "/page")
    for path in (tmp_path / "store").iterdir():
        path.unlink()
    (tmp_path / "store").rmdir()
    (tmp_path / "store").symlink_to(tmp_path)
    assert visit(isg, "/page").code == 200
    assert visit(isg, "/other").code == 200
    with pytest.raises(ConfigurationError, match="symbolic link"):
        ISG(site, store=f"file:{tmp_path / 'store'}")


def test_p4_what_we_got_wrong_ourselves_is_not_the_visitors_either(wrap, site, monkeypatch, caplog):
    isg = wrap(site, routes=ROUTES)
    monkeypatch.setattr(isg.runtime.engine, "visit", lambda *args: 1 / 0)
    assert visit(isg, "/page").text == "/page #1"
    assert "ZeroDivisionError" in caplog.text
