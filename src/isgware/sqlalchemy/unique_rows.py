"""Questions for the one row that has some unique value: if it is found, there is no question.

As long as that row is there, and what decides of it stays as it is, no other can take its place,
so that the row alone is the dependency (`rows`). If it is not found, the question is asked like any
other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.sql.elements import BindParameter

from ..core.database_reads import DatabaseReads
from .columns import column_of, comparable_value, is_text, unique_columns
from .named import place
from .parameters import value_of
from .questions import Question, ask, asked_later
from .rows import Cursor, Shown
from .tables import ignored

#: Columns, and the parameters that they are equal to.
UniqueValues = tuple[tuple[Any, BindParameter[Any]], ...]
#: The row that is to be found, and what asks the question if it is not.
Unasked = tuple[Shown, Callable[[DatabaseReads], None]]


@dataclass(frozen=True, slots=True)
class UniqueRow:
    """``shown`` is the row that has the values ``given``, ``question`` what is asked without it."""

    shown: Shown
    question: Question
    given: UniqueValues


def unique_values(table: Any, equal: Mapping[str, Any]) -> UniqueValues:
    """Columns whose values no two rows have in common, of those that are ``equal`` to parameters;
    empty if there are none."""
    bound = {
        name for name, given in equal.items()
        if isinstance(given, BindParameter) and not given.expanding
    }  # fmt: skip
    names = next((names for names in unique_columns(table) if names <= bound), ())
    return tuple((column_of(table, name), equal[name]) for name in sorted(names))


def unasked_of(
    reads: DatabaseReads, unique: Iterable[UniqueRow], context: Any
) -> Iterator[Unasked]:
    """Ask at once what is not for one row with the values of this execution."""
    for each in unique:
        if all(_fits(value_of(context, given), column) for column, given in each.given):
            if not ignored(each.shown.table):
                yield each.shown, asked_later(each.question, context)
        else:
            ask(reads, (each.question,), context)


def _fits(value: Any, column: Any) -> bool:
    """In MySQL all texts that begin with no digit are equal to 0."""
    return type(value) is str if is_text(column) else comparable_value(value, column)


class AskingCursor(Cursor):
    """Asks those of ``unasked`` whose row is not among the first that are fetched."""

    __slots__ = ("_unasked",)

    def __init__(
        self, cursor: Any, reads: DatabaseReads, shown: Sequence[Shown], unasked: Sequence[Unasked]
    ) -> None:
        super().__init__(cursor, reads, shown)
        object.__setattr__(self, "_unasked", unasked)

    def __getattr__(self, name: str) -> Any:
        if name == "rowcount":  # it tells of rows that are not fetched
            self._settle(())
        return super().__getattr__(name)

    def __iter__(self) -> Iterator[Any]:
        while (row := self.fetchone()) is not None:
            yield row

    def fetchone(self) -> Any:
        row = super().fetchone()
        self._settle(() if row is None else (row,))
        return row

    def fetchmany(self, *args: Any, **kwargs: Any) -> Any:
        rows = super().fetchmany(*args, **kwargs)
        self._settle(rows)
        return rows

    def fetchall(self) -> Any:
        rows = super().fetchall()
        self._settle(rows)
        return rows

    def _settle(self, rows: Sequence[Any]) -> None:
        """Never raises: what is not understood is everything."""
        unasked = self._unasked
        object.__setattr__(self, "_unasked", ())
        try:
            for shown, question in unasked:
                if not any(_has_key(shown, row) for row in rows):
                    question(self._reads)
        except Exception as error:
            self._reads.everything(f"{type(error).__name__} in {place()}")


def _has_key(shown: Shown, row: Any) -> bool:
    key = shown.key(row)
    return None not in key if shown.composite else key is not None
