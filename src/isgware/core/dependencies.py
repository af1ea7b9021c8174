"""What a render reads of the database, and what a commit writes: the words of recorders.

How a recorder (of an ORM) uses them. *Reading*::

    reads = isgware.render_context.database.get()     # None: no clean room, or untracked
    if reads is not None:
        reads.row("blog_post", 5)                                # its key was selected
        reads.row("blog_post", 5, frozenset({"title"}))          # only()/load_only: these columns
        reads.question("blog_post", {"author_id", "date"}, {"author_id": 3})
        reads.table("blog_post")                                 # RawSQL inside of a query
        reads.everything("cursor.execute in views.py:12")        # raw SQL

A query whose key is selected is both: its rows as they come, and a question with the columns that
decide membership and order (with those of the output where no key is selected). ``equals`` are
equalities in a conjunction that hold for every row that can matter; what is left out only makes the
question coarser. Their columns count as ``columns``, too. ``columns=None`` stands for all. An
equality of the whole primary key is ``{KEY: 5}``, whatever its column is called: ``touched`` knows
the key of a row, and nothing else of it. ``updates_only``: for a table that is joined by foreign
keys of another that the query reads, too, so that a row comes to matter by those alone.

*Writing*. Collect in a `Writes` per transaction (savepoint), join it to its parent's when a
savepoint is released, and after the commit call ``isgware.management.record_writes.tell(writes)``::

    writes.add(Inserted("blog_post", 5, {"author_id": 3}))       # values: columns that are known
    writes.add(Updated("blog_post", 5, {"author_id"}, old={"author_id": 3}, new={"author_id": 4}))
    writes.add(Deleted("blog_post", 5, {"author_id": 3}))
    writes.add(RowsChanged("blog_post", {"title"}))              # more than 1,000, or not known
    writes.add(TableChanged("blog_post"))
    writes.add(EverythingChanged("cursor.execute in views.py:12"))

``old`` and ``new`` are whole rows as far as they are known, not the changed columns only: which
question a row belongs to depends on all of them. A column that is left out is not known, and
matches every value. ``old`` is what the database held under the lock of the write. ``key`` is
`UNKNOWN` if it is not known, a tuple if it has several columns. Tables are named as the database
names them, without schema unless there are several. Columns are the database's, too.

A write while ``render_context.tracked.get()`` is false is not to be added.

Values that recorders give are canonical by `canonical`: raw values of the driver and those of the
model give the same, as far as integers, booleans and UUIDs are concerned. Equalities of other
types must not be given as ``equals``: give their columns without value.
"""

from __future__ import annotations

import decimal
import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


#: In place of a key that is not known.
UNKNOWN: Final = _Unknown()
#: In `Shape.equals` and values: the row's key, whatever its columns are called.
KEY: Final = ""
#: Among the columns of a question: rows that are inserted or deleted do not matter to it.
UPDATES_ONLY: Final = "~"
_INTEGER: Final = re.compile(r"[+-]?[0-9]+(\.0*)?\Z", re.ASCII)
_UUID: Final = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\Z")


def canonical(value: Any) -> str | None:
    """One text for all values that a database may hold equal to ``value``; ``None`` if it cannot
    be told. Texts count as equal whatever their case: some columns are so. A key of several columns
    is what people write of it, their values with commas in between."""
    kind = type(value)
    if kind is int:
        return str(value)
    if kind is str:
        text: str = value.strip().casefold()
        if _UUID.match(text):
            return text.replace("-", "")
        if "," in text:
            return ",".join([str(canonical(part)) for part in text.split(",")])
        return str(int(text.partition(".")[0])) if _INTEGER.match(text) else text
    if value is None:
        return "\0"
    if isinstance(value, int):  # bool, and enumerations of numbers
        return str(int(value))
    if isinstance(value, str):
        return canonical(str.__str__(value))
    if isinstance(value, float | decimal.Decimal):
        return str(int(value)) if value == value and value % 1 == 0 else None
    if isinstance(value, bytes) and len(value) == 16:  # a UUID of a driver without any
        return value.hex()
    if isinstance(value, tuple | list):
        parts = [canonical(part) for part in value]
        return None if None in parts else ",".join(map(str, parts))
    hexed = getattr(value, "hex", None)
    if isinstance(hexed, str) and len(hexed) == 32:
        return hexed
    return None


