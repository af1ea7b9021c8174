"""Who renders what, and when what failed is tried again.

`Flights`: one render per key in this process, and those who wait for it. `Failures`: back-off.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from ..backends.base import Lease
from ..core.freshness import CLOCK_TOLERANCE


@dataclass(eq=False)
class Flight:
    """One render under way. ``generation``, ``nonce``: what its render has seen invalidated.
    ``lease``: under which it takes place, if any."""

    key: str
    generation: int
    nonce: str
    lease: Lease | None = None
    outcome: Any = None
    waiters: int = 0
    started: float = field(default_factory=lambda: time.monotonic())
    landed: threading.Event = field(default_factory=lambda: threading.Event())


class Flights:
    """The renders of this process, by key."""

    def __init__(self, max_waiters: int) -> None:
        self.waiting = 0
        self._max_waiters = max_waiters
        self._flights: dict[str, Flight] = {}
        self._lock = threading.Lock()

    def join(
        self, key: str, generation: int, nonce: str, joinable: Callable[[Flight], bool]
    ) -> tuple[Flight, bool]:
        """The flight for ``key``, and whether the caller leads it. One that is not ``joinable``
        (it began before an invalidation the caller has seen) is overtaken by a new one."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None and joinable(flight):
                return flight, False
            flight = self._flights[key] = Flight(key, generation, nonce)
            return flight, True

    def land(self, flight: Flight, outcome: Any) -> None:
        """End a flight; whoever waits for it gets ``outcome``."""
        with self._lock:
            if self._flights.get(flight.key) is flight:
                del self._flights[flight.key]
        flight.outcome = outcome
        flight.landed.set()

    def wait(self, flight: Flight, seconds: float) -> bool:
        """Wait for a flight to land. False: it did not in time, or too many wait already."""
        with self._lock:
            if self.waiting >= self._max_waiters:
                return flight.landed.is_set()
            self.waiting += 1
            flight.waiters += 1
        try:
            return flight.landed.wait(max(0.0, seconds))
        finally:
            with self._lock:
                self.waiting -= 1

    def __contains__(self, key: str) -> bool:
        return key in self._flights


@dataclass(frozen=True, slots=True)
class Failure:
    """A key's failed renders: how many in a row, until when none is tried, and the last one, which
    ended ``at``."""

    count: int
    until: float
    error: str
    unproven: bool = False
    at: float = field(default=0.0, compare=False)


class Failures:
    """Back-off per key: 1 s, doubling, up to the page's own lifetime or five minutes, plus up to
    a tenth so that processes do not retry in step.

    Bounded; at the limit the oldest is forgotten.
    """

    LIMIT: Final = 4_096
    LONGEST: Final = 300.0

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._failures: OrderedDict[str, Failure] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> Failure | None:
        return self._failures.get(key)

    def due(self, key: str, now: float) -> bool:
        failure = self._failures.get(key)
        # One that is yet to come was timed by a clock that has since been put back.
        return failure is None or not (
            failure.at - CLOCK_TOLERANCE <= now < failure.until <= now + 2 * self.LONGEST
        )

    def add(
        self, key: str, now: float, error: str, lifetime: float | None, unproven: bool = False
    ) -> Failure:
        known = self._failures.get(key)
        count = known.count + 1 if known else 1
        longest = self.LONGEST if not lifetime else min(lifetime, self.LONGEST)
        delay = min(2.0 ** min(count - 1, 20), longest) * (1 + 0.1 * self._jitter())
        failure = Failure(count, now + delay, error, unproven, now)
        self.put(key, failure)
        return failure

    def put(self, key: str, failure: Failure) -> None:
        with self._lock:
            self._failures[key] = failure
            self._failures.move_to_end(key)
            while len(self._failures) > self.LIMIT:
                self._failures.popitem(last=False)

    def reset_lock(self) -> None:
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._failures)

    def clear(self, key: str) -> Failure | None:
        with self._lock:
            return self._failures.pop(key, None)
