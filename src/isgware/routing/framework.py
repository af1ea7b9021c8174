"""What isgware has to know of an app's framework.

`Site` is the plain WSGI one; Flask's and Django's answer the same questions from their URL maps
and settings.
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
    """A declared route that a URL belongs to. ``decorator``: the fingerprint of the one that the
    URL map leads to; without, ``routes`` alone declares it."""

    route: str
    policy: Policy
    arguments: Mapping[str, Any] = field(default_factory=dict)
    decorator: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """A line of the URL map. ``name`` is what a `Match` of it calls ``route``, ``rule`` the pattern
    as people wrote it, ``arguments`` what its URL needs. ``methods`` is empty if nobody says.
    ``view`` is what the framework calls, if it says so."""

    name: str
    rule: str
    arguments: frozenset[str]
    policy: Policy | None = None
    methods: frozenset[str] = frozenset()
    view: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Filled:
    """What stands in each of some places for one visitor, and the headers that come with it."""

    values: Sequence[bytes]
    headers: Sequence[tuple[str, str]] = ()


class Site:
    """Any WSGI app: nothing is known of its routes."""

    #: Environ keys beside the request line that decide about scheme and host.
    origin_headers: tuple[str, ...] = ()
    #: Cookies whose owners get the app's own answer on every declared route.
    bypass_cookies: tuple[str, ...] = ()
    #: Cookies by which the framework chooses a language, though its Vary does not say so.
    language_cookies: tuple[str, ...] = ()
    #: Cookies that come with tokens for which a stored page has places.
    token_cookies: tuple[str, ...] = ()
    #: Headers whose keyed value the framework resolves in its own way.
    resolvers: Mapping[str, Resolve] = {}

    #: Whether `match` tells of every decorated view. Else decorators are learned as they run.
    has_url_map: bool = False
    #: Whether requests have been met for which another URL map than the main one is in force.
    several_maps: bool = False
    #: Whether what a clean-room render asks of its visitor is recorded, and holes can be made in
    #: place of a view.
    records: bool = False

    #: What a view raises for a page that does not exist, if the framework has something for that.
    not_found: Callable[[], Exception] | None = None

    def match(self, visitor: Visitor) -> Match | None:
        """The route of a GET of this URL, if its view carries a policy."""
        return None

    def endpoint(self, visitor: Visitor) -> str | None:
        """What the URL map calls the route of this request, declared or not; ``None`` if it has
        none. May raise anything."""
        return None

    def redirects_to(self, visitor: Visitor) -> str | None:
        """The path below the script name to which the framework, by its URL map, redirects a GET
        of this URL on the same host: one with a slash at its end, say."""
        return None

    def origin(self, visitor: Visitor) -> tuple[str, str]:
        """Scheme and host as the app sees them."""
        return visitor.scheme, visitor.host

    def varies_by(self, visitor: Visitor) -> Iterable[str]:
        """Headers (in lower case) that the framework adds to the ``Vary`` of every page at this
        URL: known beforehand, they need not be learned of each."""
        return ()

    def mode(self) -> str:
        """What to do while nobody says ``enabled``: ``on``, ``off``, or ``develop``."""
        return "on"

    def values(self, header: str) -> Sequence[str]:
        """The values that a header (in lower case) has for the framework, if those are few."""
        return ()

    def routes(self) -> Iterable[Route]:
        """Every route of the app, declared or not, in the order of its URL map."""
        return ()

    def inner_caches(self) -> Iterable[str]:
        """The names of caches of whole pages inside the app, around all of its views."""
        return ()

    def inner_cache(self, view: Any) -> str:
        """The name of a cache around one view, inside the app; empty if there is none."""
        return ""

    def urls(self, route: str, arguments: Mapping[str, Any]) -> Sequence[str]:
        """The URL paths below the script name that a route has for these arguments, as the
        framework builds them: one, or one for each language.

        Raises `LookupError` or `ValueError` where there is none.
        """
        raise LookupError(f"There is no route {route!r}.")

    @property
    def session_bookkeeping(self) -> frozenset[str]:
        """Keys of a session that say nothing of its owner: those of a framework's own."""
        return frozenset()

    @property
    def session_cookie(self) -> str:
        """The cookie by which the framework finds a visitor's session; empty if there is none."""
        return ""

    @property
    def cookie_session(self) -> str:
        """The cookie that holds a visitor's whole session, if the framework's own code keeps it
        there; empty if sessions are elsewhere, or may be."""
        return ""

    def cookies(self, header: str) -> list[tuple[str, str]]:
        """Names and values of a Cookie header, as the framework parses it. Raises nothing, whatever
        bytes somebody sends."""
        return list(parse_cookie(header).items(multi=True))

    def session(self, visitor: Visitor) -> Mapping[str, Any]:
        """What this visitor's session holds, as the framework opens it. May raise anything."""
        return {}

    def ask(self, function: Callable[..., Any], visitor: Visitor) -> object:
        """What a function that was registered as a variant says of this visitor; it gets their own
        request in the way of the framework. May raise anything."""
        return function(dict(visitor.headers))

    def fill(self, kind: str, places: Sequence[Place], visitor: Visitor) -> Filled | None:
        """What the framework has for this visitor in ``places``, all of one kind of its own;
        ``None`` if the app has to answer them itself. May raise anything."""
        raise ValueError(f"places of the kind {kind!r} are unknown")

    def secret(self) -> str:
        """What the app signs with, the same in all processes of a deployment; may be empty."""
        return ""

    def after_fork(self) -> None:
        """In a process that builds, forked from one in which the app has run already: let go of
        connections that belong to that one, without closing them."""

    def context(self) -> AbstractContextManager[object]:
        """What code of the app needs around it that runs outside of any request."""
        return nullcontext()

    @property
    def script_name(self) -> str:
        """Where the app says that it is mounted; empty for the root."""
        return ""


@dataclass(frozen=True, slots=True)
class Catch:
    """The ``patterns`` of ``routes=`` that catch URLs of a route; ``every`` if those are all of its
    URLs."""

    patterns: tuple[str, ...] = ()
    every: bool = False

    @property
    def whole(self) -> bool:
        """Whether one pattern catches every URL of the route."""
        return self.every and len(self.patterns) == 1


def origin_of(site: Site, visitor: Visitor) -> tuple[str, str]:
    """Scheme and host as the app sees them, the host in the one spelling by which it is keyed."""
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
        """Which patterns catch the URLs of a route with this ``rule``, found by examples."""
        if not self._policies:
            return Catch()
        found = [self.match(_visitor(path)) for path in sample_paths(rule)]
        patterns = tuple(dict.fromkeys(match.route for match in found if match is not None))
        return Catch(patterns, None not in found)

    def policy(self, pattern: str) -> Policy:
        return self._policies[pattern]

    def catches(self, route: Route) -> bool:
        """Whether a pattern catches some URL of ``route``."""
        return bool(self.catching(route.rule).patterns)

    def redirects_to(self, visitor: Visitor) -> str | None:
        """As `Site.redirects_to`: a pattern that ends in a slash says what the app does."""
        if not self._policies:
            return None
        return redirect_of(self._adapter, visitor, "")

    def __contains__(self, pattern: object) -> bool:
        return pattern in self._policies

    def routes(self) -> Iterator[Route]:
        """One for each pattern."""
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
    """What Werkzeug builds. Raises `LookupError` that names the arguments if it cannot."""
    try:
        return str(build(endpoint, dict(arguments), method="GET"))
    except BuildError as error:
        raise LookupError(f"No URL of {endpoint!r} takes {dict(arguments)!r}.") from error
