"""Mappings that record what is read of them: sessions, cookies and the environ of a clean room.

An object keeps its type: it becomes an instance of a subclass of it, so that ``isinstance``,
attributes and methods of extensions work as before. C code may read a dict without calling a method
of it. A *bait*, a random entry that no code reads by name, reveals that.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final

from ..recording import BAIT, COOKIES, EVERYTHING, OPENED, Recording
from .callers import Callers, where

More = Callable[[Any], dict[str, Any]]
#: Where an object keeps its `Notes`.
_NOTES: Final = "_isgware_notes"
_KEYED: Final = (
    "__getitem__", "__contains__", "__delitem__", "get", "getlist", "pop", "has_key", "aget",
    "apop", "ahas_key",
)  # fmt: skip
_WHOLE: Final = (
    "__iter__", "__len__", "__bool__", "__eq__", "__ne__", "__or__", "__ror__", "__repr__",
    "__reversed__", "__hash__", "keys", "values", "items", "lists", "listvalues", "to_dict",
    "copy", "deepcopy", "popitem", "clear", "akeys", "avalues", "aitems", "get_expiry_age",
    "get_expiry_date", "get_expire_at_browser_close", "aget_expiry_age", "aget_expiry_date",
    "aget_expire_at_browser_close",
)  # fmt: skip
#: Whether the framework is looking for a visitor's session, in whatever module.
opening: Final = ContextVar("isgware_opening", default=False)


class Notes:
    """The record for one object of a framework, whose modules ``callers`` knows. ``written`` is
    called with what is written to a session."""

    def __init__(
        self, recording: Recording, kind: str, callers: Callers,
        written: Callable[[Notes, object, object], object] | None = None,
    ) -> None:  # fmt: skip
        self.recording = recording
        self.kind = kind
        self.callers = callers
        self.bait = f"isgware-{secrets.token_hex(16)}"
        self._written = written

    def read(self, name: object) -> bool:
        """Whether this is a read of the app, not of the framework; if so, it is recorded."""
        if opening.get():
            self.recording.read(OPENED, name, str)
            return True
        frame = self.callers.caller()
        if frame is None:
            if self.kind == COOKIES and self.callers.opens():
                self.recording.read(OPENED, name, str)
            return False
        self.recording.read(self.kind, name, lambda: where(frame))
        return True

    def wrote(self, key: object, value: object) -> object:
        """Record a write, unless it is bookkeeping. Returns the value to store."""
        kept = self._written(self, key, value) if self._written is not None else None
        return value if kept is None else kept

    def wrote_for_good(self, key: object) -> None:
        self.recording.wrote(key, lambda: where(self.callers.caller()))


def recorded(value: Any, notes: Notes, more: More | None = None) -> bool:
    """Make ``value`` record its reads from now on. False for an object that cannot. ``more``
    returns further attributes of the subclass."""
    known = getattr(value, _NOTES, None)
    if known is not None and known.recording is notes.recording:
        return True
    try:
        object.__setattr__(value, _NOTES, notes)
        kind: Any = type(value)
        value.__class__ = _recorded_class(kind, more)
    except (TypeError, AttributeError):
        return False
    if isinstance(value, dict):
        notes.recording.marks[notes.bait.encode()] = BAIT
        dict.__setitem__(value, notes.bait, [notes.bait] if notes.kind == COOKIES else notes.bait)
    return True


@lru_cache(maxsize=64)
def _recorded_class(base: Any, more: More | None) -> type:
    """The subclass of ``base`` whose instances record their reads."""
    body: dict[str, Any] = {"__slots__": (), "__module__": base.__module__, "__doc__": base.__doc__}
    for name in _KEYED:
        if hasattr(base, name):
            body[name] = _keyed(base, name)
    for name in _WHOLE:
        if getattr(base, name, None) is not None:
            body[name] = _whole(getattr(base, name))
    body["__reduce_ex__"] = _whole(_reduced(base))
    if hasattr(base, "__setitem__"):
        body |= _writing(base)
    if isinstance(getattr(base, "permanent", None), property):
        body["permanent"] = _permanent(base)
    body["__new__"] = lambda _, *given, **named: base(*given, **named)  # a new object is nobody's
    body["__getattribute__"] = _attribute(base)
    body["__dir__"] = lambda self: base.__dir__(self)  # names of attributes reveal nothing
    if more is not None:
        body |= more(base)
    return type(base.__name__, (base,), body)


def _keyed(base: Any, name: str) -> Callable[..., Any]:
    method = getattr(base, name)

    def ask(self: Any, key: Any, *more: Any, **named: Any) -> Any:
        self._isgware_notes.read(key)
        return method(self, key, *more, **named)

    return ask


def _whole(method: Callable[..., Any]) -> Callable[..., Any]:
    def ask(self: Any, *given: Any, **named: Any) -> Any:
        notes: Notes = self._isgware_notes
        if not isinstance(self, dict) or not dict.__contains__(self, notes.bait):
            notes.read(EVERYTHING)
            return method(self, *given, **named)
        if notes.read(EVERYTHING):  # everything is recorded already, so no bait is needed
            dict.pop(self, notes.bait)
            return method(self, *given, **named)
        bait = dict.pop(self, notes.bait)
        try:
            found = method(self, *given, **named)
            return iter(list(found)) if isinstance(found, Iterator) else _detached(found)
        finally:
            dict.__setitem__(self, notes.bait, bait)

    return ask


def _reduced(base: Any) -> Callable[..., Any]:
    """For copies and pickles: an instance of ``base`` that records nothing."""

    def reduce(self: Any, protocol: Any) -> Any:
        made = base.__reduce_ex__(self, protocol)
        if not isinstance(made, tuple):
            return made
        make, arguments, *state = made
        if state and isinstance(state[0], dict):
            state[0] = {name: value for name, value in state[0].items() if name != _NOTES}
        return make, tuple(base if each is type(self) else each for each in arguments), *state

    return reduce


def _detached(found: Any) -> Any:
    """A snapshot of a view of a dict that is about to change."""
    if isinstance(found, type({}.keys()) | type({}.values()) | type({}.items())):
        return list(found)
    return found


def _writing(base: Any) -> dict[str, Any]:
    def setitem(self: Any, key: Any, value: Any) -> None:
        base.__setitem__(self, key, self._isgware_notes.wrote(key, value))

    def setdefault(self: Any, key: Any, default: Any = None) -> Any:
        self._isgware_notes.read(key)
        if not base.__contains__(self, key):
            self._isgware_notes.wrote(key, default)
        return base.setdefault(self, key, default)

    def update(self: Any, *given: Any, **named: Any) -> None:
        added = dict(*given, **named)
        for key, value in added.items():
            self._isgware_notes.wrote(key, value)
        base.update(self, added)

    async def aset(self: Any, key: Any, value: Any) -> None:
        self._isgware_notes.wrote(key, value)
        await base.aset(self, key, value)

    def unite(self: Any, other: Any) -> Any:
        self.update(other)
        return self

    more = {"aset": aset, "__ior__": unite}
    return {
        "__setitem__": setitem, "setdefault": setdefault, "update": update,
        **{name: method for name, method in more.items() if hasattr(base, name)},
    }  # fmt: skip


def _permanent(base: Any) -> property:
    """Setting it is bookkeeping; reading it reads its key."""

    def get(self: Any) -> Any:
        self._isgware_notes.read("_permanent")
        return base.permanent.fget(self)

    return property(get, base.permanent.fset)


#: Attributes of sessions that reveal nothing of their visitor.
_IMPERSONAL: Final = frozenset({
    _NOTES, "modified", "accessed", "on_update", "permanent", "serializer",
})  # fmt: skip


def _attribute(base: Any) -> Callable[[Any, str], Any]:
    """An attribute of the object itself, such as the id of a server-side session, or ``new``:
    reading it reads everything, unless its own class reads it."""

    def attribute(self: Any, name: str) -> Any:
        found = base.__getattribute__(self, name)
        if name in _IMPERSONAL or (name.startswith("__") and name != "__dict__"):
            return found
        own = base.__getattribute__(self, "__dict__")
        if name in ("new", "__dict__") or name in own:
            if sys._getframe(1).f_locals.get("self") is not self:
                own[_NOTES].read(EVERYTHING)
        return found

    return attribute
