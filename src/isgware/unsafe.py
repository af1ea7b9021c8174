"""Requests with other methods than GET and HEAD: the app answers them, and what it may have changed
is purged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .core.freshness import path_name
from .core.request import Visitor, decoded
from .own import Environ, HeaderList, bypassed, call, looking
from .page import Rendering
from .render import StartResponse, WSGIApp

if TYPE_CHECKING:
    from .engine import Engine
    from .plainhttp import PlainHTTP


def unsafe(
    visitor: Visitor, engine: Engine, http: PlainHTTP | None, application: WSGIApp,
    environ: Environ, start_response: StartResponse, rendering: Rendering,
) -> Iterable[bytes]:  # fmt: skip
    """Let the app answer; a 2xx or 3xx to a method that changes things purges the page of its URL,
    if that is declared, stored or rendering. ``http``: under ``cache_control="full"``, by whose
    rules (RFC 9111, section 4.4) pages that nobody declared go too."""
    concerned = engine.concerns(visitor) or (http is not None and http.keeper.concerns(visitor))
    if not (concerned or http):
        return call(application, environ, start_response, rendering)

    def look(line: str, headers: HeaderList) -> HeaderList | None:
        # Frameworks take "post" for POST, though a method's case counts (RFC 9110, section 9.1).
        changes = visitor.method.upper() in ("POST", "PUT", "PATCH", "DELETE")
        if http is not None:  # whatever is not known to be safe
            changes = visitor.method not in ("OPTIONS", "TRACE")
        if changes and line[:1] in ("2", "3"):
            path = decoded(visitor.script_name + visitor.path)
            names = [path_name(path)] if concerned else []
            if http is not None:
                names += http.changed(visitor, headers)
            if names:
                engine.shelf.invalidate_eventually(names)
        if not concerned:
            return None
        return bypassed(headers, visitor.method.lower(), "method")

    return call(application, environ, looking(start_response, look), rendering)
