"""Which holes the pages of each route have, read from one stored page of it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes, urlsplit

from ..core.cache_key import Visitor
from ..core.hole_places import hole_names
from ..errors import BackendUnavailable

if TYPE_CHECKING:
    from ..runtime import Runtime

#: Most pages that are read.
_MOST: Final = 10_000


def route_holes(runtime: Runtime) -> dict[str, tuple[str, ...]]:
    """Names of holes by route, for routes with a stored page. Empty if the store is unavailable,
    since this is an extra of its callers."""
    found: dict[str, tuple[str, ...]] = {}
    try:
        for row, _ in itertools.islice(runtime.catalogue.standing(), _MOST):
            match = runtime.engine.planner.match(_visitor(row.url, runtime.site.script_name))
            if match is None or match.route in found:
                continue
            entry = runtime.catalogue.entry(row.key)
            if entry is not None:
                found[match.route] = hole_names(entry.holes, entry.client_holes)
    except BackendUnavailable:
        pass
    return found


def _visitor(url: str, script: str) -> Visitor:
    scheme, _, rest = url.partition("://")
    path = unquote_to_bytes(urlsplit(f"//{rest}").path).decode("latin-1")
    if script and path.startswith(script + "/"):
        path = path[len(script) :]
    return Visitor("GET", scheme, rest.partition("/")[0], script, path, "", {})
