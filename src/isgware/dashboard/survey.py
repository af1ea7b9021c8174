"""What state the stored pages are in: looked at once a minute at most, and never for long.

A store of a million pages is not walked through for a number on a screen. Where the walk ends
early, the survey says so.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from ..errors import BackendUnavailable
from ..management.route_pages import RouteOf
from ..runtime import Runtime
from ..storage.catalogue import PageInfo

#: Seconds for which a survey holds, and that one may take.
_LASTS: Final = 60.0
_FRESH: Final = 5.0
_TAKES: Final = 0.5
_FAILING: Final = 20
STATES: Final = ("fresh", "stale", "expired", "failing")


@dataclass(frozen=True, slots=True)
class Survey:
    """``pages`` and ``bytes`` are of all builds where the store knows them without a walk.
    ``states``, ``routes`` (the pages of each) and ``failing`` are of those that were ``looked_at``;
    ``complete`` is false where pages were left out."""

    pages: int = 0
    bytes: int = 0
    looked_at: int = 0
    routes: dict[str, int] = field(default_factory=dict)
    states: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATES, 0))
    failing: list[PageInfo] = field(default_factory=list)
    complete: bool = True


class Surveyor:
    """One for each process. A survey that took no time is made again sooner."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lock = threading.Lock()
        self._last: tuple[float, Survey] | None = None

    def __call__(self) -> Survey:
        """Of the pages of the own build. Raises `BackendUnavailable`."""
        with self._lock:
            now = time.monotonic()
            if self._last is None or now >= self._last[0]:
                found = _survey(self._runtime, now + _TAKES)
                took = time.monotonic() - now
                self._last = now + (_FRESH if took < _TAKES / 10 else _LASTS), found
            return self._last[1]

    def forget(self) -> None:
        """Something was changed: look again."""
        with self._lock:
            self._last = None


def _survey(runtime: Runtime, deadline: float) -> Survey:
    states: Counter[str] = Counter(dict.fromkeys(STATES, 0))
    routes: Counter[str] = Counter()
    pages = size = 0
    failing: list[PageInfo] = []
    complete = True
    route_of = RouteOf(runtime)
    runtime.store.retry()
    if runtime.store.open_since is not None:
        raise BackendUnavailable("The store is out of reach.")
    for row, info in runtime.catalogue.listed():
        if info is None:
            continue
        pages += 1
        routes[route_of(row)] += 1
        size += info.size
        states[info.state] += 1
        if info.state == "failing" and len(failing) < _FAILING:
            failing.append(info)
        if pages % 100 == 0 and time.monotonic() > deadline:
            complete = False
            break
    looked_at = pages
    if not complete:
        pages, size = runtime.store.sizes() or (pages, size)
    return Survey(pages, size, looked_at, dict(routes), dict(states), failing, complete)
