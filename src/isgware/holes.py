"""Holes: parts of a page that are filled for its visitor when the page is served.

`hole` registers what fills one; `page.hole` puts one into a page. In the clean room that leaves a
marker, which becomes a place of the stored page; everywhere else the hole is rendered where it
stands. `HoleRun` is a run of the app in which holes are made in place of its view.
"""

from __future__ import annotations

import inspect
import json
import logging
import math
import re
import secrets
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from markupsafe import Markup

from .errors import ConfigurationError
from .render_context import current
from .template_location import defined, location

log: Final = logging.getLogger("isgware")
Plain = str | int | float | bool | None
Function = TypeVar("Function", bound=Callable[..., Any])
#: Where a run of the app finds in its environ the `HoleRun` that it is for.
HOLES: Final = "isgware.holes"
#: Bytes that the arguments of one hole may take, as JSON.
MAX_ARGUMENTS: Final = 1_024
#: Why a page is refused in one of whose holes there is another.
NESTED: Final = "nested-hole"
#: Arguments of `page.hole` itself, which no function of a hole may have.
_RESERVED: Final = frozenset({
    "caller", "client", "cookies", "placeholder", "request", "session",
})  # fmt: skip
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
#: Modules that keep what is rendered under them, for whoever comes next.
_CACHES: Final = ("django.templatetags.cache", "flask_caching")


@dataclass(frozen=True, slots=True)
class Use:
    """A hole as it stands in a page. ``cookies`` and ``session`` name what its visitors have for
    whom it is filled, where it has a placeholder of its own; ``None`` stands for any.
    ``client``: the browser fills it."""

    name: str
    arguments: tuple[tuple[str, Plain], ...] = ()
    cookies: tuple[str, ...] | None = None
    session: tuple[str, ...] | None = None
    client: bool = False


@dataclass(frozen=True, slots=True)
class Hole:
    """What was registered by `hole`."""

    name: str
    function: Callable[..., Any]
    cookies: tuple[str, ...] | None = None
    session: tuple[str, ...] | None = None
    client: bool = False


registered: Final[dict[str, Hole]] = {}


def hole(
    name: str = "", *, cookies: Iterable[str] | None = None, session: Iterable[str] | None = None,
    client: bool = False,
) -> Callable[[Function], Function]:  # fmt: skip
    """Register a function that fills the hole ``name``. It returns text that is put into the page
    as it is: what a template rendered, say. Flask calls it within the visitor's request, Django
    with the request first, a plain WSGI app with the environ first.

    Where a page gives the hole a placeholder of its own, it is filled for visitors who have any of
    these cookies or session keys; by default for all with a session or a cookie that counts.
    ``client=True``: a script fills it in the browser, so that the page stays public.

    Raises `ConfigurationError` for a name that is taken or no name, and for a function with an
    argument that `page.hole` has itself.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"@hole({name!r}): give a name of letters, digits, _ and -, as in @hole('basket'). A "
            "template needs no registration: write hole('_basket.html') in the page."
        )
    narrowed = _names(name, "cookies", cookies), _names(name, "session", session)
    by_browser = _switch(name, client)

    def decorate(function: Function) -> Function:
        if not callable(function):
            raise ConfigurationError(f"@hole({name!r}) goes on a function, not on {function!r}.")
        if name in registered:
            raise ConfigurationError(
                f"The hole {name!r} is registered already, by {defined(registered[name].function)};"
                " give this one another name."
            )
        if taken := _RESERVED & _parameters(function):
            raise ConfigurationError(
                f"@hole({name!r}): rename the argument {sorted(taken)[0]!r} of the function; "
                "page.hole() has one of that name."
            )
        registered[name] = Hole(name, function, *narrowed, by_browser)
        return function

    return decorate


def _names(hole_name: str, option: str, given: Iterable[str] | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    if isinstance(given, str | bytes) or not all(isinstance(name, str) for name in given):
        raise ConfigurationError(
            f"The hole {hole_name!r}: {option}= takes a list of names, not {given!r}."
        )
    return tuple(given)


def _switch(hole_name: str, client: Any) -> bool:
    if not isinstance(client, bool):
        raise ConfigurationError(
            f"The hole {hole_name!r}: client= takes True or False, not {client!r}."
        )
    return client


def _parameters(function: Callable[..., Any]) -> set[str]:
    """Names of a function's arguments, but for a request that comes first."""
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return set()
    return set(names[1:] if names[:1] == ["request"] else names)


