"""Announces what a statement that is about to be executed will commit by itself.

`transactions` does so for commits; a statement in autocommit, a COMMIT in plain words, DDL of some
databases and a RELEASE that ends a transaction of SQLite have none. One of which it is only
possible is announced, too: what was announced stays with its transaction, and ends with that.
"""

from __future__ import annotations

import re
from typing import Any, Final

from sqlalchemy.sql.elements import ReleaseSavepointClause, SavepointClause

from ..core.database_reads import Writes
from ..management.record_writes import announce
from .old_rows import autocommits, below_adapter, in_transaction
from .raw_sql import IMPLICIT_COMMIT, has_committed
from .tables import told
from .transactions import Pending, pending_of

_DML: Final = re.compile(r"\s*(insert|update|delete|replace)\b", re.IGNORECASE)


def announce_before(connection: Any, statement: str, context: Any) -> None:
    """``statement`` was noted already."""
    pending = pending_of(connection)
    if connection.dialect.name == "sqlite":
        _note_savepoint(connection, pending, context)
    if _commits(connection, pending, statement, context):
        announce_pending(pending)


def announce_pending(pending: Pending, *more: Any) -> None:
    writes = Writes()
    for write in (*pending.so_far(), *more):
        writes.add(write)
    announce(told(writes), pending.announced)


def begins_by_itself(driver: Any, statement: str) -> bool:
    """Whether Python's sqlite3 begins a transaction before ``statement``."""
    legacy = getattr(driver, "autocommit", -1) == -1
    if not legacy:
        return driver.autocommit is False
    return driver.isolation_level is not None and _DML.match(statement) is not None


def _clause(context: Any) -> Any:
    return context.compiled.statement if context.compiled is not None else None


def _note_savepoint(connection: Any, pending: Pending, context: Any) -> None:
    clause = _clause(context)
    if isinstance(clause, SavepointClause) and not in_transaction(connection):
        if not begins_by_itself(below_adapter(connection.connection), ""):
            pending.opened_by = clause.ident


def _commits(connection: Any, pending: Pending, statement: str, context: Any) -> bool:
    clause = _clause(context)
    if isinstance(clause, ReleaseSavepointClause):
        return bool(pending.opened_by) and clause.ident == pending.opened_by
    if context.compiled is None or context.is_text:
        if has_committed(statement, connection.dialect.name):
            return True
    if context.isddl and connection.dialect.name in IMPLICIT_COMMIT:
        return True
    if isinstance(clause, SavepointClause) or not autocommits(connection):
        return False
    if connection.dialect.name != "sqlite":
        return True
    return not begins_by_itself(below_adapter(connection.connection), statement)
