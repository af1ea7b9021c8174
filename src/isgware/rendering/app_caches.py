"""Notes that a clean room has read a cache of the app's: what came out of it was made before, of
what no recorder has seen.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable
from typing import Any

from ..core.unseen import cached
from ..render_context import database
from .callers import where


def note_reads(kind: Any, methods: Iterable[str], alias: Callable[[Any], str]) -> None:
    """Have the reading ``methods`` of a class of caches noted from now on; ``alias`` says what
    people call one. Outside of clean rooms it costs one test."""
    for name in methods:
        for base in kind.__mro__:
            if name in vars(base):
                if not hasattr(vars(base)[name], "isgware"):
                    setattr(base, name, _noting(vars(base)[name], alias))
                break


def _noting(original: Any, alias: Callable[[Any], str]) -> Any:
    @functools.wraps(original)
    def read(self: Any, *args: Any, **kwargs: Any) -> Any:
        reads = database.get()
        if reads is not None:
            name, frame = alias(self), sys._getframe(1)
            reads.note(f"cache {name}", lambda: cached(name, where(frame)))
        return original(self, *args, **kwargs)

    read.isgware = True  # type: ignore[attr-defined]
    return read
