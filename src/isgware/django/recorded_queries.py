"""The option ``dependencies`` in Django: one wrapper around ``execute_sql`` of the compilers, and
one around the SQL of cursors. Put in place once in a process; outside of clean rooms a read costs
one test.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Final

from django.db import connections
from django.db.backends.signals import connection_created
from django.db.backends.utils import CursorWrapper
from django.db.models.signals import post_migrate
from django.db.models.sql import compiler as compilers
from django.db.models.sql.constants import MULTI

from ..core.dependencies import EverythingChanged
from ..errors import ConfigurationError
from ..render_context import database, tracked
from .driver_access import watch_drivers
from .old_rows import OUR_OWN, THE_ORM, within
from .query_reads import QueryReads
from .query_writes import QueryWrites
from .raw_sql import RawSQL
from .sites import watch_sites
from .tables import Tables
from .unseen import watch_caches


class Recorder:
    """What is recorded of one project."""

    def __init__(
        self, tables: Tables, made: Callable[[], object], durable: bool, mode: Callable[[], str]
    ) -> None:
        self.tables = tables
        self.reads = QueryReads(tables)
        self.writes = QueryWrites(tables, made, durable)
        self.raw = RawSQL(tables, self.writes, self.counts_writes)
        self._mode = mode

    def counts_writes(self) -> bool:
        """False while isgware is switched off, as under test: the app's queries and hooks are then
        what they are without it."""
        return tracked.get() and self._mode() != "off"


_active: Final[list[Recorder]] = []
#: They call the method of their base for one of their own statements.
_WRITING: Final = (compilers.SQLUpdateCompiler, compilers.SQLInsertCompiler)
_KINDS: Final = (
    compilers.SQLCompiler, compilers.SQLInsertCompiler, compilers.SQLUpdateCompiler,
    compilers.SQLDeleteCompiler, compilers.SQLAggregateCompiler,
)  # fmt: skip
_installed: Final[list[bool]] = []


def record_queries(
    untracked: tuple[str, ...], derived: Mapping[str, tuple[str, ...]], made: Callable[[], object],
    *, durable: bool = False, mode: Callable[[], str] = lambda: "on",
) -> Recorder:  # fmt: skip
    """Record from now on; ``made`` sees to it that there is an ISG that is told, ``durable``: also
    of commits beforehand. ``mode``: whether isgware is "off". Raises `ConfigurationError` for a
    model that is not there, and on a Django whose compilers are not as they are known to be."""
    recorder = Recorder(Tables(untracked, dict(derived)), made, durable, mode)
    _install()
    watch_caches()
    watch_sites(recorder.writes.counts)
    _active[:] = [recorder]
    for connection in connections.all(initialized_only=True):
        _wrap_cursors(connection=connection)
    return recorder


def recording() -> bool:
    return bool(_active)


def stop_recording() -> None:
    _active.clear()


def _install() -> None:
    if _installed:
        return
    if any("execute_sql" not in vars(kind) for kind in _KINDS[:3]):
        import django

        raise ConfigurationError(
            f"dependencies= does not know the compilers of Django {django.get_version()}; leave "
            "it out, or use a version of isgware that does."
        )
    _installed.append(True)
    _wrap_reads()
    _wrap_inserts()
    _wrap_updates()
    _wrap_making()
    for name in _DIRECT:
        setattr(CursorWrapper, name, _direct(name))
    CursorWrapper.callproc = _calling(CursorWrapper.callproc)  # type: ignore[method-assign]
    watch_drivers()
    connection_created.connect(_wrap_cursors, weak=False)
    post_migrate.connect(_migrated, weak=False)


def _wrap_reads() -> None:
    original: Any = compilers.SQLCompiler.execute_sql

    @functools.wraps(original)
    def execute_sql(self: Any, result_type: Any = MULTI, *given: Any, **named: Any) -> Any:
        if not _active or within.get() == OUR_OWN or isinstance(self, _WRITING):
            return original(self, result_type, *given, **named)
        deletes = isinstance(self, compilers.SQLDeleteCompiler)
        reads = database.get()
        if reads is None and not deletes:
            return _plainly(original, self, result_type, *given, **named)
        recorder = _active[0]

        def execute(kind: Any = result_type) -> Any:
            return _plainly(original, self, kind, *given, **named)

        if not deletes:
            return recorder.reads.run(reads, self, execute, result_type)
        if not recorder.counts_writes():
            return execute()
        return recorder.writes.delete(self, execute, result_type)

    compilers.SQLCompiler.execute_sql = execute_sql  # type: ignore[method-assign]


def _wrap_inserts() -> None:
    original: Any = compilers.SQLInsertCompiler.execute_sql

    @functools.wraps(original)
    def execute_sql(self: Any, returning_fields: Any = None, *given: Any, **named: Any) -> Any:
        if not _active or within.get() == OUR_OWN or not _active[0].counts_writes():
            return _plainly(original, self, returning_fields, *given, **named)
        return _active[0].writes.insert(
            self,
            lambda: _plainly(original, self, returning_fields, *given, **named),
            returning_fields,
        )

    compilers.SQLInsertCompiler.execute_sql = execute_sql  # type: ignore[method-assign]


def _wrap_updates() -> None:
    original: Any = compilers.SQLUpdateCompiler.execute_sql

    @functools.wraps(original)
    def execute_sql(self: Any, result_type: Any, *given: Any, **named: Any) -> Any:
        if not _active or within.get() == OUR_OWN or not _active[0].counts_writes():
            return _plainly(original, self, result_type, *given, **named)
        return _active[0].writes.update(
            self, lambda kind: _plainly(original, self, kind, *given, **named), result_type
        )

    compilers.SQLUpdateCompiler.execute_sql = execute_sql  # type: ignore[method-assign]
    _wrap_returning_updates()


def _wrap_returning_updates() -> None:
    """Since Django 6.0 a save may ask for what the database has made of its values."""
    kind: Any = compilers.SQLUpdateCompiler
    original: Any = vars(kind).get("execute_returning_sql")
    if original is None:
        return

    @functools.wraps(original)
    def execute_returning_sql(self: Any, returning_fields: Any, *given: Any, **named: Any) -> Any:
        returns = returning_fields and self.connection.features.can_return_rows_from_update
        if not returns:  # it calls `execute_sql`
            return original(self, returning_fields, *given, **named)
        if not _active or within.get() == OUR_OWN or not _active[0].counts_writes():
            return _plainly(original, self, returning_fields, *given, **named)
        return _active[0].writes.update(
            self, lambda _: _plainly(original, self, returning_fields, *given, **named), None
        )

    kind.execute_returning_sql = execute_returning_sql


def _wrap_making() -> None:
    """While a statement is made, fields and expressions of the app's may run SQL of their own."""
    for kind in _KINDS:
        original = vars(kind).get("as_sql")
        if original is not None:
            setattr(kind, "as_sql", _making(original))  # noqa: B010


