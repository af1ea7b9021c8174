"""The app's own answers, passed through; isgware adds headers where needed.

Nothing is buffered here: the app's iterable goes to the server unchanged. Only the arguments of
``start_response`` are inspected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from werkzeug.exceptions import NotFound

from ..core.cache_key import Visitor
from ..core.downstream import by_cookie
from ..http import cache_status as status
from ..render_context import Rendering, current
from ..rendering.clean_room import StartResponse, WSGIApp
from ..routing.framework import Site

if TYPE_CHECKING:
    from .answer import Answer

Environ = dict[str, Any]
#: Why a visitor gets their own answer to a page that others share: it is in their cookies.
_BY_COOKIE: Final = frozenset({"cookie", "session-unreadable"})
HTML: Final = "text/html; charset=utf-8"
HeaderList = list[tuple[str, str]]
#: Called with the status and headers of the app; may return headers to send in their place.
Look = Callable[[str, HeaderList], HeaderList | None]


def call(
    application: WSGIApp, environ: Environ, start_response: StartResponse, rendering: Rendering
) -> Iterable[bytes]:
    """Run the app on a visitor's own request, with the context that `page` and decorators need."""
    token = current.set(rendering)
    try:
        return application(environ, start_response)
    finally:
        current.reset(token)


class within:
    """A context in which ``rendering`` is the current one. A class, since a generator would cost as
    much as everything else in a request that isgware does not handle."""

    __slots__ = ("_rendering", "_token")

    def __init__(self, rendering: Rendering) -> None:
        self._rendering = rendering

    def __enter__(self) -> None:
        self._token = current.set(self._rendering)

    def __exit__(self, *_: object) -> None:
        current.reset(self._token)


def looking(start_response: StartResponse, look: Look) -> StartResponse:
    """A ``start_response`` that calls ``look`` with its arguments before it calls the server's."""

    def wrapped(
        status_line: str, headers: HeaderList, exc_info: Any = None
    ) -> Callable[[bytes], object]:
        sent = look(status_line, headers)
        sent = headers if sent is None else sent
        if exc_info is None:
            return start_response(status_line, sent)
        return start_response(status_line, sent, exc_info)

    return wrapped


def not_there(
    visitor: Visitor, site: Site, application: WSGIApp, environ: Environ,
    start_response: StartResponse, rendering: Rendering,
) -> Iterable[bytes]:  # fmt: skip
    """The 404 of a page that is known not to exist. It is the app's own if its decorator can raise
    the framework's exception for that in place of the view."""
    told = looking(start_response, lambda _, headers: bypassed(headers, "not-listed", "miss"))
    if site.not_found is not None and site.match(visitor) is not None:
        rendering.absent = site.not_found
        return call(application, environ, told, rendering)
    body = NotFound().get_body().encode()
    told("404 NOT FOUND", [("Content-Type", HTML), ("Content-Length", str(len(body)))])
    return [] if visitor.method == "HEAD" else [body]


def passed_by(
    visitor: Visitor, answer: Answer, application: WSGIApp, environ: Environ,
    start_response: StartResponse, rendering: Rendering,
    watch: Callable[[str, HeaderList], object] | None = None,
) -> Iterable[bytes]:  # fmt: skip
    """The app's response where no page can be served: the error it has just raised, or its answer
    to this visitor's own request, which ``watch`` sees first."""
    failed = answer.failure
    if failed is not None:
        if failed.response is None:
            assert failed.error is not None
            raise failed.error
        headers = bypassed(list(failed.response.headers), answer.detail, answer.forward)
        start_response(failed.response.status, headers)
        return [] if visitor.method == "HEAD" else [failed.response.body]
    detail, forward = answer.detail, answer.forward

    def told(line: str, headers: HeaderList, exc_info: Any = None) -> Callable[[bytes], object]:
        if watch is not None:
            watch(line, headers)
        sent = bypassed(headers, detail, forward)
        if exc_info is None:
            return start_response(line, sent)
        return start_response(line, sent, exc_info)

    return call(application, environ, told, rendering)


def bypassed(headers: HeaderList, detail: str, forward: str = "bypass") -> HeaderList:
    """The headers of the app's own answer, with the reason."""
    if detail == "draft":  # caches must not store what is not public yet
        headers = [pair for pair in headers if pair[0].lower() != "cache-control"]
        headers.append(("Cache-Control", "private, no-store"))
    elif detail in _BY_COOKIE:
        headers = by_cookie(headers)
    return [*headers, *_reason(detail, forward)]


@lru_cache(maxsize=256)
def _reason(detail: str, forward: str) -> HeaderList:
    return [
        ("X-ISG-Cache", "BYPASS"),
        ("Cache-Status", status.forwarded(forward, detail=detail)),
    ]


def visitor_of(environ: Environ) -> Visitor | None:
    """The request as plain values; ``None`` if the environ lacks what PEP 3333 requires."""
    host = environ.get("HTTP_HOST")
    try:
        if host is None:
            host, port = environ["SERVER_NAME"], environ["SERVER_PORT"]
            if port != ("443" if environ["wsgi.url_scheme"] == "https" else "80"):
                host = f"{host}:{port}"
        return Visitor(
            environ["REQUEST_METHOD"],
            environ["wsgi.url_scheme"],
            host,
            environ.get("SCRIPT_NAME", ""),
            environ.get("PATH_INFO", ""),
            environ.get("QUERY_STRING", ""),
            environ,
        )
    except KeyError:
        return None


def rendering_of(visitor: Visitor, site: Site) -> Rendering:
    """The context of a visitor's own request, for `page`, decorators and ``regenerate`` within
    it."""
    scheme, host = site.origin(visitor)
    return Rendering(
        False, scheme, host, visitor.script_name, mapped=site.has_url_map,
        environ=visitor.headers, memo=visitor.memo,
    )  # fmt: skip
