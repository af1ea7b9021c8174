"""When a failed render is tried again: back-off per key."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from ..core.freshness import CLOCK_TOLERANCE
from ..storage.notes import Failure


class Failures:
    """Back-off per key: 1 s, doubling, up to the page's own lifetime or five minutes, plus up to a
    tenth so that processes do not retry at the same moment.

    Bounded: at the limit the oldest entry is dropped.
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
        # A time in the future was set before the clock was put back.
        return failure is None or not (
            failure.at - CLOCK_TOLERANCE <= now < failure.until <= now + 2 * self.LONGEST
        )

    def add(
        self, key: str, now: float, error: str, lifetime: float | None, unproven: bool = False,
        *, by: str = "", seconds: float = 0.0,
    ) -> Failure:  # fmt: skip
        known = self._failures.get(key)
        count = known.count + 1 if known else 1
        longest = self.LONGEST if not lifetime else min(lifetime, self.LONGEST)
        delay = min(2.0 ** min(count - 1, 20), longest) * (1 + 0.1 * self._jitter())
        failure = Failure(count, now + delay, error, unproven, now, by, seconds)
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
