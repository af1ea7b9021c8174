"""Notes of what a render looks at and no change tells of: times in queries, and Django's caches."""

from __future__ import annotations

import functools
import time
from typing import Any, Final

from django.conf import settings
from django.core.cache import caches
from django.db.models.expressions import Col
from django.utils.module_loading import import_string

from ..core.database_reads import DatabaseReads
from ..core.unseen import cached, compared, near
from ..render_context import database
from ..rendering.callers import Callers, where

_CALLERS: Final = Callers(frozenset({"django", "contextlib", "functools"}), frozenset())
_READING: Final = ("get", "get_many")


def note_time(reads: DatabaseReads, expression: Any, value: Any) -> None:
    """An expression was compared with a date or time; with that of the database if it is `None`."""
    if value is not None and not near(value, time.time()):
        return
    name = _column(expression) if value is not None else "something"
    reads.note(f"time {name}", lambda: compared(name, where(_CALLERS.caller())))


def _column(expression: Any) -> str:
    while not isinstance(expression, Col):
        sources = [each for each in expression.get_source_expressions() if each is not None]
        if not sources:
            return "something"
        expression = sources[0]
    field = expression.target
    return f"{field.model._meta.label}.{field.name}"


def watch_caches() -> None:
    """Note what clean rooms read of the project's caches. Outside of them it costs one test."""
    for options in settings.CACHES.values():
        try:
            kind = import_string(options["BACKEND"])
        except (ImportError, KeyError):  # Django says so when it is used
            continue
        for name in _READING:
            for base in kind.__mro__:
                if name in vars(base):
                    _watch(base, name)
                    break


def _watch(kind: Any, name: str) -> None:
    original = vars(kind)[name]
    if getattr(original, "isgware", False):
        return

    @functools.wraps(original)
    def read(self: Any, *args: Any, **kwargs: Any) -> Any:
        reads = database.get()
        if reads is not None:
            alias = _alias(self)
            reads.note(f"cache {alias}", lambda: cached(alias, where(_CALLERS.caller())))
        return original(self, *args, **kwargs)

    read.isgware = True  # type: ignore[attr-defined]
    setattr(kind, name, read)


def _alias(cache: Any) -> str:
    for alias in caches:
        if getattr(caches._connections, alias, None) is cache:  # type: ignore[attr-defined]
            return str(alias)
    return type(cache).__name__
