"""Names of counted series, as stores keep them: what is counted, of which route, and its labels."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Final

#: At most so many routes and series are counted apart, in a process and in a store.
MAX_ROUTES: Final = 1_000
MAX_SERIES: Final = 10_000
OTHER: Final = "other"
#: Kinds of series, and their labels after the route.
REQUESTS: Final = "requests"  # result, reason
RENDERS: Final = "renders"  # outcome
RENDER_SECONDS: Final = "render_seconds"
RENDER_BUCKET: Final = "render_bucket"  # upper bound of seconds
RENDER_BYTES: Final = "render_bytes"
UNCHANGED: Final = "unchanged"
SAVED: Final = "saved"
INVALIDATIONS: Final = "invalidations"  # of no route: kind
#: Upper bounds of the histogram of renders, in seconds; what takes longer is in ``+Inf``.
BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
#: The amount of this series is when a store began to count, in seconds since the epoch.
SINCE: Final = '["since"]'


def name_of(kind: str, route: str, *labels: str) -> str:
    return json.dumps((kind, route, *labels), separators=(",", ":"))


@lru_cache(MAX_SERIES)
def parts_of(name: str) -> tuple[str, ...]:
    """The parts of a name; empty for one that nobody here has made."""
    try:
        parts = json.loads(name)
    except ValueError:
        return ()
    known = isinstance(parts, list) and all(isinstance(part, str) for part in parts)
    return tuple(parts) if known else ()


def route_of(name: str) -> str:
    """Empty for a series of no route, and of `OTHER`."""
    route = (*parts_of(name), "", "")[1]
    return "" if route == OTHER else route


def overflow_of(name: str) -> str:
    """The series in which an amount is counted when there are too many. Results, outcomes and
    bounds stay apart, so that sums over routes stay right; there are few of them."""
    kind, _, *labels = (*parts_of(name), "", "")[:4]
    if kind == REQUESTS:
        labels = [labels[0], OTHER]
    return name_of(kind, OTHER, *(label for label in labels if label))


def bound_of(seconds: float) -> str:
    """The upper bound under which a render of so many seconds is counted."""
    return next((str(bound) for bound in BOUNDS if seconds <= bound), "+Inf")
