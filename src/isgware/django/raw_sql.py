"""SQL of the app's own: what it reads and writes is not known.

A clean-room render that runs any depends on everything; what may write renews everything that
depends on something. What the ORM runs is known better, and so is what Django sends for itself.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final

from ..render_context import database
from ..rendering.callers import Callers, where
from .old_rows import can_begin, note_begun, within
from .query_writes import QueryWrites
from .tables import Tables

log: Final = logging.getLogger("isgware")
_CALLERS: Final = Callers(frozenset({"django", "contextlib", "functools"}), frozenset())
_COMMENTS: Final = re.compile(r"\s+|--[^\n]*(\n|\Z)|/\*.*?\*/|\(", re.DOTALL)
_WORD: Final = re.compile(r"[a-z]+", re.IGNORECASE)
#: Statements that neither read nor write tables.
_NEITHER: Final = frozenset({
    "begin", "start", "rollback", "savepoint", "release", "set", "show", "pragma",
    "use", "close", "lock",
})  # fmt: skip
_READS: Final = frozenset({
    "select", "values", "table", "with", "explain", "describe", "declare", "fetch",
})  # fmt: skip
#: In a statement that begins as a question: what makes it write.
_WRITES: Final = re.compile(
    r"\b(insert|update|delete|merge|truncate|create|drop|alter|into|nextval|setval)\b",
    re.IGNORECASE,
)
#: Databases in which statements about tables, and the begin of a transaction, commit.
_IMPLICIT: Final = frozenset({"mysql", "oracle"})
_COMMITS: Final = frozenset({
    "alter", "begin", "call", "create", "drop", "grant", "lock", "rename", "revoke", "set",
    "start", "truncate",
})  # fmt: skip
_QUOTED: Final = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`")
_FOR_UPDATE: Final = re.compile(r"\bfor\s+(no\s+key\s+)?update\b", re.IGNORECASE)


def _asked_by_django() -> bool:
    """Whether Django asks its database for itself, such as which version it is."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name not in _PASSING:
            return name.startswith("django.db.backends.")
        frame = frame.f_back
    return False


_PASSING: Final = frozenset({
    __name__, "isgware.django.recorded_queries", "django.db.backends.utils", "django.db.utils",
    "contextlib", "functools",
})  # fmt: skip


def _migrating() -> bool:
    """Whether a migration runs: whoever wrote it cannot say what it touches, and `migrate` renews
    everything in any case."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).startswith("django.db.migrations."):
            return True
        frame = frame.f_back
    return False


def _first_word(sql: str) -> str:
    at = 0
    while found := _COMMENTS.match(sql, at):
        at = found.end()
    word = _WORD.match(sql, at)
    return word.group().lower() if word else ""


def _may_commit(connection: Any, word: str) -> bool:
    """Whether a statement that begins with ``word`` may end a transaction."""
    if word in ("commit", "end"):
        return True
    implicit = connection.vendor in _IMPLICIT and word in _COMMITS
    return implicit and not can_begin(connection)


def _passed_on(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
    """A statement of the ORM's, which wrappers of the app's may follow by others of their own."""
    if len(context["connection"].execute_wrappers) < 2:
        return execute(sql, params, many, context)
    token = within.set(0)
    try:
        return execute(sql, params, many, context)
    finally:
        within.reset(token)


class RawSQL:
    """One wrapper for all connections of a project."""

    def __init__(self, tables: Tables, writes: QueryWrites, active: Callable[[], bool]) -> None:
        self._tables = tables
        self._writes = writes
        self._active = active
        self._told: set[str] = set()

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        if within.get() != 0:
            return _passed_on(execute, sql, params, many, context)
        reads, counts = database.get(), self._active()
        if reads is None and not counts:
            return execute(sql, params, many, context)
        connection, word = context["connection"], _first_word(str(sql))
        kind, commits = self._kind(str(sql)), _may_commit(connection, word)
        note_begun(connection, word, str(sql))
        if reads is not None and kind != "neither":
            reads.everything(f"SQL of the app's own ({where(_CALLERS.caller())})")
        if counts and word == "release" and connection.vendor == "sqlite":
            with self._released(connection):
                return execute(sql, params, many, context)
        if not counts or not (commits or kind == "writes"):
            return execute(sql, params, many, context)
        with self._noted(contextlib.nullcontext(), connection.alias, commits=commits):
            return execute(sql, params, many, context)

    def direct(self, call: Callable[..., Any], using: str) -> Callable[..., Any]:
        """A method of the driver's cursor that executes something, and of which Django's own cursor
        knows nothing: psycopg's ``copy`` and its like."""

        def run(*args: Any, **kwargs: Any) -> Any:
            reads = database.get()
            if reads is not None:
                reads.everything(f"SQL of the app's own ({where(_CALLERS.caller())})")
            if not self._active():
                return call(*args, **kwargs)
            name = getattr(call, "__name__", "")
            if name == "copy":  # what it copies comes within its block
                return self._noted(call(*args, **kwargs), using)
            # That of SQLite commits what was before it; procedures may.
            commits = name in ("executescript", "callproc")
            with self._noted(contextlib.nullcontext(), using, commits=commits):
                return call(*args, **kwargs)

        return run

    @contextlib.contextmanager
    def _noted(
        self, block: contextlib.AbstractContextManager[Any], using: str, *, commits: bool = False
    ) -> Iterator[Any]:
        place = where(_CALLERS.caller())
        why = f"SQL of the app's own ({place})"
        try:
            with self._writes.everything(why, using, commits=commits), block as given:
                yield given
        finally:
            self._say(place)

    def _released(self, connection: Any) -> contextlib.AbstractContextManager[None]:
        if connection.in_atomic_block or not connection.connection.in_transaction:
            return contextlib.nullcontext()
        return self._writes.released(
            f"SQL of the app's own ({where(_CALLERS.caller())})", connection.connection
        )

    def _say(self, place: str) -> None:
        if place not in self._told and len(self._told) < 1_000 and not _migrating():
            self._told.add(place)
            log.warning(
                "%s: SQL of its own renews every page that depends on the database. Say what it "
                "changes: run it within isgware.untracked(), then call isgware.touched(…).",
                place or "Somewhere",
            )

    def _kind(self, sql: str) -> str:
        first = _first_word(sql)
        if ";" in _QUOTED.sub("", sql).rstrip("; \t\r\n"):
            return "writes"  # several statements
        if first in _NEITHER:
            return "neither"
        if any(f'"{table}"' in sql or f"`{table}`" in sql for table in self._tables.caches):
            return "neither"  # Django's cache in the database: an app's cache like any other
        if first in _READS:
            if _asked_by_django():
                return "neither"
            return "writes" if _WRITES.search(_FOR_UPDATE.sub("", sql)) else "reads"
        return "writes"
