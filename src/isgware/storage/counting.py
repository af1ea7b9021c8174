"""What this process counts, and how it comes to the store.

A hit adds one to a cell, without a lock. A cell is never reset; who reads it remembers what was
told.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
import weakref
from collections.abc import Callable
from typing import Final

from ..backends import fork_safety as forks
from ..backends.breaker import Breaker
from ..core import series
from ..core.series import MAX_ROUTES, MAX_SERIES, OTHER, name_of, overflow_of
from ..errors import BackendUnavailable

log: Final = logging.getLogger("isgware")
#: Seconds between two operations on the store.
_PAUSE: Final = 5.0
#: Seconds after which, as the process ends, no further store is told.
_PATIENCE: Final = 1.0
#: Results of requests for which nothing was rendered.
SERVED: Final = ("hit", "stale", "filled", "prefetch")
#: Requests of the script that fills holes in the browser, by result and reason.
_OF_HOLES: Final = frozenset({
    ("bypass", "filled"), ("bypass", "nothing-personal"), ("bypass", "no-such-holes"),
})  # fmt: skip


def wants_page(result: str, reason: str) -> bool:
    """Whether a page could have answered such a request: not one that changes things, or one for
    the holes of a page that its browser has already."""
    return reason != "method" and (result, reason) not in _OF_HOLES


class Cell:
    """``cell.value += 1`` counts one more, in whichever thread: that is one statement without a
    call, and between its parts the interpreter does not switch threads (it does so at calls and
    at jumps back). A test counts in eight of them."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


class Counts:
    """Counts of one process. ``now`` is the clock of the periods, in seconds since the epoch."""

    def __init__(self, store: Breaker, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self._cells: dict[tuple[str, ...], Cell] = {}
        self._names: dict[str, Cell] = {}
        self._sent: dict[str, int] = {}  # of each cell
        self._routes: set[str] = set()
        self._amounts: dict[str, float] = {}
        self._seconds: dict[str, tuple[float, int]] = {}
        self._begin()
        forks.watch(self)
        _all.add(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._telling = threading.Lock()
        self._due = time.monotonic() + _PAUSE
        self._process = uuid.uuid4().hex
        self._number = 0
        self._pending: dict[str, float] = {}

    def before_fork(self) -> None:
        """Nothing is open."""

    def after_fork(self, child: bool) -> None:
        if child:  # what was counted until now is its parent's to tell
            self._begin()
            self._amounts = {}
            self._collect()

    # Counting.

    def cell(self, route: str, result: str, reason: str = "") -> Cell:
        """The cell of requests of a ``route`` with this ``result``."""
        return self._cell(series.REQUESTS, route, result, reason)

    def _cell(self, *parts: str) -> Cell:
        found = self._cells.get(parts)
        if found is None:
            with self._lock:
                found = self._cells.get(parts) or self._new_cell(*parts)
        return found

    def _new_cell(self, kind: str, route: str, *labels: str) -> Cell:
        name = name_of(kind, self._route(route) if route else "", *labels)
        if name not in self._names and len(self._names) >= MAX_SERIES:
            name = overflow_of(name)
        self._sent.setdefault(name, 0)
        cell = self._names.setdefault(name, Cell())
        if len(self._cells) < 2 * MAX_SERIES:
            self._cells[kind, route, *labels] = cell
        return cell

    def _route(self, route: str) -> str:
        if route not in self._routes:
            if len(self._routes) >= MAX_ROUTES:
                return OTHER
            self._routes.add(route)
        return route

    def takes(self, route: str, seconds: float) -> None:
        """A render of a page of this route takes so long: what each hit saves."""
        with self._lock:
            route = self._route(route)
            total, number = self._seconds.get(route, (0.0, 0))
            self._seconds[route] = total + seconds, number + 1

    def rendered(
        self, route: str, outcome: str, seconds: float, size: int = 0, *, unchanged: bool = False
    ) -> None:
        """A render has ended. ``size``: bytes of the page's body, if there is one; ``unchanged``
        if they are those of the page before."""
        self._cell(series.RENDERS, route, outcome).value += 1
        self._cell(series.RENDER_BUCKET, route, series.bound_of(seconds)).value += 1
        if unchanged:
            self._cell(series.UNCHANGED, route).value += 1
        with self._lock:
            route = self._route(route)
            self._add(name_of(series.RENDER_SECONDS, route), seconds)
            if size:
                self._add(name_of(series.RENDER_BYTES, route), size)

    def invalidated(self, kind: str) -> None:
        self._cell(series.INVALIDATIONS, "", kind).value += 1

    def _add(self, name: str, amount: float) -> None:
        self._amounts[name] = self._amounts.get(name, 0.0) + amount

    # Telling.

    def tell(self) -> None:
        """Add to the store what was counted since, at most once in 5 s."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _PAUSE
            self.flush()

    def flush(self) -> None:
        """Add to the store what was counted since, if anything was. What it did not confirm is
        sent again under the same number. Raises `BackendUnavailable`."""
        with self._telling:
            if not self._pending:
                self._pending = self._collect()
                self._number += 1
            if self._pending:
                self._store.add_counts(self._process, self._number, self._pending, self._now())
                self._pending = {}

    def flush_quietly(self) -> None:
        try:
            self.flush()
        except BackendUnavailable as error:
            log.debug("Counts were not told: %s", error)

    def _collect(self) -> dict[str, float]:
        with self._lock:
            found, self._amounts = self._amounts, {}
            for name, cell in self._names.items():
                value, told = cell.value, self._sent[name]
                if value > told:
                    found[name] = value - told
                    self._save(found, name, value - told)
                    self._sent[name] = value
        return found

    def _save(self, found: dict[str, float], name: str, requests: int) -> None:
        kind, route, *labels = series.parts_of(name)
        if kind == series.REQUESTS and labels[0] in SERVED and route in self._seconds:
            total, number = self._seconds[route]
            saved = name_of(series.SAVED, route)
            found[saved] = found.get(saved, 0.0) + requests * total / number


_all: Final[weakref.WeakSet[Counts]] = weakref.WeakSet()


def tell_at_exit() -> None:
    """The process ends: what was counted since the store was last told is not lost."""
    deadline = time.monotonic() + _PATIENCE
    for counts in list(_all):
        if time.monotonic() < deadline:
            counts.flush_quietly()
