"""Renders a learned page once its visitor has had the whole of their own answer, not before.

On routes that are only being learned (`learning`, ``cache_control="full"``) nobody has said that a
response ends. One whose length is not known may be a stream that lasts for as long as its visitor
stays. It is rendered again only if it has ended.
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
        """The answer's headers say that this page may be storable."""
        self._target = target
        self._ends = bool(Response("", tuple(headers), b"").all("content-length"))
        self._told = True

    def nothing(self) -> None:
        """The answer's headers have nothing to learn from, as far as is known."""
        self._told = True

    def pass_on(self, chunks: Iterable[bytes]) -> Iterable[bytes]:
        """The answer's body. It stays what the app has returned where that is known to end, or
        where there is nothing to be rendered behind it."""
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
    """An app's iterable, and what is done when it has come to its end."""

    def __init__(self, chunks: Iterable[bytes], ended: Any) -> None:
        self._chunks = chunks
        self._ended = ended
        self._iterator: Iterator[bytes] = self._passing()

    def _passing(self) -> Iterator[bytes]:
        # Not `yield from`, which would close the app's iterable a second time.
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
