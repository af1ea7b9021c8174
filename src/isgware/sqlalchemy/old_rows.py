"""Rows as the database holds them just before they are changed, under the lock of the change.

What an object of the session says is not enough: another transaction may have changed its row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import bindparam, select, tuple_
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import BindParameter

from .columns import comparable, key_columns
from .parameters import MISSING, value_of
from .transactions import Pending
from .writes import Change

#: Rows that are asked for at most; if a statement changes more, it is not known which.
MOST: Final = 1_000
#: Marks our own statements, for ourselves.
OURS: Final = "isgware"
_LOCKING: Final = frozenset({"postgresql", "mysql", "mariadb", "oracle"})


def watched(table: Any) -> tuple[str, ...]:
    """The columns that are asked for: the key, and those that questions may tell rows apart by."""
    key = key_columns(table)
    others = (column.name for column in table.columns if comparable(column))
    return (*key, *(name for name in others if name not in key))


def rows_before(
    connection: Any, pending: Pending, change: Change, names: Any, parameters: Sequence[Any]
) -> list[Mapping[str, Any]] | None:
    """The rows that ``change`` is about to change, each by column as the driver gives it; `None` if
    it cannot be told. ``names``: the parameters' names by their `BindParameter`."""
    if not key_columns(change.table) or len(parameters) > MOST:
        return None
    if not _lock(connection, pending, change.table):
        return None
    columns = watched(change.table)
    statement = select(*(change.table.c[_key(change.table, name)] for name in columns))
    if change.key is not None:
        statement, given = _by_key(statement, change, parameters)
    elif len(parameters) == 1:
        values = parameters[0]
        statement, given = (
            statement.where(*(_filled(each, names, values) for each in change.where)),
            {},
        )
    else:
        return None
    statement = statement.limit(MOST + 1)
    if connection.dialect.name in _LOCKING:
        statement = statement.with_for_update(of=change.table)
    result = connection.execute(statement, given, execution_options={OURS: True})
    rows = result.cursor.fetchall()
    result.close()
    return [dict(zip(columns, row, strict=True)) for row in rows] if len(rows) <= MOST else None


def _key(table: Any, name: str) -> str:
    return str(next(column.key for column in table.columns if column.name == name))


def _by_key(
    statement: Any, change: Change, parameters: Sequence[Any]
) -> tuple[Any, dict[str, Any]]:
    assert change.key is not None
    columns = [change.table.c[_key(change.table, name)] for name in change.key]
    keys = [tuple(each[bind] for bind in change.key.values()) for each in parameters]
    if len(columns) == 1:
        condition = columns[0].in_(bindparam("isgware_keys", expanding=True))
        return statement.where(condition), {"isgware_keys": [key for (key,) in keys]}
    condition = tuple_(*columns).in_(bindparam("isgware_keys", expanding=True))
    return statement.where(condition), {"isgware_keys": keys}


def _filled(condition: Any, names: Any, values: Mapping[str, Any]) -> Any:
    """A condition of a cached statement with the values of this execution."""

    def fill(element: Any, **_: Any) -> Any:
        if not isinstance(element, BindParameter):
            return None
        value = value_of(names, values, element)
        if value is MISSING:
            raise LookupError("a parameter whose value is not known")
        return BindParameter(
            None, value, type_=element.type, unique=True, expanding=element.expanding
        )

    return visitors.replacement_traverse(condition, {}, fill)


def _lock(connection: Any, pending: Pending, table: Any) -> bool:
    """Whether rows that are read now stay as they are until they are changed."""
    if connection.dialect.name in _LOCKING:
        return not autocommits(connection)
    if connection.dialect.name != "sqlite":
        return False
    if not pending.locked:
        # SQLite locks the database with the first statement that may write, so this one does.
        quote = connection.dialect.identifier_preparer
        column = quote.quote(key_columns(table)[0])
        cursor = connection.connection.cursor()
        try:
            cursor.execute(f"UPDATE {quote.format_table(table)} SET {column} = {column} WHERE 0")
        finally:
            cursor.close()
        pending.locked = in_transaction(connection)
    return pending.locked


def in_transaction(connection: Any) -> bool:
    """What SQLite's driver says."""
    return bool(getattr(connection.connection.dbapi_connection, "in_transaction", False))


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
