"""Records what a Flask app reads of its visitor while a page is rendered in the clean room.

`install` overrides ``app.request_context`` on the app itself, so that no code of the app runs
before it. The session interface is looked up for each render, since extensions replace it later. A
clean room's session is never saved: what was written to it is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any, Final

from flask import Flask, Request, current_app, g, has_request_context
from flask import request as flask_request
from flask.ctx import RequestContext
from werkzeug.datastructures import EnvironHeaders
from werkzeug.local import LocalProxy

from ..core.cache_key import cgi_name
from ..core.header_reads import LEARNED
from ..holes import HOLES
from ..recording import COOKIES, EVERYTHING, OPENED, SESSION, Recording
from ..render_context import current
from ..rendering.callers import Callers, where
from ..rendering.clean_room import MARK, session_values
from ..rendering.foreign_middleware import foreign_middleware
from ..rendering.recorded_environ import RecordedEnviron
from ..rendering.recorded_mappings import Notes, opening, recorded
from . import csrf, languages
from .holes import replace_view

#: Modules that only pass calls on.
_THROUGH: Final = frozenset({
    "collections", "copy", "functools", "werkzeug.datastructures", "werkzeug.local",
    "werkzeug.sansio", "werkzeug.utils", "werkzeug.wrappers.request", "flask.globals",
    "flask.wrappers", "_collections_abc",
})  # fmt: skip
_CSRF_MODULE: Final = "flask_wtf.csrf"
#: Modules of Flask and its extensions that read sessions and cookies for themselves.
_FRAMEWORK: Final = frozenset({
    "flask.app", "flask.ctx", "flask.sansio", "flask.sessions", "flask_login.login_manager",
    "flask_session", _CSRF_MODULE,
})  # fmt: skip
CALLERS: Final = Callers(_THROUGH, _FRAMEWORK)
#: Session keys for a framework's own bookkeeping.
BOOKKEEPING: Final = frozenset({"_permanent", "_fresh", "_remember"})
_GUARDED: Final = "_isgware_guarded"


def install(app: Flask, own: Callable[[RequestContext], None] = lambda context: None) -> None:
    """Record the reads of every clean-room render of ``app`` from now on. ``own`` is called with
    the context of any other request."""
    original = app.request_context
    foreign = foreign_middleware(
        app.wsgi_app, lambda inner: getattr(inner, "__func__", None) is Flask.wsgi_app
    )

    def request_context(environ: dict[str, Any]) -> RequestContext:
        rendering = environ.get(MARK)
        recording = getattr(rendering, "recording", None)
        if HOLES in environ:
            replace_view(app)
        if recording is None:
            context = original(environ)
            own(context)
            return context
        if foreign:
            recording.read(COOKIES, EVERYTHING, lambda: foreign)
        recording.attached = True
        _guard(app, recording)
        if rendering is not None and not rendering.finders:
            rendering.finders = (partial(csrf.find, app, recording),)
        context = original(RecordedEnviron(environ, recording, CALLERS))
        _record_request(context.request, recording)
        watched: Any = context.request.environ
        context.request.headers = _Headers(watched)
        kind: Any = type(context.request)
        context.request.__class__ = _telling_address(kind)
        if not foreign:  # it may choose a language, too
            sent = watched.plain().get("HTTP_ACCEPT_LANGUAGE")
            languages.watch(context.request, sent, watched.learned)
        return context

    app.request_context = request_context  # type: ignore[method-assign]


class _Headers(EnvironHeaders):
    """Headers that notify the environ when one of them is read."""

    environ: RecordedEnviron

    def getlist(self, key: str, type: Any = None) -> list[Any]:
        self.environ.asked(cgi_name(key))
        return EnvironHeaders(self.environ.plain()).getlist(key, type)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for name in LEARNED:
            self.environ.asked(name)
        return super().__iter__()


@lru_cache(maxsize=16)
def _telling_address(base: Any) -> Any:
    """``base`` with an address that notifies the environ when it is read."""

    def address(request: Any) -> Any:
        request.environ.asked("REMOTE_ADDR")
        return request.__dict__.get("remote_addr")

    def put(request: Any, value: Any) -> None:
        request.__dict__["remote_addr"] = value

    if hasattr(base, "remote_addr"):
        return base  # the app has its own way to find it
    body = {"remote_addr": property(address, put), "__module__": base.__module__}
    return type(base.__name__, (base,), body)


def _record_request(request: Request, recording: Recording) -> None:
    """Cookies are parsed as the request itself does it, then recorded by name."""
    cookies = request.cookies
    kept = request.__dict__.get("cookies") is cookies
    if not kept or not recorded(cookies, Notes(recording, COOKIES, CALLERS)):
        recording.read(COOKIES, EVERYTHING, lambda: type(request).__qualname__)


def _recording(request: Request) -> Recording | None:
    """The recording of the clean room to which a request belongs, in any thread."""
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
    """Whether this object is new here; a copy of a known one counts as new."""
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
        for key, value in session_values(request.environ[MARK]):
            _put(session, key, value)
        if not recorded(session, Notes(recording, SESSION, CALLERS, _written)):
            recording.read(SESSION, EVERYTHING, lambda: type(session).__qualname__)
        return session

    return open_session


def _put(session: Any, key: str, value: str) -> None:
    """Values in the page's key are put into the session, which does not count as modified."""
    if isinstance(session, dict):
        dict.__setitem__(session, key, value)
        return
    modified, accessed = session.modified, session.accessed
    session[key] = value
    session.modified, session.accessed = modified, accessed


def _written(notes: Notes, key: object, value: object) -> object:
    if key in BOOKKEEPING:
        return None
    if CALLERS.module() == _CSRF_MODULE:
        value = csrf.clean_room_value(current_app)
        notes.recording.tokens[str(key)] = value
        return value
    notes.wrote_for_good(key)
    return None


def _not_saved(original: Callable[..., Any]) -> Callable[..., Any]:
    """Session writes were recorded already. ``Vary`` would have been set for a session that was
    read."""

    def save_session(app: Flask, session: Any, response: Any) -> Any:
        rendering = current.get()
        if rendering is not None and rendering.recording is None:  # a visitor's own request
            return original(app, session, response)
        # Outside of any request a stored page is filled for a visitor.
        recording = _recording(flask_request) if has_request_context() else None
        if recording is None:
            return original(app, session, response)
        recording.session_vary = recording.session_vary or bool(session.accessed)
        return None

    return save_session


def _put_off(original: Callable[[], Any]) -> Callable[[], Any]:
    """Flask-Login loads the user in each template. In clean rooms that is deferred until somebody
    reads it, and then reads what identifies a user."""

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
