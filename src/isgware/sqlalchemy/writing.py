"""What a statement that is about to be executed will have changed, once it is committed."""

from __future__ import annotations

import logging
from collections.abc import Collection
from functools import partial
from typing import Any, Final

from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex, CreateTable, DropIndex, DropTable
from sqlalchemy.sql.dml import Insert
from sqlalchemy.sql.elements import (
    ReleaseSavepointClause,
    RollbackToSavepointClause,
    SavepointClause,
)

from ..core.database_reads import Writes
from ..core.dependencies import EverythingChanged, TableChanged
from .columns import table_name
from .named import place
from .old_rows import Held, OldRows
from .raw_sql import kind_of
from .row_writes import changed, inserted, unknown_rows, upserted
from .tables import ignored
from .transactions import Pending, pending_of
from .writes import Change, changes_of

log: Final = logging.getLogger("isgware")
#: On an execution context: it may write or commit, and that was noted.
WROTE: Final = "_isgware_wrote"
#: On a compiled statement: no execution of it writes.
_ONLY_READS: Final = "_isgware_only_reads"
#: Places of raw SQL that were named; more are not.
_MOST_PLACES: Final = 100
_named: Final[set[str]] = set()
#: The engine's events of savepoints do not know their names in time.
SAVEPOINTS: Final = (SavepointClause, RollbackToSavepointClause, ReleaseSavepointClause)


def only_reads(context: Any) -> bool:
    """Whether a statement is known to write nothing, since `before` has looked at it."""
    return context is not None and _ONLY_READS in getattr(context.compiled, "__dict__", ())


def before(connection: Any, statement: str, context: Any) -> bool:
    """Note what ``statement`` is going to change; returns whether it may write, or commit, and is
    seen for the first time. What is not understood is everything. Raises what the database raises
    when it is asked for rows that are about to be changed."""
    if WROTE in context.__dict__ or context.current_parameters is not None:
        return False  # another batch of the same rows; a default that is asked for beforehand
    if not _may_write(context, statement):
        if context.compiled is not None and not context.is_text:
            context.compiled.__dict__[_ONLY_READS] = True
        return False
    context.__dict__[WROTE] = True
    pending = pending_of(connection)
    pending.finish()
    try:
        _note(connection, pending, statement, context)
    except Exception as error:
        if isinstance(error, DBAPIError) and connection.dialect.name != "sqlite":
            # A deadlock, say. The transaction is gone, and the app has to know: MySQL would carry
            # out the statement in a new one, PostgreSQL refuse it and not say why.
            raise
        log.debug("A statement was not understood: every page is renewed.", exc_info=True)
        pending.innermost.add(EverythingChanged(f"a statement in {place()}"))
    return True


def _may_write(context: Any, statement: str) -> bool:
    compiled = context.compiled
    if compiled is None or context.is_text:
        return kind_of(statement) != "read"
    if context.isddl or context.isinsert or context.isupdate or context.isdelete:
        return True
    return bool(getattr(compiled, "ctes", None)) or isinstance(compiled.statement, SAVEPOINTS)


def _note(connection: Any, pending: Pending, statement: str, context: Any) -> None:
    compiled = context.compiled
    if compiled is None or context.is_text:
        if kind_of(statement) == "write":
            pending.innermost.add(EverythingChanged(f"raw SQL in {named_once(place())}"))
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
                if not ignored(table):
                    pending.innermost.add(TableChanged(table))
            if change.name not in change.whole and not ignored(change.name):
                _rows(connection, pending, change, context)


def named_once(where: str) -> str:
    """``where``, of raw SQL that is logged if it was not before."""
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
        if not ignored(name := table_name(element.element)):
            writes.add(TableChanged(name))
    elif not isinstance(element, CreateIndex | DropIndex):
        writes.add(EverythingChanged(f"{type(element).__name__} in {place()}"))
    return writes


def _rows(connection: Any, pending: Pending, change: Change, context: Any) -> None:
    schemas = context.execution_options.get("schema_translate_map")
    old_rows = OldRows(connection, pending, schemas)
    parameters = context.compiled_parameters
    writes = pending.innermost
    if change.kind is Insert:
        there: Collection[int] = ()
        if (conflict := change.conflict) is not None:
            rows = _before(old_rows, conflict, context)
            found, there = upserted(old_rows, conflict, rows, parameters)
            for write in found:
                writes.add(write)
        pending.unfinished.append(
            partial(inserted, connection.dialect, change, context, there=there)
        )
        pending.inserting.add(change.name)
        return
    rows = _before(old_rows, change, context)
    for write in changed(old_rows, change, rows, parameters):
        writes.add(write)
    if rows is not None and change.key is None and connection.dialect.name != "sqlite":
        # Elsewhere others may have made more rows fit the condition meanwhile.
        pending.unfinished.append(partial(_counted, change, context, len(rows)))


def _before(old_rows: OldRows, change: Change, context: Any) -> list[Held] | None:
    try:
        return old_rows.before(change, context)
    except Exception:
        if old_rows.connection.dialect.name != "sqlite":
            raise  # its transaction is not to be used any more
        return None


def _counted(change: Change, context: Any, count: int, writes: Writes) -> None:
    if context.rowcount != count:
        for write in unknown_rows(change):
            writes.add(write)
