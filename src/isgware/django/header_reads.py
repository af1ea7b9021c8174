"""Records which headers a Django project looks at while it renders a page for the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.http.request import HttpHeaders

from ..core.header_reads import LEARNED, RecordedEnviron
from ..rendering.clean_room import MARK
from .csrf import CleanEnviron


def record_reads(application: Any) -> None:
    """Have requests of clean rooms recorded: those of ``application``, or of every handler in this
    process if that is wrapped in something else. Requests of visitors stay as they are."""
    if isinstance(application, WSGIHandler):
        handler: Any = application
        handler.request_class = _recorded(handler.request_class)
    elif not hasattr(WSGIHandler.request_class, "_isgware"):
        handler = WSGIHandler
        handler.request_class = staticmethod(_recorded(handler.request_class))


def _recorded(request_class: Callable[..., Any]) -> Callable[..., Any]:
    if hasattr(request_class, "_isgware"):
        return request_class

    def make(environ: dict[str, Any]) -> Any:
        rendering = environ.get(MARK)
        if rendering is None:
            return request_class(environ)
        recorded = CleanEnviron(environ, rendering.note_read)
        rendering.finders.append(recorded.places)
        request = request_class(recorded)
        # What the cached property of this name would find; it copies all of META when first used.
        request.__dict__["headers"] = _RecordedHeaders(recorded, rendering.note_read)
        return request

    make._isgware = True  # type: ignore[attr-defined]
    return make


class _RecordedHeaders(HttpHeaders):
    def __init__(self, environ: RecordedEnviron, note: Callable[[str], None]) -> None:
        super().__init__(environ)
        self._note = note

    def __getitem__(self, key: str) -> str:
        name = LEARNED.get(self.to_wsgi_name(key)) if isinstance(key, str) else None
        if name is not None:
            self._note(name)
        found: str = super().__getitem__(key)
        return found

    def __iter__(self) -> Iterator[str]:
        for name in LEARNED.values():
            self._note(name)
        return iter(super().__iter__())
