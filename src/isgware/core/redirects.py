"""Stored redirects, and the visitor's query parameters that are added to their target.

A page is keyed without tracking parameters, so one redirect is stored for all visitors. An app that
copies the query to the new URL has not seen those parameters. They are added when the redirect is
sent: otherwise campaigns would lose their numbers.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, unquote_plus

from .cache_key import is_tracking
from .stored_page import Entry

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
#: Characters that a query may have (RFC 3986, section 3.4), and the percent sign of escapes.
_PLAIN: Final = "%/?:@-._~!$'()*+,;="
Head = list[tuple[str, str]]


def location_for(entry: Entry, query: str) -> str | None:
    """The Location of a stored redirect for a visitor whose query is ``query``; ``None`` if it is
    the stored one."""
    if not query or entry.code not in _REDIRECTS:
        return None
    stored = next((value for name, value in entry.headers if name.lower() == "location"), "")
    kept = entry.request.query.split("&")
    left_out = [part for part in query.split("&") if part not in kept and is_tracking(_name(part))]
    target, hash_sign, fragment = stored.partition("#")
    present = {_name(part) for part in target.partition("?")[2].split("&")}
    added = [quote(part, safe=_PLAIN) for part in left_out if _name(part) not in present]
    if not stored or not added:
        return None
    sign = "" if target.endswith(("?", "&")) else "&" if "?" in target else "?"
    return f"{target}{sign}{'&'.join(added)}{hash_sign}{fragment}"


def redirected(headers: Head, entry: Entry, query: str) -> Head:
    """``headers`` of a stored page for a visitor whose query is ``query``."""
    location = location_for(entry, query)
    if location is None:
        return headers
    return [(name, location if name.lower() == "location" else value) for name, value in headers]


def _name(part: str) -> str:
    return unquote_plus(part.partition("=")[0])
