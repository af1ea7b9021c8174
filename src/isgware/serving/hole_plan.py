"""What filling the holes of a page takes and no visitor changes: worked out once for a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..core.hole_places import charset_of, encoded, inside, outside, used_in
from ..core.place_groups import PlaceGroups
from ..core.places import HOLE, Place, between, joined
from ..holes import Use
from ..storage.process_cache import Page


@dataclass(frozen=True, slots=True)
class HolePart:
    """A hole of the page: which of the plan's uses fills it, and its placeholder, split at the
    tokens in it. ``tokens`` are their indexes in the page."""

    use: int
    pieces: Sequence[memoryview]
    tokens: Sequence[int]


@dataclass(frozen=True, slots=True)
class HolePlan:
    """``uses``: the holes, none of them twice. ``tokens``: places of the framework's tokens, by
    kind. ``groups``: those of the page. ``parts``: for each place of the page that is filled, in
    order, a hole, or the index of the token in the page."""

    uses: tuple[Use, ...]
    tokens: Mapping[str, Sequence[Place]]
    groups: PlaceGroups
    parts: tuple[HolePart | int, ...]
    charset: str

    def values(self, outputs: Sequence[str | None], tokens: Sequence[bytes]) -> list[bytes]:
        """What stands in each place: ``outputs`` of the uses, else placeholders, and ``tokens``,
        one for each place of the page."""
        values = []
        for part in self.parts:
            if isinstance(part, int):
                values.append(tokens[part])
            elif (text := outputs[part.use]) is not None:
                values.append(encoded(text, self.charset))
            else:
                values.append(joined(part.pieces, [tokens[index] for index in part.tokens]))
        return values


def hole_plan(page: Page) -> HolePlan:
    """The plan of a page with holes. Made on first use."""
    plan: HolePlan | None = page.hole_plan
    if plan is None:
        plan = page.hole_plan = _planned(page)
    return plan


def _planned(page: Page) -> HolePlan:
    entry, groups = page.entry, page.template().groups
    uses: dict[Use, int] = {}
    index_of = {place: index for index, place in enumerate(entry.places)}
    own = iter([index_of[place] for place in outside(entry.places, entry.holes)])
    parts: list[HolePart | int] = []
    for place in page.for_holes().entry.places:  # tokens and holes, each in the order of the page
        if place.kind != HOLE:
            parts.append(next(own))
            continue
        within = inside(entry.places, place)
        parts.append(
            HolePart(
                uses.setdefault(Use(*used_in(place)), len(uses)),
                between(entry.body[place.offset : place.end], within),
                [index_of[replace(each, offset=each.offset + place.offset)] for each in within],
            )
        )
    tokens = {group.kind: group.places for group in groups.tokens}
    return HolePlan(tuple(uses), tokens, groups, tuple(parts), charset_of(entry.headers))
