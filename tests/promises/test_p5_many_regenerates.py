"""P5 of `regenerate`: at most one render under way, and one more for all who came since."""

from __future__ import annotations

import threading

import pytest
from cachelib import SimpleCache

from isgware import BackendUnavailable, Policy, RegenerationError
from tests.promises.faults import FaultyBackend
from tests.promises.kit import Gate, Later, Site, eventually, html, together, visit

ROUTES = {"/<path:x>": Policy(revalidate=False)}
BASE = "http://site.test"


@pytest.fixture(params=["memory", "file", "foreign", "redis"])
def store(request, tmp_path):
    if request.param == "redis":
        return {"store": request.getfixturevalue("redis_url")}
    return {
        "memory": {"store": FaultyBackend()},
        "file": {"store": f"file:{tmp_path}"},
        "foreign": {"store": SimpleCache(), "coordinator": f"file:{tmp_path}"},
    }[request.param]


class Page:
    """A page whose renders wait at a gate, and how many of them run at once."""

    def __init__(self) -> None:
        self.site, self.gate = Site(), Gate()
        self.running = self.most = 0
        self.fails = False
        self._lock = threading.Lock()
        self.site.views["/p"] = self.view

    def view(self, environ):
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        number = self.renders
        self.gate.pass_through()
        with self._lock:
            self.running -= 1
        if self.fails:
            raise ValueError("it fails")
        return html(f"render {number}")

    @property
    def renders(self) -> int:
        return self.site.rendered("/p")


@pytest.fixture
def held() -> Page:
    return Page()


def processes(wrap, held, store, count=1):
    return [
        wrap(held.site, routes=ROUTES, base_url=BASE, executor=None, backend_timeout=30.0, **store)
        for _ in range(count)
    ]


def waiting(isg) -> int:
    """Callers that wait for the next render."""
    return sum(call.callers for call in isg.verbs._calls._waiting.values())


def test_p5_twenty_calls_are_one_render_under_way_and_one_more(wrap, held, store):
    (isg,) = processes(wrap, held, store)
    first = Later(lambda: isg.regenerate("/p"))
    held.gate.wait()
    calls = [Later(lambda: isg.regenerate("/p")) for _ in range(20)]
    eventually(lambda: waiting(isg) == 20)
    held.gate.open.set()
    told = [call.result() for call in (first, *calls)]
    assert len({info.rendered_at for info in told}) <= 2
    assert (held.renders, held.most) == (2, 1)
    assert (visit(isg, "/p").text, visit(isg, "/p").cache) == ("render 2", "HIT")


def test_p5_calls_one_after_the_other_are_a_render_each(wrap, held, store):
    (isg,) = processes(wrap, held, store)
    held.gate.open.set()
    for number in range(1, 4):
        isg.regenerate("/p")
        assert visit(isg, "/p").text == f"render {number}"


def test_p5_calls_in_several_processes_take_turns(wrap, held, store):
    isgs = processes(wrap, held, store, count=3)
    held.gate.open.set()
    together(12, lambda n: isgs[n % 3].regenerate("/p"))
    assert held.most == 1
    assert held.renders <= 12
    last = held.renders
    for isg in isgs:
        assert (visit(isg, "/p").text, visit(isg, "/p").cache) == (f"render {last}", "HIT")


def test_p5_calls_for_several_pages_do_not_wait_for_each_other(wrap, held, store):
    (isg,) = processes(wrap, held, store)
    first = Later(lambda: isg.regenerate("/p"))
    held.gate.wait()
    assert isg.regenerate("/another").path == "/another"
    held.gate.open.set()
    first.result()


def test_p5_who_waits_for_a_render_that_fails_is_told(wrap, held, store):
    (isg,) = processes(wrap, held, store)
    first = Later(lambda: isg.regenerate("/p"))
    held.gate.wait()
    calls = [Later(lambda: isg.regenerate("/p")) for _ in range(3)]
    eventually(lambda: waiting(isg) == 3)
    held.fails = True
    held.gate.open.set()
    for call in (first, *calls):
        with pytest.raises(RegenerationError, match="it fails"):
            call.result()
    assert held.renders == 2


def test_p5_a_store_that_is_away_is_told_to_all(wrap, held):
    store = FaultyBackend()
    (isg,) = processes(wrap, held, {"store": store})
    first = Later(lambda: isg.regenerate("/p"))
    held.gate.wait()
    calls = [Later(lambda: isg.regenerate("/p")) for _ in range(3)]
    eventually(lambda: waiting(isg) == 3)

    def away(operation: str) -> None:
        raise OSError("away")

    store.fault = away
    held.gate.open.set()
    for call in (first, *calls):
        with pytest.raises(BackendUnavailable):
            call.result()


def test_p5_a_render_that_hangs_is_followed_by_the_next(wrap, held, store):
    (isg,) = processes(wrap, held, store)
    first = Later(lambda: isg.regenerate("/p"))
    held.gate.wait()
    second = Later(lambda: isg.regenerate("/p"))
    eventually(lambda: waiting(isg) == 1)
    hung, held.gate = held.gate, Gate()
    held.gate.open.set()
    (running,) = isg.runtime.engine.background.pool._running.values()
    running.started -= 61
    isg.runtime.engine.background.pool.give_up_hung()
    with pytest.raises(RegenerationError, match="in time"):
        first.result()
    assert second.result().path == "/p"
    hung.open.set()
    eventually(lambda: not isg.runtime.engine.background.pool._running)
    assert visit(isg, "/p").text == "render 2", "its late result is not taken"


def test_p5_after_close_calls_are_refused(wrap, held, store):
    (isg,) = processes(wrap, held, store)
    isg.runtime.engine.background.pool.close(0)
    for _ in range(2):
        with pytest.raises(RegenerationError, match="closed"):
            isg.regenerate("/p")
