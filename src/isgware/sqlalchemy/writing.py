"""What a statement that is about to be executed will have changed, once it is committed."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from sqlalchemy.schema import CreateIndex, CreateTable, DropIndex, DropTable
from sqlalchemy.sql.dml import Delete, Insert
from sqlalchemy.sql.elements import (
    ReleaseSavepointClause,
    RollbackToSavepointClause,
    SavepointClause,
)

from ..core.database_reads import Writes
from ..core.dependencies import (
    UNKNOWN,
    Deleted,
    EverythingChanged,
    Inserted,
    RowsChanged,
    TableChanged,
    Updated,
    Write,
    canonical,
)
from .columns import comparable, comparable_value, key_columns, table_name
from .named import place
from .old_rows import rows_before
from .raw_sql import kind_of
from .transactions import Pending, pending_of
from .writes import Change, changes_of

log: Final = logging.getLogger("isgware")
#: On an execution context: it may have written or committed, so that its end is looked at.
WROTE: Final = "_isgware_wrote"
#: Places of raw SQL that were named; more are not.
_MOST_PLACES: Final = 100
_named: Final[set[str]] = set()
#: The engine's events of savepoints do not know their names in time.
_SAVEPOINTS: Final = (SavepointClause, RollbackToSavepointClause, ReleaseSavepointClause)


def before(connection: Any, statement: str, context: Any) -> None:
    """Note what ``statement`` is going to change. Never raises: what is not understood is
    everything, and where the database refuses to be asked, it will refuse the statement, too."""
    if WROTE in context.__dict__ or context.current_parameters is not None:
        return  # another batch of the same rows; a default that is asked for beforehand
    if not _may_write(context, statement):
        return
    context.__dict__[WROTE] = True
    pending = pending_of(connection)
    pending.finish()
    try:
        _note(connection, pending, statement, context)
    except Exception:
        log.debug("A statement was not understood: every page is renewed.", exc_info=True)
        pending.innermost.add(EverythingChanged(f"a statement in {place()}"))


def _may_write(context: Any, statement: str) -> bool:
    compiled = context.compiled
    if compiled is None or context.is_text:
        return kind_of(statement) != "read"
    if context.isddl or context.isinsert or context.isupdate or context.isdelete:
        return True
    return bool(getattr(compiled, "ctes", None)) or isinstance(compiled.statement, _SAVEPOINTS)


def _note(connection: Any, pending: Pending, statement: str, context: Any) -> None:
    compiled = context.compiled
    if compiled is None or context.is_text:
        if kind_of(statement) == "write":
            pending.innermost.add(EverythingChanged(f"raw SQL in {_once(place())}"))
    elif isinstance(compiled.statement, SavepointClause):
        pending.savepoint(compiled.statement.ident)
    elif isinstance(compiled.statement, RollbackToSavepointClause):
        pending.rollback_to(compiled.statement.ident)
    elif isinstance(compiled.statement, ReleaseSavepointClause):
        pending.release(compiled.statement.ident)
    elif context.isddl:
        pending.innermost.join(_ddl(compiled.statement))
    else:
        for change in changes_of(compiled):
            for table in change.whole:
                pending.innermost.add(TableChanged(table))
            if change.name not in change.whole:
                _rows(connection, pending, change, context)


def _once(where: str) -> str:
    if where not in _named and len(_named) < _MOST_PLACES:
        _named.add(where)
        log.warning(
            "Raw SQL in %s may change anything: every page with dependencies is renewed. To renew "
            "less, run it within isgware.untracked() and name what it changes, "
            'isgware.touched("item:5", "price[*]").',
            where,
        )
    return where


def _ddl(element: Any) -> Writes:
    writes = Writes()
    if isinstance(element, CreateTable | DropTable):
        writes.add(TableChanged(table_name(element.element)))
    elif not isinstance(element, CreateIndex | DropIndex):
        writes.add(EverythingChanged(f"{type(element).__name__} in {place()}"))
    return writes


def _rows(connection: Any, pending: Pending, change: Change, context: Any) -> None:
    if change.kind is Insert:
        inserted = partial(_inserted, connection.dialect, change, context)
        pending.unfinished.append(inserted)
        return
    names, parameters = context.compiled.bind_names, context.compiled_parameters
    try:
        rows = rows_before(connection, pending, change, names, parameters)
    except Exception:
        if connection.dialect.name != "sqlite":
            raise  # its transaction is not to be used any more
        rows = None
    writes = pending.innermost
    if rows is None:
        writes.add(RowsChanged(change.name, None if change.kind is Delete else change.columns))
        return
    if change.key is None:
        for row in rows:
            for write in _changed(change, row, parameters[0]):
                writes.add(write)
        if connection.dialect.name != "sqlite":  # others may have made more rows fit meanwhile
            pending.unfinished.append(partial(_counted, change, context, len(rows)))
        return
    key = key_columns(change.table)
    known = {_key_text(tuple(row[name] for name in key)): row for row in rows}
    for values in parameters:
        asked = {name: values[bind] for name, bind in change.key.items()}
        row = known.get(_key_text(tuple(asked.values())), asked)
        for write in _changed(change, row, values):
            writes.add(write)


def _key_text(key: tuple[Any, ...]) -> str:
    return str(canonical(key))


def _changed(
    change: Change, row: Mapping[str, Any], parameters: Mapping[str, Any]
) -> Iterator[Write]:
    names = key_columns(change.table)
    key = _key_of(tuple(row[name] for name in names))
    old = {name: value for name, value in row.items() if comparable(_column(change, name))}
    if change.kind is Delete:
        yield Deleted(change.name, key, old)
    elif change.columns & set(names):
        yield Deleted(change.name, key, old)
        yield Inserted(change.name, UNKNOWN)
    else:
        new = {name: value for name, value in old.items() if name not in change.columns}
        new.update(_given(change, parameters))
        yield Updated(change.name, key, change.columns, old, new)


def _counted(change: Change, context: Any, count: int, writes: Writes) -> None:
    if context.rowcount != count:
        writes.add(RowsChanged(change.name, None if change.kind is Delete else change.columns))


def _inserted(dialect: Any, change: Change, context: Any, writes: Writes) -> None:
    """Once the statement was executed: the keys are known then."""
    parameters = context.compiled_parameters
    names = key_columns(change.table)
    keys: list[Any] = [()] * len(parameters)
    if names and change.bound is not None:
        rows = list(context.inserted_primary_key_rows)
        keys = rows if len(rows) == len(parameters) else keys
    for values, key in zip(parameters, keys, strict=True):
        known = _given(change, values)
        if len(key or ()) != len(names) or not names or None in tuple(key):
            writes.add(Inserted(change.name, UNKNOWN, known))
            continue
        columns = [_column(change, name) for name in names]
        for column, value in zip(columns, key, strict=True):
            if comparable(column) and comparable_value(value, column):
                known[column.name] = value
        stored = tuple(map(partial(_stored, dialect), columns, key))
        writes.add(Inserted(change.name, _key_of(stored), known))


def _given(change: Change, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What is written into columns that questions may tell rows apart by, as far as it is known."""
    found = {}
    for name, bind in (change.bound or {}).items():
        column, value = _column(change, name), parameters.get(bind, UNKNOWN)
        if comparable(column) and (value is None or comparable_value(value, column)):
            found[name] = value
    return found


def _stored(dialect: Any, column: Any, value: Any) -> Any:
    """A key as the database holds it."""
    if column.type._has_bind_expression:
        return UNKNOWN
    processor = column.type.dialect_impl(dialect).bind_processor(dialect)
    return value if processor is None else processor(value)


def _key_of(values: tuple[Any, ...]) -> Any:
    if UNKNOWN in values:
        return UNKNOWN
    return values[0] if len(values) == 1 else values


def _column(change: Change, name: str) -> Any:
    return next(column for column in change.table.columns if column.name == name)
