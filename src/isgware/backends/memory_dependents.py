"""The tables of `dependents` in dictionaries. Whoever uses them holds a lock."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.dependencies import Shape
from ..core.dependency_names import any_name, split
from .dependents import MAX_KNOWN, MAX_UNHEARD, Begun, Depending, Kept, KnownShapes


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

    def begun(self, nonce: str) -> Begun:
        return Begun(nonce, self.writes, self.version)

    def known_shapes(self, nonce: str) -> KnownShapes:
        return KnownShapes(nonce, self.version, frozenset(self.shapes))

    def tell(self, names: Mapping[bytes, str], counter: int) -> int:
        """Returns the counter, one more than ``counter`` if anybody depends on any of it."""
        self.writes += 1
        heard = [name for name in names if name in self.known]
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
        return counter

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
