"""Places of a stored page: where a value is inserted when the page is served.

A `Place` is a byte offset in the body or in one header. It is found once, when the page is stored;
text that a visitor sends later cannot become one. The text that the clean room put there is
overwritten (`blanked`), so that no token of the clean room is in the store. `spliced_gzip` does the
same as `joined` for compressed bodies; `tokens` finds the places.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

#: ``Place.where`` of a place in the body; others are indexes of `Entry.headers`.
BODY: Final = -1
#: Kinds: a new CSP nonce for every answer; a cookie of the visitor's own, by its name.
NONCE: Final = "nonce"
COOKIE: Final = "cookie:"
#: The kind of the place of a hole; its name is the first argument.
HOLE: Final = "hole"
_BLANK: Final = "0"
_MAX_TEXT: Final = 1_024
Plain = str | int | float | bool | None


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """``length`` bytes from ``offset`` on are replaced by a value that ``kind`` and ``arguments``
    determine. ``fixed``: the value always has this length."""

    where: int
    offset: int
    length: int
    kind: str
    arguments: tuple[Plain, ...] = ()
    fixed: bool = False

    @property
    def end(self) -> int:
        return self.offset + self.length

    def described(self) -> list[Any]:
        """The place as JSON values; `place_from` is the inverse."""
        return [
            self.where, self.offset, self.length, self.kind, list(self.arguments), self.fixed,
        ]  # fmt: skip


Places = tuple[Place, ...]


def place_from(raw: Any) -> Place:
    """The inverse of `Place.described`. Raises ValueError or TypeError for anything else. It does
    not check that the place lies within its page: see `sound_places`."""
    where, offset, length, kind, arguments, fixed = raw
    numbers = (where, offset, length)
    if not all(type(number) is int for number in numbers) or type(fixed) is not bool:
        raise TypeError("a place is given by integers")
    if not isinstance(kind, str) or not kind or len(kind) > _MAX_TEXT:
        raise TypeError("the kind of a place is a short string")
    if not all(map(_plain, arguments)):
        raise TypeError("the arguments of a place are plain values")
    return Place(where, offset, length, kind, tuple(arguments), fixed)


def _plain(value: Any) -> bool:
    return (
        value is None or isinstance(value, str | int) or (type(value) is float and isfinite(value))
    )


def sound_places(places: Places, body: bytes, headers: Sequence[tuple[str, str]]) -> bool:
    """Whether places lie in order, one after the other, within the body and the headers."""
    where, end = BODY - 2, 0
    for place in places:
        if place.where != where:
            if not max(where + 1, BODY) <= place.where < len(headers):
                return False
            where, end = place.where, 0
        size = len(body) if where == BODY else len(headers[where][1])
        if not (end <= place.offset and place.length >= 0 and place.end <= size):
            return False
        end = place.end
    return True


def in_body(places: Places) -> Places:
    return tuple(place for place in places if place.where == BODY)


def in_headers(places: Places) -> dict[int, Places]:
    """Places of each header that has any, by its index."""
    found: dict[int, Places] = {}
    for place in places:
        if place.where != BODY:
            found[place.where] = (*found.get(place.where, ()), place)
    return found


def places_summary(places: Places) -> tuple[str, ...]:
    """The values that are inserted into a page, for display: ``nonce (3)``, by kind and number of
    places."""
    kinds = Counter(
        f"hole {place.arguments[0]!r}" if place.kind == HOLE else place.kind for place in places
    )
    return tuple(f"{kind} ({count})" for kind, count in kinds.items())


def between(data: bytes, places: Iterable[Place]) -> list[memoryview]:
    """The pieces of ``data`` before, between and after places: one more than there are places."""
    view, pieces, start = memoryview(data), [], 0
    for place in places:
        pieces.append(view[start : place.offset])
        start = place.end
    return [*pieces, view[start:]]


def joined(pieces: Sequence[bytes | memoryview], values: Sequence[bytes]) -> bytes:
    """The pieces with a value after each but the last."""
    parts: list[bytes | memoryview] = [b""] * (2 * len(pieces) - 1)
    parts[::2] = pieces
    parts[1::2] = values
    return b"".join(parts)


def blanked(data: bytes, places: Sequence[Place]) -> bytes:
    """``data`` with filler of equal length in place of the clean room's tokens."""
    blanks = [_BLANK.encode() * place.length for place in places]
    return joined(between(data, places), blanks)


def blanked_headers(
    headers: Sequence[tuple[str, str]], places: Places
) -> tuple[tuple[str, str], ...]:
    """Headers with filler of equal length in place of the clean room's tokens."""
    lines = list(headers)
    for index, there in in_headers(places).items():
        name, value = lines[index]
        lines[index] = name, blanked(value.encode("latin-1"), there).decode("latin-1")
    return tuple(lines)
