"""An app's reply on its way to a visitor: held until its head is known, copied as its body passes.

`Reply` calls the app where the head decides: a 304 to isgware's own conditional request, or an
error in place of which a stored page is sent, never reaches the server. `Copied` passes a body on
as it comes and keeps a copy, which is used only if the body was complete.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from ..rendering.clean_room import StartResponse
from ..serving.passthrough import Environ, HeaderList

log: Final = logging.getLogger("isgware")


class Reply:
    """One call of the app. After `ask`, ``status`` and ``headers`` are known, unless the app did
    not send them, or used ``write``: then the reply is already being sent, and is ``committed``."""

    def __init__(self, start_response: StartResponse) -> None:
        self.status = ""
        self.headers: HeaderList = []
        self.chunks: Iterable[bytes] = ()
        self.committed = False
        #: Whether the app went on sending past its head: then its iterable is not the body of that
        #: head, or not all of it.
        self.overtaken = False
        self._start_response = start_response
        self._write: Callable[[bytes], object] | None = None
        self._exc_info: Any = None

    def known(self) -> bool:
        """Whether the app has sent its status."""
        return bool(self.status)

    def ask(self, application: Callable[[StartResponse], Iterable[bytes]]) -> None:
        """Call the app, and read as much of its iterable as is needed to get the head."""
        chunks = application(self._record_head)
        self.chunks = chunks
        if self.known():
            return
        ahead: deque[bytes] = deque()
        try:
            iterator = iter(chunks)
            for chunk in iterator:
                ahead.append(chunk)
                if self.known():
                    break
        except BaseException:
            close_all(chunks)
            raise
        self.chunks = _Resumed(chunks, ahead, iterator)

    def _record_head(
        self, status: str, headers: HeaderList, exc_info: Any = None
    ) -> Callable[[bytes], object]:
        if self.committed:
            self.overtaken = True
            return self._pass(status, headers, exc_info)
        if self.status and exc_info is None:
            self._commit(self.headers)  # an invalid value is for the server to refuse
            return self._pass(status, headers, None)
        self.status, self.headers, self._exc_info = status, list(headers), exc_info
        return self._written

    def _pass(self, status: str, headers: HeaderList, exc_info: Any) -> Callable[[bytes], object]:
        if exc_info is None:
            return self._start_response(status, headers)
        return self._start_response(status, headers, exc_info)

    def _written(self, data: bytes) -> object:
        if not self.committed:
            self._commit(self.headers)
        self.overtaken = True
        assert self._write is not None
        return self._write(data)

    def pass_on(self, headers: HeaderList) -> None:
        """Send the status and ``headers`` to the server. If it raises, close what the app has
        returned: nothing else will."""
        try:
            self._commit(headers)
        except BaseException:
            close_all(self.chunks)
            raise

    def _commit(self, headers: HeaderList) -> None:
        self.committed = True
        self._write = self._pass(self.status, headers, self._exc_info)
        self._exc_info = None

    def drop(self) -> None:
        """Close the reply: another answer is sent in place of it."""
        close_all(self.chunks)
        self._exc_info = None


class _Resumed:
    """An iterable whose first chunks were already taken."""

    def __init__(
        self, source: Iterable[bytes], ahead: deque[bytes], iterator: Iterator[bytes]
    ) -> None:
        self._source = source
        self._ahead = ahead
        self._iterator = iterator

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return self._ahead.popleft() if self._ahead else next(self._iterator)

    def close(self) -> None:
        close_all(self._source)


def close_all(chunks: Iterable[bytes]) -> None:
    """Close an app's iterable once (PEP 3333)."""
    close = getattr(chunks, "close", None)
    if close is not None:
        close()


def nothing() -> None:
    """Does nothing: no request waits."""


def copying(
    chunks: Iterable[bytes],
    announced: int | None,
    limit: int,
    whole: Callable[[bytes], None],
    done: Callable[[], None] = nothing,
) -> Iterable[bytes]:
    """``chunks``, which are collected for ``whole`` as they pass, up to ``limit`` bytes.

    ``announced`` is the value of Content-Length. ``done`` is called when there will be no copy any
    more, after ``whole`` if there was one. A list, the most common body, goes to the server
    unchanged: some servers use its length.
    """
    if isinstance(chunks, list | tuple):
        body = b"".join(chunks)
        if len(body) <= limit and announced in (None, len(body)):
            whole(body)
        done()
        return chunks
    return Copied(chunks, announced, limit, whole, done)


class Copied:
    def __init__(
        self,
        chunks: Iterable[bytes],
        announced: int | None,
        limit: int,
        whole: Callable[[bytes], None],
        done: Callable[[], None],
    ) -> None:
        self._done = done
        self._chunks = chunks
        self._iterator = iter(chunks)
        self._announced = announced
        self._limit = limit
        self._whole: Callable[[bytes], None] | None = whole
        self._kept: list[bytes] = []
        self._size = 0
        self._held: deque[bytes] = deque()
        self._error: BaseException | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._held:
            return self._held.popleft()
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        chunk = self._take()
        if self._size == self._announced and self._whole is not None:
            # With this chunk the client has the whole body, and may send the next request. So check
            # that it is complete, and store it, before it is sent.
            try:
                while not (extra := self._take()):
                    pass
                self._held.append(extra)
            except BaseException as error:
                self._error = error
        return chunk

    def _take(self) -> bytes:
        try:
            chunk = next(self._iterator)
        except StopIteration:
            self._finish()
            raise
        self._size += len(chunk)
        if self._whole is not None:
            if self._size > self._limit or self._size > (self._announced or self._size):
                self._whole = None
                self._kept.clear()
            else:
                self._kept.append(chunk)
        return chunk

    def _finish(self) -> None:
        whole, self._whole = self._whole, None
        if whole is not None and self._announced in (None, self._size):
            whole(b"".join(self._kept))
        self._kept.clear()
        self._done()

    def close(self) -> None:
        self._whole = None
        self._done()
        close_all(self._chunks)


def without(environ: Environ, *names: str) -> Environ:
    """A copy of ``environ`` without ``names``."""
    return {name: value for name, value in environ.items() if name not in names}
