"""How long a response is fresh, how old it is (RFC 9111, section 4.2), and the windows of RFC 5861.

All functions take fields and times in seconds since the epoch, and return seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .cache_control import Directives, delta_seconds
from .dates import http_date
from .fields import Headers, values

#: Status codes that are heuristically cacheable (RFC 9110, section 15.1), except 206.
HEURISTIC: Final = frozenset({200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501})
#: The longest heuristic lifetime, in seconds.
MAX_HEURISTIC: Final = 86_400.0


def explicit_lifetime(
    headers: Headers, directives: Directives, targeted: bool, received: float
) -> float | None:
    """The explicit freshness lifetime, in seconds from generation; ``None`` if there is none.

    In this order (RFC 9111, section 4.2.1): ``s-maxage``, ``max-age``, ``Expires`` minus ``Date``.
    A malformed lifetime is stale, and so are several ``Expires`` that differ. With a targeted
    field, Expires is ignored (RFC 9213, section 2.2).
    """
    for name in ("s-maxage", "max-age"):
        if name in directives:
            return delta_seconds(directives[name]) or 0.0
    expires = values(headers, "expires")
    if not expires or targeted:
        return None
    until = http_date(expires[0], received)
    if until is None or len(set(expires)) > 1:
        return 0.0
    return max(0.0, until - (date(headers, received) or received))


def heuristic_lifetime(
    headers: Headers, code: int, directives: Directives, share: float, received: float
) -> float | None:
    """The heuristic lifetime of a response without an explicit one: ``share`` of the time since it
    was last modified (RFC 9111, section 4.2.2); ``None`` where none is allowed."""
    if not share or not (code in HEURISTIC or "public" in directives):
        return None
    modified = http_date(next(iter(values(headers, "last-modified")), ""), received)
    if modified is None:
        return None
    since = (date(headers, received) or received) - modified
    return min(MAX_HEURISTIC, max(0.0, since * share))


def initial_age(headers: Headers, requested: float, received: float) -> float:
    """Seconds old on arrival: ``corrected_initial_age`` of RFC 9111, section 4.2.3.

    ``requested`` and ``received`` are when the app was asked and when it answered. A Date has whole
    seconds, so differences of less than a second are ignored.
    """
    made = date(headers, received)
    apparent = max(0.0, int(received) - made) if made is not None else 0.0
    corrected = age_value(values(headers, "age")) + max(0.0, received - requested)
    return max(apparent, corrected)


def age_value(lines: Sequence[str]) -> float:
    """The value of Age: its first member, or 0 if that is not a number of seconds (RFC 9111,
    section 5.1). Empty members are skipped (RFC 9110, section 5.6.1.2)."""
    members = (member.strip(" \t") for line in lines for member in line.split(","))
    return delta_seconds(next(filter(None, members), None)) or 0.0


def date(headers: Headers, received: float) -> float | None:
    """When the response was generated, by its Date; ``None`` without a valid one."""
    lines = values(headers, "date")
    return http_date(lines[0], received) if lines else None


def window(directives: Directives, name: str) -> float:
    """Seconds of ``stale-while-revalidate`` or ``stale-if-error`` (RFC 5861)."""
    return delta_seconds(directives.get(name)) or 0.0
