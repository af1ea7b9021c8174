"""The places of a page, grouped by what makes their values: worked out once for a page, so that
filling it for a visitor does not look at each place again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .places import COOKIE, NONCE, Place, Places


@dataclass(frozen=True, slots=True)
class SamePlaces:
    """Places for which one thing makes the values: their kind, and their indexes in the page."""

    kind: str
    indexes: Sequence[int]
    places: Sequence[Place]


@dataclass(frozen=True, slots=True)
class PlaceGroups:
    """``nonces``: those of each group get the same value. ``cookies``: one group for each place.
    ``tokens``: the framework's, by kind. ``lengths``: index and length of each fixed place."""

    count: int
    nonces: tuple[SamePlaces, ...]
    cookies: tuple[SamePlaces, ...]
    tokens: tuple[SamePlaces, ...]
    lengths: tuple[tuple[int, int], ...]


def grouped(places: Places) -> PlaceGroups:
    nonces: dict[object, list[int]] = {}
    tokens: dict[object, list[int]] = {}
    cookies: dict[object, list[int]] = {}
    for index, place in enumerate(places):
        if place.kind == NONCE:
            nonces.setdefault((place.arguments, place.length), []).append(index)
        elif place.kind.startswith(COOKIE):
            cookies[index] = [index]
        else:
            tokens.setdefault(place.kind, []).append(index)
    return PlaceGroups(
        len(places),
        _groups(places, nonces.values()),
        _groups(places, cookies.values()),
        _groups(places, tokens.values()),
        tuple((index, place.length) for index, place in enumerate(places) if place.fixed),
    )


def _groups(places: Places, found: Iterable[list[int]]) -> tuple[SamePlaces, ...]:
    return tuple(
        SamePlaces(places[each[0]].kind, each, [places[index] for index in each]) for each in found
    )
