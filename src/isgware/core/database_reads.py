"""What one render reads of the database, and what one transaction writes, in bounds.

Filled by recorders; how is in `dependencies`. Threads of one render share its `DatabaseReads`:
every method is a few operations of dictionaries, or may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .dependencies import (
    KEY,
    UNKNOWN,
    UPDATES_ONLY,
    EverythingChanged,
    Question,
    Read,
    Row,
    Shape,
    TableChanged,
    Write,
    canonical,
)
from .dependency_names import (
    ALL_COLUMNS,
    EVERY,
    STAR,
    Shapes,
    any_name,
    row_name,
    rows_name,
    shape_name,
    table_name,
)
from .unseen import MARK, MAX_NOTES

#: Dependencies of one page; more of one table become the table.
MAX_READS: Final = 1_000
#: Rows of one table that one transaction changes; more become the table's rows.
MAX_WRITES: Final = 1_000
#: Shapes of questions on one table; further ones are questions on the whole of it.
MAX_SHAPES: Final = 200

_Asked = tuple[tuple[str, ...], tuple[tuple[str, str], ...]]


class DatabaseReads:
    """The reads of one render. ``why``: what made it depend on everything, if something did."""

    def __init__(self) -> None:
        self.why = ""
        self._rows: dict[str, dict[Any, None]] = {}
        self._asked: dict[str, dict[_Asked, None]] = {}
        self._whole: set[str] = set()
        self.full: set[str] = set()
        self._notes: dict[str, str] = {}
        #: What this very render has told each store: how many commits, and how many of them moved
        #: its counter.
        self.own: dict[int, tuple[int, int]] = {}

    def row(self, table: str, key: Any, columns: frozenset[str] | None = None) -> None:
        """A row that the page may show, or ``columns`` of it."""
        self.rows(table, (key,), columns)

    def rows(self, table: str, keys: Iterable[Any], columns: frozenset[str] | None = None) -> None:
        """The same for several."""
        if table in self._whole:
            return
        if columns is not None:
            looked_at = tuple(sorted(columns))
            for key in keys:
                text = canonical(key)
                self._ask(table, (looked_at, () if text is None else ((KEY, text),)))
            return
        known = self._rows.setdefault(table, {})
        known.update(dict.fromkeys(keys))
        if len(known) > MAX_READS:
            self._fill(table)

    def question(
        self, table: str, columns: Iterable[str] | None, equals: Mapping[str, Any] | None = None,
        *, updates_only: bool = False,
    ) -> None:  # fmt: skip
        """A question on a table that is decided by ``columns``, `None`: by all of them. ``equals``:
        the values that each row has which matters, of integers, booleans, UUIDs and `None`.
        ``updates_only``: rows that are inserted or deleted do not matter."""
        if table in self._whole:
            return
        values = []
        for name, value in (equals or {}).items():
            text = canonical(value)
            if text is not None:
                values.append((name, text))
        if columns is None and not values:
            self.table(table)
            return
        looked_at = (
            (ALL_COLUMNS,) if columns is None else tuple(sorted({*columns, *(equals or ())}))
        )
        if updates_only and columns is not None:
            looked_at = (*looked_at, UPDATES_ONLY)
        self._ask(table, (looked_at, tuple(sorted(values))))

    def _ask(self, table: str, asked: _Asked) -> None:
        known = self._asked.setdefault(table, {})
        known[asked] = None
        if len(known) > MAX_READS:
            self._fill(table)

    def table(self, table: str) -> None:
        """All of its rows, and whatever is asked of it."""
        self._whole.add(table)
        self._rows.pop(table, None)
        self._asked.pop(table, None)

    def _fill(self, table: str) -> None:
        self.full.add(table)
        self.table(table)

    def everything(self, why: str) -> None:
        """Nobody knows what. ``why``: what did it, and where ("cursor.execute in views.py:12")."""
        self.why = self.why or why or "?"

    def note(self, about: str, made: Callable[[], str]) -> None:
        """Something that no change tells of (see `unseen`), once for each that it is ``about``."""
        if about not in self._notes and len(self._notes) < MAX_NOTES:
            self._notes[about] = made()

    def add(self, read: Read) -> None:
        if isinstance(read, Row):
            self.row(read.table, read.key, read.columns)
        elif isinstance(read, Question):
            self.question(read.table, read.columns, dict(read.equals))
        else:
            self.everything(read.why)

    def finished(self, shapes: Shapes) -> Dependencies:
        """What the page depends on. ``shapes``: those that the store knows."""
        for table in {*self._rows, *self._asked}:
            self._unknown_keys(table)
        while self._count() > MAX_READS:
            self._fill(max({*self._rows, *self._asked}, key=self._count_of))
        names = {EVERY: None}
        texts, new = [], set()
        if self.why:
            names[STAR] = None
            texts.append(f"* {self.why}")
        for table in sorted({*self._whole, *self._rows, *self._asked}):
            names[table_name(table)] = None
            names.update(dict.fromkeys(self._row_names(table)))
            known = set(shapes.get(table, ()))
            for columns, equals in self._asked.get(table, ()):
                shape = Shape(table, columns, tuple(name for name, _ in equals))
                if shape not in known and len(known) >= MAX_SHAPES:
                    names[any_name(table)] = None
                    continue
                if shape not in known:
                    known.add(shape)
                    new.add(shape)
                names[shape_name(shape, (value for _, value in equals))] = None
                if equals:
                    names[shape_name(shape)] = None
            texts += self._texts(table)
        texts += (MARK + note.replace("\n", " ") for note in self._notes.values())
        return Dependencies(b"".join(names), "\n".join(texts), frozenset(new), frozenset(self.full))

    def _row_names(self, table: str) -> Iterable[bytes]:
        if table in self._whole:
            yield any_name(table)
        if table in self._whole or table in self._rows:
            yield rows_name(table)
        for key in self._rows.get(table, ()):
            yield row_name(table, str(canonical(key)))

    def _unknown_keys(self, table: str) -> None:
        if any(key is UNKNOWN or canonical(key) is None for key in self._rows.get(table, ())):
            self.table(table)

    def _count_of(self, table: str) -> int:
        return len(self._rows.get(table, ())) + len(self._asked.get(table, ()))

    def _count(self) -> int:
        return sum(map(self._count_of, {*self._rows, *self._asked}))

    def _texts(self, table: str) -> Iterable[str]:
        if table in self._whole:
            yield f"{table}[*]"
        for key in self._rows.get(table, ()):
            yield f"{table}:{_key_text(key)}"
        for columns, equals in self._asked.get(table, ()):
            yield _question_text(table, columns, equals)


def _key_text(key: Any) -> str:
    return ",".join(map(str, key)) if isinstance(key, tuple) else str(key)


def _question_text(table: str, columns: tuple[str, ...], equals: Iterable[tuple[str, str]]) -> str:
    given = dict(equals)
    rest = [name for name in columns if name not in given and name not in (KEY, UPDATES_ONLY)]
    if KEY in given:
        return f"{table}:{given[KEY]}({', '.join(rest)})"
    said = [f"{name}={'NULL' if value == chr(0) else value}" for name, value in given.items()]
    return f"{table}[{'; '.join(part for part in (', '.join(said), ', '.join(rest)) if part)}]"


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What a page depends on: its ``names`` one after the other, and ``texts``, a line for each.
    ``shapes``: those among its questions that the store did not know. ``full``: tables of which it
    reads too much, so that it depends on the whole of them."""

    names: bytes = b""
    texts: str = ""
    shapes: frozenset[Shape] = frozenset()
    full: frozenset[str] = frozenset()


@dataclass(slots=True)
class Writes:
    """The writes of one transaction or savepoint."""

    everything: EverythingChanged | None = None
    _tables: dict[str, list[Write]] = field(default_factory=dict)

    def add(self, write: Write) -> None:
        if isinstance(write, EverythingChanged):
            self.everything = self.everything or write
            return
        known = self._tables.setdefault(write.table, [])
        if known and isinstance(known[0], TableChanged):
            return
        if isinstance(write, TableChanged) or len(known) >= MAX_WRITES:
            known[:] = [TableChanged(write.table)]
        else:
            known.append(write)

    def join(self, inner: Writes) -> None:
        """A savepoint was released: what was written in it is written in this."""
        for write in inner:
            self.add(write)

    def __iter__(self) -> Iterator[Write]:
        if self.everything is not None:
            yield self.everything
        for writes in list(self._tables.values()):
            yield from list(writes)

    def __bool__(self) -> bool:
        return bool(self.everything or self._tables)
