"""Validation: whether a stored response is still current, as the app answers (RFC 9111, section
4.3)."""

from __future__ import annotations

from typing import Final

from .fields import DROPPED, Headers, values

#: Fields of a stored response that a 304 does not update (3.2): they describe the stored bytes.
_OF_THE_BYTES: Final = frozenset({
    "content-length", "content-encoding", "content-range", "content-md5", "content-digest", "etag",
})  # fmt: skip


def conditions(etag: str, last_modified: str) -> dict[str, str]:
    """The fields that validate a stored response, by their CGI names (4.3.1). ``etag`` is the app's
    own. Both fields are sent: an app may support only one of them."""
    found = {"HTTP_IF_NONE_MATCH": etag, "HTTP_IF_MODIFIED_SINCE": last_modified}
    return {name: value for name, value in found.items() if value}


def is_about(headers: Headers, etag: str, last_modified: str = "") -> bool:
    """Whether a 304 selects the stored response with these validators (4.3.4): by its tag, else by
    its date. A 304 without validators selects the response that was validated."""
    said = values(headers, "etag")
    if said and etag:
        return _opaque(said[0]) == _opaque(etag)
    dated = values(headers, "last-modified")
    return not (dated and last_modified) or dated[0].strip() == last_modified.strip()


def updated(stored: Headers, fresh: Headers) -> Headers:
    """The stored fields after a 304 or a matching HEAD: each received field replaces all fields of
    its name, the others stay (3.2, 4.3.4)."""
    named = {
        name.strip().lower() for line in values(fresh, "connection") for name in line.split(",")
    }
    kept_out = (DROPPED - {"date"}) | _OF_THE_BYTES | named | {"set-cookie", "set-cookie2"}
    updated = [pair for pair in fresh if pair[0].lower() not in kept_out]
    replaced = {name.lower() for name, _ in updated} | {"date"}  # the confirmation has a new date
    return (*(pair for pair in stored if pair[0].lower() not in replaced), *updated)


def describes(head: Headers, etag: str, last_modified: str, length: int) -> bool:
    """Whether a response to HEAD describes the stored one (4.3.5): neither a validator nor the
    length differs where both have one."""
    for name, known in (
        ("etag", etag), ("last-modified", last_modified), ("content-length", str(length)),
    ):  # fmt: skip
        said = values(head, name)
        if said and said[0].strip() != known:
            return False
    return True


def _opaque(tag: str) -> str:
    return tag.strip().removeprefix("W/")
