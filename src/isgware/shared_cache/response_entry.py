"""A response to a visitor's own request as a stored page, and how two of them compare."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ..core.storable import Response
from ..core.stored_page import Entry
from ..http.cache_control import TARGETED, effective
from ..http.conditional import is_entity_tag, strong_etag
from ..http.fields import Headers
from ..http.validation import is_about
from ..policy import NOTHING
from ..rendering.compress import Encoder, encodings_of
from ..serving.passthrough import HeaderList
from .locations import Place
from .rules import Storing, kept

_LIFETIME_FIELDS: Final = frozenset({"cache-control", "expires", *TARGETED})


def entry_of(
    place: Place, line: str, headers: Headers, body: bytes, storing: Storing,
    received: float, build_id: str, encoders: dict[str, Encoder],
) -> Entry:  # fmt: skip
    """A whole response as a stored page."""
    response = Response(line, headers, body)
    validator = response.first("etag")
    directives, _ = effective(headers)
    # An invalid tag cannot be changed for each encoding.
    sealed = bool(validator) and not is_entity_tag(validator)
    return Entry(
        key=place.key,
        request=place.request,
        status=line,
        headers=kept(headers, storing),
        body=body,
        rendered_at=received - storing.age,
        revalidate=storing.lifetime,
        expire=storing.lifetime + storing.stale,
        encodings=encodings_of(
            body,
            response.first("content-type"),
            sealed or bool(response.all("content-encoding")) or "no-transform" in directives
            or response.code != 200,
            encoders,
        ),
        etag=validator or (strong_etag(body, "") if response.code == 200 else ""),
        last_modified=response.first("last-modified"),
        fingerprint=NOTHING.fingerprint,
        build_id=build_id,
        route="undeclared",
        error_quota=response.code >= 400,
        own=True,
        validator=validator,
    )  # fmt: skip


def confirms(headers: Headers, entry: Entry) -> bool:
    """Whether a 304 is about this stored response."""
    return is_about(headers, entry.validator, entry.last_modified)


def sealed(entry: Entry, order: int) -> Entry:
    """A stored response that may be used again only if the app confirms it."""
    headers = [pair for pair in entry.headers if pair[0].lower() not in _LIFETIME_FIELDS]
    headers.append(("Cache-Control", "no-cache"))
    return replace(entry, headers=tuple(headers), revalidate=0.0, expire=0.0, order=order)


def same_validator(one: Entry, other: Entry) -> bool:
    """Whether two stored responses have the same validator."""
    if one.validator or other.validator:
        return one.validator == other.validator
    return one.last_modified == other.last_modified


def content_length(headers: HeaderList) -> int | None:
    """The value of Content-Length: ``None`` if there is none, -1 if it is invalid."""
    said = {value.strip() for name, value in headers if name.lower() == "content-length"}
    if not said:
        return None
    text = said.pop()
    return int(text) if not said and text.isascii() and text.isdigit() else -1


def body_allowed(line: str) -> bool:
    """Whether a response with this status has a body (RFC 9110, section 6.4.1)."""
    return line[:3] not in ("204", "304")
