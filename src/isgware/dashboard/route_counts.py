"""What was counted of each route: requests, reasons, renders and how long they took."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from ..core import series
from ..management.fleet_counts import NOT_REASONS, Totals
from ..storage.counting import SERVED, wants_page

#: Routes under which is counted what has no route of its own.
NO_ROUTES: Final = ("undeclared", "other")


@dataclass(slots=True)
class RouteTotals:
    """``requests``: those that a page could have answered. ``buckets``: renders by the upper bound
    of what they took, in seconds."""

    requests: int = 0
    served: int = 0
    results: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    renders: Counter[str] = field(default_factory=Counter)
    render_seconds: float = 0.0
    unchanged: int = 0
    saved_seconds: float = 0.0
    buckets: dict[float, float] = field(default_factory=dict)

    @property
    def hit_ratio(self) -> float | None:
        return self.served / self.requests if self.requests else None

    @property
    def unchanged_ratio(self) -> float | None:
        """Of the renders that made a page."""
        made = self.renders["rendered"]
        return self.unchanged / made if made else None

    @property
    def main_reason(self) -> str:
        """Why most requests were not served."""
        return self.reasons.most_common(1)[0][0] if self.reasons else ""

    def quantile(self, share: float) -> float | None:
        """Seconds within which this share of the renders was done, as far as the buckets tell."""
        total = sum(self.buckets.values())
        left, low = share * total, 0.0
        for bound in sorted(self.buckets):
            count = self.buckets[bound]
            if left <= count and count:
                if bound == float("inf"):
                    return low
                return low + (bound - low) * left / count
            left -= count
            low = bound
        return None


def route_totals(totals: Totals) -> dict[str, RouteTotals]:
    """By route."""
    found: dict[str, RouteTotals] = {}
    for (kind, *labels), amount in totals.items():
        if not labels or kind in (series.INVALIDATIONS, "since"):
            continue
        route = found.setdefault(labels[0], RouteTotals())
        if kind == series.REQUESTS and wants_page(*labels[-2:]):
            _count(route, labels[1], labels[2], int(amount))
        elif kind == series.RENDERS:
            route.renders[labels[1]] += int(amount)
        elif kind == series.RENDER_SECONDS:
            route.render_seconds += amount
        elif kind == series.RENDER_BUCKET:
            route.buckets[_bound(labels[1])] = amount
        elif kind == series.UNCHANGED:
            route.unchanged += int(amount)
        elif kind == series.SAVED:
            route.saved_seconds += amount
    return found


def _count(route: RouteTotals, result: str, reason: str, amount: int) -> None:
    route.requests += amount
    route.results[result] += amount
    if result in SERVED:
        route.served += amount
    elif reason not in NOT_REASONS:
        route.reasons[reason] += amount


def _bound(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("inf")
