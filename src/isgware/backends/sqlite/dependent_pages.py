"""`isgware.backends.dependents.Dependents` over a `Database`, as part of `SQLiteBackend`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping

from ..base import Limits, Row
from ..dependents import Begun, Depending, Kept, KnownShapes
from . import dependents
from .database import Database
from .dependents import Late, Unannounced

_AT_ONCE = 500


class DependentPages:
    database: Database
    _limits: Limits

    def put_row(
        self, row: Row, data: bytes | None, size: int, now: float,
        depending: Depending | None = None,
    ) -> list[str] | None:  # fmt: skip
        raise NotImplementedError

    def _rows_by_id(self, ids: list[int]) -> list[Row]:
        raise NotImplementedError

    def begun(self) -> Begun:
        return self.database.read(dependents.begun)

    def shapes(self) -> KnownShapes:
        return self.database.read(dependents.shapes)

    def tell(self, names: Mapping[bytes, str], nonce: str, version: int) -> int | KnownShapes:
        """Announced, which waits for the disk, only if somebody depends on it."""
        limit = self._limits.names

        def work(db: sqlite3.Connection, announced: bool) -> int | KnownShapes:
            return dependents.tell(db, names, nonce, version, limit, announced=announced)

        if not self.database.read(lambda db: dependents.any_known(db, names)):
            try:
                return self.database.write(lambda db: work(db, False))
            except Unannounced:
                pass  # a page has come to depend on it just now
        return self.database.announce(lambda db: work(db, True))

    def put_depending(self, row: Row, data: bytes, depending: Depending, now: float) -> Kept:
        try:
            gone = self.put_row(row, data, len(data), now, depending)
        except Late as late:
            return late.kept
        if not self.database.joined and self.database.read(dependents.full):
            self.forget()
        return Kept.OLDER if gone is None else Kept.STORED

    def affected(self, names: Iterable[bytes]) -> Iterator[Row]:
        wanted = list(names)
        ids = self.database.read(lambda db: dependents.pages_of(db, wanted))
        for start in range(0, len(ids), _AT_ONCE):
            yield from self._rows_by_id(ids[start : start + _AT_ONCE])

    def forget(self) -> int:
        return self.database.announce(dependents.forget)
