"""Cursors of the driver that an app takes itself: ``engine.raw_connection().cursor()``.

SQLAlchemy knows nothing of what they execute. They are watched where the pool hands them out; a
cursor that is taken from the driver's own connection, below the pool's, is not.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.pool.base import _ConnectionFairy as Pooled

from ..core.dependencies import EverythingChanged
from ..management.record_writes import listening
from ..render_context import database, tracked
from .named import place
from .raw_sql import kind_of
from .transactions import committed, pending_on
from .writing import named_once

_EXECUTING: Final = frozenset({"execute", "executemany", "executescript", "callproc"})


def watch() -> None:
    """Watch the cursors of all pools."""
    original: Any = Pooled.cursor
    if getattr(original, "isgware", False):
        return

    @functools.wraps(original)
    def cursor(self: Any, *args: Any, **kwargs: Any) -> Any:
        found = original(self, *args, **kwargs)
        if (database.get() is None and not listening()) or _of_sqlalchemy(sys._getframe(1)):
            return found
        return RawCursor(found, self)

    def commit(self: Any) -> Any:  # else the pool's connection passes it to the driver's
        try:
            return self.dbapi_connection.commit()
        finally:
            committed(self)

    cursor.isgware = True  # type: ignore[attr-defined]
    for name, function in (("cursor", cursor), ("commit", commit)):
        setattr(Pooled, name, function)


#: Where SQLAlchemy makes its own cursors, nearly all of them.
_MAKING: Final = frozenset({
    DefaultExecutionContext.create_cursor.__code__,
    DefaultExecutionContext.create_default_cursor.__code__,
})  # fmt: skip


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
        return self._noting(name, found) if name in _EXECUTING else found

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

    def _noting(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def execute(statement: Any, *args: Any, **kwargs: Any) -> Any:
            text = statement if isinstance(statement, str) and name != "callproc" else ""
            kind = kind_of(text) if text else "write"
            reads = database.get()
            if reads is not None and kind in ("read", "write"):
                reads.everything(f"a cursor in {place()}")
            if kind == "write" and listening() and tracked.get():
                why = f"a cursor in {named_once(place())}"
                pending_on(self._pooled).innermost.add(EverythingChanged(why))
            result = call(statement, *args, **kwargs)
            if kind in ("write", "commit") and not _transaction_is_open(self._pooled):
                committed(self._pooled)
            return self if result is self._cursor else result

        return execute


def _transaction_is_open(pooled: Any) -> bool:
    """What the driver says; `True` if it does not, since a commit will come then."""
    driver = pooled.dbapi_connection
    if hasattr(driver, "in_transaction"):
        return bool(driver.in_transaction)
    return getattr(driver, "autocommit", False) is not True
