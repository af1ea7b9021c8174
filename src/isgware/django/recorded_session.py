"""The session of a Django clean room: it records what is read of it, and is never saved."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from django.conf import settings

from ..core.storable import varies
from ..recording import COOKIES, EVERYTHING, Recording
from ..rendering.callers import Callers, where
from ..rendering.recorded_mappings import Notes

_SESSIONS: Final = "django.contrib.sessions.middleware"
#: Modules that only pass calls on.
_THROUGH: Final = frozenset({
    "_collections_abc", "asgiref", "collections", "copy", "django.contrib.messages.api",
    "django.contrib.messages.storage", "django.contrib.sessions.backends",
    "django.core.handlers.wsgi", "django.http.cookie", "django.http.request",
    "django.utils.datastructures", "django.utils.deprecation", "django.utils.functional",
    "django.utils.translation", "functools",
})  # fmt: skip
#: Modules of Django that read sessions, cookies and messages for themselves.
_FRAMEWORK: Final = frozenset({
    "django.contrib.messages.middleware", "django.core.handlers", "django.middleware.csrf",
    "django.middleware.locale", _SESSIONS,
})  # fmt: skip
CALLERS: Final = Callers(_THROUGH, _FRAMEWORK, _SESSIONS)
#: The key of a session's own lifetime.
BOOKKEEPING: Final = frozenset({"_session_expiry"})
#: Methods for a session's own class, which read more than one key.
_PRIVATE: Final = ("load", "_get_session", "_get_session_key", "_get_or_create_session_key")


def note_written(notes: Notes, key: object, value: object) -> None:
    if key not in BOOKKEEPING:
        notes.wrote_for_good(key)


def session_methods(base: Any) -> dict[str, Any]:
    """The methods of a recorded session, in addition to those of each recorded mapping: it is not
    saved, and reading its key reads everything."""
    saving = _saving(base)
    return {
        **saving,
        **{f"a{name}": _asynchronous(method) for name, method in saving.items()},
        "is_empty": _is_empty(base),
        **{name: _private(base, name) for name in _PRIVATE},
        "session_key": _whole(base, base.session_key.fget),
        "_session_key": _whole(base, base._session_key.fget).setter(base._session_key.fset),
        "_session": _whole(base, base._session.fget),
    }


def _saving(base: Any) -> dict[str, Callable[..., Any]]:
    """The methods that would change the store of sessions."""

    def flush(session: Any) -> None:
        session._isgware_notes.read(EVERYTHING)
        base.clear(session)

    def cycle_key(session: Any) -> None:
        session._isgware_notes.read(EVERYTHING)

    def save(session: Any, *given: Any, **named: Any) -> None:
        session._isgware_notes.wrote_for_good("session_key")

    return {
        "flush": flush, "cycle_key": cycle_key, "save": save, "create": save,
        "delete": lambda session, *given: None,
    }  # fmt: skip


def _asynchronous(method: Callable[..., Any]) -> Callable[..., Any]:
    async def run(session: Any, *given: Any, **named: Any) -> Any:
        return method(session, *given, **named)

    return run


def _whole(base: Any, get: Callable[[Any], Any]) -> property:
    """A property that stands for the whole session."""

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


def _private(base: Any, name: str) -> Callable[..., Any]:
    method = getattr(base, name)

    def ask(session: Any, *given: Any, **named: Any) -> Any:
        if not _inside(session, sys._getframe(1), name == "_get_session"):
            session._isgware_notes.read(EVERYTHING)
        return method(session, *given, **named)

    return ask


def _is_empty(base: Any) -> Callable[[Any], bool]:
    def is_empty(session: Any) -> bool:
        if CALLERS.module() == _SESSIONS:
            _note_vary(session, sys._getframe(1).f_locals.get("response"))
            return True  # there is nothing to save
        _note_existence(session)
        return bool(base.is_empty(session))

    return is_empty


def _note_existence(session: Any) -> None:
    """Record a read of whether there is a session: there may be an empty one."""
    notes: Notes = session._isgware_notes
    if notes.read(EVERYTHING):
        frame = CALLERS.caller()
        notes.recording.read(COOKIES, settings.SESSION_COOKIE_NAME, lambda: where(frame))


def _inside(session: Any, frame: FrameType, content: bool) -> bool:
    """Whether a method of the session itself reads. A class of the project's own that reads the
    whole ``content`` counts as the app: it may have methods that Django does not know."""
    if frame.f_locals.get("self") is not session:
        return False
    module = str(frame.f_globals.get("__name__", ""))
    return not content or module.startswith("django.contrib.sessions.")


def _note_vary(session: Any, response: Any) -> None:
    """The middleware is about to add ``Vary: Cookie`` if the session was accessed. If it is there
    already, it comes from the app, or from a cache inside the app."""
    recording: Recording = session._isgware_notes.recording
    if session.accessed:
        recording.session_vary = True
        if response is not None and "cookie" in varies(tuple(response.items())):
            recording.read(COOKIES, EVERYTHING, lambda: "Vary: Cookie")
