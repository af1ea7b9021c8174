"""Cookies that the app's own answer sets, and that do not make its page one visitor's: CSRF cookies
and sessions with nothing in them but what a framework keeps for itself.

The session has been saved when the answer begins, so it is opened as for the next request.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..core.cache_key import Visitor
from ..http.fields import Headers
from ..rendering.value_holes import without_cookies
from ..routing.framework import Site


def without_set_cookie(headers: Iterable[tuple[str, str]]) -> Headers:
    return tuple([pair for pair in headers if pair[0].lower() != "set-cookie"])


def for_nobody(site: Site, visitor: Visitor, headers: Headers) -> Headers:
    """``headers`` of an answer without the cookies that do not identify the visitor."""
    fields = without_cookies(headers, site.token_cookies)
    name = site.session_cookie
    if not name or not site.session_bookkeeping:
        return fields
    return tuple(
        (field, line)
        for field, line in fields
        if field.lower() != "set-cookie" or not _bookkeeping(site, visitor, name, line)
    )


def _bookkeeping(site: Site, visitor: Visitor, name: str, line: str) -> bool:
    pair = line.partition(";")[0].strip()
    sent, _, value = pair.partition("=")
    if sent != name or not value:
        return False
    try:
        keys = set(site.session(replace(visitor, headers={"HTTP_COOKIE": pair})))
    except Exception:  # the answer has been sent already
        return False
    return bool(keys) and keys <= site.session_bookkeeping
