"""What a clean-room render reads through SQLAlchemy becomes what its page depends on.

`read` is told of each statement before it is executed. Questions come from the statement
(`selects`); keys of rows from the result, as it is fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from weakref import WeakSet

from sqlalchemy.sql.elements import BindParameter

from ..core.database_reads import DatabaseReads
from ..core.dependencies import KEY
from ..render_context import current
from .columns import comparable_value, table_name, table_of
from .named import place
from .parameters import value_of
from .raw_sql import kind_of
from .selects import Asked, Plan, Shown, plan_of
from .tables import ignored
from .times import note_times
from .writing import SAVEPOINTS

#: Questions that an ``IN`` of so many values becomes at most; of more, its column decides.
_MOST_VALUES = 100


class Known:
    """The connections and sessions of which a render has seen the beginning."""

    def __init__(self) -> None:
        self.connections: WeakSet[Any] = WeakSet()
        self.sessions: WeakSet[Any] = WeakSet()


def known_here() -> Known:
    """That of the render in progress; a new one outside of a clean room."""
    rendering = current.get()
    if rendering is None or not rendering.prerendering:
        return Known()
    found: Known | None = rendering.__dict__.get("sqlalchemy")
    return found if found is not None else rendering.__dict__.setdefault("sqlalchemy", Known())


def read(reads: DatabaseReads, connection: Any, statement: str, context: Any) -> None:
    """Note what ``statement`` reads. Never raises: what is not understood is everything."""
    if not getattr(connection, "_allow_autobegin", True):
        return  # the dialect looks what database it is
    try:
        if context is None or context.compiled is None:
            if kind_of(statement) in ("read", "write"):
                reads.everything(f"raw SQL in {place()}")
        elif not context.isddl:
            _read(reads, connection, context)
    except Exception as error:
        reads.everything(f"{type(error).__name__} in {place()}")


def _read(reads: DatabaseReads, connection: Any, context: Any) -> None:
    compiled = context.compiled
    if context.isinsert or context.isupdate or context.isdelete:
        if compiled.statement._returning:
            if not ignored(name := table_name(table_of(compiled.statement.table))):
                reads.table(name)
        return
    if context.is_text:
        if kind_of(context.unicode_statement) in ("read", "write"):
            reads.everything(f"text() in {place()}")
        return
    if isinstance(compiled.statement, SAVEPOINTS):
        return
    if connection not in known_here().connections:
        reads.everything(f"a transaction from before the render, in {place()}")
    plan = plan_of(compiled)
    if plan.unknown:
        reads.everything(f"{plan.unknown} in {place()}")
        return
    parameters = context.compiled_parameters[0] if context.compiled_parameters else {}
    note_times(reads, plan.times, compiled.bind_names, parameters)
    ask(reads, plan, partial(_value, compiled.bind_names, parameters))
    if plan.shown:
        context.cursor = Cursor(context.cursor, partial(_note, reads, plan.shown))


def ask(reads: DatabaseReads, plan: Plan, value_of: Callable[[Any], Any]) -> None:
    for table in plan.whole:
        if not ignored(table):
            reads.table(table)
    for asked in plan.asked:
        if ignored(asked.table):
            continue
        reads.questions(asked.table, asked.columns, _equals(asked, value_of))


def _value(names: Any, parameters: Any, given: Any) -> Any:
    return value_of(names, parameters, given) if isinstance(given, BindParameter) else given


def _equals(asked: Asked, value_of: Callable[[Any], Any]) -> Iterator[dict[str, Any]]:
    """The equalities of a question; of an ``IN`` a question for each of its values."""
    equals: dict[str, Any] = {}
    several: tuple[str, list[Any]] | None = None
    for column, given in asked.equals:
        value = value_of(given)
        if isinstance(value, list | tuple | set | frozenset):
            values = list(value)
            fits = all(comparable_value(each, column) for each in values)
            if several is None and fits and 0 < len(values) <= _MOST_VALUES:
                several = (column.name, values)
        elif comparable_value(value, column):
            equals[column.name] = value
    for more in [{}] if several is None else [{several[0]: each} for each in several[1]]:
        yield _by_key({**equals, **more}, asked.key)


def _by_key(equals: dict[str, Any], key: tuple[str, ...]) -> dict[str, Any]:
    """The columns of a key that is asked for as a whole are the key."""
    if not key or not set(key) <= set(equals):
        return equals
    values = tuple(equals.pop(name) for name in key)
    return {**equals, KEY: values[0] if len(values) == 1 else values}


def _note(reads: DatabaseReads, shown: tuple[Shown, ...], rows: list[Any]) -> None:
    for each in shown:
        if ignored(each.table):
            continue
        if len(each.positions) == 1:
            (at,) = each.positions
            keys = [row[at] for row in rows if row[at] is not None]
        else:
            found = (tuple(row[at] for at in each.positions) for row in rows)
            keys = [key for key in found if None not in key]
        reads.rows(each.table, keys, each.columns)


class Cursor:
    """A cursor of the driver whose rows are noted as they are fetched."""

    __slots__ = ("_cursor", "_noted")

    def __init__(self, cursor: Any, noted: Callable[[list[Any]], None]) -> None:
        object.__setattr__(self, "_cursor", cursor)
        object.__setattr__(self, "_noted", noted)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._cursor, name, value)

    def __iter__(self) -> Iterator[Any]:
        for row in self._cursor:
            self._noted([row])
            yield row

    def fetchone(self) -> Any:
        row = self._cursor.fetchone()
        if row is not None:
            self._noted([row])
        return row

    def fetchmany(self, *args: Any, **kwargs: Any) -> Any:
        rows = self._cursor.fetchmany(*args, **kwargs)
        self._noted(rows)
        return rows

    def fetchall(self) -> Any:
        rows = self._cursor.fetchall()
        self._noted(rows)
        return rows
