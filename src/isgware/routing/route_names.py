"""`RouteNames`: the name under which the route of a request, or of a page, is counted.

It is the name in the framework's URL map, declared or not; without a URL map, the pattern of
``routes=``; and `UNDECLARED` for everything else.
"""

from __future__ import annotations

import dataclasses
from typing import Final

from ..core.cache_key import Request, Visitor
from .framework import Routes, Site

UNDECLARED: Final = "undeclared"
#: Number of cached names, and the length up to which paths are cached. At the limit the cache is
#: cleared.
_MAX_NAMES: Final = 4_096
_LONGEST: Final = 512


class RouteNames:
    def __init__(self, site: Site, routes: Routes) -> None:
        self._site = site
        self._routes = routes
        self._known: dict[tuple[str, ...], str] = {}

    def of(self, visitor: Visitor) -> str:
        """The route of a request. A URL that the app only redirects from has the route of its
        target."""
        if self._site.several_maps:  # what was found before the second was known may be wrong
            return self._found(visitor)
        known: str | None = visitor.memo.get("route")
        if known is not None:
            return known
        at = (visitor.method, visitor.scheme, visitor.host, visitor.script_name, visitor.path)
        name = self._known.get(at)
        if name is None:
            name = self._found(visitor)
            if len(visitor.path) <= _LONGEST:
                if len(self._known) >= _MAX_NAMES:
                    self._known.clear()
                self._known[at] = name
        visitor.memo["route"] = name
        return name

    def of_page(self, route: str, request: Visitor | Request) -> str:
        """The route of a page that is stored or rendered under the name ``route``. If that is a
        pattern, or not a name from the app, the URL map is asked."""
        if self._given(route):
            return route
        return self.of(
            Visitor(
                "GET", request.scheme, request.host, request.script_name, request.path, "", {}
            )
        )  # fmt: skip

    def _given(self, route: str) -> bool:
        if route == UNDECLARED or route.startswith("view:"):
            return False
        return route not in self._routes or not self._site.has_url_map

    def _found(self, visitor: Visitor) -> str:
        try:
            name = self._of(visitor)
            there = None if name else self._site.redirects_to(visitor)
            return name or (there and self._of(_at(visitor, there))) or UNDECLARED
        except Exception:  # such as a converter of the app: counting must not break a request
            return UNDECLARED

    def _of(self, visitor: Visitor) -> str | None:
        name = self._site.endpoint(visitor)
        if name:
            return name
        match = self._routes.match(visitor)
        return match.route if match is not None else None


def _at(visitor: Visitor, path: str) -> Visitor:
    return dataclasses.replace(visitor, path=path)
