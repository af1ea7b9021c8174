"""Runs the app in the clean room and captures one whole response.

The environ is made from a `Request`. Nothing of a visitor's environ is copied, since servers put
sockets there and frameworks their caches. The app runs in an empty `contextvars` context, so that
it sees nothing of the request during which it happens to be rendered.
"""

from __future__ import annotations

import contextvars
import io
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final

from ..core.cache_key import Request, cgi_name
from ..core.storable import Response, streams
from ..errors import ISGError
from ..http.fields import values
from ..render_context import Rendering, current, database
from ..version import VERSION

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]
StartResponse = Callable[..., Callable[[bytes], object]]
WSGIApp = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

NONE: Final[Mapping[str, Any]] = {}
#: An address reserved for documentation (RFC 5737).
REMOTE_ADDR: Final = "192.0.2.1"
#: Marks a clean-room render. A client cannot send an object under this key.
MARK: Final = "isgware.render"

#: What a render does first in its empty context, such as making its span the current one.
entering: Final[contextvars.ContextVar[Callable[[], object] | None]] = contextvars.ContextVar(
    "isgware_entering", default=None
)
#: The reason if nobody waits for the response any more.
GIVEN_UP: Final = "given-up"


class BrokenResponse(ISGError):
    """The app did not finish its response, or its length differs from Content-Length."""


@dataclass(frozen=True, slots=True)
class Unfit:
    """A response that was not captured: it streams, is too large, or was given up. ``head`` is its
    status and headers."""

    reason: str
    head: Response = field(default=Response("", (), b""), compare=False)


class _Stopped(Exception):
    """Stops an app that sends its body by ``write``."""


def _wanted() -> bool:
    return True


def environ_for(request: Request, rendering: Rendering | None) -> dict[str, Any]:
    """A WSGI environ (PEP 3333) with ``request`` and constants. Without a ``rendering`` it is that
    of an anonymous visitor."""
    name, port = _server(request)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": request.script_name,
        "PATH_INFO": request.path,
        "QUERY_STRING": request.query,
        "SERVER_NAME": name,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": REMOTE_ADDR,
        "HTTP_HOST": request.host,
        "HTTP_ACCEPT_ENCODING": "identity",
        "HTTP_USER_AGENT": f"isgware/{VERSION}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if rendering is not None:
        rendering.request = request
        environ[MARK] = rendering
    for header, value in request.headers:
        environ[cgi_name(header)] = value
    if request.cookies:
        environ["HTTP_COOKIE"] = "; ".join(f"{key}={value}" for key, value in request.cookies)
    return environ


def session_values(rendering: Rendering) -> Iterator[tuple[str, str]]:
    """The keys of the session that are part of the page's key, and their values: the whole content
    of this clean room's session."""
    for name, value in rendering.request.variants if rendering.request is not None else ():
        if name.startswith("session:"):
            yield name.removeprefix("session:"), value


def _server(request: Request) -> tuple[str, str]:
    name, colon, port = request.host.rpartition(":")
    if colon and port.isdigit():
        return name, port
    return request.host, "443" if request.scheme == "https" else "80"


def render(
    application: WSGIApp,
    request: Request,
    rendering: Rendering,
    max_page: int,
    conditions: Mapping[str, Any] = NONE,
    *,
    seconds: float = math.inf,
    wanted: Callable[[], bool] = _wanted,
) -> Response | Unfit:
    """The app's response to ``request``, in the clean room. ``conditions`` are further keys of the
    environ, such as the validators of a stored response; ``seconds`` and ``wanted`` are those of
    `capture`.

    Raises whatever the app raises, and `BrokenResponse` for an incomplete response.
    """

    def run() -> Response | Unfit:
        current.set(rendering)
        database.set(rendering.database)
        environ = {**environ_for(request, rendering), **conditions}
        return capture(application, environ, max_page, seconds=seconds, wanted=wanted)

    return fresh_context().run(run)


def fresh_context() -> contextvars.Context:
    """An empty context, but for what `entering` puts there."""
    context = contextvars.Context()
    enter = entering.get()
    if enter is not None:
        context.run(enter)
    return context


def capture(
    application: WSGIApp,
    environ: dict[str, Any],
    max_page: int,
    *,
    seconds: float = math.inf,
    wanted: Callable[[], bool] = _wanted,
) -> Response | Unfit:
    """Call a WSGI app and collect its response, by all rules of PEP 3333.

    It is stopped at the next chunk after more than ``max_page`` bytes, when ``wanted`` returns
    false, or after ``seconds`` without a Content-Length: then it may have no end.
    """
    collector = _Collector(max_page, time.monotonic() + seconds, wanted)
    try:
        chunks = application(environ, collector.start_response)
    except _Stopped:
        return collector.response()
    try:
        if not collector.streams:
            for chunk in chunks:
                collector.add(chunk)
                if collector.unfit:
                    break
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
    return collector.response()


class _Collector:
    """Collects one response."""

    def __init__(self, max_page: int, ends: float, wanted: Callable[[], bool]) -> None:
        self._max_page = max_page
        self._ends = ends
        self._wanted = wanted
        self._announced: list[str] = []
        self._given_up = False
        self._head: tuple[str, list[tuple[str, str]]] | None = None
        self._chunks: list[bytes] = []
        self._size = 0
        self._broken = False
        self.streams = False

    @property
    def unfit(self) -> bool:
        return self.streams or self._given_up or self._size > self._max_page

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], object]:
        if exc_info is not None:
            try:
                if self._size:
                    self._broken = True  # even if the app catches what is raised here
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # breaks the cycle of traceback and frame
        elif self._head is not None:
            self._broken = True
            raise BrokenResponse("The app called start_response twice without exc_info.")
        self._head = (status, list(headers))
        self.streams = streams(headers)
        self._announced = values(headers, "content-length")
        return self._write

    def _write(self, chunk: bytes) -> None:
        self.add(chunk)
        if self.unfit:
            raise _Stopped

    def add(self, chunk: bytes) -> None:
        if chunk and self._head is None:
            raise BrokenResponse("The app sent a body before it called start_response.")
        self._size += len(chunk)
        if self._size <= self._max_page:
            self._chunks.append(chunk)
        if self._announced:
            self._given_up = not self._wanted()
        elif time.monotonic() > self._ends or not self._wanted():
            self.streams = True  # a render is given up only after its time is over

    def response(self) -> Response | Unfit:
        if self._head is None:
            raise BrokenResponse("The app never called start_response.")
        if self._broken:
            raise BrokenResponse("The app started a second response in the middle of the first.")
        status, headers = self._head
        if self.unfit:
            reason = "streaming" if self.streams else GIVEN_UP if self._given_up else "too-big"
            return Unfit(reason, Response(status, tuple(headers), b""))
        response = Response(status, tuple(headers), b"".join(self._chunks))
        for announced in self._announced:
            if announced.strip() != str(len(response.body)):
                raise BrokenResponse(
                    f"The app announced {announced} bytes and sent {len(response.body)}."
                )
        return response