def _making(original: Any) -> Any:
    @functools.wraps(original)
    def as_sql(*given: Any, **named: Any) -> Any:
        if within.get() != THE_ORM:
            return original(*given, **named)
        token = within.set(0)
        try:
            return original(*given, **named)
        finally:
            within.reset(token)

    return as_sql


def _plainly(original: Any, *given: Any, **named: Any) -> Any:
    """The statement that it executes is the ORM's."""
    token = within.set(THE_ORM)
    try:
        return original(*given, **named)
    finally:
        within.reset(token)


#: What drivers' cursors execute with beside ``execute``.
_DIRECT: Final = frozenset({
    "copy", "copy_expert", "copy_from", "copy_to", "executescript", "stream",
})  # fmt: skip


def _direct(name: str) -> property:
    """Of a driver that has no such method there is none."""

    def method(self: Any) -> Any:
        found = getattr(self.cursor, name)
        return _active[0].raw.direct(found, self.db.alias) if _active else found

    return property(method)


def _calling(original: Any) -> Any:
    """Procedures do not pass ``execute_wrappers``."""

    @functools.wraps(original)
    def callproc(self: Any, *given: Any, **named: Any) -> Any:
        call = functools.wraps(original)(functools.partial(original, self))
        return (_active[0].raw.direct(call, self.db.alias) if _active else call)(*given, **named)

    return callproc


def _wrap_cursors(connection: Any, **_: Any) -> None:
    if _cursors not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, _cursors)


def _cursors(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
    if not _active:
        return execute(sql, params, many, context)
    return _active[0].raw(execute, sql, params, many, context)


def _migrated(using: str = "default", **_: Any) -> None:
    if _active and _active[0].counts_writes():
        _active[0].writes.note(EverythingChanged("migrate", tables=True), using)
