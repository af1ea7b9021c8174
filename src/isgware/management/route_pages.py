"""The pages of a route: those that were rendered for it, and those whose URL is its now."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from itertools import islice
from typing import Final
from urllib.parse import urlsplit

from ..backends.base import Row
from ..build.inventory import Known, inventory
from ..core.cache_key import Visitor
from ..core.freshness import path_name, route_name
from ..errors import ConfigurationError
from ..routing.route_names import UNDECLARED
from ..runtime import Runtime

#: Paths that are invalidated in one operation.
_AT_ONCE: Final = 500
#: Where the part of a pattern ends that all of its URLs begin with.
_VARIABLE: Final = re.compile(r"[<(\[^$?*+\\|{]")


class RouteOf:
    """Tells the route of a page: the one that it was rendered for or, if the app has none of that
    name now, what its URL map says. `UNDECLARED` if it is nobody's."""

    def __init__(self, runtime: Runtime) -> None:
        self._names, self._patterns = runtime.engine.planner.names, runtime.engine.planner.routes
        self._known = known_routes(runtime)
        self._script_name = runtime.site.script_name

    def __call__(self, row: Row) -> str:
        return row.route if row.route in self._known else self.by_url(row)

    def by_url(self, row: Row) -> str:
        visitor = self._visitor(row)
        return UNDECLARED if visitor is None else self._names.of(visitor)

    def by_pattern(self, row: Row) -> str:
        """The pattern of ``routes=`` that matches its URL; empty if none does."""
        visitor = self._visitor(row)
        match = None if visitor is None else self._patterns.match(visitor)
        return "" if match is None else match.route

    def _visitor(self, row: Row) -> Visitor | None:
        try:
            parts = urlsplit(row.url)
        except ValueError:  # what a store holds is not trusted
            return None
        path = row.path.encode().decode("latin-1")
        script = self._script_name if path.startswith(self._script_name + "/") else ""
        path = path[len(script) :]
        return Visitor("GET", parts.scheme, parts.netloc, script, path, "", {})


def known_routes(runtime: Runtime) -> dict[str, Known]:
    """By name. None where a declaration cannot be meant: ``isgware routes`` says which."""
    try:
        found = inventory(runtime.site, runtime.engine.planner.routes)
    except ConfigurationError:
        return {}
    return {route.name: route for route in found}


def invalidate_route(runtime: Runtime, route: str, *, hard: bool) -> None:
    """Make every page of a declared route stale, or gone: those that are stored, and those that are
    being rendered. Of a pattern of ``routes=`` these are the pages of all routes whose URLs it
    matches. Raises `ConfigurationError` for another route, and `BackendUnavailable`."""
    known = known_routes(runtime).get(route)
    if known is None or known.policy is None:
        raise ConfigurationError(
            f"There is no declared route {route!r}; `isgware routes` lists them."
        )
    names = {route, *_caught(runtime, route)}
    runtime.invalidate([route_name(name) for name in sorted(names)], hard=hard)
    paths = _others(runtime, route, names, known.line.rule)
    while some := list(islice(paths, _AT_ONCE)):
        runtime.invalidate([path_name(path) for path in some], hard=hard)


def _caught(runtime: Runtime, pattern: str) -> Iterator[str]:
    """Routes of the framework under whose names the pages of a pattern are counted."""
    routes = runtime.engine.planner.routes
    if pattern in routes:
        for each in runtime.site.routes():
            if pattern in routes.catching(each.rule).patterns:
                yield each.name


def _others(runtime: Runtime, route: str, names: Set[str], rule: str) -> Iterator[str]:
    """Paths of the route whose pages bear another name: it was renamed since, or a release that
    gave them none has stored them."""
    route_of, last = RouteOf(runtime), ""
    prefix = _VARIABLE.split(rule, maxsplit=1)[0] if rule.startswith("/") else ""
    for row, info in runtime.catalogue.listed(runtime.site.script_name + prefix):
        if info is None or row.path == last or row.route in names:
            continue
        if route in (route_of.by_url(row), route_of.by_pattern(row)):
            last = row.path
            yield last
