"""Rows as the database holds them just before they are changed, under the lock of the change.

What an object of the session says is not enough: another transaction may have changed its row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    PrimaryKeyConstraint,
    UniqueConstraint,
    bindparam,
    select,
    tuple_,
    type_coerce,
)
from sqlalchemy.sql import visitors
from sqlalchemy.sql.dml import Update
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import SelectBase
from sqlalchemy.types import NullType

from .cascades import referred
from .columns import column_of, comparable, key_columns
from .parameters import MISSING, value_of
from .transactions import Pending
from .writes import Change

#: Rows that are asked for at most; if a statement changes more, it is not known which.
MOST: Final = 1_000
#: Marks our own statements, for ourselves.
OURS: Final = "isgware"
_LOCKING: Final = frozenset({"postgresql", "mysql", "mariadb"})
_KEYS: Final = "isgware_keys"
#: Functions that give the same for the same row, whenever they are asked.
_SETTLED: Final = frozenset({
    "abs", "ceil", "ceiling", "char_length", "coalesce", "concat", "floor", "greatest", "ifnull",
    "least", "length", "lower", "ltrim", "mod", "nullif", "replace", "round", "rtrim", "substr",
    "substring", "trim", "upper",
})  # fmt: skip

#: A row by its columns, as the driver gives it.
Held = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OldRows:
    """Asks for rows on one connection, within its transaction. ``schemas``: the statement's own
    ``schema_translate_map``, by which its tables are found."""

    connection: Any
    pending: Pending
    schemas: Any = None

    def before(self, change: Change, context: Any) -> list[Held] | None:
        """The rows that ``change`` is about to change when ``context`` is executed; `None` if it
        cannot be told."""
        parameters = context.compiled_parameters
        if not key_columns(change.table) or len(parameters) > MOST:
            return None
        if not self._lock(change.table):
            return None
        # An UPDATE that sets no key locks a row so that rows may refer to it meanwhile.
        shared = change.kind is Update and change.columns.isdisjoint(_locking(change.table))
        if change.key is not None:
            binds = change.key.values()
            keys = {tuple(each[bind] for bind in binds) for each in parameters}
            more = (*change.key, *change.columns)
            return self.with_values(change.table, tuple(change.key), keys, more, shared=shared)
        if len(parameters) != 1 or not all(map(self._settled, change.where)):
            return None
        conditions = [_filled(each, context) for each in change.where]
        names = _names(change.table, change.columns)
        locks = self.connection.dialect.name in _LOCKING
        statement = _statement(change.table, conditions, names, locks, shared)
        return self._rows(statement, {}, names)

    def with_values(
        self, table: Any, columns: Sequence[str], values: Iterable[tuple[Any, ...]],
        more: Iterable[str] = (), *, raw: bool = False, shared: bool = False,
    ) -> list[Held] | None:  # fmt: skip
        """Rows of ``table`` whose ``columns`` have one of ``values``, to be asked for under the
        lock that `before` has taken. ``raw``: as the driver gave them."""
        given: list[Any] = list(values)
        if len(given) > MOST:
            return None
        if len(columns) == 1:
            given = [value for (value,) in given]
        names = _names(table, more)
        locks = self.connection.dialect.name in _LOCKING
        statement = _by_values(table, tuple(columns), names, raw, locks, shared)
        return self._rows(statement, {_KEYS: given}, names)

    def _rows(
        self, statement: Any, given: dict[str, Any], names: Sequence[str]
    ) -> list[Held] | None:
        options: dict[str, Any] = {OURS: True}
        if self.schemas:
            options["schema_translate_map"] = self.schemas
        result = self.connection.execute(statement, given, execution_options=options)
        rows = result.cursor.fetchall()
        result.close()
        return [dict(zip(names, row, strict=True)) for row in rows] if len(rows) <= MOST else None

    def _settled(self, condition: Any) -> bool:
        """Whether it finds the same rows when the statement itself asks, but for rows that others
        have added. Rows of other tables are locked by SQLite alone."""
        alone = self.connection.dialect.name == "sqlite"
        return all(
            part.name.lower() in _SETTLED
            if isinstance(part, FunctionElement)
            else alone or not isinstance(part, SelectBase)
            for part in visitors.iterate(condition)
        )

    def _lock(self, table: Any) -> bool:
        """Whether rows that are read now stay as they are until they are changed."""
        connection = self.connection
        if connection.dialect.name in _LOCKING:
            return not autocommits(connection)
        if connection.dialect.name != "sqlite" or self.schemas:
            return False  # of SQLite's other databases each has a lock of its own
        if not self.pending.locked:
            # SQLite locks the database with the first statement that may write; this is one.
            quote = connection.dialect.identifier_preparer
            column = quote.quote(key_columns(table)[0])
            cursor = connection.connection.cursor()
            try:
                cursor.execute(
                    f"UPDATE {quote.format_table(table)} SET {column} = {column} WHERE 0"
                )
            finally:
                cursor.close()
            self.pending.locked = in_transaction(connection)
        return self.pending.locked


def _names(table: Any, more: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*_watched(table), *sorted(more))))


def _statement(
    table: Any, conditions: Iterable[Any], names: Iterable[str], locks: bool, shared: bool
) -> Any:
    statement = select(*(column_of(table, name) for name in names)).where(*conditions)
    statement = statement.limit(MOST + 1)
    return statement.with_for_update(of=table, key_share=shared) if locks else statement


@lru_cache(maxsize=256)  # they are dear to make
def _by_values(
    table: Any, columns: tuple[str, ...], names: tuple[str, ...], raw: bool, locks: bool,
    shared: bool,
) -> Any:  # fmt: skip
    """Asks for the rows whose ``columns`` have one of the values of the parameter `_KEYS`."""
    asked = [column_of(table, name) for name in columns]
    if raw:
        asked = [type_coerce(column, NullType()) for column in asked]
    one = asked[0] if len(asked) == 1 else tuple_(*asked)
    condition = one.in_(bindparam(_KEYS, expanding=True))
    return _statement(table, [condition], names, locks, shared)


def _watched(table: Any) -> tuple[str, ...]:
    """The columns that are asked for: the key, those that questions may tell rows apart by, and
    those by which rows of other tables go with its rows."""
    others = (column.name for column in table.columns if comparable(column))
    return (*key_columns(table), *others, *referred(table))


def _locking(table: Any) -> set[str]:
    """Columns that rows of other tables may refer to: those of unique indexes."""
    unique = {column.name for column in table.columns if column.unique}
    indexed = (index.columns for index in table.indexes if index.unique)
    constrained = (
        constraint.columns
        for constraint in table.constraints
        if isinstance(constraint, UniqueConstraint | PrimaryKeyConstraint)
    )
    return unique.union(column.name for each in (*indexed, *constrained) for column in each)


def _filled(condition: Any, context: Any) -> Any:
    """A condition of a cached statement with the values of this execution."""

    def fill(element: Any, **_: Any) -> Any:
        if not isinstance(element, BindParameter):
            return None
        value = value_of(context, element)
        if value is MISSING:
            raise LookupError("a parameter whose value is not known")
        return BindParameter(
            None, value, type_=element.type, unique=True, expanding=element.expanding
        )

    return visitors.replacement_traverse(condition, {}, fill)


def below_adapter(pooled: Any) -> Any:
    """The driver's own connection: before an async one, such as aiosqlite's, SQLAlchemy has put
    another, which does not say whether a transaction is open."""
    driver = pooled.dbapi_connection
    return getattr(driver, "driver_connection", driver)


def in_transaction(connection: Any) -> bool:
    """What SQLite's driver says; `True` if it does not, since a commit will come then."""
    return bool(getattr(below_adapter(connection.connection), "in_transaction", True))


def autocommits(connection: Any) -> bool:
    """Whether each statement commits itself."""
    if connection.dialect.name == "sqlite":
        return not in_transaction(connection)
    driver = connection.connection.dbapi_connection
    said = getattr(driver, "autocommit", None)
    if callable(said):
        said = driver.get_autocommit() if hasattr(driver, "get_autocommit") else None
    option = connection.get_execution_options().get("isolation_level")
    default = getattr(connection.dialect, "_on_connect_isolation_level", None)
    return said is True or (option or default) == "AUTOCOMMIT"
