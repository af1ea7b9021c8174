"""Watches all of SQLAlchemy in this process for ``dependencies=``.

Outside of clean rooms a read costs one test at each of the events of its execution.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.engine.cursor import FullyBufferedCursorFetchStrategy
from sqlalchemy.orm import Session, loading

from ..core.dependencies import EverythingChanged
from ..management.record_writes import listening
from ..render_context import current, database, tracked
from . import compilers, raw_cursors, tables
from .named import place
from .old_rows import OURS, autocommits
from .raw_sql import IMPLICIT_COMMIT, has_committed
from .reading import known_here, read
from .rewritten import rewritten, taken_over, watch_hooks
from .transactions import committed, pending_of
from .writing import WROTE, before


def install(
    untracked: Iterable[str] = (), derived: Mapping[str, Iterable[str]] | None = None
) -> tables.Tables:
    """Watch from now on. What is returned holds the two options, as long as somebody holds it.
    Raises `ConfigurationError` for a SQLAlchemy that cannot be watched."""
    compilers.watch()
    raw_cursors.watch()
    for target, name, function in (
        (Engine, "before_cursor_execute", _executing),
        (Engine, "after_cursor_execute", _cursor_executed),
        (Engine, "after_execute", _executed),
        (Engine, "begin", _begun),
        (Session, "after_begin", _session_begun),
    ):
        if not event.contains(target, name, function):
            event.listen(target, name, function)
    if not hasattr(loading.get_from_identity, "isgware"):
        loading.get_from_identity = _noting_hits(loading.get_from_identity)
    said = tables.Tables(untracked, derived)
    tables.add(said)
    return said


# What an engine calls.


def _executing(
    connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
) -> None:
    reads = database.get()
    if reads is not None and OURS not in context.execution_options:
        watch_hooks(connection.dialect)
        read(reads, connection, statement, context)
    if listening() and tracked.get() and OURS not in context.execution_options:
        before(connection, statement, context)


def _cursor_executed(
    connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
) -> None:
    reads, wrote = database.get(), WROTE in context.__dict__
    if reads is None and not wrote:
        return
    if OURS not in context.execution_options and (
        rewritten(statement, parameters, context, many)
        or taken_over(connection.dialect, statement, context)
    ):
        why = f"a statement that a hook of the app's has rewritten, in {place()}"
        if reads is not None:
            reads.everything(why)
        if wrote:
            pending_of(connection).innermost.add(EverythingChanged(why))
    if not wrote:
        return
    _fetch_what_is_not_committed_else(connection, cursor, context)
    if context.compiled is None:
        _ended(connection, commits=has_committed(statement, connection.dialect.name))


def _fetch_what_is_not_committed_else(connection: Any, cursor: Any, context: Any) -> None:
    """SQLite commits an ``INSERT … RETURNING`` of its own when its rows were fetched."""
    if (
        connection.dialect.name == "sqlite"
        and cursor.description is not None
        and context.execute_style.name != "INSERTMANYVALUES"
        and autocommits(connection)
    ):
        context.cursor_fetch_strategy = FullyBufferedCursorFetchStrategy(
            cursor, initial_buffer=cursor.fetchall()
        )


def _executed(
    connection: Any, element: Any, multiparams: Any, params: Any, options: Any, result: Any
) -> None:
    context = getattr(result, "context", None)
    if context is not None and WROTE in context.__dict__:
        dialect = connection.dialect.name
        said = context.is_text and has_committed(context.unicode_statement, dialect)
        _ended(connection, commits=said or (context.isddl and dialect in IMPLICIT_COMMIT))


def _ended(connection: Any, *, commits: bool) -> None:
    """A statement that may have written was executed."""
    pending_of(connection).finish()
    if commits or autocommits(connection):
        committed(connection)


def _begun(connection: Any) -> None:
    rendering = current.get()
    if rendering is not None and rendering.prerendering:
        known_here().connections.add(connection)


# What sessions call.


def _session_begun(session: Any, transaction: Any, connection: Any) -> None:
    rendering = current.get()
    if rendering is None or not rendering.prerendering:
        return
    known, reads = known_here().sessions, database.get()
    if session in known:
        return
    known.add(session)
    held = not all(state.expired for state in session.identity_map.all_states())
    if held and reads is not None:
        reads.everything(_held())


def _held() -> str:
    return f"a session that holds objects from before the render, in {place()}"


def _noting_hits(original: Any) -> Any:
    @functools.wraps(original)
    def get_from_identity(session: Any, mapper: Any, key: Any, passive: Any) -> Any:
        found = original(session, mapper, key, passive)
        reads = database.get()
        if reads is not None and found is not None and session not in known_here().sessions:
            reads.everything(_held())
        return found

    get_from_identity.isgware = True  # type: ignore[attr-defined]
    return get_from_identity
