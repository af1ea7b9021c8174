"""What isgware needs to know of an app's framework.

`Site` is for plain WSGI apps; Flask's and Django's subclasses answer from their URL maps and
settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from werkzeug.exceptions import HTTPException
from werkzeug.routing import BuildError, Map, MapAdapter, RequestRedirect, Rule
from werkzeug.sansio.http import parse_cookie

from ..core.cache_key import Resolve, Visitor, decoded
from ..core.hosts import normal_host
from ..core.places import Place
from ..errors import ConfigurationError
from ..policy import Policy
from .sample_paths import sample_paths


@dataclass(frozen=True, slots=True)
class Match:
    """A declared route that a URL belongs to. ``decorator``: the fingerprint of the decorator that
    the URL map leads to; empty if only ``routes`` declares the route."""

    route: str
    policy: Policy
    arguments: Mapping[str, Any] = field(default_factory=dict)
    decorator: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """A line of the URL map. ``name`` is `Match.route`, ``rule`` the pattern as written,
    ``arguments`` those that its URL needs. ``methods`` is empty if unknown. ``view`` is what the
    framework calls, if known."""

    name: str
    rule: str
    arguments: frozenset[str]
    policy: Policy | None = None
    methods: frozenset[str] = frozenset()
    view: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Filled:
    """The values of some places for one visitor, and the headers that come with them."""

    values: Sequence[bytes]
    headers: Sequence[tuple[str, str]] = ()


class Site:
    """Any WSGI app: its routes are not known."""

    #: Environ keys, beside the request line, that decide scheme and host.
    origin_headers: tuple[str, ...] = ()
    #: Cookies whose owners get the app's own answer on every declared route.
    bypass_cookies: tuple[str, ...] = ()
    #: Cookies by which the framework chooses a language without a Vary for it.
    language_cookies: tuple[str, ...] = ()
    #: Cookies that come with tokens for which a stored page has places.
    token_cookies: tuple[str, ...] = ()
    #: Headers whose keyed value the framework resolves in its own way.
    resolvers: Mapping[str, Resolve] = {}

    #: Whether `match` knows every decorated view. If not, decorators are learned as they run.
    has_url_map: bool = False
    #: Whether requests were seen for which another URL map than the main one is in force.
    several_maps: bool = False
    #: Whether the reads of a clean-room render are recorded, and holes can be rendered in place of
    #: the view.
    records: bool = False

    #: The module that records what is read and written of databases; empty if the framework's
    #: integration sees to it.
    recorder: str = "isgware.sqlalchemy.recorder"

    #: The exception that a view raises for a page that does not exist, if the framework has one.
    not_found: Callable[[], Exception] | None = None

    def match(self, visitor: Visitor) -> Match | None:
        """The route of a GET of this URL, if its view carries a policy, with the fingerprint of
        that as the decorator's."""
        return None

    def endpoint(self, visitor: Visitor) -> str | None:
        """The name in the URL map of this request's route, declared or not; ``None`` if it has
        none. May raise anything."""
        return None

    def redirects_to(self, visitor: Visitor) -> str | None:
        """The path below the script name to which the framework, by its URL map, redirects a GET of
        this URL on the same host: for example one with a trailing slash."""
        return None

    def origin(self, visitor: Visitor) -> tuple[str, str]:
        """Scheme and host as the app sees them."""
        return visitor.scheme, visitor.host

    def varies_by(self, visitor: Visitor) -> Iterable[str]:
        """Headers (in lower case) that the framework adds to the ``Vary`` of every page at this
        URL. Since they are known beforehand, they need not be learned."""
        return ()

    def mode(self) -> str:
        """The mode if ``enabled`` is not set: ``on``, ``off``, or ``develop``."""
        return "on"

    def values(self, header: str) -> Sequence[str]:
        """The values of a header (in lower case) that the framework distinguishes, if they are
        few.
        """
        return ()

    def routes(self) -> Iterable[Route]:
        """Every route of the app, declared or not, in the order of its URL map."""
        return ()

    def inner_caches(self) -> Iterable[str]:
        """The names of whole-page caches inside the app, around all of its views."""
        return ()

    def inner_cache(self, view: Any) -> str:
        """The name of a cache around one view, inside the app; empty if there is none."""
        return ""

    def urls(self, route: str, arguments: Mapping[str, Any]) -> Sequence[str]:
        """The URL paths below the script name that a route has for these arguments, as the
        framework builds them: one, or one for each language.

        Raises `LookupError` or `ValueError` if there is none.
        """
        raise LookupError(f"There is no route {route!r}.")

    @property
    def session_bookkeeping(self) -> frozenset[str]:
        """Keys of a session that the framework itself uses and that do not identify its owner."""
        return frozenset()

    @property
    def session_cookie(self) -> str:
        """The cookie by which the framework finds a visitor's session; empty if there is none."""
        return ""

    @property
    def cookie_session(self) -> str:
        """The cookie that holds a visitor's whole session, if the framework's own code stores it
        there; empty if sessions are, or may be, elsewhere."""
        return ""

    def cookies(self, header: str) -> list[tuple[str, str]]:
        """Names and values of a Cookie header, as the framework parses it. Raises nothing, whatever
        bytes it gets."""
        return list(parse_cookie(header).items(multi=True))

    def session(self, visitor: Visitor) -> Mapping[str, Any]:
        """The visitor's session, opened by the framework. May raise anything."""
        return {}

    def ask(self, function: Callable[..., Any], visitor: Visitor) -> object:
        """The result of a registered variant function for this visitor. The function gets the
        visitor's own request as the framework represents it. May raise anything."""
        return function(dict(visitor.headers))

    def fill(self, kind: str, places: Sequence[Place], visitor: Visitor) -> Filled | None:
        """The framework's values for this visitor in ``places``, all of one of its kinds; ``None``
        if the app has to answer the request itself. May raise anything."""
        raise ValueError(f"places of the kind {kind!r} are unknown")

    def secret(self) -> str:
        """The app's signing key, the same in all processes of a deployment; may be empty."""
        return ""

    def after_fork(self) -> None:
        """In a build process that was forked after the app ran: drop the parent's connections
        without closing them."""

    def context(self) -> AbstractContextManager[object]:
        """The context that the app's code needs outside of any request."""
        return nullcontext()

    @property
    def script_name(self) -> str:
        """Where the app is mounted by its own configuration; empty for the root."""
        return ""

    def linked_mount(self, script_name: str) -> str:
        """What URLs begin with that the app writes while it answers a request with this script
        name."""
        return script_name


