"""`isgware.backends.dependents.Dependents` over a `Database`, as part of `SQLiteBackend`."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeVar

from ..base import Limits, Row
from ..dependents import (
    INTENT_SECONDS,
    Begun,
    Depending,
    Intent,
    Kept,
    KnownShapes,
    Lagging,
    Teller,
    Told,
)
from . import dependents, intents
from .database import Connection, Database
from .dependents import Unannounced, ids_of

T = TypeVar("T")
_AT_ONCE: Final = 500
#: They take about 70 bytes each.
_MAX_SEEN: Final = 20_000


class SeenNames:
    """Names that this process has seen among the known ones, so that the store is not asked for
    them again. They are forgotten only as a whole, which raises the version of the shapes: so they
    hold at one ``place``, which are the store's files, its nonce and that version."""

    def __init__(self) -> None:
        self._found: tuple[object, set[int]] = None, set()

    def has(self, place: object, ids: Iterable[int]) -> bool:
        known_at, known = self._found
        return known_at == place and known.issuperset(ids)

    def add(self, place: object, ids: Iterable[int]) -> None:
        known_at, known = self._found
        if known_at != place or len(known) > _MAX_SEEN:
            self._found = place, known = place, set()
        known.update(ids)


class DependentPages(ABC):
    database: Database
    _seen: SeenNames
    _limits: Limits

    @abstractmethod
    def _rows_by_id(self, ids: list[int]) -> list[Row]: ...

    def begun(self) -> Begun:
        return self.database.read(dependents.begun)

    def shapes(self) -> KnownShapes:
        return self.database.read(dependents.shapes)

    def tell(
        self, names: Mapping[bytes, str], nonce: str, version: int, teller: Teller | None = None
    ) -> Told | KnownShapes:
        """Announced, which waits for the disk, only if somebody depends on it."""
        limit = self._limits.names

        def work(db: sqlite3.Connection, announced: bool) -> Told | KnownShapes:
            return dependents.tell(db, names, nonce, version, limit, teller, announced=announced)

        if not self.database.read(lambda db: dependents.any_known(db, names)):
            try:
                return self.database.write(lambda db: work(db, False))
            except Unannounced:
                pass  # a page has come to depend on it just now
        return self.database.announce(lambda db: work(db, True))

    def announce(
        self, intent: Intent, version: int, now: float, seconds: float = INTENT_SECONDS
    ) -> bool:
        return self.database.write(lambda db: intents.add(db, intent, version, now, seconds))

    def tell_overdue(self, now: float) -> int:
        """Nothing is written as long as nothing is overdue."""
        if not self.database.read(lambda db: intents.any_overdue(db, now)):
            return 0
        limit = self._limits.names
        return self.database.announce(lambda db: dependents.tell_overdue(db, now, limit))

    def seconds_left(self, page: Lagging, now: float) -> float | None:
        version = self.database.read(lambda db: dependents.begun(db).version)
        left, remember = self.database.read(lambda db: intents.seconds_left(db, page, version, now))
        if remember:
            self.database.write(lambda db: intents.remember(db, page, version, now))
        return left

    def depend(self, depending: Depending, nonce: str, generation: int) -> Kept:
        """Where the store knows all of it already, nothing is written."""
        if not depending.shapes:
            kept = self.database.read(lambda db: self._known(db, depending, nonce, generation))
            if kept is not None:
                return kept
        kept = self.database.write(lambda db: dependents.depend(db, depending, nonce, generation))
        if not self.database.joined and self.database.read(dependents.full):
            self.forget()
        return kept

    def _known(
        self, db: sqlite3.Connection, depending: Depending, nonce: str, generation: int
    ) -> Kept | None:
        """What `depend` says if the store knows all of it already."""
        now, began, ids = dependents.begun(db), depending.begun, ids_of(depending.names)
        assert isinstance(db, Connection)
        place = db.files.identity, now.nonce, now.version
        told = began.nonce != now.nonce or nonce != now.nonce or began.writes != now.writes
        if not told and self._seen.has(place, ids):
            return Kept.AS_IT_WAS
        kept = _at_once(db, lambda: dependents.if_known(db, depending, nonce, generation))
        if kept is not None and not self.database.joined:  # which may yet be rolled back
            self._seen.add(place, ids)
        return kept

    def affected(self, names: Iterable[bytes]) -> Iterator[Row]:
        wanted = set(names)
        seen: set[int] = set()
        for name in dependents.listed_under(wanted):
            last = -1
            while batch := self._pages_after(name, last):
                rows = self._rows_by_id([page for page in batch if page not in seen])
                yield from (row for row in rows if row.depended and row.depended.has_any(wanted))
                seen.update(batch)
                last = batch[-1]

    def _pages_after(self, name: int, page: int) -> list[int]:
        return self.database.read(lambda db: dependents.pages_after(db, name, page, _AT_ONCE))

    def forget(self) -> int:
        return self.database.announce(dependents.forget)


def _at_once(db: sqlite3.Connection, work: Callable[[], T]) -> T:
    """Several questions of one state of the store."""
    if db.in_transaction:  # of `together`
        return work()
    db.execute("BEGIN")
    try:
        return work()
    finally:
        db.execute("COMMIT")
