"""P6 at every moment: the clock is read at each step of a visit, so a clock that purges on its
n-th reading tries every interleaving that there is, without a single sleep."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from isgware import Policy
from tests.promises.faults import FaultyBackend, broken
from tests.promises.kit import Clock, Later, Manual, forget, visit

ROUTES = {"/page": Policy(revalidate=60, expire=600, tags=["t"])}
VERBS = {
    "purge_path": lambda isg: isg.purge_path("/page"),
    "purge_tag": lambda isg: isg.purge_tag("t"),
    "purge_all": lambda isg: isg.purge_all(),
    "revalidate_path": lambda isg: isg.revalidate_path("/page"),
    "revalidate_tag": lambda isg: isg.revalidate_tag("t"),
}


def do_at(clock: Clock, nth: int, action: Callable[[], None]) -> None:
    """Run ``action`` in another thread when the clock is read for the ``nth`` time."""
    left = [nth]

    def on_read() -> None:
        left[0] -= 1
        if left[0] == 0:
            clock.on_read = None
            Later(action).result()

    clock.on_read = on_read


def moments(clock: Clock, act: Callable[[int], None]) -> int:
    """Call ``act(n)`` for n = 1, 2, … until it reads the clock less than n times."""
    for nth in range(1, 100):
        act(nth)
        if clock.on_read is not None:
            clock.on_read = None
            return nth - 1
    raise AssertionError("a visit that reads the clock a hundred times")


def prepare(isg, clock: Clock, state: str) -> None:
    isg.purge_all()
    if state != "cold":
        visit(isg, "/page")
    if state == "hot":
        visit(isg, "/page")
    if state == "elsewhere":
        forget(isg)
    clock.tick({"stale": 61, "expired": 601, "next-second": 1}.get(state, 0))


STATES = ["fresh", "hot", "next-second", "stale", "expired", "cold", "elsewhere"]


def store_of(name: str, tmp_path: Path) -> Any:
    return (
        FaultyBackend() if name == "along" else f"file:{tmp_path}" if name == "file" else "memory:"
    )


@pytest.mark.parametrize("store", ["memory", "file", "along"])
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("verb", VERBS)
def test_p6_an_invalidation_at_any_moment_of_a_visit_wins(
    wrap, clock, site, later: Manual, tmp_path, verb, state, store
):
    isg = wrap(site, routes=ROUTES, store=store_of(store, tmp_path), backend_timeout=30.0)

    def act(nth: int) -> None:
        prepare(isg, clock, state)
        renders = []

        def invalidate() -> None:
            VERBS[verb](isg)
            renders.append(site.rendered("/page"))

        do_at(clock, nth, invalidate)
        visit(isg, "/page")
        later.run()
        if clock.on_read is None:
            reply = visit(isg, "/page")
            if verb.startswith("purge"):
                assert site.rendered("/page") > renders[0], f"reading {nth}"
                assert reply.cache != "STALE"
            else:
                assert site.rendered("/page") > renders[0] or reply.cache == "STALE", (
                    f"reading {nth}"
                )
            later.run()
            visit(isg, "/page")
            later.run()
            assert visit(isg, "/page").cache == "HIT"

    assert moments(clock, act) >= 1


@pytest.mark.parametrize("store", ["memory", "file", "along"])
def test_p6_regenerate_at_any_moment_of_a_visit_is_seen_by_the_next(
    wrap, clock, site, later, tmp_path, store
):
    isg = wrap(
        site, routes=ROUTES, store=store_of(store, tmp_path), backend_timeout=30.0, executor=None
    )
    for state in ("fresh", "hot", "stale", "expired", "elsewhere"):

        def act(nth: int, state: str = state) -> None:
            prepare(isg, clock, state)
            done = []
            do_at(
                clock, nth, lambda: (isg.regenerate("/page"), done.append(site.rendered("/page")))
            )
            visit(isg, "/page")
            if done:
                number = int(visit(isg, "/page").text.partition("#")[2])
                assert number >= done[0]

        moments(clock, act)


@pytest.mark.parametrize("state", ["fresh", "hot", "next-second", "elsewhere"])
def test_p6_a_post_during_an_outage_at_any_moment_of_a_hit_wins(wrap, clock, site, state):
    """What this process knows to have changed it does not serve, whatever the store says."""
    store = FaultyBackend()
    isg = wrap(site, routes=ROUTES, store=store, probe_interval=60)

    def act(nth: int) -> None:
        store.repair()
        isg.runtime.store.probe()
        prepare(isg, clock, state)
        renders = []

        def post() -> None:
            store.fault = lambda operation: broken()
            visit(isg, "/page", method="POST")
            renders.append(len(site.seen))

        do_at(clock, nth, post)
        visit(isg, "/page")
        if renders:
            assert int(visit(isg, "/page").text.partition("#")[2]) > renders[0] - 1, nth

    moments(clock, act)
