"""Is a cookie that an answer sets the framework's own bookkeeping?

A URL that nobody has declared is rendered once more, in the clean room, if its answer looks as if
it could be stored. A link that logs its visitor in, and works once, must not be: it sets a session
cookie. A form's page sets one, too, for its CSRF token: that says nothing against it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from werkzeug.http import parse_cookie

from ..core.cache_key import Visitor
from ..http.fields import Headers
from .framework import Site


def without_bookkeeping(
    site: Site, visitor: Visitor, headers: Iterable[tuple[str, str]]
) -> Headers:
    """An answer's headers without the cookies of tokens, and without the session's if nothing but
    bookkeeping has changed in it."""
    kept = tuple(pair for pair in headers if _cookie(pair)[0] not in site.token_cookies)
    name = site.session_cookie
    lines = [pair for pair in kept if name and _cookie(pair)[0] == name]
    if len(lines) != 1 or not _is_bookkeeping(site, visitor, name, _cookie(lines[0])[1]):
        return kept
    return tuple(pair for pair in kept if pair is not lines[0])


def _cookie(pair: tuple[str, str]) -> tuple[str, str]:
    """Name and value of the cookie that a header sets; empty if it is another header."""
    if pair[0].lower() != "set-cookie":
        return "", ""
    name, _, value = pair[1].partition(";")[0].partition("=")
    return name.strip(), value.strip()


def _is_bookkeeping(site: Site, visitor: Visitor, name: str, value: str) -> bool:
    header = str(visitor.headers.get("HTTP_COOKIE") or "")
    sent = parse_cookie(header).get(name)
    if not value:
        return not sent  # the end of a session that there is not, as Flask-Session says it
    if sent and not site.cookie_session:
        return False  # what it held before this answer nobody can say any more
    after = dataclasses.replace(
        visitor, headers={**visitor.headers, "HTTP_COOKIE": f"{name}={value}"}, memo={}
    )
    try:
        old = site.session(visitor) if sent else {}
        new = site.session(after)
    except Exception:
        return False
    changed = {key for key in {*old, *new} if old.get(key) != new.get(key)}
    return changed <= site.session_bookkeeping
