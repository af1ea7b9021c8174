"""How long a response is fresh, how old it is (RFC 9111, section 4.2), and RFC 5861's windows.

All functions take fields and times, in seconds since the epoch, and return seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .cache_control import Directives, delta_seconds
from .dates import http_date
from .fields import Headers, values

#: Codes that are cacheable when nothing says for how long (RFC 9110, section 15.1), 206 aside.
HEURISTIC: Final = frozenset({200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501})
#: A guess is never longer than this, in seconds.
MAX_HEURISTIC: Final = 86_400.0


def explicit_lifetime(
    headers: Headers, directives: Directives, targeted: bool, received: float
) -> float | None:
    """Seconds from generation for which the response says it is fresh; ``None`` if it does not.

    In this order (RFC 9111, section 4.2.1): ``s-maxage``, ``max-age``, ``Expires`` minus ``Date``.
    What is said and malformed, or said twice and differently by ``Expires``, is stale. A targeted
    field leaves Expires out of it (RFC 9213, section 2.2).
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
    """A guess for a response that says nothing: ``share`` of the time since it last changed
    (RFC 9111, section 4.2.2); ``None`` where none may be made."""
    if not share or not (code in HEURISTIC or "public" in directives):
        return None
    modified = http_date(next(iter(values(headers, "last-modified")), ""), received)
    if modified is None:
        return None
    since = (date(headers, received) or received) - modified
    return min(MAX_HEURISTIC, max(0.0, since * share))


def initial_age(headers: Headers, requested: float, received: float) -> float:
    """Seconds old when it arrived: ``corrected_initial_age`` of RFC 9111, section 4.2.3.

    ``requested`` and ``received`` are when the app was asked and when it answered. A Date is whole
    seconds, so what it says about fractions is not counted.
    """
    made = date(headers, received)
    apparent = max(0.0, int(received) - made) if made is not None else 0.0
    corrected = age_value(values(headers, "age")) + max(0.0, received - requested)
    return max(apparent, corrected)


def age_value(lines: Sequence[str]) -> float:
    """What Age says: the first member counts, and if that is no number of seconds, nothing
    (RFC 9111, section 5.1). An empty one is no member (RFC 9110, section 5.6.1.2)."""
    members = (member.strip(" \t") for line in lines for member in line.split(","))
    return delta_seconds(next(filter(None, members), None)) or 0.0


def date(headers: Headers, received: float) -> float | None:
    """When the response was generated, by its Date; ``None`` if it does not say."""
    lines = values(headers, "date")
    return http_date(lines[0], received) if lines else None


def window(directives: Directives, name: str) -> float:
    """Seconds that ``stale-while-revalidate`` or ``stale-if-error`` allow (RFC 5861)."""
    return delta_seconds(directives.get(name)) or 0.0
