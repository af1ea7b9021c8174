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
from collections.abc import Iterable, Sequence
from typing import Final

from ..core.cache_key import Visitor, cookie_pairs
from ..core.places import COOKIE, NONCE, Place
from ..core.preconditions import Answer as Sent
from ..core.preconditions import without_body
from ..core.tokens import alike
from ..http import cache_status as status
from ..page import Rendering
from ..rendering.clean_room import StartResponse, WSGIApp
from ..rendering.value_holes import NO_TOKEN
from ..storage.process_cache import Page
from .engine import Answer
from .passthrough import Environ, passed_by

log: Final = logging.getLogger("isgware")


def fill(
    visitor: Visitor, answer: Answer, page: Page, now: float, application: WSGIApp,
    environ: Environ, start_response: StartResponse, rendering: Rendering,
) -> Iterable[bytes]:  # fmt: skip
    """``page`` as ``answer`` says, with what is this visitor's own; where the app has to give them
    that first, the app's own answer."""
    sent = filled(page, visitor, answer.label, _said(answer, page, now))
    if isinstance(sent, str):
        own = Answer("BYPASS", sent)
        return passed_by(visitor, own, application, environ, start_response, rendering)
    if answer.label != "MISS":
        page.used = page.visited = True
    start_response(sent[0], sent[1])
    return [*sent[2]]


def filled(page: Page, visitor: Visitor, label: str, said: str) -> Sent | str:
    """The page for this very visitor; or why they get the app's own answer. ``said`` is its
    Cache-Status."""
    try:
        values = _values(page.entry.places, visitor)
        if values is None:
            return NO_TOKEN
        sent = page.filled(values, visitor.header("Accept-Encoding"), label, said)
    except Exception:  # a defect of ours, or of what the store holds, is not the visitor's
        log.exception("A page could not be filled; the app answers for itself.")
        return "isgware-failed"
    return without_body(sent) if visitor.method == "HEAD" else sent


def lacks_token(page: Page, visitor: Visitor) -> bool:
    """Whether the app has to answer this visitor, since they have no token of their own yet."""
    return _values(page.entry.places, visitor) is None


def _said(answer: Answer, page: Page, now: float) -> str:
    if answer.label == "HIT":
        return status.hit(page.ttl(now))
    if answer.label == "STALE":
        left = min(page.ttl(now) or 0.0, 0.0)
        return status.forwarded("stale", ttl=left, detail=answer.detail)
    return status.forwarded(
        answer.forward, ttl=page.ttl(now), stored=answer.stored, collapsed=answer.collapsed,
        detail=answer.detail,
    )  # fmt: skip


def _values(places: Sequence[Place], visitor: Visitor) -> list[bytes] | None:
    """What stands in each place for this visitor; ``None`` if the app has to give it to them.

    Raises ValueError for a place of a kind that this process does not know.
    """
    made: dict[tuple[object, ...], bytes | None] = {}
    values = []
    for place in places:
        which = (place.kind, place.arguments, place.length)
        if which not in made:
            made[which] = _value(place, visitor)
        value = made[which]
        if value is None:
            return None
        values.append(value)
    return values


def _value(place: Place, visitor: Visitor) -> bytes | None:
    if place.kind == NONCE:
        _, alphabet, padding = place.arguments
        if not isinstance(padding, int) or padding not in (0, 1, 2):
            raise ValueError(f"{padding!r} is no padding")
        return (_random(str(alphabet), place.length - padding) + "=" * padding).encode()
    if place.kind.startswith(COOKIE):
        return _cookie(place, visitor)
    raise ValueError(f"places of the kind {place.kind!r} are unknown")


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
