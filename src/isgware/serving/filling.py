"""Fills the places of a stored page for the visitor who gets it.

Hit, stale, miss, or after waiting for somebody else's render: whoever gets a page with places gets
it from here. Such an answer has no validator and no age, and is never 304 or a part: a browser that
kept the page would use a nonce twice.
"""

from __future__ import annotations

import base64
import logging
import os
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from ..core.cache_key import Visitor, cookie_pairs
from ..core.filled_page import with_holes_in_place
from ..core.place_groups import PlaceGroups
from ..core.places import COOKIE, Place
from ..core.preconditions import Answer as Sent
from ..core.preconditions import without_body
from ..core.redirects import redirected
from ..core.tokens import alike
from ..render_context import Rendering
from ..rendering.clean_room import StartResponse, WSGIApp
from ..rendering.value_holes import NO_TOKEN
from ..routing.framework import Site
from ..storage.process_cache import Page
from .answer import Answer
from .passthrough import Environ, passed_by
from .stored_answer import said_of

log: Final = logging.getLogger("isgware")
_NOTHING: Final[Mapping[Any, Any]] = {}


def fill(
    visitor: Visitor, answer: Answer, page: Page, now: float, site: Site, application: WSGIApp,
    environ: Environ, start_response: StartResponse, rendering: Rendering,
) -> Iterable[bytes]:  # fmt: skip
    """``page`` as ``answer`` says, with what is this visitor's own; where the app has to give them
    that first, the app's own answer."""
    sent = filled(page, visitor, site, answer.label, said_of(answer, page, now))
    if isinstance(sent, str):
        own = Answer("BYPASS", sent)
        return passed_by(visitor, own, application, environ, start_response, rendering)
    if answer.label != "MISS":
        page.used = page.visited = True
    start_response(sent[0], sent[1])
    return [*sent[2]]


def filled(page: Page, visitor: Visitor, site: Site, label: str, said: str) -> Sent | str:
    """The page for this very visitor; or why they get the app's own answer. ``said`` is its
    Cache-Status."""
    try:
        found = values_of(page.template().groups, visitor, site)
        if found is None:
            return NO_TOKEN
        values, more = found
        line, headers, body = page.filled(
            values, visitor.header("Accept-Encoding"), label, said
        )  # fmt: skip
    except Exception:  # a defect of ours, or of what the store holds, is not the visitor's
        log.exception("A page could not be filled; the app answers for itself.")
        return "isgware-failed"
    sent = line, [*redirected(headers, page.entry, visitor.query), *more], body
    return without_body(sent) if visitor.method == "HEAD" else sent


def lacks_token(page: Page, visitor: Visitor) -> bool:
    """Whether the app has to answer this visitor, since they have no token of their own yet."""
    cookies = page.template().groups.cookies
    return any(_cookie(each.places[0], visitor) is None for each in cookies)


def values_of(
    groups: PlaceGroups, visitor: Visitor, site: Site,
    tokens: Mapping[str, Sequence[bytes]] = _NOTHING, nonces: Mapping[object, bytes] = _NOTHING,
) -> tuple[list[bytes], list[tuple[str, str]]] | None:  # fmt: skip
    """What stands in each place for this visitor, and the headers that come with it; ``None`` if
    the app has to give it to them. ``tokens``, by kind, and ``nonces``, by number, are made
    already. Raises whatever the framework raises, and ValueError for a place of a kind that this
    process does not know."""
    values = [b""] * groups.count
    headers: list[tuple[str, str]] = []
    for group in groups.nonces:
        place = group.places[0]
        nonce = nonces.get(place.arguments[0]) or _nonce(place)
        for index in group.indexes:
            values[index] = nonce
    for group in groups.cookies:
        cookie = _cookie(group.places[0], visitor)
        if cookie is None:
            return None
        values[group.indexes[0]] = cookie
    for group in groups.tokens:
        made = tokens.get(group.kind)
        if made is None:
            found = site.fill(group.kind, group.places, visitor)
            if found is None:
                return None
            made = found.values
            headers += found.headers
        for index, value in zip(group.indexes, made, strict=True):
            values[index] = value
    for index, length in groups.lengths:
        if len(values[index]) != length:
            raise ValueError("a token is not as long as those of the clean room")
    return values, headers


def _nonce(place: Place) -> bytes:
    _, alphabet, padding = place.arguments
    if not isinstance(padding, int) or padding not in (0, 1, 2):
        raise ValueError(f"{padding!r} is no padding")
    return (_random(str(alphabet), place.length - padding) + "=" * padding).encode()


def _random(alphabet: str, length: int) -> str:
    """``length`` characters that nobody can foresee."""
    if alphabet != "text":
        digits = secrets.token_hex(length // 2 + 1)[:length]
        return digits if alphabet == "hex" else digits.upper()
    found = b""
    while len(found) < length:  # of all 64 characters two are left out
        found += base64.b64encode(os.urandom(length)).translate(None, b"+/=")
    return found[:length].decode()


def _cookie(place: Place, visitor: Visitor) -> bytes | None:
    """The visitor's own cookie, if it could be the app's. Of several with one name (another may
    have been set from a sibling domain) nobody here knows which the app would take."""
    name = place.kind.removeprefix(COOKIE)
    cookies = cookie_pairs(visitor.headers.get("HTTP_COOKIE"))
    values = {value for known, value in cookies if known == name}
    if len(values) != 1 or not alike(value := values.pop(), str(place.arguments[0]), place.length):
        return None
    return value.encode("latin-1")


def private_with_holes(start_response: StartResponse, rendering: Rendering) -> StartResponse:
    """A ``start_response`` by which no cache in front stores an answer in which holes stand filled
    for its visitor: the view may have said ``public`` of the page that others share."""

    def told(
        status_line: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        sent = with_holes_in_place(headers) if rendering.shows_holes else headers
        if exc_info is None:
            return start_response(status_line, sent)
        return start_response(status_line, sent, exc_info)

    return told
