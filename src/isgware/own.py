"""The app's own answers: passed through, and, where isgware has something to say, with its headers.

Nothing is buffered here; the app's iterable goes to the server as it is. What is looked at is what
``start_response`` is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .core import status
from .page import Rendering, current
from .render import StartResponse, WSGIApp

Environ = dict[str, Any]
HeaderList = list[tuple[str, str]]
#: Told status and headers as the app says them; may return headers to send in their place.
Look = Callable[[str, HeaderList], HeaderList | None]


def call(
    application: WSGIApp, environ: Environ, start_response: StartResponse, rendering: Rendering
) -> Iterable[bytes]:
    """Run the app on a visitor's own request, so that `page` and decorators know where they are."""
    token = current.set(rendering)
    try:
        return application(environ, start_response)
    finally:
        current.reset(token)


def looking(start_response: StartResponse, look: Look) -> StartResponse:
    """A ``start_response`` that shows what it is told to ``look`` before the server hears of it."""

    def wrapped(
        status_line: str, headers: HeaderList, exc_info: Any = None
    ) -> Callable[[bytes], object]:
        sent = look(status_line, headers)
        sent = headers if sent is None else sent
        if exc_info is None:
            return start_response(status_line, sent)
        return start_response(status_line, sent, exc_info)

    return wrapped


def bypassed(headers: HeaderList, detail: str, forward: str = "bypass") -> HeaderList:
    """An own answer's headers, with what happened and why."""
    return [
        *headers,
        ("X-ISG-Cache", "BYPASS"),
        ("Cache-Status", status.forwarded(forward, detail=detail)),
    ]
