"""Records which headers a Flask app looks at while it renders a page for the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from flask import Flask
from werkzeug.datastructures import EnvironHeaders

from ..core.cache_key import cgi_name
from ..core.header_reads import LEARNED, RecordedEnviron
from ..rendering.clean_room import MARK


def record_headers(app: Flask) -> None:
    """From now on, in clean rooms. Requests of visitors stay as they are."""
    original = app.request_context

    def request_context(environ: dict[str, Any]) -> Any:
        rendering = environ.get(MARK)
        if rendering is None:
            return original(environ)
        if rendering.recording is None:  # else its environ tells of headers, too
            environ = RecordedEnviron(environ, rendering.note_read)
        context = original(environ)
        context.request.headers = _RecordedHeaders(context.request.environ, rendering.note_read)
        return context

    app.request_context = request_context  # type: ignore[method-assign]


class _RecordedHeaders(EnvironHeaders):
    """Who goes through all headers looks at each, but for Werkzeug, which finds the lines of one
    in this way (those of ``Cookie``, for the session)."""

    def __init__(self, environ: dict[str, Any], note: Callable[[str], None]) -> None:
        super().__init__(environ)
        self._note = note

    def getlist(self, key: str, type: Any = None) -> list[Any]:
        if name := LEARNED.get(cgi_name(key)):
            self._note(name)
        return EnvironHeaders(self.environ).getlist(key, type)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for name in LEARNED.values():
            self._note(name)
        return super().__iter__()
