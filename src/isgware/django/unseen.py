"""Notes of what a render looks at and no change tells of: times in queries, functions of the
database, and Django's caches.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any, Final

from django.conf import settings
from django.core.cache import caches
from django.db.models.expressions import Col
from django.utils.module_loading import import_string

from ..core.database_reads import DatabaseReads
from ..core.unseen import called, compared, near
from ..rendering.app_caches import note_reads
from ..rendering.callers import Callers, where

_CALLERS: Final = Callers(frozenset({"django", "contextlib", "functools"}), frozenset())


def note_time(reads: DatabaseReads, expression: Any, value: Any) -> None:
    """An expression was compared with a date or time; with that of the database if it is `None`."""
    if value is not None and not near(value, time.time()):
        return
    name = _column(expression) if value is not None else "something"
    reads.note(f"time {name}", lambda: compared(name, where(_CALLERS.caller())))


def note_function(reads: DatabaseReads, name: str) -> None:
    """A function was called that is none which databases bring along."""
    reads.note(f"function {name}", lambda: called(name, where(_CALLERS.caller())))


def _column(expression: Any) -> str:
    while not isinstance(expression, Col):
        sources = [each for each in expression.get_source_expressions() if each is not None]
        if not sources:
            return "something"
        expression = sources[0]
    field = expression.target
    return f"{field.model._meta.label}.{field.name}"


def watch_caches() -> None:
    """Note what clean rooms read of the project's caches."""
    for options in settings.CACHES.values():
        with contextlib.suppress(ImportError, KeyError):  # Django says so when it is used
            note_reads(import_string(options["BACKEND"]), ("get", "get_many"), _alias)


def _alias(cache: Any) -> str:
    for alias in caches:
        if getattr(caches._connections, alias, None) is cache:  # type: ignore[attr-defined]
            return str(alias)
    return type(cache).__name__
