"""`Rendering`: one run of the app, and what it was told; `current` is the one under way here.

A view runs inside one `Rendering`: the clean-room render whose result may be stored, or a
visitor's own request, whose words count for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from .adaptive import Adaptive
from .policy import Policy
from .recording import Recording


def _later(default: Any = None) -> Any:
    """A field that a run may set later: until then there is one value for all, on the class, since
    every request that isgware has nothing to do with has a `Rendering`, too."""
    return field(init=False, default=default)


@dataclass(eq=False)
class Rendering:
    """What one run of the app has been told, and where it came from."""

    prerendering: bool
    scheme: str = ""
    host: str = ""
    script_name: str = ""
    #: The framework's URL map says what is declared, so that no decorator that runs need be met.
    mapped: bool = False
    key: str = ""
    #: What a clean-room render is seen to ask of its visitor, where the framework can tell.
    recording: Recording | None = None
    #: The holes of a clean-room render; `holes.Markers`.
    holes: Any = None
    #: The environ of a visitor's own request, and what was found out about it: `Visitor.memo`.
    environ: Any = None
    memo: Any = None
    policy: Policy | None = _later()
    arguments: dict[str, Any] | None = _later()  # there are some with a policy
    #: The policies of all decorators that ran, each with the arguments of its first run.
    ran: tuple[tuple[Policy, dict[str, Any]], ...] = _later(())
    tags: tuple[str, ...] = _later(())
    revalidate: float | bool | Adaptive | None = _later()
    expire: float | None = _later()
    refused: bool = _later(False)
    #: A text that was to be a tag and makes none: nobody could purge the page by it.
    invalid_tag: bool = _later(False)
    error: BaseException | None = _later()
    #: The names (see `core.freshness`) that this run has invalidated.
    invalidated: frozenset[str] = _later(frozenset())
    #: What the framework takes for "there is no such page", raised in place of the view.
    absent: Callable[[], Exception] | None = _later()
    #: Each finds places in headers and body for tokens of the framework's: `core.tokens.Finder`.
    finders: tuple[Callable[[Any, bytes], Any], ...] = _later(())
    #: Which hole stands in another, for people; empty if none does.
    nested_hole: str = _later("")
    #: Whether holes were filled in place, in a visitor's own answer.
    shows_holes: bool = _later(False)
    #: What a clean-room render may see of whoever asked: `core.cache_key.Request`.
    request: Any = _later()
    #: What a clean-room render has looked at, and depends on: request headers in lower case, or
    #: their best matches (see `core.header_reads`).
    headers_read: tuple[str, ...] = _later(())
    #: What a clean-room render reads of the database: a `DatabaseReads` of `core`.
    database: Any = _later()

    @property
    def origin(self) -> tuple[str, str, str]:
        return self.scheme, self.host, self.script_name

    def note_read(self, header: str) -> None:
        if header not in self.headers_read:
            self.headers_read = (*self.headers_read, header)


current: ContextVar[Rendering | None] = ContextVar("isgware_rendering", default=None)
#: What the clean-room render in progress reads of the database: a `DatabaseReads` of `core`.
#: `None` outside of clean rooms, without ``dependencies=``, and within `untracked`: one test.
database: ContextVar[Any] = ContextVar("isgware_database", default=None)
#: False within `untracked`: what is written then is told to nobody.
tracked: ContextVar[bool] = ContextVar("isgware_tracked", default=True)


@contextmanager
def untracked() -> Iterator[None]:
    """What is read and written within, of the database, makes no page depend on it and renews
    none. For counters of views and the like."""
    reading, writing = database.set(None), tracked.set(False)
    try:
        yield
    finally:
        database.reset(reading)
        tracked.reset(writing)


def declare(policy: Policy, arguments: dict[str, Any]) -> None:
    """Tell the run in progress, if there is one, which policy its view carries. Raises what the
    framework takes for a 404 if the page is known not to exist."""
    rendering = current.get()
    if rendering is None:
        return
    if not rendering.ran:  # the usual case, in every visitor's own request, too
        rendering.ran = ((policy, arguments),)
    elif all(policy is not known for known, _ in rendering.ran):
        rendering.ran = (*rendering.ran, (policy, arguments))
    if rendering.policy is None and not rendering.mapped:  # the outermost of nested views counts
        rendering.policy = policy
        rendering.arguments = arguments
    if rendering.absent is not None:
        absent, rendering.absent = rendering.absent, None  # what answers it may call other views
        raise absent()


def note_error(error: BaseException | None) -> None:
    """Tell the run in progress what the framework turns into an error page."""
    rendering = current.get()
    if rendering is not None:
        rendering.error = error


def note_invalidation(names: Iterable[str]) -> None:
    """Remember that the render in progress, if there is one, has invalidated ``names``."""
    rendering = current.get()
    if rendering is not None and rendering.prerendering:
        rendering.invalidated = rendering.invalidated.union(names)
