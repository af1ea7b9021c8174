"""The ``page`` object through which a view talks to isgware while it renders.

A view runs inside one `Rendering`: the clean-room render whose result may be stored, or a
visitor's own request, whose words count for nothing. Outside of both, ``page`` does nothing,
so that an app behaves the same with and without the middleware.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from .errors import ConfigurationError
from .option_checks import checked_expire, checked_revalidate, checked_tag
from .policy import Policy
from .recording import Recording


@dataclass(slots=True, eq=False)
class Rendering:
    """What one run of the app has been told, and where it came from."""

    prerendering: bool
    scheme: str = ""
    host: str = ""
    script_name: str = ""
    #: The framework's URL map says what is declared, so that no decorator that runs need be met.
    mapped: bool = False
    policy: Policy | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    #: The policies of all decorators that ran, each with the arguments of its first run.
    ran: list[tuple[Policy, dict[str, Any]]] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    revalidate: float | bool | None = None
    expire: float | None = None
    refused: bool = False
    #: A text that was to be a tag and makes none: nobody could purge the page by it.
    odd_tag: bool = False
    key: str = ""
    error: BaseException | None = None
    #: The names (see `core.freshness`) that this run has invalidated.
    invalidated: set[str] = field(default_factory=set)
    #: What the framework takes for "there is no such page", raised in place of the view.
    absent: Callable[[], Exception] | None = None
    #: What a clean-room render is seen to ask of its visitor, where the framework can tell.
    recording: Recording | None = None
    #: Each finds places in headers and body for tokens of the framework's: `core.tokens.Finder`.
    finders: list[Callable[[Any, bytes], Any]] = field(default_factory=list)
    #: The holes of a clean-room render; `holes.Markers`.
    holes: Any = None
    #: Which hole stands in another, for people; empty if none does.
    nested_hole: str = ""
    #: The environ of a visitor's own request.
    environ: Any = None
    #: Request headers (in lower case) that a clean-room render has looked at, and depends on.
    headers_read: tuple[str, ...] = ()

    @property
    def origin(self) -> tuple[str, str, str]:
        return self.scheme, self.host, self.script_name

    def note_read(self, header: str) -> None:
        if header not in self.headers_read:
            self.headers_read = (*self.headers_read, header)


current: ContextVar[Rendering | None] = ContextVar("isgware_rendering", default=None)


def declare(policy: Policy, arguments: dict[str, Any]) -> None:
    """Tell the run in progress, if there is one, which policy its view carries. Raises what the
    framework takes for a 404 if the page is known not to exist."""
    rendering = current.get()
    if rendering is None:
        return
    if all(policy is not known for known, _ in rendering.ran):
        rendering.ran.append((policy, arguments))
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
        rendering.invalidated.update(names)


class Page:
    """What a view may say about the page it is rendering; every call is a no-op elsewhere."""

    __slots__ = ()

    @property
    def prerendering(self) -> bool:
        """True in every clean-room render, false in a visitor's own request."""
        rendering = current.get()
        return rendering is not None and rendering.prerendering

    def tag(self, *tags: str) -> None:
        """Add names by which this page can be revalidated or purged.

        A page with a tag that is empty, longer than 256 characters or not printable is not
        stored: nobody could purge it by that. Raises `ConfigurationError` for what is no string.
        """
        rendering = current.get()
        if rendering is None:
            return
        for tag in tags:
            try:
                rendering.tags.append(checked_tag(tag))
            except ConfigurationError:
                if not isinstance(tag, str):
                    raise
                rendering.odd_tag = True  # it may be made of what a client sent

    def no_store(self) -> None:
        """Keep this page out of the store, whatever its policy says."""
        rendering = current.get()
        if rendering is not None:
            rendering.refused = True

    def hole(
        self, name: str, /, *, placeholder: Callable[[], str] | str | None = None,
        request: Any = None, cookies: Any = None, session: Any = None, **arguments: Any,
    ) -> Markup:  # fmt: skip
        """A part of the page that is filled for each visitor: markup of what `hole` registered
        under ``name``, or of the template of that name.

        ``placeholder`` is what visitors see of a stored page who have nothing of their own in it;
        by default what the hole shows nobody in particular. ``request`` is needed where isgware
        knows of none: in Django and plain WSGI apps that it does not wrap. ``cookies`` and
        ``session`` are those of `hole`. Raises `ConfigurationError` for an unknown name, and for
        arguments other than strings, numbers, booleans and ``None``, of 1 kB in all.
        """
        from .holes import placed, used

        placeholder = arguments.pop("caller", placeholder)  # of Jinja's call block
        return placed(used(name, arguments, cookies, session), placeholder, request)

    @property
    def revalidate(self) -> float | bool | None:
        """Seconds fresh; ``False`` until told, ``0`` never stored, ``None`` not said."""
        rendering = current.get()
        return None if rendering is None else rendering.revalidate

    @revalidate.setter
    def revalidate(self, seconds: float | bool | None) -> None:
        rendering = current.get()
        if rendering is not None:
            rendering.revalidate = checked_revalidate(seconds)

    @property
    def expire(self) -> float | None:
        """Seconds after its render from which this page is no longer served stale."""
        rendering = current.get()
        return None if rendering is None else rendering.expire

    @expire.setter
    def expire(self, seconds: float | None) -> None:
        rendering = current.get()
        if rendering is not None:
            rendering.expire = None if seconds is None else checked_expire(seconds)


page = Page()
