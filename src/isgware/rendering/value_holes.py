"""Takes values of a visitor (CSRF tokens, nonces) out of a clean-room response before it is stored.

Cookies of the policy's ``value_holes`` are removed from the response. Tokens and nonces become
places, so that the store has none of them. If a token is not found, the page is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Final

from ..core.filled_page import each_its_own
from ..core.places import COOKIE, Places, blanked, blanked_headers, in_body
from ..core.storable import Response, personal_response
from ..core.stored_page import Entry
from ..core.tokens import Finder, Token, cookie_token, find, merged, nonces
from ..http.fields import Headers

#: The reason if a page's tokens are not found as they were made.
NOT_FOUND: Final = "token-not-found"
#: The reason if a visitor gets the app's own answer: they have no token yet, or an invalid one.
NO_TOKEN: Final = "no-token"


def cookies_taken(
    response: Response, names: Collection[str]
) -> tuple[Response, tuple[Token, ...]] | None:
    """The response without the cookies ``names``, and the tokens in them. ``None`` if one cannot be
    part of a page: too short, with other characters, or set twice."""
    if not names:
        return response, ()
    kept: list[tuple[str, str]] = []
    tokens: dict[str, Token] = {}
    for name, line in response.headers:
        cookie, value = _cookie(line) if name.lower() == "set-cookie" else ("", "")
        if not cookie or cookie not in names:
            kept.append((name, line))
            continue
        token = cookie_token(cookie, value)
        if token is None or cookie in tokens:
            return None
        tokens[cookie] = token
    return replace(response, headers=tuple(kept)), tuple(tokens.values())


def _cookie(line: str) -> tuple[str, str]:
    """Name and value of a Set-Cookie line (RFC 6265, section 5.2)."""
    name, _, value = line.partition(";")[0].partition("=")
    return name.strip(), value.strip()


def without_cookies(headers: Iterable[tuple[str, str]], names: Collection[str]) -> Headers:
    """Headers without the ``Set-Cookie`` fields of the cookies ``names``."""
    return tuple(
        (name, line)
        for name, line in headers
        if name.lower() != "set-cookie" or _cookie(line)[0] not in names
    )


def for_one_visitor(response: Response, finders: Iterable[Finder], made: bool) -> bool:
    """Whether an answer that is not stored, such as an error, must not be sent to several visitors:
    its headers say so, or it has a nonce or a framework's token. ``made``: such a token was made,
    wherever it went."""
    return (
        made
        or personal_response(response)
        or bool(nonces(response.headers, response.body))
        or any(found(response.headers, response.body) != () for found in finders)
    )


def with_places(
    entry: Entry, made: Iterable[Token], finders: Iterable[Finder] = ()
) -> Entry | None:
    """The page to store: its tokens and nonces are places. ``None`` if one is not found.
    ``finders`` are those of the framework."""
    tokens = [*nonces(entry.headers, entry.body), *made]
    own = [finder(entry.headers, entry.body) for finder in finders]
    if not tokens and not any(places is None or places for places in own):
        return entry
    by_cookie = any(own) or any(token.kind.startswith(COOKIE) for token in tokens)
    headers = each_its_own(entry.headers, by_cookie)
    places = _found(tokens, finders, headers, entry.body)
    if places is None:
        return None
    return replace(
        entry,
        headers=blanked_headers(headers, places),
        body=blanked(entry.body, in_body(places)),
        places=places,
        etag="",
        last_modified="",
    )


def _found(
    tokens: Iterable[Token], finders: Iterable[Finder], headers: Headers, body: bytes
) -> Places | None:
    parts = [find(tokens, headers, body), *(finder(headers, body) for finder in finders)]
    known = [part for part in parts if part is not None]
    return merged(known, headers, body) if len(known) == len(parts) else None
