"""Renders a learned page after its visitor has received their whole own answer.

On learned routes (`learning`, ``cache_control="full"``) it is not known whether a response ends.
One of unknown length may be a stream that lasts as long as its visitor stays. It is rendered only
after it has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..core.storable import Response
from ..routing.planner import Target
from .engine import Engine


class Following:
    """The page that is rendered after one visitor's own answer, if any."""

    def __init__(self, engine: Engine, environ: dict[str, Any]) -> None:
        self._engine = engine
        self._files = environ.get("wsgi.file_wrapper")
        self._target: Target | None = None
        self._ends = False
        self._told = False

    def learned(self, target: Target, headers: list[tuple[str, str]]) -> None:
        """The answer's headers show that this page may be storable."""
        self._target = target
        self._ends = bool(Response("", tuple(headers), b"").all("content-length"))
        self._told = True

    def nothing(self) -> None:
        """The answer's headers show that there is nothing to learn, as far as is known."""
        self._told = True

    def pass_on(self, chunks: Iterable[bytes]) -> Iterable[bytes]:
        """The answer's body. It is the app's iterable itself if that is known to end, or if no
        render follows it."""
        if self._told and (self._target is None or self._ends):
            self._begin()
            return chunks
        if isinstance(chunks, list | tuple) or self._is_file(chunks):
            self._begin()
            return chunks
        return _Followed(chunks, self._begin)

    def _is_file(self, chunks: Iterable[bytes]) -> bool:
        return isinstance(self._files, type) and isinstance(chunks, self._files)

    def _begin(self) -> None:
        target, self._target = self._target, None
        if target is not None:
            self._engine.background.schedule(target)


class _Followed:
    """An app's iterable, and what to do at its end."""

    def __init__(self, chunks: Iterable[bytes], ended: Any) -> None:
        self._chunks = chunks
        self._ended = ended
        self._iterator: Iterator[bytes] = self._passing()

    def _passing(self) -> Iterator[bytes]:
        # Not `yield from`, which would close the app's iterable twice.
        for chunk in self._chunks:  # noqa: UP028
            yield chunk
        self._ended()

    def __iter__(self) -> Iterator[bytes]:
        return self._iterator

    def __next__(self) -> bytes:
        return next(self._iterator)

    def close(self) -> None:
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()
