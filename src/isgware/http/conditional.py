"""ETags, preconditions and the choice among stored encodings (RFC 9110)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from .dates import http_date

_ENTITY_TAG = re.compile(r'(?:W/)?("[^"]*")')
#: Characters of an entity tag that may be strong (8.8.3.2).
_STRONG_TAG = re.compile(r'(?<!W/)("[^"]*")')
#: The order of preference among encodings that a client accepts equally.
PREFERENCE: Final = ("br", "zstd", "gzip", "identity")
#: Fields of a 304 (RFC 9110, section 15.4.5), without those that this cache adds.
NOT_MODIFIED_FIELDS: Final = frozenset({
    "cache-control", "content-location", "etag", "expires", "vary",
    "cdn-cache-control", "isg-cache-control", "date",
})  # fmt: skip


def strong_etag(body: bytes, given: str) -> str:
    """The app's own tag if it is strong, else a hash of the body."""
    if given.startswith('"') and _ENTITY_TAG.fullmatch(given):
        return given
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def is_entity_tag(given: str) -> bool:
    """Whether this is an entity tag, strong or weak (8.8.3)."""
    return _ENTITY_TAG.fullmatch(given) is not None


def etag_for(etag: str, encoding: str) -> str:
    """The strong tag of one encoding: each encoding is a representation of its own (8.8.3.3)."""
    return etag if encoding == "identity" else f'{etag[:-1]}-{encoding}"'


def precondition(etag: str, last_modified: str, made: float, conditions: Mapping[str, Any]) -> int:
    """The result of the conditions of a GET or HEAD, in the order of section 13.2.2: 412, 304, or 0
    if they do not apply. ``conditions`` maps CGI names to values; ``made`` is when the page was
    made."""
    if_match = conditions.get("HTTP_IF_MATCH")
    if_unmodified_since = conditions.get("HTTP_IF_UNMODIFIED_SINCE")
    if if_match is not None:
        if if_match.strip() != "*" and etag not in _STRONG_TAG.findall(if_match):
            return 412
    elif if_unmodified_since is not None and last_modified:
        since, modified = http_date(if_unmodified_since, made), http_date(last_modified, made)
        if since is not None and modified is not None and modified > since:
            return 412
    none_match = conditions.get("HTTP_IF_NONE_MATCH")
    modified_since = conditions.get("HTTP_IF_MODIFIED_SINCE")
    return 304 if not_modified(etag, last_modified, none_match, modified_since, made) else 0


def not_modified(
    etag: str,
    last_modified: str,
    if_none_match: str | None,
    if_modified_since: str | None,
    made: float | None = None,
) -> bool:
    """Whether a GET or HEAD is answered 304 (13.1.2, 13.1.3, 13.2.2).

    If-None-Match is compared weakly. With it, If-Modified-Since is ignored; so is an
    If-Modified-Since that is no HTTP date, or is repeated. A page without Last-Modified counts as
    modified when it was ``made`` (RFC 9111, 4.3.2).
    """
    if if_none_match is not None:
        given = if_none_match.strip()
        if given == "*":
            return True
        opaque = etag.removeprefix("W/")
        return bool(etag) and (opaque in _ENTITY_TAG.findall(given) or given == etag)
    if if_modified_since is None:
        return False
    since = http_date(if_modified_since, made or 0.0)
    if since is None:
        return False
    modified = http_date(last_modified, made or 0.0) if last_modified else made
    return modified is not None and modified <= since


def choose_encoding(accept: str | None, stored: Iterable[str]) -> str:
    """The stored encoding to answer with; identity when nothing else is acceptable (12.5.3).

    Identity is always stored. It is sent even if the client refuses it: a 406 helps nobody.
    """
    return _chosen(accept[:1000], tuple(stored)) if accept else "identity"


@lru_cache(maxsize=512)
def _chosen(accept: str, stored: tuple[str, ...]) -> str:
    weights = _weights(accept)
    rest = weights.get("*", 0.0)
    available = {"identity", *stored}
    best, chosen = 0.0, "identity"
    for encoding in PREFERENCE:
        if encoding not in available:
            continue
        weight = weights.get(encoding)
        if weight is None:
            # Identity is acceptable if it is not named, but is not preferred to a named encoding.
            weight = rest if encoding != "identity" or "*" in weights else 0.0001
        if weight > best:
            best, chosen = weight, encoding
    return chosen


def _weights(accept: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for item in accept.split(","):
        name, _, parameters = item.partition(";")
        name = name.strip().lower()
        if name == "x-gzip":
            name = "gzip"
        weight = 1.0
        for parameter in parameters.split(";"):
            key, _, value = parameter.partition("=")
            if key.strip().lower() == "q":
                weight = _quality(value.strip())
        if name:
            weights.setdefault(name, weight)
    return weights


def _quality(text: str) -> float:
    """A weight (12.4.2); a malformed one counts as 0."""
    if re.fullmatch(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?", text):
        return float(text)
    return 0.0
