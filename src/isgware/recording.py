"""`Recording`: what a run of the app reads of its visitor.

A framework's integration fills a `Recording` while a page is rendered in the clean room;
`isgware.core.reads` makes the lasting value of it. Threads of one render share it: every method is
one dictionary operation, or may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

#: Kinds of reads. ``OPENED``: cookies by which the framework finds a visitor's session.
SESSION: Final = "session"
COOKIES: Final = "cookies"
HEADERS: Final = "headers"
OPENED: Final = "opened"
#: The name that stands for every name of a kind.
EVERYTHING: Final = "*"
#: Reason of `Recording.marks`: a session or its like was taken apart by code in C.
BAIT: Final = "session-taken-apart"
#: Longer names are somebody's data; reading one counts as reading everything.
_LONGEST: Final = 256


@dataclass(slots=True, eq=False)
class Recording:
    """Reads and writes of one render, each with the place in the app's code where it came first.

    ``marks`` are bytes that may not be in a stored body, each with the reason for which a body
    that has them is refused. ``tokens`` are what a session was given for CSRF tokens, by its key.
    """

    reads: dict[tuple[str, str], str] = field(default_factory=dict)
    writes: dict[str, str] = field(default_factory=dict)
    marks: dict[bytes, str] = field(default_factory=dict)
    tokens: dict[str, object] = field(default_factory=dict)
    #: Whether the framework's own session code would have said ``Vary: Cookie``.
    session_vary: bool = False
    #: Whether the framework has met the request of this render, so that what is not noted was not
    #: asked.
    attached: bool = False

    def read(self, kind: str, name: object, where: Callable[[], str]) -> None:
        """Note that ``name`` was read. ``where`` is called for the first read of it."""
        if not isinstance(name, str) or len(name) > _LONGEST:
            name = EVERYTHING
        if (kind, name) not in self.reads:
            self.reads[kind, name] = where()

    def marked(self, body: bytes, headers: Iterable[tuple[str, str]]) -> str:
        """Why a response may not be stored that has one of the marks; empty if it has none."""
        lines = "\n".join(value for _, value in headers).encode("latin-1", "replace")
        for mark, reason in self.marks.copy().items():
            if mark in body or mark in lines:
                return reason
        return ""

    def wrote(self, key: object, where: Callable[[], str]) -> None:
        """Note that the session key ``key`` was written."""
        name = key if isinstance(key, str) else repr(key)
        if name not in self.writes:
            self.writes[name] = where()
