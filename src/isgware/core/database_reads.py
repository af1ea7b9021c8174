"""What one render reads of the database, and what one transaction writes, in bounds.

Filled by recorders; how is in `dependencies`. Threads of one render share its `DatabaseReads`:
every method is a few operations of dictionaries, or may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Any, Final, NamedTuple

from .dependencies import (
    KEY,
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
    row_names,
    rows_name,
    shape_name,
    shape_names,
    table_name,
)
from .dependency_texts import TOO_MANY
from .unseen import MARK, MAX_NOTES

#: Dependencies of one page; more of one table become the table.
MAX_READS: Final = 1_000
#: Rows of one table that one transaction changes; more become the table's rows.
MAX_WRITES: Final = 1_000
#: Shapes of questions on one table; further ones are questions on the whole of it.
MAX_SHAPES: Final = 200

#: What the questions of one shape look at, and of what the value is asked; then their values.
Kind = tuple[tuple[str, ...], tuple[str, ...]]
Values = tuple[str, ...]
_NONE: Final[dict[Kind, dict[Values, None]]] = {}


class DatabaseReads:
    """The reads of one render. ``why``: what made it depend on everything, if something did."""

    def __init__(self, page: bytes = b"") -> None:
        #: Whose render it is: a name of the page.
        self.page = page
        self.why = ""
        self._rows: dict[str, dict[Any, None]] = {}
        self._asked: dict[str, dict[Kind, dict[Values, None]]] = {}
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
            looked_at = _looked_at(columns)
            texts = [canonical(key) for key in keys]
            found = [(text,) for text in texts if text is not None]
            if found:
                self.ask(table, (looked_at, (KEY,)), found)
            if len(found) < len(texts):
                self.ask(table, (looked_at, ()), ((),))
            return
        shown = keys if isinstance(keys, dict) else dict.fromkeys(keys)
        if not shown:  # else it would depend on all rows of the table that nobody can name
            return
        known = self._rows.setdefault(table, {})
        known.update(shown)
        if len(known) > MAX_READS:
            self._fill(table)

    def question(
        self, table: str, columns: Iterable[str] | None, equals: Mapping[str, Any] | None = None,
        *, updates_only: bool = False,
    ) -> None:  # fmt: skip
        """A question on a table that is decided by ``columns``, `None`: by all of them. ``equals``:
        the values that each row has which matters, of integers, booleans, UUIDs and `None`.
        ``updates_only``: rows that are inserted or deleted do not matter."""
        self.questions(table, columns, (equals or {},), updates_only=updates_only)

    def questions(
        self, table: str, columns: Iterable[str] | None, several: Iterable[Mapping[str, Any]],
        *, updates_only: bool = False,
    ) -> None:  # fmt: skip
        """The same for several ``equals``."""
        if columns is not None:
            columns = frozenset(columns)
        asked: dict[Kind, list[Values]] = {}
        for equals in several:
            known = {name: text for name in equals if (text := canonical(equals[name])) is not None}
            if columns is None and not known:
                self.table(table)
                return
            names = tuple(sorted(known)) if len(known) > 1 else tuple(known)
            looked_at = _looked_at(columns, tuple(equals), updates_only)
            asked.setdefault((looked_at, names), []).append(tuple([known[name] for name in names]))
        for kind, values in asked.items():
            self.ask(table, kind, values)

    def ask(self, table: str, kind: Kind, values: Iterable[Values]) -> None:
        """The same for one who has worked out the kind, and canonical values, in its order."""
        if table in self._whole:
            return
        asked = self._asked.get(table)
        if asked is None:
            asked = self._asked.setdefault(table, {})
        known = asked.get(kind)
        if known is None:
            known = asked.setdefault(kind, {})
        before = len(known)
        for each in values:
            known[each] = None
        if len(known) > before and sum(map(len, list(asked.values()))) > MAX_READS:
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

    def leave_out(self, ignores: Callable[[str], bool]) -> None:
        """Forget what was read of tables that do not count."""
        for table in [*self._rows, *self._asked, *self._whole]:
            if ignores(table):
                self._rows.pop(table, None)
                self._asked.pop(table, None)
                self._whole.discard(table)
                self.full.discard(table)

    def finished(self, shapes: Shapes, *, full: bool = False) -> Dependencies:
        """What the page depends on. ``shapes``: those that the store knows; ``full``: so many that
        there are to be no more."""
        keys: dict[str, list[str]] = {}
        for table, rows in list(self._rows.items()):
            found = _canonical_keys(rows)
            if found is None:
                self.table(table)
            else:
                keys[table] = found
        while self._count() > MAX_READS:
            self._fill(max({*self._rows, *self._asked}, key=self._count_of))
        tables = sorted({*self._whole, *self._rows, *self._asked})
        names: dict[bytes, None] = {EVERY: None} if tables or self.why else {}
        texts: list[str] = []
        new: set[Shape] = set()
        if self.why:
            names[STAR] = None
            texts.append(f"* {self.why}")
        for table in tables:
            names[table_name(table)] = None
            if table in self._whole:
                names[any_name(table)] = None
            if table in self._whole or table in self._rows:
                names[rows_name(table)] = None
            if table in self._rows:
                names.update(dict.fromkeys(row_names(table, keys[table])))
            known, before = shapes.get(table, ()), len(new)
            for (columns, equals), asked in self._asked.get(table, _NONE).items():
                shape = Shape(table, columns, equals)
                if shape not in known:
                    if full or len(known) + len(new) - before >= MAX_SHAPES:
                        names[any_name(table)] = None
                        continue
                    new.add(shape)
                names.update(dict.fromkeys(shape_names(shape, asked)))
                if equals:
                    names[shape_name(shape)] = None
            self._put_texts(table, texts)
        texts += (MARK + note.replace("\n", " ") for note in self._notes.values())
        return Dependencies(
            b"".join(names), "\n".join(texts), frozenset(new), frozenset(self._asked)
        )

    def _count_of(self, table: str) -> int:
        return len(self._rows.get(table, ())) + sum(
            map(len, self._asked.get(table, _NONE).values())
        )

    def _count(self) -> int:
        asked = chain.from_iterable([kinds.values() for kinds in self._asked.values()])
        return sum(map(len, chain(self._rows.values(), asked)))

    def _put_texts(self, table: str, texts: list[str]) -> None:
        if table in self._whole:
            texts.append(f"{table}[*]{TOO_MANY if table in self.full else ''}")
        texts += [
            f"{table}:{key if type(key) is int else _key_text(key)}"
            for key in self._rows.get(table, ())
        ]
        for kind, asked in self._asked.get(table, _NONE).items():
            texts += _question_texts(table, kind, asked)


def _canonical_keys(keys: Collection[Any]) -> list[str] | None:
    """`None` if one of them cannot be told."""
    if set(map(type, keys)) == {int}:
        return list(map(str, keys))
    found = list(map(canonical, keys))
    return None if None in found else list(map(str, found))


def _key_text(key: Any) -> str:
    return ",".join(map(str, key)) if isinstance(key, tuple) else str(key)


def kind_of(columns: frozenset[str] | None, equals: tuple[str, ...], updates_only: bool) -> Kind:
    """Of questions for `DatabaseReads.ask`; ``equals`` are sorted, and there are some if
    ``columns`` are all."""
    return _looked_at(columns, equals, updates_only), equals


@lru_cache(maxsize=4_096)
def _looked_at(
    columns: frozenset[str] | None, equals: tuple[str, ...] = (), updates_only: bool = False
) -> tuple[str, ...]:
    if columns is None:
        return (ALL_COLUMNS,)
    found = tuple(sorted(columns.union(equals)))
    return (*found, UPDATES_ONLY) if updates_only else found


def _question_texts(table: str, kind: Kind, asked: Iterable[Values]) -> list[str]:
    equals, rest = kind[1], _rest_of(kind)
    if KEY in equals:
        at = equals.index(KEY)
        return [f"{table}:{values[at]}({rest})" for values in asked]
    if not equals:
        return [f"{table}[{rest}]"]
    end = f"; {rest}]" if rest else "]"
    return [f"{table}[{', '.join(map(_equality_text, equals, values))}{end}" for values in asked]


def _equality_text(name: str, value: str) -> str:
    return f"{name}={'NULL' if value == chr(0) else value}"


@lru_cache(maxsize=4_096)
def _rest_of(kind: Kind) -> str:
    columns, equals = kind
    return ", ".join(
        name for name in columns if name not in equals and name not in (KEY, UPDATES_ONLY)
    )


class Dependencies(NamedTuple):
    """What a page depends on: its ``names`` one after the other, and ``texts``, a line for each.
    ``shapes``: those among its questions that the store did not know. ``asked``: tables that it
    asks questions of."""

    names: bytes = b""
    texts: str = ""
    shapes: frozenset[Shape] = frozenset()
    asked: frozenset[str] = frozenset()


@dataclass(slots=True)
class Writes:
    """The writes of one transaction or savepoint."""

    everything: EverythingChanged | None = None
    _tables: dict[str, list[Write]] = field(default_factory=dict)

    def add(self, write: Write) -> None:
        if isinstance(write, EverythingChanged):
            if self.everything is None or write.tables:
                self.everything = write
            return
        known = self._tables.setdefault(write.table, [])
        if known and isinstance(known[0], TableChanged):
            return
        if isinstance(write, TableChanged) or len(known) >= MAX_WRITES:
            known[:] = [TableChanged(write.table)]
        else:
            known.append(write)

    @property
    def tables(self) -> int:
        return len(self._tables)

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
