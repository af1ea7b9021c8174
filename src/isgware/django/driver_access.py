"""The driver's own connection and cursor, with which an app may read what it likes, unseen.

Django keeps them in ``connection.connection`` and ``cursor.cursor``: a clean-room render in which
the app takes one depends on everything. Outside of clean rooms that costs one test.
"""

from __future__ import annotations

import functools
import sys
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.utils.connection import ConnectionProxy

from ..render_context import database
from ..rendering.callers import Callers, where

_CALLERS: Final = Callers(frozenset({"django", "contextlib", "functools"}), frozenset())
#: They look at the driver's connection, and execute nothing with it.
_HARMLESS: Final = ("django.", "isgware.", "debug_toolbar.", "sentry_sdk.")

#: Modules that were found to be such.
_known: Final[set[str]] = set()


def watch_drivers() -> None:
    """Of all connections of this process."""
    kinds: tuple[tuple[Any, str], ...] = (
        (BaseDatabaseWrapper, "connection"), (CursorWrapper, "cursor"),
    )  # fmt: skip
    for kind, name in kinds:
        setattr(kind, name, _noting(name))
    BaseDatabaseWrapper.connect = _connecting(BaseDatabaseWrapper.connect)  # type: ignore[method-assign]


def _noting(name: str) -> property:
    """In place of the attribute of an instance."""

    def get(self: Any) -> Any:
        try:
            found = self.__dict__[name]
        except KeyError:
            raise AttributeError(name) from None
        reads = database.get()
        if reads is not None and found is not None:
            frame = sys._getframe(1)
            if frame.f_globals.get("__name__") not in _known and not _is_harmless(frame):
                reads.everything(f"the driver's {name} ({where(_CALLERS.caller())})")
        return found

    def put(self: Any, value: Any) -> None:
        self.__dict__[name] = value

    def drop(self: Any) -> None:
        self.__dict__.pop(name, None)

    return property(get, put, drop)


def _is_harmless(frame: Any) -> bool:
    """Whether a module that asks executes nothing. It is remembered, since Django asks many times
    in each query."""
    taker = _taker(frame)
    if not taker.startswith(_HARMLESS):
        return False
    _known.add(taker)
    return True


def _taker(frame: Any) -> str:
    """The module that asks, also through ``django.db.connection``."""
    name = str(frame.f_globals.get("__name__", ""))
    return _taker(frame.f_back) if name == ConnectionProxy.__module__ else name


def _connecting(original: Any) -> Any:
    """How a connection is set up, by the app's handlers of ``connection_created``, too, is nothing
    that a page shows."""

    @functools.wraps(original)
    def connect(self: Any) -> Any:
        token = database.set(None)
        try:
            return original(self)
        finally:
            database.reset(token)

    return connect
