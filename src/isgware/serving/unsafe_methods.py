"""Requests with other methods than GET and HEAD: the app answers them, and the pages that it may
have changed are purged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from ..core.cache_key import Visitor, decoded
from ..core.freshness import path_name
from ..render_context import Rendering
from ..rendering.clean_room import StartResponse, WSGIApp
from .engine import Engine
from .passthrough import Environ, HeaderList, bypassed, call, looking


class OtherPages(Protocol):
    """Pages of undeclared routes, under ``cache_control="full"``."""

    def concerns(self, visitor: Visitor) -> bool:
        """Whether this URL has such a page."""

    def changed(self, visitor: Visitor, headers: HeaderList) -> Iterable[str]:
        """The names of the pages that an answer with these headers may have changed (RFC 9111,
        4.4)."""


def unsafe(
    visitor: Visitor, engine: Engine, others: OtherPages | None, application: WSGIApp,
    environ: Environ, start_response: StartResponse, rendering: Rendering,
) -> Iterable[bytes]:  # fmt: skip
    """Let the app answer. A 2xx or 3xx to an unsafe method purges the page of its URL, if that is
    declared, stored or rendering. ``others``: under ``cache_control="full"``, also purges pages of
    undeclared routes (RFC 9111, section 4.4)."""

    def look(line: str, headers: HeaderList) -> HeaderList | None:
        # After the change, so that pages stored while the app worked are purged, too.
        engine.page_store.begin()
        try:
            concerned = engine.concerns(visitor) or bool(others and others.concerns(visitor))
            names = []
            if line[:1] in ("2", "3") and _changes(visitor.method, others is not None):
                path = decoded(visitor.script_name + visitor.path)
                names = [path_name(path)] if concerned else []
                names += others.changed(visitor, headers) if others else []
        finally:
            engine.page_store.end()
        if names:
            engine.page_store.invalidate_eventually(names)
        return bypassed(headers, visitor.method.lower(), "method") if concerned else None

    return call(application, environ, looking(start_response, look), rendering)


def _changes(method: str, every: bool) -> bool:
    """Whether a method may change something. ``every``: all that are not known to be safe;
    otherwise the common ones. Frameworks treat "post" as POST, though methods are case-sensitive
    (RFC 9110, section 9.1)."""
    if every:
        return method not in ("OPTIONS", "TRACE")
    return method.upper() in ("POST", "PUT", "PATCH", "DELETE")