def used(
    name: str, arguments: Mapping[str, Any], cookies: Any = None, session: Any = None,
    client: Any = None,
) -> Use:  # fmt: skip
    """The hole as a page uses it. Raises `ConfigurationError` that names the hole for a name that
    nobody registered, and for arguments that cannot be kept."""
    if not name:
        raise ConfigurationError(
            "hole() needs the name of a function or a template: hole('basket'), "
            "hole('_basket.html')."
        )
    if not isinstance(name, str) or ("." not in name and name not in registered):
        known = ", ".join(sorted(registered)) or "none"
        raise ConfigurationError(
            f"There is no hole {name!r}. Register a function with @isgware.hole({name!r}), in a "
            f"module that is imported, or give the name of a template. Registered: {known}."
        )
    for key, value in arguments.items():
        if not (value is None or isinstance(value, str | int | float)) or (
            isinstance(value, float) and not math.isfinite(value)
        ):
            raise ConfigurationError(
                f"The hole {name!r}: {key}={value!r} cannot be kept with the page. Arguments are "
                "strings, numbers, booleans or None; give an id, and look the record up in the "
                "hole."
            )
    if len(json.dumps(dict(arguments)).encode()) > MAX_ARGUMENTS:
        raise ConfigurationError(
            f"The hole {name!r}: its arguments take more than {MAX_ARGUMENTS} bytes. Give an id, "
            "and look the rest up in the hole."
        )
    plain = {
        key: str(value) if isinstance(value, str) else value for key, value in arguments.items()
    }
    known_hole = registered.get(name)
    narrowed_cookies, narrowed_session = (
        _names(name, "cookies", cookies),
        _names(name, "session", session),
    )
    if known_hole is not None and cookies is None and session is None:
        narrowed_cookies, narrowed_session = known_hole.cookies, known_hole.session
    if client is None:
        client = known_hole is not None and known_hole.client
    by_browser = _switch(name, client)
    return Use(name, tuple(plain.items()), narrowed_cookies, narrowed_session, by_browser)


@dataclass(slots=True, eq=False)
class Markers:
    """The holes of one clean-room render. ``placeholders`` are those that the page gives.

    A marker holds ``prefix``, which is the deployment's, and a random number of this render:
    nobody who writes into a page can know one, and one of another render is recognised.
    """

    prefix: str
    number: str = field(default_factory=lambda: secrets.token_hex(16))
    uses: list[Use] = field(default_factory=list)
    #: Where each stands, for people.
    where: list[str] = field(default_factory=list)
    placeholders: list[str | None] = field(default_factory=list)

    def add(self, use: Use, placeholder: str | None) -> Markup:
        self.uses.append(use)
        self.where.append(location())
        self.placeholders.append(placeholder)
        return Markup(marker(self.prefix, self.number, len(self.uses) - 1))

    def told_of_lost(self, body: bytes) -> str:
        """Which hole does not stand in ``body`` as it was made, and where it was used."""
        for index, (use, where) in enumerate(zip(self.uses, self.where, strict=True)):
            if marker(self.prefix, self.number, index).encode() not in body:
                return f"the hole {use.name!r} ({where}) does not stand in the page as it was made"
        return "a hole of it stands where it cannot be found again"


def marker(prefix: str, number: str, index: int) -> str:
    return f"{prefix}{number}{index:06x}"


class Renderer(Protocol):
    """How a framework renders holes; `renderers` are asked in turn."""

    def renders(self, request: Any) -> bool:
        """Whether this is the framework of the request in progress, or of ``request``."""

    @property
    def debug(self) -> bool: ...

    def function(
        self, function: Callable[..., Any], arguments: dict[str, Any], request: Any
    ) -> Any: ...

    def template(self, name: str, arguments: dict[str, Any], request: Any) -> Any: ...

    def uncached(self, request: Any) -> None:
        """Keep this answer out of a cache of the framework's own."""


renderers: Final[list[Renderer]] = []
_inside: Final[ContextVar[str]] = ContextVar("isgware_inside_hole", default="")


