"""`Fleet`: what all processes have counted, read from their store, as sums that people ask for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from ..backends.breaker import Breaker
from ..core import series
from ..core.series import parts_of
from ..errors import BackendUnavailable
from ..storage.counting import SERVED, wants_page
from .advice import advice_on

Totals = dict[tuple[str, ...], float]
#: Reasons that are told, the most frequent first, and routes of each.
_REASONS: Final = 10
_ROUTES: Final = 5
#: Details that tell how a page was answered, not why one was rendered.
NOT_REASONS: Final = ("", "filled")


@dataclass(frozen=True, slots=True)
class RouteCounts:
    """Requests of a route that a page could have answered, how many of them one has, and its
    renders. ``mean_render`` in seconds."""

    requests: int
    served: int
    hit_ratio: float
    renders: int
    mean_render: float
    unchanged: int


@dataclass(frozen=True, slots=True)
class Reason:
    """Why pages were not served: how often, on which routes, and what can be done about it."""

    reason: str
    requests: int
    routes: dict[str, int]
    remedy: str


@dataclass(frozen=True, slots=True)
class Fleet:
    """``since``: when the store began to count, in seconds since the epoch. ``hit_ratio``: of GET
    and HEAD requests those that a stored page has answered; ``None`` before the first.
    ``saved_seconds``: renders not done, times what a render of their route takes on average."""

    since: float | None = None
    requests: int = 0
    hit_ratio: float | None = None
    results: dict[str, int] = field(default_factory=dict)
    routes: dict[str, RouteCounts] = field(default_factory=dict)
    reasons: list[Reason] = field(default_factory=list)
    renders: dict[str, int] = field(default_factory=dict)
    render_seconds: float = 0.0
    unchanged_renders: int = 0
    saved_seconds: float = 0.0


def totals_of(store: Breaker, now: float) -> Totals:
    """The totals of the fleet by the parts of their names. Raises `BackendUnavailable`."""
    found = {parts_of(name): amount for _, name, amount in store.counts(0, now)}
    found.pop((), None)
    return found


def fleet_counts(store: Breaker, now: float) -> Fleet | None:
    """``None`` from a store that keeps no counts, or is out of reach."""
    try:
        return summed(totals_of(store, now))
    except BackendUnavailable:
        return None


def summed(totals: Totals) -> Fleet:
    """The sums. Of routes the most visited come first."""
    kinds: dict[str, Totals] = defaultdict(dict)
    for (kind, *labels), amount in totals.items():
        kinds[kind][tuple(labels)] = amount
    results: Counter[str] = Counter()
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    asked: Counter[str] = Counter()
    served: Counter[str] = Counter()
    for (route, result, reason), amount in kinds[series.REQUESTS].items():
        results[result] += int(amount)
        if wants_page(result, reason):
            asked[route] += int(amount)
            if result in SERVED:
                served[route] += int(amount)
            elif reason not in NOT_REASONS:
                reasons[reason][route] += int(amount)
    renders: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    for (route, outcome), amount in kinds[series.RENDERS].items():
        renders[route] += int(amount)
        outcomes[outcome] += int(amount)
    routes = {}
    for route in sorted({*asked, *renders}, key=lambda route: (-asked[route], route)):
        seconds = kinds[series.RENDER_SECONDS].get((route,), 0.0)
        routes[route] = RouteCounts(
            requests=asked[route],
            served=served[route],
            hit_ratio=served[route] / asked[route] if asked[route] else 0.0,
            renders=renders[route],
            mean_render=seconds / renders[route] if renders[route] else 0.0,
            unchanged=int(kinds[series.UNCHANGED].get((route,), 0)),
        )
    return Fleet(
        since=totals.get(("since",)),
        requests=results.total(),
        hit_ratio=served.total() / asked.total() if asked.total() else None,
        results=dict(results.most_common()),
        routes=routes,
        reasons=_top(reasons.items()),
        renders=dict(outcomes.most_common()),
        render_seconds=sum(kinds[series.RENDER_SECONDS].values()),
        unchanged_renders=sum(route.unchanged for route in routes.values()),
        saved_seconds=sum(kinds[series.SAVED].values()),
    )


def _top(reasons: Iterable[tuple[str, Counter[str]]]) -> list[Reason]:
    most = sorted(reasons, key=lambda item: -item[1].total())[:_REASONS]
    return [
        Reason(reason, routes.total(), dict(routes.most_common(_ROUTES)), advice_on(reason))
        for reason, routes in most
    ]
