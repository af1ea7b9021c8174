"""Request coalescing: one render per key in this process, and the visitors who wait for it.
`backoff` decides when a failed render is tried again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..backends.base import Lease


@dataclass(eq=False)
class Flight:
    """One render in progress. ``generation``, ``nonce``: the invalidations that it has seen.
    ``lease``: the lease it holds, if any."""

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
        """The flight for ``key``, and whether the caller leads it. A flight that is not
        ``joinable`` (it began before an invalidation that the caller has seen) is replaced by a new
        one."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None and joinable(flight):
                return flight, False
            flight = self._flights[key] = Flight(key, generation, nonce)
            return flight, True

    def land(self, flight: Flight, outcome: Any) -> None:
        """End a flight; all waiting callers get ``outcome``."""
        with self._lock:
            if self._flights.get(flight.key) is flight:
                del self._flights[flight.key]
        flight.outcome = outcome
        flight.landed.set()

    def wait(self, flight: Flight, seconds: float) -> bool:
        """Wait for a flight to end. False: it did not end in time, or too many callers wait
        already."""
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
