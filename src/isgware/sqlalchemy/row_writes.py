"""The rows that one execution of a statement changes, as far as they are known."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy.sql.dml import Delete

from ..core.database_reads import Writes
from ..core.dependencies import (
    UNKNOWN,
    Deleted,
    Inserted,
    RowsChanged,
    TableChanged,
    Updated,
    Write,
    canonical,
)
from .cascades import Cascade, cascades_of, tables_below
from .columns import column_of, comparable, comparable_value, key_columns, stored, table_name
from .old_rows import Held, OldRows
from .writes import Change


def inserted(
    dialect: Any, change: Change, context: Any, writes: Writes, there: Collection[int] = ()
) -> None:
    """Add the rows that were inserted, once they are: their keys are known then. ``there``: the
    numbers of those that were there before, of an upsert."""
    parameters = context.compiled_parameters
    names = key_columns(change.table)
    keys: list[Any] = [()] * len(parameters)
    if names and change.bound is not None:
        rows = list(context.inserted_primary_key_rows)
        keys = rows if len(rows) == len(parameters) else keys
    columns = [column_of(change.table, name) for name in names]
    for number, (values, key) in enumerate(zip(parameters, keys, strict=True)):
        if number in there:
            continue
        known = _given(change, values)
        if len(key or ()) != len(names) or not names or None in tuple(key):
            writes.add(Inserted(change.name, UNKNOWN, known))
            continue
        for column, value in zip(columns, key, strict=True):
            if comparable(column) and comparable_value(value, column):
                known[column.name] = value
        held = tuple(map(partial(stored, dialect), columns, key))
        writes.add(Inserted(change.name, _key_of(held), known))


def changed(
    old_rows: OldRows, change: Change, rows: list[Held] | None, parameters: Sequence[Any]
) -> Iterator[Write]:
    """``rows``: what the database holds of those that are about to be changed."""
    if change.key is None:
        if rows is None:
            yield from unknown_rows(change)
            return
        found = [(row, parameters[0]) for row in rows]
    else:
        known = {_text(row, change.key): row for row in rows or ()}
        asked = [
            ({name: values[bind] for name, bind in change.key.items()}, values)
            for values in parameters
        ]
        found = [(known.get(_text(key, key), key), values) for key, values in asked]
    dialect = old_rows.connection.dialect
    for row, values in found:
        yield from (
            _updated(dialect, change, row, values)
            if change.kind is not Delete
            else (_deleted(change.table, row),)
        )
    if change.kind is Delete:
        for cascade in cascades_of(change.table):
            yield from _cascaded(old_rows, cascade, None if rows is None else [*rows], set())


def upserted(
    old_rows: OldRows, change: Change, rows: list[Held] | None, parameters: Sequence[Any]
) -> tuple[list[Write], set[int]]:
    """What an upsert changes of ``rows``, which are there, and the numbers of the parameters that
    found them. Elsewhere than in SQLite others may add rows meanwhile, which it changes, too."""
    dialect = old_rows.connection.dialect
    numbers: dict[Any, list[int]] = {}
    for number, values in enumerate(parameters):
        given = {name: values[bind] for name, bind in (change.key or {}).items()}
        numbers.setdefault(_text(given, given), []).append(number)
    found: list[Write] = []
    there: set[int] = set()
    for row in rows or ():
        mine = numbers.get(_text(row, change.key or ()), [])
        there.update(mine)
        found += _updated(dialect, change, row, parameters[mine[0]] if mine else {})
    if len(numbers) < len(parameters):  # the later ones change what the first of them left
        return [RowsChanged(change.name, None)], set(range(len(parameters)))
    if rows is None or (dialect.name != "sqlite" and len(there) < len(parameters)):
        found.append(RowsChanged(change.name, change.columns))
    return found, there


def unknown_rows(change: Change) -> Iterator[Write]:
    """Nobody knows which."""
    if change.kind is Delete:
        yield RowsChanged(change.name, None)
        yield from map(TableChanged, tables_below(change.table))
    else:
        yield RowsChanged(change.name, change.columns)


def _text(row: Held, names: Iterable[str]) -> tuple[str | None, ...]:
    return tuple(canonical(row[name]) for name in names)


def _deleted(table: Any, row: Held) -> Deleted:
    return Deleted(table_name(table), _row_key(table, row), _comparable(table, row))


def _updated(
    dialect: Any, change: Change, row: Held, parameters: Mapping[str, Any]
) -> Iterator[Write]:
    columns = frozenset(
        name for name in change.columns if not _same(dialect, change, row, parameters, name)
    )
    if not columns:
        return
    if columns & set(key_columns(change.table)):
        yield RowsChanged(change.name, None)
        return
    old = _comparable(change.table, row)
    new = {name: value for name, value in old.items() if name not in columns}
    new.update(_given(change, parameters))
    yield Updated(change.name, _row_key(change.table, row), columns, old, new)


def _same(
    dialect: Any, change: Change, row: Held, parameters: Mapping[str, Any], name: str
) -> bool:
    """Whether a column is set to what it is already, for certain."""
    bind = (change.bound or {}).get(name)
    if bind is None or name not in row or bind not in parameters:
        return False
    column = column_of(change.table, name)
    value, held = stored(dialect, column, parameters[bind]), row[name]
    if type(value) is not type(held) or repr(value) == repr(held):
        return type(value) is type(held)
    # Of several time zones, or of one scale, they are read back alike.
    alike = getattr(column.type, "scale", None) is not None or isinstance(value, datetime)
    return alike and bool(value == held)


def _cascaded(
    old_rows: OldRows, cascade: Cascade, parents: list[Held] | None, seen: set[Any]
) -> Iterator[Write]:
    """Rows of other tables that go with ``parents``, or whose columns are set to something else."""
    table, name = cascade.table, table_name(cascade.table)
    rows = None
    if parents is not None and all(set(cascade.referred) <= set(row) for row in parents):
        values = {tuple(row[each] for each in cascade.referred) for row in parents}
        rows = old_rows.with_values(table, cascade.columns, values, raw=True) if values else []
    if rows is None or (rows and not key_columns(table)):
        yield TableChanged(name)
        yield from map(TableChanged, tables_below(table))
        return
    rows = [row for row in rows if (name, _row_key(table, row)) not in seen]
    seen.update((name, _row_key(table, row)) for row in rows)
    for row in rows:
        if cascade.deletes:
            yield _deleted(table, row)
        else:
            old = _comparable(table, row)
            new = {each: value for each, value in old.items() if each not in cascade.columns}
            if cascade.nulls:
                new.update(dict.fromkeys(set(cascade.columns) & set(old)))
            yield Updated(name, _row_key(table, row), set(cascade.columns), old, new)
    if cascade.deletes and rows:
        for each in cascades_of(table):
            yield from _cascaded(old_rows, each, rows, seen)
    elif rows:
        yield from map(TableChanged, tables_below(table, cascade.columns))


def _given(change: Change, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What is written into columns that questions may tell rows apart by, as far as it is known."""
    found = {}
    for name, bind in (change.bound or {}).items():
        column, value = column_of(change.table, name), parameters.get(bind, UNKNOWN)
        if comparable(column) and (value is None or comparable_value(value, column)):
            found[name] = value
    return found


def _comparable(table: Any, row: Held) -> dict[str, Any]:
    return {name: value for name, value in row.items() if comparable(column_of(table, name))}


def _row_key(table: Any, row: Held) -> Any:
    return _key_of(tuple(row[name] for name in key_columns(table)))


def _key_of(values: tuple[Any, ...]) -> Any:
    if UNKNOWN in values or not values:
        return UNKNOWN
    return values[0] if len(values) == 1 else values
