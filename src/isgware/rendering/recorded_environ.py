"""The environ of a clean room that records which cookies and headers are read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from ..core.header_reads import LEARNED
from ..recording import COOKIES, EVERYTHING, HEADERS, OPENED, Recording
from .callers import Callers, is_app, where
from .clean_room import MARK
from .recorded_mappings import opening

#: In the environ of a clean room, these are constant or part of the key.
_CONSTANT: Final = frozenset({"HTTP_HOST", "HTTP_COOKIE", "HTTP_ACCEPT_ENCODING"})


class RecordedEnviron(dict[str, Any]):
    """The environ of a clean room as the request sees it."""

    def __init__(self, environ: dict[str, Any], recording: Recording, callers: Callers) -> None:
        super().__init__(environ)
        self._recording = recording
        self._callers = callers
        self._watched = True

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """While the request is constructed, isgware itself reads."""
        self._watched = False
        try:
            yield
        finally:
            self._watched = True

    def plain(self) -> dict[str, Any]:
        """A copy that records nothing."""
        return dict(dict.items(self))

    def asked(self, name: object) -> None:
        """Reading the Cookie header reads all cookies. Other headers are recorded for display, if
        the app's own code reads them."""
        if not self._watched:
            return
        if name == "HTTP_COOKIE":
            if opening.get():
                self._recording.read(OPENED, EVERYTHING, str)
                return
            frame = self._callers.caller()
            if frame is not None:
                self._recording.read(COOKIES, EVERYTHING, lambda: where(frame))
        elif name in LEARNED:
            self.learned(LEARNED[str(name)])
        elif isinstance(name, str) and (name.startswith("HTTP_") or name == "REMOTE_ADDR"):
            frame = None if name in _CONSTANT else self._callers.caller()
            if frame is not None and is_app(frame.f_code.co_filename):
                header = name.removeprefix("HTTP_").replace("_", "-").lower()
                self._recording.read(HEADERS, header, lambda: where(frame))

    def learned(self, name: str) -> None:
        """Record that the page depends on a header, or on its best match in a list (see
        `core.header_reads`), unless the framework itself reads it."""
        frame = self._callers.caller()
        if frame is not None:
            dict.__getitem__(self, MARK).note_read(name)
            self._recording.read(HEADERS, name, lambda: where(frame))

    def __getitem__(self, name: str) -> Any:
        self.asked(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.asked(name)
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.asked(name)
        return super().get(name, default)

    def pop(self, name: str, *default: Any) -> Any:
        self.asked(name)
        return super().pop(name, *default)

    def setdefault(self, name: str, default: Any = None) -> Any:
        self.asked(name)
        return super().setdefault(name, default)

    def __iter__(self) -> Any:
        self.asked("HTTP_COOKIE")
        return super().__iter__()

    def keys(self) -> Any:
        self.asked("HTTP_COOKIE")
        return super().keys()

    def values(self) -> Any:
        self.asked("HTTP_COOKIE")
        return super().values()

    def items(self) -> Any:
        self.asked("HTTP_COOKIE")
        return super().items()

    def copy(self) -> dict[str, Any]:
        self.asked("HTTP_COOKIE")
        return dict(super().items())

    def __or__(self, other: Any) -> Any:
        self.asked("HTTP_COOKIE")
        return super().__or__(other)

    def __repr__(self) -> str:
        self.asked("HTTP_COOKIE")
        return super().__repr__()
