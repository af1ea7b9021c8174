"""The stored pages of a route: a page's route is what the app's routes say of its URL now."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final
from urllib.parse import urlsplit

from ..backends.base import Row
from ..core.cache_key import Visitor
from ..core.freshness import path_name
from ..runtime import Runtime

#: Paths that are invalidated in one operation.
_AT_ONCE: Final = 500
#: Where the part of a pattern ends that all of its URLs begin with.
_VARIABLE: Final = re.compile(r"[<(\[^$?*+\\|{]")


class RouteOf:
    """Tells the route of a page, by the URL in its row; empty if it is nobody's."""

    def __init__(self, runtime: Runtime) -> None:
        self._match = runtime.engine.planner.match
        self._script_name = runtime.site.script_name

    def __call__(self, row: Row) -> str:
        try:
            parts = urlsplit(row.url)
        except ValueError:  # what a store holds is not trusted
            return ""
        path = row.path.encode().decode("latin-1")
        script = self._script_name if path.startswith(self._script_name + "/") else ""
        path = path[len(script) :]
        match = self._match(Visitor("GET", parts.scheme, parts.netloc, script, path, row.query, {}))
        return match.route if match is not None else ""


def invalidate_route(runtime: Runtime, route: str, rule: str, *, hard: bool) -> int:
    """Make every stored page of a route stale, or gone; how many paths they have. Pages that are
    rendered for the first time meanwhile are left. Raises `BackendUnavailable`."""
    paths, done = _paths(runtime, route, rule), 0
    while some := list(islice(paths, _AT_ONCE)):
        runtime.invalidate([path_name(path) for path in some], hard=hard)
        done += len(some)
    return done


def _paths(runtime: Runtime, route: str, rule: str) -> Iterator[str]:
    route_of, last = RouteOf(runtime), ""
    prefix = _VARIABLE.split(rule, maxsplit=1)[0] if rule.startswith("/") else ""
    script = runtime.site.script_name
    for row, info in runtime.catalogue.listed(script + prefix):
        if info is not None and row.path != last and route_of(row) == route:
            last = row.path
            yield last
