"""How a rendered page compares with the one before: unchanged, or much shorter; and what is stored
if it is unchanged.

Compared are status, headers and identity body, without the values of `places`: those differ for
each visitor. Ignored are fields that say when a response was made, the validators, and the lifetime
that `downstream` has written into Cache-Control.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from .downstream import without_seconds
from .places import BODY, Place, between, in_body, in_headers
from .stored_page import Entry

_WHOLE: Final = frozenset({200, 203})
NOT_COMPARED: Final = frozenset({"date", "age", "expires", "etag", "last-modified"})


def unchanged(old: Entry, new: Entry) -> bool:
    return old.status == new.status and _body(old) == _body(new) and _headers(old) == _headers(new)


def _body(entry: Entry) -> tuple[list[bytes], list[object]]:
    there = in_body(entry.places)
    text = [bytes(piece) for piece in between(entry.body, there)] if there else [entry.body]
    return text, [*map(_said, (*there, *entry.holes, *entry.client_holes))]


def _said(place: Place) -> object:
    return place.kind, place.arguments


def _headers(entry: Entry) -> list[tuple[str, list[bytes], list[object]]]:
    places = in_headers(entry.places)
    found = []
    for index, (name, value) in enumerate(entry.headers):
        name = name.lower()
        if name in NOT_COMPARED:
            continue
        if name == "cache-control":
            value = without_seconds(value)
        there = places.get(index, ())
        pieces = [bytes(piece) for piece in between(value.encode("latin-1"), there)]
        found.append((name, pieces, [*map(_said, there)]))
    return found


def shrunk(old: Entry, new: Entry, limit: float) -> bool:
    """Whether a page has less than this share of the bytes that it had: the usual sign of a render
    that went wrong. Pages that are gone, or that lead elsewhere, are short for a reason."""
    whole = _WHOLE.issuperset((old.code, new.code))
    return whole and len(new.body) < len(old.body) * limit


def renewed(old: Entry, new: Entry) -> Entry:
    """The entry to store after a render that found the page unchanged. It has the old body with its
    encodings and offsets, and the old validators. Everything else is new."""
    modified = [pair for pair in old.headers if pair[0].lower() == "last-modified"]
    headers, known = list(new.headers), old.last_modified
    at = [n for n, (name, _) in enumerate(headers) if name.lower() == "last-modified"]
    if modified and at:
        headers[at[0]] = modified[0]
    elif modified:
        headers.append(modified[0])  # last, since places refer to headers by their index
    else:
        known = new.last_modified
    in_lines = tuple(place for place in new.places if place.where != BODY)
    return replace(
        new, headers=tuple(headers), body=old.body, encodings=old.encodings, pieces=old.pieces,
        places=(*in_body(old.places), *in_lines), holes=old.holes,
        client_holes=old.client_holes, etag=old.etag,
        last_modified=known, version=old.version,
    )  # fmt: skip
