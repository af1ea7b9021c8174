"""The request line as the key of prepared hits, and which visitors need a closer look."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final

from ..core.cache_key import Visitor
from ..storage.process_cache import Raw
from .passthrough import Environ

#: The parts of the request line; `RequestLine.of` makes the same key if an environ lacks some.
UNENCODED: Final[Callable[[Environ], Raw]] = itemgetter(
    "REQUEST_METHOD", "wsgi.url_scheme", "HTTP_HOST", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING"
)
ENCODED: Final[Callable[[Environ], Raw]] = itemgetter(
    "REQUEST_METHOD", "wsgi.url_scheme", "HTTP_HOST", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING",
    "HTTP_ACCEPT_ENCODING",
)  # fmt: skip


def opens_websocket(environ: Environ) -> bool:
    """Whether a request is the handshake of a WebSocket (RFC 6455, section 4.1), which is no visit
    of a page. Other upgrades, such as to ``h2c``, may be ignored (RFC 9110, section 7.8)."""
    return str(environ.get("HTTP_UPGRADE", "")).lower() == "websocket"


class RequestLine:
    """``origin_headers``: fields by which a trusted proxy gives scheme and host. ``watched``:
    cookies whose owners are checked on every page."""

    __slots__ = ("origin_headers", "watched")

    def __init__(self, origin_headers: tuple[str, ...], watched: tuple[str, ...]) -> None:
        self.origin_headers = origin_headers
        self.watched = watched

    def of(self, visitor: Visitor, environ: Environ) -> Raw:
        if not self.origin_headers:
            try:
                return ENCODED(environ) if "HTTP_ACCEPT_ENCODING" in environ else UNENCODED(environ)
            except KeyError:
                pass
        raw: Raw = (
            visitor.method, visitor.scheme, environ.get("HTTP_HOST"), visitor.script_name,
            visitor.path, visitor.query,
        )  # fmt: skip
        if "HTTP_ACCEPT_ENCODING" in environ:
            raw = *raw, environ["HTTP_ACCEPT_ENCODING"]
        origin = self.origin(environ)
        return (origin, raw) if origin else raw

    def origin(self, environ: Environ) -> tuple[Any, ...]:
        if environ.keys().isdisjoint(self.origin_headers):
            return ()
        return tuple(environ.get(name) for name in self.origin_headers)

    def is_watched(self, environ: Environ) -> bool:
        cookies = environ["HTTP_COOKIE"]
        return any(name in cookies for name in self.watched)