@dataclass(frozen=True, slots=True)
class Catch:
    """The ``patterns`` of ``routes=`` that match URLs of a route; ``every``: together they match
    all."""

    patterns: tuple[str, ...] = ()
    every: bool = False

    @property
    def whole(self) -> bool:
        """Whether one pattern matches every URL of the route."""
        return self.every and len(self.patterns) == 1


def origin_of(site: Site, visitor: Visitor) -> tuple[str, str]:
    """Scheme and host as the app sees them, the host in the normal form that is keyed."""
    scheme, host = site.origin(visitor)
    return scheme, normal_host(scheme, host)


class Routes:
    """The ``routes=`` option: URL patterns in Werkzeug's language."""

    def __init__(self, policies: Mapping[str, Policy]) -> None:
        self._policies = dict(policies)
        try:
            self._rules = [Rule(pattern, endpoint=pattern) for pattern in policies]
            table = Map(self._rules, merge_slashes=False)
        except (ValueError, LookupError) as error:
            raise ConfigurationError(f"routes: {error}. Patterns are Werkzeug's.") from error
        for rule in self._rules:
            self._policies[str(rule.endpoint)].check_arguments(rule.arguments)
        self._adapter = table.bind("localhost")

    def match(self, visitor: Visitor) -> Match | None:
        if not self._policies:
            return None
        try:
            rule, arguments = self._adapter.match(
                decoded(visitor.path), method="GET", return_rule=True
            )
        except (HTTPException, ValueError):
            return None
        pattern = str(rule.endpoint)
        return Match(pattern, self._policies[pattern], arguments)

    def catching(self, rule: str) -> Catch:
        """Which patterns match the URLs of a route with this ``rule``, found by examples."""
        if not self._policies:
            return Catch()
        found = [self.match(_visitor(path)) for path in sample_paths(rule)]
        patterns = tuple(dict.fromkeys(match.route for match in found if match is not None))
        return Catch(patterns, None not in found)

    def policy(self, pattern: str) -> Policy:
        return self._policies[pattern]

    def catches(self, route: Route) -> bool:
        """Whether a pattern matches some URL of ``route``."""
        return bool(self.catching(route.rule).patterns)

    def redirects_to(self, visitor: Visitor) -> str | None:
        """As `Site.redirects_to`. A pattern that ends in a slash is taken for what the app does."""
        if not self._policies:
            return None
        return redirect_of(self._adapter, visitor, "")

    def __contains__(self, pattern: object) -> bool:
        return pattern in self._policies

    def routes(self) -> Iterator[Route]:
        """One route for each pattern."""
        for rule in self._rules:
            pattern = str(rule.endpoint)
            yield Route(pattern, pattern, frozenset(rule.arguments), self._policies[pattern])

    def urls(self, route: str, arguments: Mapping[str, Any]) -> Sequence[str]:
        """As `Site.urls`, of a pattern."""
        return [built(self._adapter.build, route, arguments)]


def _visitor(path: str) -> Visitor:
    return Visitor("GET", "http", "localhost", "", path, "", {})


def redirect_of(adapter: MapAdapter, visitor: Visitor, script_name: str) -> str | None:
    """Where Werkzeug's URL map redirects a GET, as `Site.redirects_to`. The adapter is bound to
    ``script_name``."""
    try:
        adapter.match(decoded(visitor.path), method="GET")
    except RequestRedirect as redirect:
        there = urlsplit(redirect.new_url)
        path = unquote(there.path).encode().decode("latin-1")
        if there.netloc == adapter.get_host(None) and path.startswith(script_name + "/"):
            return path[len(script_name) :]
    except (HTTPException, ValueError):
        pass
    return None


def built(build: Any, endpoint: str, arguments: Mapping[str, Any]) -> str:
    """The URL that Werkzeug builds. Raises `LookupError` that names the arguments if it cannot."""
    try:
        return str(build(endpoint, dict(arguments), method="GET"))
    except BuildError as error:
        raise LookupError(f"No URL of {endpoint!r} takes {dict(arguments)!r}.") from error
