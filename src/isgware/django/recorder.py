"""Records what a Django project reads of its visitor while a page is rendered in the clean room.

`record_reads` replaces ``WSGIHandler.request_class``, before any middleware sees a request. A clean
room's request records reads of its cookies and headers. Its session, of whatever engine, becomes a
subclass of its own class that records its reads and is never saved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.core.handlers.wsgi import WSGIHandler
from django.http.request import HttpHeaders

from ..core.header_reads import LEARNED
from ..recording import COOKIES, EVERYTHING, SESSION, Recording
from ..rendering.clean_room import MARK, session_values
from ..rendering.foreign_middleware import foreign_middleware
from ..rendering.recorded_environ import RecordedEnviron
from ..rendering.recorded_mappings import Notes, recorded
from .csrf import CleanEnviron
from .recorded_session import CALLERS, note_written, session_methods

Environ = dict[str, Any]


def record_reads(application: Any) -> None:
    """Have requests of clean rooms recorded, in every handler of this process: handlers may lie
    within each other. Requests of visitors stay as they are."""
    handler: Any = WSGIHandler
    foreign = foreign_middleware(application, lambda inner: isinstance(inner, WSGIHandler))
    request_class = getattr(handler.request_class, "_isgware", handler.request_class)
    handler.request_class = staticmethod(_recorded(request_class, foreign))


def watched(environ: Environ) -> Environ:
    """The environ of a clean room, as one that notes what it is asked, also before there is a
    request: by a handler of ``request_started``, say. Any other environ stays as it is."""
    rendering = environ.get(MARK)
    recording = getattr(rendering, "recording", None)
    if rendering is None or recording is None or isinstance(environ, CleanEnviron):
        return environ
    clean = CleanEnviron(environ, recording, CALLERS)
    rendering.finders = (clean.places,)
    return clean


def _recorded(request_class: Callable[..., Any], foreign: str) -> Callable[..., Any]:
    def make(environ: Environ) -> Any:
        clean = watched(environ)
        if not isinstance(clean, CleanEnviron):
            return request_class(environ)
        recording: Recording = dict.__getitem__(clean, MARK).recording
        recording.attached = True
        if foreign:
            recording.read(COOKIES, EVERYTHING, lambda: foreign)
        return _request(request_class, clean, recording)

    make._isgware = request_class  # type: ignore[attr-defined]
    return make


def _request(
    request_class: Callable[..., Any], environ: RecordedEnviron, recording: Recording
) -> Any:
    request = request_class(environ)
    with environ.unwatched():  # whoever has Django parse the header after this reads it
        cookies = _Cookies(request.COOKIES)
    recorded(cookies, Notes(recording, COOKIES, CALLERS))
    # What the cached properties of these names would find.
    request.__dict__["COOKIES"] = cookies
    request.__dict__["headers"] = _Headers(environ)
    kind: Any = type(request)
    request.__class__ = _request_type(kind)
    return request


class _Cookies(dict[str, str]):
    """A dict that can become another class."""


class _Headers(HttpHeaders):
    """Headers that tell the environ which of them are looked at."""

    def __init__(self, environ: RecordedEnviron) -> None:
        super().__init__(environ.plain())
        self._environ = environ

    def __getitem__(self, key: str) -> str:
        if isinstance(key, str):
            self._environ.asked(self.to_wsgi_name(key))
        found: str = super().__getitem__(key)
        return found

    def _all(self) -> None:
        for name in ("HTTP_COOKIE", *LEARNED):
            self._environ.asked(name)

    def __iter__(self) -> Iterator[str]:
        self._all()
        return iter(super().__iter__())

    def __len__(self) -> int:
        self._all()
        return super().__len__()

    def __repr__(self) -> str:
        self._all()
        return super().__repr__()


@lru_cache(maxsize=8)
def _request_type(base: Any) -> type:
    """``base`` with a session that is recorded, whoever puts it there and however often."""

    def get(request: Any) -> Any:
        try:
            return request.__dict__["session"]
        except KeyError:
            raise AttributeError("session") from None

    def put(request: Any, session: Any) -> None:
        rendering = request.environ[MARK]
        recording = rendering.recording
        if isinstance(session, SessionBase) and (keyed := dict(session_values(rendering))):
            session.__dict__["_session_cache"] = keyed
        notes = Notes(recording, SESSION, CALLERS, note_written)
        if not isinstance(session, SessionBase) or not recorded(session, notes, session_methods):
            kind = type(session)  # nobody can say which cookies it is found by, or what it reads
            recording.read(COOKIES, EVERYTHING, lambda: f"{kind.__module__}.{kind.__qualname__}")
        request.__dict__["session"] = session

    def drop(request: Any) -> None:
        request.__dict__.pop("session", None)

    body = {"session": property(get, put, drop), "__module__": base.__module__}
    return type(base.__name__, (base,), body)
