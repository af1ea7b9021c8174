"""What somebody should look at: a store that is away, pages that fail, routes that gain nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ..formatting import duration
from ..management.advice import advice_on
from ..storage.catalogue import PageInfo
from .route_counts import NO_ROUTES, RouteTotals

#: Requests and renders from which on a route is judged.
_REQUESTS: Final = 10
_RENDERS: Final = 10
#: The share of renders without a change that is too many.
_UNCHANGED: Final = 0.9
#: An interval is suggested that is so many times as long at most.
_LONGER: Final = 10
_EACH: Final = 5
#: Reasons that are meant to be: somebody said so, or they pass.
_MEANT: Final = frozenset(
    ("bypass", "bypass-cookie", "draft", "revalidate-0", "authorization", "learning", "report",
     "debug", "disabled", "not-listed")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Concern:
    """``level``: ``serious`` or ``notable``. ``path`` or ``route`` names what it is about."""

    level: str
    title: str
    text: str = ""
    path: str = ""
    route: str = ""


def concerns(
    circuit_seconds: float | None, mode: str, failing: list[PageInfo],
    routes: Mapping[str, RouteTotals], intervals: Mapping[str, float],
) -> list[Concern]:  # fmt: skip
    """The worst first. ``circuit_seconds``: for how long the store has been out of reach, if it
    is; ``intervals``: ``revalidate`` in seconds of routes that have a fixed one."""
    found = []
    if circuit_seconds is not None:
        found.append(
            Concern(
                "serious",
                f"The store has been out of reach for {duration(circuit_seconds)}",
                "The circuit breaker is open. Pages in memory are served; the app answers the "
                "rest. The store is probed every second.",
            )
        )
    if mode != "on":
        found.append(Concern("notable", _MODES.get(mode, mode)))
    for info in failing[:_EACH]:
        times = "once" if info.failures == 1 else f"{info.failures} times in a row"
        found.append(
            Concern("serious", f"Rendering failed {times}", info.last_error, path=info.path)
        )
    if len(failing) > _EACH:
        found.append(Concern("serious", "More pages fail", "The list of pages has them all."))
    found += _never_stored(routes)
    found += _nothing_new(routes, intervals)
    return found


def _never_stored(routes: Mapping[str, RouteTotals]) -> Iterator[Concern]:
    poor = [
        (name, route)
        for name, route in routes.items()
        if name not in NO_ROUTES
        and route.requests >= _REQUESTS
        and not route.served
        and route.main_reason
        and route.main_reason not in _MEANT
    ]
    poor.sort(key=lambda item: -item[1].requests)
    for name, route in poor[:_EACH]:
        reason = route.main_reason
        remedy = advice_on(reason)
        yield Concern("notable", f"Never served from the store: {reason}", remedy, route=name)


def _nothing_new(
    routes: Mapping[str, RouteTotals], intervals: Mapping[str, float]
) -> Iterator[Concern]:
    idle = [
        (name, route)
        for name, route in routes.items()
        if route.renders["rendered"] >= _RENDERS and (route.unchanged_ratio or 0) >= _UNCHANGED
    ]
    idle.sort(key=lambda item: -item[1].render_seconds)
    for name, route in idle[:_EACH]:
        made = route.renders["rendered"]
        text = f"{route.unchanged:,} of {made:,} renders made the same page again."
        if name in intervals:
            changed = max(1, made - route.unchanged)
            fixed = intervals[name]
            longer = _round(fixed * min(_LONGER, made / changed / 2))
            text += (
                f" revalidate={fixed:g} could be {longer:g}; or leave it to "
                f"Adaptive({fixed:g}, {longer:g})."
            )
        else:
            text += " A longer revalidate, or tags in its place, would save them."
        yield Concern("notable", "Renders change nothing", text, route=name)


def _round(seconds: float) -> float:
    """To a number that people would write."""
    for step in (86_400, 3_600, 600, 60, 10):
        if seconds >= 2 * step:
            return round(seconds / step) * step
    return max(1.0, round(seconds))


_MODES: Final = {
    "off": "isgware is switched off here: the app answers everything",
    "report": "Report mode: nothing is served from the store",
    "develop": "Development mode: every visit renders, nothing is stored",
}
