"""A stored page whose places are filled for one visitor: its places, and headers that keep other
caches from storing it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ..http.fields import Headers
from .hole_places import outside
from .places import BODY, Place, Places, in_body
from .spliced_gzip import deflated
from .stored_page import Entry

#: Fields that would let a cache keep or validate a page that differs for each visitor.
_OF_ONE_BODY: Final = frozenset({
    "accept-ranges", "cache-control", "content-digest", "content-md5", "digest", "etag", "expires",
    "last-modified", "pragma", "repr-digest", "surrogate-control", "x-accel-expires",
})  # fmt: skip
#: How much larger a page compressed in pieces may be than one that is compressed whole.
_MOST_GROWN: Final = 1.3


def each_its_own(headers: Headers, by_cookie: bool) -> Headers:
    """Headers of a page that differs for each visitor, whatever the view has set."""
    kept = [pair for pair in headers if not _of_one_body(pair[0].lower())]
    named = ", ".join(value for name, value in kept if name.lower() == "vary")
    if by_cookie and "cookie" not in named.lower().replace(" ", "").split(","):
        kept = [pair for pair in kept if pair[0].lower() != "vary"]
        kept.append(("Vary", f"{named}, Cookie" if named else "Cookie"))
    return (*kept, ("Cache-Control", "private, no-cache"))


def with_holes_in_place(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Headers of a visitor's own answer in which holes stand filled: as those of the stored page,
    unless the view already says that it is for nobody else."""
    said = ",".join(value for name, value in headers if name.lower() == "cache-control").lower()
    if "private" in said or "no-store" in said:
        return headers
    return list(each_its_own(tuple(headers), by_cookie=True))


def _of_one_body(name: str) -> bool:
    return name in _OF_ONE_BODY or name.endswith("-cache-control")


def for_holes(entry: Entry) -> Entry:
    """The page with a place for each hole in place of its placeholder."""
    headers = each_its_own(entry.headers, by_cookie=True)
    others = _moved(outside(entry.places, entry.holes), entry, headers)
    places = tuple(sorted((*others, *entry.holes)))
    encodings, pieces = {}, tuple[int, ...]()
    whole = entry.encodings.get("gzip")
    if whole is not None:
        parts = deflated(entry.body, in_body(places))
        if sum(map(len, parts)) <= _MOST_GROWN * len(whole):
            encodings, pieces = {"gzip": b"".join(parts)}, tuple(map(len, parts))
    return replace(
        entry, headers=headers, places=places, encodings=encodings, pieces=pieces, etag="",
        last_modified="", holes=(),
    )  # fmt: skip


def without_lifetime(headers: Headers) -> Headers:
    """Headers without those that allow other caches to store a page; isgware sets its own."""
    said = ("cache-control", "expires", "pragma", "surrogate-control", "x-accel-expires")
    return tuple(
        pair
        for pair in headers
        if pair[0].lower() not in said and not pair[0].lower().endswith("-cache-control")
    )


def _moved(places: Places, entry: Entry, headers: Headers) -> list[Place]:
    """Places with the indexes that their headers have now. Headers with places are all kept, in
    their order."""
    moved: dict[int, int] = {}
    number = 0
    for old, pair in enumerate(entry.headers):
        if pair in headers[number:]:
            number = moved[old] = headers.index(pair, number)
            number += 1
    return [
        place if place.where == BODY else replace(place, where=moved[place.where])
        for place in places
    ]
