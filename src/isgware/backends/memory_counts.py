"""Counts within one process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..core.series import MAX_ROUTES, MAX_SERIES, SINCE, overflow_of, route_of
from .base import KEPT


@dataclass(slots=True)
class Counted:
    """`Counters` without a lock: its owner has one."""

    _told: dict[str, int] = field(default_factory=dict)
    _totals: dict[str, float] = field(default_factory=dict)
    _routes: set[str] = field(default_factory=set)
    _periods: dict[int, dict[float, dict[str, float]]] = field(
        default_factory=lambda: {period: {} for period in KEPT}
    )

    def add_counts(
        self, process: str, number: int, amounts: Mapping[str, float], now: float
    ) -> None:
        if number <= self._told.get(process, 0):
            return
        self._told[process] = number
        self._totals.setdefault(SINCE, now)
        for name, amount in amounts.items():
            if name not in self._totals and not self._has_room(route_of(name)):
                name = overflow_of(name)
            self._totals[name] = self._totals.get(name, 0) + amount
            for period, begun in self._periods.items():
                counted = begun.setdefault(now // period * period, {})
                counted[name] = counted.get(name, 0) + amount
        for period, kept in KEPT.items():
            begun = self._periods[period]
            for start in [start for start in begun if not now - kept <= start <= now + kept]:
                del begun[start]

    def _has_room(self, route: str) -> bool:
        """For another series, of this route."""
        if route and route not in self._routes:
            if len(self._routes) >= MAX_ROUTES:
                return False
            self._routes.add(route)
        return len(self._totals) < MAX_SERIES

    def counts(self, period: int, now: float) -> list[tuple[float, str, float]]:
        if not period:
            return [(0.0, name, amount) for name, amount in self._totals.items()]
        return self.between(period, now - KEPT[period], now)

    def between(self, period: int, first: float, last: float) -> list[tuple[float, str, float]]:
        return [
            (start, name, amount)
            for start, counted in sorted(self._periods[period].items())
            if first <= start <= last
            for name, amount in counted.items()
        ]
