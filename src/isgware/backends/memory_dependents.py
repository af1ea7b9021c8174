"""The tables of `dependents` in dictionaries, used under a lock, and `DependentPages`, the part of
`MemoryBackend` that does so."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping

from ..core.dependencies import Shape
from ..core.dependency_names import any_name, split
from .base import Row
from .dependents import (
    INTENT_SECONDS,
    MAX_KNOWN,
    MAX_UNHEARD,
    Begun,
    Depending,
    Intent,
    Kept,
    KnownShapes,
    Lagging,
    Teller,
    Told,
)
from .memory_intents import Intents, ToldTimes


class DependencyTables:
    """``max_told``: names that were told and are remembered; of what was forgotten, pages are
    stale: ``floor``."""

    def __init__(
        self, max_told: int, max_known: int = MAX_KNOWN, max_unheard: int = MAX_UNHEARD
    ) -> None:
        self.writes = 0
        self.version = 0
        self.shapes: dict[Shape, None] = {}
        self.known: set[bytes] = set()
        self.told: dict[bytes, tuple[int, str]] = {}
        self.floor = 0
        self._unheard: dict[bytes, int] = {}
        self._unheard_floor = 0
        self._max_told = max_told
        self._max_known = max_known
        self._max_unheard = max_unheard
        self.intents = Intents()
        self._times = ToldTimes()

    def begun(self, nonce: str) -> Begun:
        return Begun(nonce, self.writes, self.version)

    def known_shapes(self, nonce: str) -> KnownShapes:
        return KnownShapes(nonce, self.version, frozenset(self.shapes))

    def tell(self, names: Mapping[bytes, str], counter: int, teller: Teller | None = None) -> Told:
        """``counter``: that of the store before."""
        self.writes += 1
        if teller is not None:
            self.intents.end(teller.intents)
            self._times.note(names, teller.page, teller.now)
        heard = tuple(name for name in names if name in self.known)
        for name in names:
            if name not in self.known:
                self._unheard.pop(name, None)
                self._unheard[name] = self.writes
        while len(self._unheard) > self._max_unheard:
            oldest = next(iter(self._unheard))
            self._unheard_floor = self._unheard.pop(oldest)
        if heard:
            counter += 1
            for name in heard:
                self.told.pop(name, None)
                self.told[name] = (counter, names[name])
            while len(self.told) > self._max_told:
                oldest = next(iter(self.told))
                self.floor = max(self.floor, self.told.pop(oldest)[0])
        return Told(counter, heard, self.floor)

    def tell_overdue(self, counter: int, now: float) -> tuple[int, int]:
        """How many, and the counter."""
        overdue = self.intents.overdue(self.version, now)
        for names in overdue:
            counter = self.tell(names, counter, Teller(now)).counter
        return len(overdue), counter

    def seconds_left(self, page: Lagging, now: float) -> float | None:
        return self._times.left(page, self.version, now)

    def depend(self, depending: Depending, nonce: str, generation: int) -> Kept:
        """See `Dependents.depend`."""
        begun = depending.begun
        names = set(split(depending.names))
        suspects = names.copy()
        for shape in depending.shapes:
            if shape.table:
                suspects.add(any_name(shape.table))
        changed = any(self._unheard.get(name, 0) > begun.writes for name in suspects) or any(
            self.told.get(name, (0, ""))[0] > generation for name in suspects - names
        )
        new = [shape for shape in depending.shapes if shape not in self.shapes]
        if new:
            self.version += 1
            self.shapes.update(dict.fromkeys(new))
        self.known |= names
        if begun.nonce != nonce or begun.writes < self._unheard_floor:
            return Kept.MAYBE
        return Kept.CHANGED if changed else Kept.AS_IT_WAS

    def told_since(self, since: int) -> tuple[tuple[bytes, int, str], ...]:
        rows = ((name, *value) for name, value in self.told.items())
        return tuple(row for row in rows if row[1] > since)

    @property
    def full(self) -> bool:
        return len(self.known) > self._max_known

    def forget(self, counter: int) -> int:
        """See `Dependents.forget`. Pages whose render knew only ``counter`` are stale."""
        self.known.clear()
        self.shapes.clear()
        self.version += 1
        self.floor = counter + 1
        return self.floor


class DependentPages(ABC):
    version: list[int]
    _lock: threading.Lock
    _nonce: str
    _counter: int
    _dependencies: DependencyTables

    @abstractmethod
    def _all_rows(self) -> list[Row]: ...

    def begun(self) -> Begun:
        with self._lock:
            return self._dependencies.begun(self._nonce)

    def shapes(self) -> KnownShapes:
        with self._lock:
            return self._dependencies.known_shapes(self._nonce)

    def tell(
        self, names: Mapping[bytes, str], nonce: str, version: int, teller: Teller | None = None
    ) -> Told | KnownShapes:
        with self._lock:
            tables = self._dependencies
            if (nonce, version) != (self._nonce, tables.version):
                return tables.known_shapes(self._nonce)
            told = tables.tell(names, self._counter, teller)
            self._move_to(told.counter)
            return told

    def announce(
        self, intent: Intent, version: int, now: float, seconds: float = INTENT_SECONDS
    ) -> bool:
        with self._lock:
            return self._dependencies.intents.add(intent, version, now, seconds)

    def tell_overdue(self, now: float) -> int:
        with self._lock:
            count, counter = self._dependencies.tell_overdue(self._counter, now)
            self._move_to(counter)
            return count

    def seconds_left(self, page: Lagging, now: float) -> float | None:
        with self._lock:
            return self._dependencies.seconds_left(page, now)

    def depend(self, depending: Depending, nonce: str, generation: int) -> Kept:
        with self._lock:
            tables = self._dependencies
            kept = tables.depend(depending, self._nonce, generation)
            if tables.full:
                self._move_to(tables.forget(self._counter))
            return kept if nonce == self._nonce else Kept.MAYBE

    def affected(self, names: Iterable[bytes]) -> Iterator[Row]:
        """Looks at every row: there are at most 100,000. An index would have each page that is
        stored cost a sixth more."""
        wanted = set(names)
        return (row for row in self._all_rows() if row.depended and row.depended.has_any(wanted))

    def forget(self) -> int:
        with self._lock:
            self._move_to(self._dependencies.forget(self._counter))
            return self._counter

    def _move_to(self, counter: int) -> None:
        if counter != self._counter:
            self._counter = counter
            self.version[0] += 2
