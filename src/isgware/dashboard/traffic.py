"""Requests of the last two hours, minute by minute, and what a plot of them needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..backends.base import KEPT, MINUTES
from ..backends.breaker import Breaker
from ..core import series
from ..core.series import parts_of
from ..storage.counting import SERVED, wants_page

#: Minutes that are shown.
LENGTH: Final = KEPT[MINUTES] // MINUTES
#: Minutes that one operation asks for.
_AT_ONCE: Final = 5
#: Seconds after its begin from which on nobody tells anything of a minute any more.
_SETTLED: Final = 120
_ROUND: Final = (1, 2, 3, 4, 5, 6, 8)


@dataclass(slots=True)
class Minute:
    """``start`` in seconds since the epoch. ``asked``: requests that a page could have answered;
    ``served``: those that one from the store has."""

    start: float
    asked: int = 0
    served: int = 0
    renders: int = 0

    @property
    def ratio(self) -> float | None:
        return self.served / self.asked if self.asked else None


@dataclass(frozen=True, slots=True)
class Traffic:
    """The minutes, the oldest first; the last one is not over."""

    minutes: list[Minute]

    @property
    def asked(self) -> int:
        return sum(minute.asked for minute in self.minutes)

    @property
    def served(self) -> int:
        return sum(minute.served for minute in self.minutes)

    @property
    def renders(self) -> int:
        return sum(minute.renders for minute in self.minutes)

    @property
    def ratio(self) -> float | None:
        return self.served / self.asked if self.asked else None

    @property
    def top(self) -> int:
        """Where the axis of requests ends: a round number."""
        most = max((minute.asked for minute in self.minutes), default=0)
        step = 1
        while True:
            for times in _ROUND:
                if step * times >= most:
                    return max(4, int(step * times))
            step *= 10

    def lines(self) -> list[str]:
        """The hit ratio as SVG paths, one for each stretch with requests; 0 to 100 downwards."""
        paths, points = [], []
        for at, minute in enumerate([*self.minutes, Minute(0)]):
            if minute.ratio is not None:
                points.append(f"{at + 0.5:g} {100 - 100 * minute.ratio:.1f}")
            elif points:
                if len(points) == 1:  # a stretch of one minute is a dash
                    left, height = points[0].split()
                    points = [f"{float(left) - 0.5:g} {height}", f"{float(left) + 0.5:g} {height}"]
                paths.append("M" + "L".join(points))
                points = []
        return paths

    def table(self, length: int = 10) -> list[Minute]:
        """The same as sums of so many minutes, for those who do not see the plot."""
        sums = []
        for first in range(0, len(self.minutes), length):
            some = self.minutes[first : first + length]
            total = Minute(some[0].start)
            for minute in some:
                total.asked += minute.asked
                total.served += minute.served
                total.renders += minute.renders
            sums.append(total)
        return sums


class Watch:
    """Reads the minutes, and remembers those that are over: with many routes, two hours are too
    much to ask for at once, and each time."""

    def __init__(self, store: Breaker) -> None:
        self._store = store
        self._known: dict[float, Minute] = {}

    def __call__(self, now: float) -> Traffic:
        """Raises `BackendUnavailable`, also where the store keeps no counts."""
        last = now // MINUTES * MINUTES
        wanted = [last - back * MINUTES for back in range(LENGTH - 1, -1, -1)]
        known = self._known
        missing = [start for start in wanted if start not in known]
        minutes = {start: known[start] for start in wanted if start in known}
        for first in range(0, len(missing), _AT_ONCE):
            some = missing[first : first + _AT_ONCE]
            minutes |= self._read(some)
        # What a process told late is missing in what was read before.
        self._known = {start: it for start, it in minutes.items() if start < now - _SETTLED}
        return Traffic([minutes[start] for start in wanted])

    def _read(self, starts: list[float]) -> dict[float, Minute]:
        minutes = {start: Minute(start) for start in starts}
        for start, name, amount in self._store.counts_between(MINUTES, starts[0], starts[-1]):
            minute, parts = minutes.get(start), parts_of(name)
            if minute is None or len(parts) < 3:
                continue
            if parts[0] == series.RENDERS:
                minute.renders += int(amount)
            elif parts[0] == series.REQUESTS and wants_page(*parts[-2:]):
                minute.asked += int(amount)
                minute.served += int(amount) if parts[2] in SERVED else 0
        return minutes
