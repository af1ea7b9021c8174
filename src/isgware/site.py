"""What isgware has to know of the framework behind an app.

`Site` is the plain WSGI one; Flask's and Django's answer the same questions from their URL maps
and settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from .core.request import Resolve, Visitor, decoded
from .errors import ConfigurationError
from .policy import Policy


@dataclass(frozen=True, slots=True)
class Match:
    """A declared route that a URL belongs to."""

    route: str
    policy: Policy
    arguments: Mapping[str, Any] = field(default_factory=dict)


class Site:
    """Any WSGI app: nothing is known of its routes."""

    #: Environ keys beside the request line that decide about scheme and host.
    origin_headers: tuple[str, ...] = ()
    #: Cookies whose owners get the app's own answer on every declared route.
    bypass_cookies: tuple[str, ...] = ()
    #: Headers whose keyed value the framework resolves in its own way.
    resolvers: Mapping[str, Resolve] = {}

    def match(self, visitor: Visitor) -> Match | None:
        """The route of a GET of this URL, if its view carries a policy."""
        return None

    def origin(self, visitor: Visitor) -> tuple[str, str]:
        """Scheme and host as the app sees them."""
        return visitor.scheme, visitor.host

    def mode(self) -> str:
        """What to do while nobody says ``enabled``: ``on``, ``off``, or ``develop``."""
        return "on"


class Routes:
    """The ``routes=`` option: URL patterns in Werkzeug's language."""

    def __init__(self, policies: Mapping[str, Policy]) -> None:
        self._policies = dict(policies)
        try:
            rules = [Rule(pattern, endpoint=pattern) for pattern in policies]
            table = Map(rules, merge_slashes=False)
        except (ValueError, LookupError) as error:
            raise ConfigurationError(f"routes: {error}. Patterns are Werkzeug's.") from error
        for rule in rules:
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
