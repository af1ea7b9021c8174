"""Cursors of the driver that an app takes itself: ``engine.raw_connection().cursor()``.

SQLAlchemy knows nothing of what they execute. They are watched where the pool hands them out. What
is done with the driver's own connection is not seen, only that an app asked the pool for it.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.pool.base import _ConnectionFairy as Pooled

from ..core.dependencies import EverythingChanged
from ..management.record_writes import announcing, listening
from ..render_context import database, tracked
from .announcing import announce_pending, begins_by_itself
from .named import place
from .old_rows import below_adapter
from .raw_sql import kind_of
from .transactions import committed, pending_on
from .writing import named_once

_EXECUTING: Final = frozenset({"execute", "executemany", "executescript", "callproc"})
#: They have executed what they were given when somebody has taken or written all of its rows.
_LATER: Final = frozenset({"copy", "copy_expert", "copy_from", "copy_to", "stream"})


def watch() -> None:
    """Watch the cursors of all pools."""
    original: Any = Pooled.cursor
    if getattr(original, "isgware", False):
        return
    below: Any = vars(Pooled)["driver_connection"].fget
    slot: Any = vars(Pooled)["dbapi_connection"]

    @functools.wraps(original)
    def cursor(self: Any, *args: Any, **kwargs: Any) -> Any:
        found = original(self, *args, **kwargs)
        if _of_sqlalchemy(sys._getframe(1)) or (database.get() is None and not listening()):
            return found
        return RawCursor(found, self)

    def commit(self: Any) -> Any:  # else the pool's connection passes it to the driver's
        if announcing():
            announce_pending(pending_on(self))
        try:
            return self.dbapi_connection.commit()
        finally:
            committed(self)

    @functools.wraps(below)
    def driver_connection(self: Any) -> Any:
        _taken(self, sys._getframe(1))
        return below(self)

    def dbapi_connection(self: Any) -> Any:
        _taken(self, sys._getframe(1))
        return slot.__get__(self)

    cursor.isgware = True  # type: ignore[attr-defined]
    for name, function in (
        ("cursor", cursor), ("commit", commit), ("driver_connection", property(driver_connection)),
        ("dbapi_connection", property(dbapi_connection, slot.__set__, slot.__delete__)),
        *((name, _executing(name)) for name in _EXECUTING),
    ):  # fmt: skip
        setattr(Pooled, name, function)


#: Where SQLAlchemy makes its own cursors, nearly all of them.
_MAKING: Final = frozenset({
    DefaultExecutionContext.create_cursor.__code__,
    DefaultExecutionContext.create_default_cursor.__code__,
})  # fmt: skip


def _executing(name: str) -> property:
    """A method with which connections of psycopg and sqlite3 execute, too. Of others there is none,
    which `hasattr` has to find."""

    def method(self: Any) -> Any:
        found = getattr(self.dbapi_connection, name)
        if (database.get() is None and not listening()) or _of_sqlalchemy(sys._getframe(1)):
            return found
        return _noting(self, name, found, None)

    return property(method)


def _taken(pooled: Any, frame: Any) -> None:
    """Somebody has taken the driver's own connection: an app, to read and write what it likes."""
    if _of_sqlalchemy(frame):
        return
    if (reads := database.get()) is not None:
        reads.everything(f"the driver's connection in {place()}")
    if listening() and tracked.get():
        why = f"the driver's connection in {named_once(place())}"
        pending_on(pooled).elsewhere = EverythingChanged(why)


def _of_sqlalchemy(frame: Any) -> bool:
    if frame.f_code in _MAKING:
        return True
    name = frame.f_globals.get("__name__", "")
    return name.startswith(("sqlalchemy.", "isgware.")) or isinstance(
        frame.f_locals.get("self"), DefaultExecutionContext
    )


class RawCursor:
    """What it executes is everything: read within a clean room, or written."""

    __slots__ = ("_cursor", "_pooled")

    def __init__(self, cursor: Any, pooled: Any) -> None:
        object.__setattr__(self, "_cursor", cursor)
        object.__setattr__(self, "_pooled", pooled)

    @property
    def __class__(self) -> Any:  # drivers' helpers ask whether it is a cursor of theirs
        return type(self._cursor)

    @__class__.setter
    def __class__(self, value: Any) -> None:
        raise TypeError("the class of a cursor is its driver's")

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._cursor, name)
        if name in _EXECUTING or name in _LATER:
            return _noting(self._pooled, name, found, self)
        return found

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._cursor, name, value)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._cursor)

    def __next__(self) -> Any:
        return next(self._cursor)

    def __enter__(self) -> Any:
        self._cursor.__enter__()
        return self

    def __exit__(self, *raised: Any) -> Any:
        return self._cursor.__exit__(*raised)


def _noting(
    pooled: Any, name: str, call: Callable[..., Any], cursor: RawCursor | None
) -> Callable[..., Any]:
    """A method that executes something; ``cursor`` is what it is of, unless the connection."""

    def execute(statement: Any, *args: Any, **kwargs: Any) -> Any:
        text = statement if isinstance(statement, str) and name != "callproc" else ""
        kind = kind_of(text) if text else "write"
        reads, write = database.get(), None
        if reads is not None and kind in ("read", "write"):
            reads.everything(f"a cursor in {place()}")
        if kind == "write" and listening() and tracked.get():
            write = EverythingChanged(f"a cursor in {named_once(place())}")
            pending_on(pooled).innermost.add(write)
        if announcing():
            _announce(pooled, text if name != "executescript" else "", kind)
        result = call(statement, *args, **kwargs)
        if kind in ("write", "commit") and not _transaction_is_open(pooled):
            committed(pooled)
        if write is not None and name in _LATER:
            pending_on(pooled).elsewhere = write
        if cursor is None:
            return RawCursor(result, pooled) if hasattr(result, "fetchone") else result
        return cursor if result is cursor._cursor else result

    return execute


def _announce(pooled: Any, statement: str, kind: str) -> None:
    """What the statement will have committed when it has been executed."""
    if kind == "commit" or (kind == "write" and _commits_itself(pooled, statement)):
        announce_pending(pending_on(pooled))


def _commits_itself(pooled: Any, statement: str) -> bool:
    if _transaction_is_open(pooled):
        return False
    driver = below_adapter(pooled)
    return not hasattr(driver, "isolation_level") or not begins_by_itself(driver, statement)


def _transaction_is_open(pooled: Any) -> bool:
    """What the driver says; `True` if it does not, since a commit will come then."""
    said = getattr(below_adapter(pooled), "in_transaction", None)
    if said is not None:
        return bool(said)
    return getattr(pooled.dbapi_connection, "autocommit", False) is not True
