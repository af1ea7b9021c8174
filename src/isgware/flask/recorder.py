"""Records what a Flask app asks of its visitor while a page is rendered in the clean room.

`install` overrides ``app.request_context`` on the app itself, where no code of the app comes
before it; the session interface is looked at anew for each render, since extensions replace it
later. A clean room's session is never saved: what was written to it is noted.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from flask import Flask, Request, current_app, g, has_request_context
from flask import request as flask_request
from flask.ctx import RequestContext
from werkzeug.local import LocalProxy

from ..core.header_reads import LEARNED
from ..recording import COOKIES, EVERYTHING, HEADERS, OPENED, SESSION, Recording
from ..rendering.callers import is_app, where
from ..rendering.clean_room import MARK
from . import csrf
from .recorded_types import CALLERS, Notes, opening, recorded

#: In the environ of a clean room, these are constant or in the key.
_CONSTANT: Final = frozenset({"HTTP_HOST", "HTTP_COOKIE", "HTTP_ACCEPT_ENCODING"})
#: WSGI middleware that reads nothing of a visitor on the app's behalf.
_KNOWN_MIDDLEWARE: Final = (
    "opentelemetry.", "sentry_sdk.", "werkzeug.debug.", "werkzeug.middleware.", "whitenoise.",
)  # fmt: skip
#: Where such middleware keeps the app that it wraps.
_WRAPPED: Final = ("app", "application", "wsgi_app")
_GUARDED: Final = "_isgware_guarded"


def install(app: Flask) -> None:
    """Record the reads of every clean-room render of ``app`` from now on."""
    original = app.request_context
    foreign = _foreign_middleware(app)

    def request_context(environ: dict[str, Any]) -> RequestContext:
        rendering = environ.get(MARK)
        recording = getattr(rendering, "recording", None)
        if recording is None:
            return original(environ)
        if foreign:
            recording.read(COOKIES, EVERYTHING, lambda: foreign)
        _guard(app, recording)
        if rendering is not None and not rendering.finders:
            rendering.finders.append(partial(csrf.find, app, recording))
        context = original(RecordedEnviron(environ, recording))
        _record_request(context.request, recording)
        return context

    app.request_context = request_context  # type: ignore[method-assign]


def _foreign_middleware(app: Flask) -> str:
    """The WSGI middleware inside of isgware that it does not know; empty if there is none."""
    inner: Any = app.wsgi_app
    while inner is not None and getattr(inner, "__func__", None) is not Flask.wsgi_app:
        kind = inner if hasattr(inner, "__qualname__") else type(inner)
        if not f"{kind.__module__}.".startswith(_KNOWN_MIDDLEWARE):
            return f"{kind.__module__}.{kind.__qualname__}"
        wrapped = (getattr(inner, name, None) for name in _WRAPPED)
        inner = next((found for found in wrapped if callable(found)), None)
    return ""


class RecordedEnviron(dict[str, Any]):
    """The environ of a clean room as the request sees it."""

    def __init__(self, environ: dict[str, Any], recording: Recording) -> None:
        super().__init__(environ)
        self._recording = recording

    def _asked(self, name: object) -> None:
        """Reading the Cookie header reads all cookies; other headers are noted for people, if it
        is the app's own code that looks at them."""
        if name == "HTTP_COOKIE":
            if opening.get():
                self._recording.read(OPENED, EVERYTHING, str)
                return
            frame = CALLERS.caller()
            if frame is not None:
                self._recording.read(COOKIES, EVERYTHING, lambda: where(frame))
        elif isinstance(name, str) and (name.startswith("HTTP_") or name == "REMOTE_ADDR"):
            if name in LEARNED:
                super().__getitem__(MARK).note_read(LEARNED[name])
            frame = None if name in _CONSTANT else CALLERS.caller()
            if frame is not None and is_app(frame.f_code.co_filename):
                header = name.removeprefix("HTTP_").replace("_", "-").lower()
                self._recording.read(HEADERS, header, lambda: where(frame))

    def __getitem__(self, name: str) -> Any:
        self._asked(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self._asked(name)
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._asked(name)
        return super().get(name, default)

    def pop(self, name: str, *default: Any) -> Any:
        self._asked(name)
        return super().pop(name, *default)

    def __iter__(self) -> Any:
        self._asked("HTTP_COOKIE")
        return super().__iter__()

    def keys(self) -> Any:
        self._asked("HTTP_COOKIE")
        return super().keys()

    def values(self) -> Any:
        self._asked("HTTP_COOKIE")
        return super().values()

    def items(self) -> Any:
        self._asked("HTTP_COOKIE")
        return super().items()

    def copy(self) -> dict[str, Any]:
        self._asked("HTTP_COOKIE")
        return dict(super().items())

    def __or__(self, other: Any) -> Any:
        self._asked("HTTP_COOKIE")
        return super().__or__(other)

    def __repr__(self) -> str:
        self._asked("HTTP_COOKIE")
        return super().__repr__()


def _record_request(request: Request, recording: Recording) -> None:
    """Cookies are parsed as the request itself does it, then watched by name."""
    cookies = request.cookies
    kept = request.__dict__.get("cookies") is cookies
    if not kept or not recorded(cookies, Notes(recording, COOKIES)):
        recording.read(COOKIES, EVERYTHING, lambda: type(request).__qualname__)


def _recording(request: Request) -> Recording | None:
    """That of the clean room to which a request belongs, in whatever thread."""
    return getattr(request.environ.get(MARK), "recording", None)


def _guard(app: Flask, recording: Recording) -> None:
    """Have the session interface open recorded sessions in clean rooms, and save none."""
    interface: Any = app.session_interface
    manager: Any = getattr(app, "login_manager", None)
    try:
        if _unguarded(interface):
            open_session, save_session = interface.open_session, interface.save_session
            interface.open_session = _opened(interface, open_session)
            interface.save_session = _not_saved(save_session)
    except AttributeError:  # it has slots; its sessions cannot be told apart
        for kind in (SESSION, OPENED):
            recording.read(kind, EVERYTHING, lambda: type(interface).__qualname__)
    if hasattr(manager, "_load_user") and _unguarded(manager):
        manager._load_user = _put_off(manager._load_user)


def _unguarded(owner: Any) -> bool:
    """Whether this object is met for the first time; a copy of one that was is another."""
    if owner.__dict__.get(_GUARDED) is owner:
        return False
    setattr(owner, _GUARDED, owner)
    return True


def _opened(interface: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    def open_session(app: Flask, request: Request) -> Any:
        recording = _recording(request)
        if recording is None:
            return original(app, request)
        token = opening.set(True)
        try:
            session = original(app, request)
            if session is None:
                session = interface.make_null_session(app)
        finally:
            opening.reset(token)
        if not recorded(session, Notes(recording, SESSION)):
            recording.read(SESSION, EVERYTHING, lambda: type(session).__qualname__)
        return session

    return open_session


def _not_saved(original: Callable[..., Any]) -> Callable[..., Any]:
    """What would be saved is noted as it is written; ``Vary`` would have been said of a session
    that anybody has looked at."""

    def save_session(app: Flask, session: Any, response: Any) -> Any:
        # Outside of any request a stored page is filled for a visitor.
        recording = _recording(flask_request) if has_request_context() else None
        if recording is None:
            return original(app, session, response)
        recording.session_vary = recording.session_vary or bool(session.accessed)
        return None

    return save_session


def _put_off(original: Callable[[], Any]) -> Callable[[], Any]:
    """Flask-Login loads the user in every template; in clean rooms that is put off until
    somebody looks at it, and then reads what a user is known by."""

    def load_user() -> Any:
        recording = _recording(flask_request)
        if recording is None:
            return original()
        g._login_user = LocalProxy(_user_of(original, recording))
        return None

    return load_user


def _user_of(load: Callable[[], Any], recording: Recording) -> Callable[[], Any]:
    loaded: list[Any] = []

    def user() -> Any:
        frame = CALLERS.caller()
        if frame is not None:
            recording.read(SESSION, "_user_id", lambda: where(frame))
            cookie = current_app.config.get("REMEMBER_COOKIE_NAME", "remember_token")
            recording.read(COOKIES, cookie, lambda: where(frame))
        if not loaded:
            lazy = g.get("_login_user")
            load()
            loaded.append(g._login_user)
            g._login_user = loaded[0] if lazy is None else lazy
        return loaded[0]

    return user