class _Plain:
    """A WSGI app of no framework: functions get the environ, and there are no templates."""

    debug = False

    def renders(self, request: Any) -> bool:
        return True

    def function(
        self, function: Callable[..., Any], arguments: dict[str, Any], request: Any
    ) -> Any:
        if request is None:
            raise ConfigurationError(
                "A hole is rendered outside of any request that isgware knows of: give "
                "page.hole(..., request=...) the request, or, in a plain WSGI app, the environ."
            )
        return function(request, **arguments)

    def template(self, name: str, arguments: dict[str, Any], request: Any) -> Any:
        raise ConfigurationError(
            f"The hole {name!r} is named like a template, and this app has none that isgware "
            "knows of; register a function with @isgware.hole."
        )

    def uncached(self, request: Any) -> None: ...


PLAIN: Final[Renderer] = _Plain()


def placed(use: Use, placeholder: Callable[[], str] | str | None, request: Any) -> Markup:
    """The hole where it stands in a page: a marker in the clean room, else what fills it."""
    rendering = current.get()
    renderer = next((each for each in renderers if each.renders(request)), PLAIN)
    _outside_of_caches(use)
    renderer.uncached(request)
    markers = rendering.holes if rendering is not None else None
    if outer := _inside.get():
        if renderer.debug:
            raise ConfigurationError(
                f"The hole {use.name!r} stands in the hole {outer!r}: a hole is filled whole, so "
                f"include the template, or call the function, instead. ({location()})"
            )
        if rendering is not None:
            rendering.nested_hole = (
                f"the hole {use.name!r} stands in the hole {outer!r} ({location()})"
            )
    elif markers is not None:
        given = placeholder() if callable(placeholder) else placeholder
        marked: Markup = markers.add(use, None if given is None else str(given))
        return marked
    if rendering is not None:
        rendering.shows_holes = True
        if request is None and renderer is PLAIN:
            request = rendering.environ
    return Markup(rendered(use, renderer, request))


def rendered(use: Use, renderer: Renderer, request: Any) -> str:
    """What fills a hole for the visitor whose request this is. Raises what the hole raises."""
    arguments = dict(use.arguments)
    token = _inside.set(use.name)
    try:
        if "." in use.name:
            made = renderer.template(use.name, arguments, request)
        else:
            made = renderer.function(registered[use.name].function, arguments, request)
    finally:
        _inside.reset(token)
    if made is None:
        return ""
    if hasattr(made, "__html__"):
        return str(made.__html__())
    if not isinstance(made, str):
        raise TypeError(f"The hole {use.name!r} returned {made!r}; return text, or markup.")
    return made


def _outside_of_caches(use: Use) -> None:
    """Raise `ConfigurationError` inside a cache of the app that would keep what stands in the hole,
    for other visitors."""
    frame = sys._getframe(1)
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).startswith(_CACHES):
            raise ConfigurationError(
                f"The hole {use.name!r} stands inside a cache of the app "
                f"({frame.f_globals['__name__']}), which would show one visitor's to the next. "
                f"Take the hole out of the cached part. ({location()})"
            )
        frame = frame.f_back  # type: ignore[assignment]


@dataclass(slots=True, eq=False)
class HoleRun:
    """One run of the app in which ``uses``, none of them twice, are made in place of its view, and
    beside them tokens for some places, by kind. What came of it is handed over here, not in the
    body of the response."""

    uses: Sequence[Use]
    tokens: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    reached: bool = False
    #: In the order of ``uses``; ``None`` where nothing was made.
    outputs: list[str | None] = field(init=False)
    #: In the order of ``tokens``, by kind.
    values: dict[str, Sequence[bytes]] = field(default_factory=dict)
    #: What holes have raised.
    errors: dict[Use, BaseException] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.outputs = [None] * len(self.uses)

    def made(self) -> dict[Use, str]:
        """What was made, by its hole."""
        both = zip(self.uses, self.outputs, strict=True)
        return {use: text for use, text in both if text is not None}

    def make(
        self, renderer: Renderer, request: Any,
        tokens: Callable[[str, Sequence[Any]], Sequence[bytes]] | None = None,
    ) -> None:  # fmt: skip
        """Called in place of the view. A hole that raises costs that hole only; ``tokens`` makes
        those of one kind, and what it raises is passed on."""
        self.reached = True
        for kind, places in self.tokens.items():
            if tokens is not None:
                self.values[kind] = tokens(kind, places)
        for index, use in enumerate(self.uses):
            if self.outputs[index] is None and not (self.errors and use in self.errors):
                try:
                    self.outputs[index] = rendered(use, renderer, request)
                except Exception as error:
                    self.errors[use] = error