class Shape(NamedTuple):
    """A kind of question: which columns of a table it looks at, and for which of them one value
    is asked. ``columns`` and ``equals`` are sorted; `KEY` stands for the key."""

    table: str
    columns: tuple[str, ...]
    equals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A row that a page shows. ``columns``: those alone, and `None` all."""

    table: str
    key: Any
    columns: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A question on a table. ``columns`` decide its answer, `None`: all. ``equals``: pairs of a
    column and the value that every row has which can matter. With `UPDATES_ONLY` among the columns
    it is about rows of which another table's rows speak: that one came or went is told by those."""

    table: str
    columns: frozenset[str] | None
    equals: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Everything:
    """Nobody knows what was read. ``why`` is for people: what did it, and where."""

    why: str = field(default="", compare=False)


Read = Row | Question | Everything
_NOTHING: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Inserted:
    """``values``: those columns of the row that are known."""

    table: str
    key: Any
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deleted:
    table: str
    key: Any
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Updated:
    """``columns`` that were changed; `None` if that is not known."""

    table: str
    key: Any
    columns: Set[str] | None
    old: Mapping[str, Any] = field(default_factory=dict)
    new: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RowsChanged:
    """Any number of rows, nobody knows which; ``columns`` of them, and `None`: all, or rows that
    were inserted or deleted."""

    table: str
    columns: Set[str] | None


@dataclass(frozen=True, slots=True)
class TableChanged:
    table: str


@dataclass(frozen=True, slots=True)
class EverythingChanged:
    """``why`` is for people: what did it, and where. ``tables``: it may have changed the tables
    themselves, so that questions will be others."""

    why: str = field(default="", compare=False)
    tables: bool = field(default=False, compare=False)


RowWrite = Inserted | Deleted | Updated
Write = RowWrite | RowsChanged | TableChanged | EverythingChanged


def versions_of(write: RowWrite) -> tuple[Mapping[str, Any], ...]:
    """What is known of the row, before and after; both are the same if it was not updated."""
    if isinstance(write, Updated):
        return (write.old, write.new)
    return (write.values,)


def value_in(write: RowWrite, values: Mapping[str, Any], column: str) -> str | None:
    """The canonical value of a column, `None` if it is not known."""
    if column == KEY:
        return None if write.key is UNKNOWN else canonical(write.key)
    return canonical(values[column]) if column in values else None


def concerns(write: Write, read: Read) -> bool:
    """Whether ``write`` may change what ``read`` gave. The rule that names have to keep to: see
    `dependency_names`."""
    if isinstance(write, EverythingChanged) or isinstance(read, Everything):
        return True
    if write.table != read.table:
        return False
    if isinstance(write, TableChanged):
        return True
    if isinstance(write, RowsChanged):
        return _touches(write.columns, read.columns)
    if isinstance(read, Row):
        # No page can show a row that was not there yet, whatever its key became. One that is shown
        # in part is kept as a question for its key.
        if isinstance(write, Inserted) and write.key is UNKNOWN:
            return read.columns is not None
        if not _may_equal(read.key, write.key):
            return False
        return not isinstance(write, Updated) or _touches(write.columns, read.columns)
    if isinstance(write, Updated):
        if not _touches(write.columns, read.columns):
            return False
    elif read.columns is not None and UPDATES_ONLY in read.columns:
        return False
    return any(
        all(_may_equal(value, values.get(name, UNKNOWN)) for name, value in read.equals)
        for values in versions_of(write)
    )


def _touches(changed: Iterable[str] | None, looked_at: frozenset[str] | None) -> bool:
    return changed is None or looked_at is None or not looked_at.isdisjoint(changed)


def _may_equal(one: Any, other: Any) -> bool:
    if one is UNKNOWN or other is UNKNOWN:
        return True
    texts = canonical(one), canonical(other)
    return None in texts or texts[0] == texts[1]
