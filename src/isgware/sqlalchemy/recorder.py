"""Watches all of SQLAlchemy in this process for ``dependencies=``.

Outside of clean rooms a read costs one test as it is executed.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.engine.cursor import FullyBufferedCursorFetchStrategy
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.event import registry
from sqlalchemy.orm import Session, loading

from ..core.dependencies import EverythingChanged
from ..management.record_writes import announcing, listening
from ..render_context import database, tracked
from . import compilers, raw_cursors, tables
from .announcing import announce_before
from .named import place
from .old_rows import OURS, autocommits
from .parameters import EXPANDED
from .raw_sql import IMPLICIT_COMMIT, has_committed, kind_of
from .reading import begun, begun_here, read, read_again
from .rewritten import rewritten, taken_over, watch_hooks
from .transactions import committed, pending_of
from .writing import WROTE, before, only_reads

_RESULT: Final = "_setup_result_proxy"
_BEGIN: Final = "_begin_impl"


def install(
    untracked: Iterable[str] = (), derived: Mapping[str, Iterable[str]] | None = None
) -> tables.Tables:
    """Watch from now on. What is returned holds the two options, as long as somebody holds it.
    Raises `ConfigurationError` for a SQLAlchemy that cannot be watched."""
    compilers.watch()
    raw_cursors.watch()
    _watch_begins()
    _watch_executions()
    if not event.contains(Session, "after_begin", _session_begun):
        event.listen(Session, "after_begin", _session_begun)
    if not hasattr(loading.get_from_identity, "isgware"):
        loading.get_from_identity = _noting_hits(loading.get_from_identity)
    said = tables.Tables(untracked, derived)
    tables.add(said)
    return said


# What a dialect calls to execute a statement, with what hooks of the app's have made of it. Unlike
# an engine's events, these leave SQLAlchemy on its fast path.


def _execute(cursor: Any, statement: str, parameters: Any, context: Any) -> None:
    reads = database.get()
    if reads is None:
        if not only_reads(context):
            _executing(statement, parameters, context, many=False)
    elif not read_again(reads, statement, parameters, context):
        _executing(statement, parameters, context, many=False)


def _execute_many(cursor: Any, statement: str, parameters: Any, context: Any) -> None:
    if database.get() is not None or not only_reads(context):
        _executing(statement, parameters, context, many=True)


def _execute_bare(cursor: Any, statement: str, context: Any) -> None:
    if database.get() is not None or not only_reads(context):
        _executing(statement, None, context, many=False)


_HOOKS: Final[Mapping[str, Any]] = {
    "do_execute": _execute,
    "do_executemany": _execute_many,
    "do_execute_no_params": _execute_bare,
}


def _watch_executions() -> None:
    """Before all hooks of the app's: one that executes statements itself keeps them from those
    after it."""
    keys: Any = getattr(registry, "_EventKey", None)
    if keys is None or not (
        hasattr(DefaultExecutionContext, _RESULT)
        and hasattr(DefaultExecutionContext, EXPANDED)
        and hasattr(Connection, _BEGIN)
    ):
        raise compilers.unknown_release()
    for name, hook in _HOOKS.items():
        if not event.contains(Dialect, name, hook):
            # `event.listen` leaves out ``insert`` here.
            keys(Dialect, name, hook, Dialect).base_listen(insert=True)
    Dialect._has_events = True


def _executing(statement: str, parameters: Any, context: Any, *, many: bool) -> None:
    reads = database.get()
    if context is None:  # a dialect's own
        if reads is not None and kind_of(statement) in ("read", "write"):
            reads.everything(f"raw SQL in {place()}")
        return
    if OURS in context.execution_options:
        return
    connection, wrote = context.root_connection, False
    if not getattr(connection, "_allow_autobegin", True):
        return  # the dialect looks what database it is, on a connection of no pool
    changed, hooked = rewritten(statement, parameters, context, many), watch_hooks(context.dialect)
    if reads is not None:
        read(reads, connection, statement, context)
    if listening() and tracked.get() and (wrote := before(connection, statement, context)):
        if changed:
            pending_of(connection).innermost.add(EverythingChanged(_rewritten()))
        if announcing():
            announce_before(connection, statement, context)
    if changed and reads is not None:
        reads.everything(_rewritten())
    if wrote or (hooked and reads is not None) or _RESULT in context.__dict__:
        # In place of the method.
        context.__dict__[_RESULT] = partial(_result, weakref.ref(context), statement)


def _rewritten() -> str:
    return f"a statement that a hook of the app's has rewritten, in {place()}"


# What follows a statement that may have written, or in whose place a hook may have executed one.


def _result(known: Callable[[], Any], statement: str) -> Any:
    """The result of its execution: SQLAlchemy asks for it when all of it is executed."""
    context = known()
    del context.__dict__[_RESULT]
    connection, dialect = context.root_connection, context.dialect.name
    reads, wrote = database.get(), WROTE in context.__dict__
    if taken_over(context.dialect, statement, context):
        if reads is not None:
            reads.everything(_rewritten())
        if wrote:
            pending_of(connection).innermost.add(EverythingChanged(_rewritten()))
    if not wrote:
        return getattr(context, _RESULT)()
    _fetch_what_is_not_committed_else(connection, context)
    result = getattr(context, _RESULT)()
    if context.compiled is None or context.is_text:
        commits = has_committed(statement, dialect)
    else:
        commits = context.isddl and dialect in IMPLICIT_COMMIT
    pending_of(connection).finish()
    if commits or autocommits(connection):
        committed(connection)
    return result


def _fetch_what_is_not_committed_else(connection: Any, context: Any) -> None:
    """SQLite commits an ``INSERT … RETURNING`` of its own when its rows were fetched."""
    cursor = context.cursor
    if (
        connection.dialect.name == "sqlite"
        and cursor.description is not None
        and context.execute_style.name != "INSERTMANYVALUES"
        and autocommits(connection)
    ):
        context.cursor_fetch_strategy = FullyBufferedCursorFetchStrategy(
            cursor, initial_buffer=cursor.fetchall()
        )


def _watch_begins() -> None:
    """Note the connections whose transactions begin within a clean room."""
    original: Any = getattr(Connection, _BEGIN)
    if hasattr(original, "isgware"):
        return

    @functools.wraps(original)
    def begin(self: Any, *args: Any, **kwargs: Any) -> Any:
        begun(self)
        return original(self, *args, **kwargs)

    begin.isgware = True  # type: ignore[attr-defined]
    setattr(Connection, _BEGIN, begin)


# What sessions call.


def _session_begun(session: Any, transaction: Any, connection: Any) -> None:
    if begun_here(session) or not begun(session):
        return
    reads = database.get()
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
        if reads is not None and found is not None and not begun_here(session):
            reads.everything(_held())
        return found

    get_from_identity.isgware = True  # type: ignore[attr-defined]
    return get_from_identity
