"""Holes in a stored page: found by their markers when the page is stored, by offset when it is
served.

A hole's `Place` covers its placeholder. Tokens may lie in a placeholder, never across its ends.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from .places import BODY, HOLE, Place, Places, Plain, between, joined, sound_places

_CHARSET: Final = re.compile(r"charset\s*=\s*\"?([^\s\";]+)", re.IGNORECASE)
_DIGITS: Final = rb"[0-9a-f]{6}"


def marked(
    body: bytes, headers: Sequence[tuple[str, str]], prefix: str, number: str, count: int
) -> list[tuple[int, int, int]] | None:
    """Offset, length and index of each marker of a render with ``count`` holes; ``None`` if one is
    missing, altered or torn, stands in a header, or belongs to another render."""
    start = (prefix + number).encode()
    found = [
        (match.start(), len(match[0]), int(match[1], 16))
        for match in re.finditer(re.escape(start) + b"(" + _DIGITS + b")", body)
    ]
    lines = "\n".join(value for _, value in headers).lower()
    folded = body.lower()
    if prefix in lines or number in lines:
        return None
    if folded.count(prefix.encode()) != len(found) or folded.count(number.encode()) != len(found):
        return None
    return found if {index for _, _, index in found} == set(range(count)) else None


def charset_of(headers: Sequence[tuple[str, str]]) -> str:
    """What a page with these headers is encoded in."""
    kind = next((value for name, value in headers if name.lower() == "content-type"), "")
    charset = _CHARSET.search(kind)
    return charset[1] if charset else "utf-8"


def encoded(text: str, charset: str) -> bytes:
    """``text`` in the charset of a page; what that lacks becomes a character reference."""
    try:
        return text.encode(charset, "xmlcharrefreplace")
    except LookupError:
        return text.encode()


def hole_place(name: str, arguments: Sequence[tuple[str, Plain]]) -> Place:
    """The place of a hole, at no offset yet."""
    flat = [part for pair in arguments for part in pair]
    return Place(BODY, 0, 0, HOLE, (name, *flat))


def used_in(place: Place) -> tuple[str, tuple[tuple[str, Plain], ...]]:
    """Name and arguments of the hole at ``place``."""
    name, *flat = place.arguments
    return str(name), tuple(zip(map(str, flat[::2]), flat[1::2], strict=True))


def hole_names(holes: Places, client_holes: Places) -> tuple[str, ...]:
    """Each hole of a page once, for people."""
    by_browser = (f"{place.arguments[0]} (in the browser)" for place in client_holes)
    return tuple(dict.fromkeys((*(str(place.arguments[0]) for place in holes), *by_browser)))


def filled_in(
    body: bytes, places: Places, markers: Sequence[tuple[int, int, int]],
    placeholders: Sequence[tuple[Place, bytes, Places]],
) -> tuple[bytes, Places, Places]:  # fmt: skip
    """The body with a placeholder for each marker, its places, and its holes. ``placeholders`` has
    for each marker the place of its hole, its text, and the places in that."""
    spans = [Place(BODY, offset, length, HOLE) for offset, length, _ in markers]
    texts = [text for _, text, _ in placeholders]
    moved = list(_shifted(places, spans, list(map(len, texts))))
    holes, grown = [], 0
    for (offset, length, _), (place, text, inside) in zip(markers, placeholders, strict=True):
        start = offset + grown
        holes.append(replace(place, offset=start, length=len(text)))
        moved += [replace(each, offset=each.offset + start) for each in inside]
        grown += len(text) - length
    return joined(between(body, spans), texts), tuple(sorted(moved)), tuple(holes)


def _shifted(places: Places, spans: Sequence[Place], lengths: Sequence[int]) -> Places:
    """Places after spans of the body before them got other lengths."""
    moved = []
    for place in places:
        if place.where == BODY:
            before = [n for n, span in enumerate(spans) if span.end <= place.offset]
            grown = sum(lengths[n] - spans[n].length for n in before)
            place = replace(place, offset=place.offset + grown)
        moved.append(place)
    return tuple(moved)


def outside(places: Places, holes: Places) -> Places:
    """Places that lie in no hole."""
    return tuple(place for place in places if not any(_within(place, hole) for hole in holes))


def inside(places: Places, hole: Place) -> Places:
    """Places in one hole, counted from its beginning."""
    return tuple(
        replace(place, offset=place.offset - hole.offset)
        for place in places
        if _within(place, hole)
    )


def _within(place: Place, hole: Place) -> bool:
    return place.where == BODY and hole.offset <= place.offset and place.end <= hole.end


def sound_holes(holes: Places, places: Places, body: bytes) -> bool:
    """Whether holes lie in order within the body, and no place lies across the end of one."""
    if not holes:
        return True
    if any(not hole.arguments or len(hole.arguments) % 2 == 0 for hole in holes):
        return False
    apart = tuple(sorted((*outside(places, holes), *holes)))
    return all(hole.where == BODY and hole.kind == HOLE for hole in holes) and sound_places(
        tuple(place for place in apart if place.where == BODY), body, ()
    )
