"""Keys of the rows that a page shows, noted as they are fetched from the driver."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..core.database_reads import DatabaseReads
from .named import place
from .tables import ignored


@dataclass(frozen=True, slots=True)
class Shown:
    """Rows whose key is in the result: ``key`` takes it from a row, as a tuple if it is
    ``composite``. ``columns`` of them, `None`: all."""

    table: str
    key: Callable[[Any], Any]
    composite: bool
    columns: frozenset[str] | None


def note(reads: DatabaseReads, shown: Iterable[Shown], rows: Sequence[Any]) -> None:
    """Never raises: what is not understood is everything."""
    try:
        for each in shown if rows else ():
            if ignored(each.table):
                continue
            keys = dict.fromkeys(map(each.key, rows))
            if each.composite:
                keys = dict.fromkeys(key for key in keys if None not in key)
            else:
                keys.pop(None, None)
            reads.rows(each.table, keys, each.columns)
    except Exception as error:
        reads.everything(f"{type(error).__name__} in {place()}")


class Cursor:
    """A cursor of the driver whose rows are noted as they are fetched."""

    __slots__ = ("_cursor", "_reads", "_shown")

    def __init__(self, cursor: Any, reads: DatabaseReads, shown: Sequence[Shown]) -> None:
        _set_cursor(self, cursor)
        _set_reads(self, reads)
        _set_shown(self, shown)

    # SQLAlchemy asks each cursor for these two: `__getattr__` takes five times as long.

    @property
    def description(self) -> Any:
        return self._cursor.description

    def close(self) -> Any:
        return self._cursor.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._cursor, name, value)

    def __iter__(self) -> Iterator[Any]:
        for row in self._cursor:
            note(self._reads, self._shown, [row])
            yield row

    def fetchone(self) -> Any:
        row = self._cursor.fetchone()
        if row is not None:
            note(self._reads, self._shown, [row])
        return row

    def fetchmany(self, *args: Any, **kwargs: Any) -> Any:
        rows = self._cursor.fetchmany(*args, **kwargs)
        note(self._reads, self._shown, rows)
        return rows

    def fetchall(self) -> Any:
        rows = self._cursor.fetchall()
        note(self._reads, self._shown, rows)
        return rows


# Past its own `__setattr__`.
_set_cursor: Final = Cursor.__dict__["_cursor"].__set__
_set_reads: Final = Cursor.__dict__["_reads"].__set__
_set_shown: Final = Cursor.__dict__["_shown"].__set__
