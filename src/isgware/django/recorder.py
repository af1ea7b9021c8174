"""Records what a Django project asks of its visitor while a page is rendered in the clean room.

`record_reads` replaces ``WSGIHandler.request_class``, before any middleware sees a request. A clean
room's request notes its cookies and headers; the session that ``SessionMiddleware`` gives it, of
whatever engine, becomes a subclass of its own class that notes what it is asked and is never saved.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import FrameType
from typing import Any, Final

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.core.handlers.wsgi import WSGIHandler
from django.http.request import HttpHeaders

from ..core.header_reads import LEARNED
from ..core.storable import varies
from ..recording import COOKIES, EVERYTHING, SESSION, Recording
from ..rendering.callers import Callers, where
from ..rendering.clean_room import MARK, session_values
from ..rendering.foreign_middleware import foreign_middleware
from ..rendering.recorded_environ import RecordedEnviron
from ..rendering.recorded_mappings import Notes, recorded
from .csrf import CleanEnviron

_SESSIONS: Final = "django.contrib.sessions.middleware"
#: Modules that only pass on what they are asked.
_THROUGH: Final = frozenset({
    "_collections_abc", "asgiref", "collections", "copy", "django.contrib.messages.api",
    "django.contrib.messages.storage", "django.contrib.sessions.backends",
    "django.core.handlers.wsgi", "django.http.cookie", "django.http.request",
    "django.utils.datastructures", "django.utils.deprecation", "django.utils.functional",
    "django.utils.translation", "functools",
})  # fmt: skip
#: Modules of Django that look at sessions, cookies and messages for themselves.
_FRAMEWORK: Final = frozenset({
    "django.contrib.messages.middleware", "django.core.handlers", "django.middleware.csrf",
    "django.middleware.locale", _SESSIONS,
})  # fmt: skip
CALLERS: Final = Callers(_THROUGH, _FRAMEWORK, _SESSIONS)
#: The key by which a session says how long it lasts.
BOOKKEEPING: Final = frozenset({"_session_expiry"})


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
        notes = Notes(recording, SESSION, CALLERS, _written)
        if not isinstance(session, SessionBase) or not recorded(session, notes, _session_methods):
            kind = type(session)  # nobody can say which cookies it is found by, or what it reads
            recording.read(COOKIES, EVERYTHING, lambda: f"{kind.__module__}.{kind.__qualname__}")
        request.__dict__["session"] = session

    def drop(request: Any) -> None:
        request.__dict__.pop("session", None)

    body = {"session": property(get, put, drop), "__module__": base.__module__}
    return type(base.__name__, (base,), body)


def _written(notes: Notes, key: object, value: object) -> None:
    if key not in BOOKKEEPING:
        notes.wrote_for_good(key)


def _session_methods(base: Any) -> dict[str, Any]:
    """What a recorded session has beside what every recorded mapping has: it is not saved, and its
    key is the whole of it."""

    def whole(get: Callable[[Any], Any]) -> property:
        def ask(session: Any) -> Any:
            frame = sys._getframe(2)  # beyond the `__getattribute__` of every recorded object
            content = get is base._session.fget
            if not _inside(session, frame, content):
                if content:
                    session._isgware_notes.read(EVERYTHING)
                else:
                    _note_existence(session)
            return get(session)

        return property(ask)

    def private(name: str) -> Callable[..., Any]:
        method = getattr(base, name)

        def ask(session: Any, *given: Any, **named: Any) -> Any:
            if not _inside(session, sys._getframe(1), name == "_get_session"):
                session._isgware_notes.read(EVERYTHING)
            return method(session, *given, **named)

        return ask

    def is_empty(session: Any) -> bool:
        if CALLERS.module() == _SESSIONS:
            _note_vary(session, sys._getframe(1).f_locals.get("response"))
            return True  # there is nothing to save
        _note_existence(session)
        return bool(base.is_empty(session))

    def flush(session: Any) -> None:
        session._isgware_notes.read(EVERYTHING)
        base.clear(session)

    def cycle_key(session: Any) -> None:
        session._isgware_notes.read(EVERYTHING)

    def save(session: Any, *given: Any, **named: Any) -> None:
        session._isgware_notes.wrote_for_good("session_key")

    def asynchronous(method: Callable[..., Any]) -> Callable[..., Any]:
        async def run(session: Any, *given: Any, **named: Any) -> Any:
            return method(session, *given, **named)

        return run

    methods = {
        "flush": flush, "cycle_key": cycle_key, "save": save, "create": save,
        "delete": lambda session, *given: None,
    }  # fmt: skip
    return {
        **methods,
        **{f"a{name}": asynchronous(method) for name, method in methods.items()},
        "is_empty": is_empty,
        **{name: private(name) for name in _PRIVATE},
        "session_key": whole(base.session_key.fget),
        "_session_key": whole(base._session_key.fget).setter(base._session_key.fset),
        "_session": whole(base._session.fget),
    }


def _note_existence(session: Any) -> None:
    """Whether there is a session is asked: one may be there that holds nothing."""
    notes: Notes = session._isgware_notes
    if notes.read(EVERYTHING):
        frame = CALLERS.caller()
        notes.recording.read(COOKIES, settings.SESSION_COOKIE_NAME, lambda: where(frame))


#: Methods that are for a session's own class, and give more than one key.
_PRIVATE: Final = ("load", "_get_session", "_get_session_key", "_get_or_create_session_key")


def _inside(session: Any, frame: FrameType, content: bool) -> bool:
    """Whether a method of the session asks. What a class of the project's own does with the whole
    ``content`` is for the project: it may have methods that Django does not know of."""
    if frame.f_locals.get("self") is not session:
        return False
    module = str(frame.f_globals.get("__name__", ""))
    return not content or module.startswith("django.contrib.sessions.")


def _note_vary(session: Any, response: Any) -> None:
    """The middleware is about to say ``Vary: Cookie`` if the session was accessed. Where that is
    said already, it is the app's word, or comes out of a cache inside of the app."""
    recording: Recording = session._isgware_notes.recording
    if session.accessed:
        recording.session_vary = True
        if response is not None and "cookie" in varies(tuple(response.items())):
            recording.read(COOKIES, EVERYTHING, lambda: "Vary: Cookie")
