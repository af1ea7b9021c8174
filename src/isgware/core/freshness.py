"""Whether a page is fresh, stale, expired or gone: by the clock, and by later invalidations.

Theory. A backend counts invalidations. For each name (a tag, a route, a path, everything below a
path, all) it remembers the counter's value at the last soft and the last hard invalidation. An
entry keeps the counter's value from before its render began, its *generation*. It is stale, or
gone, when one of its names was invalidated later than that. So the cost of an invalidation does not
depend on the number of pages, and a render that began before an invalidation may be stored after
it.

`Generations` is a process's copy of that table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from .depended import Depended, Tellings
from .stored_page import Entry

#: An entry that is from the future by more than this, in seconds, was made under another clock.
CLOCK_TOLERANCE: Final = 2.0
ALL: Final = "all"


class State(Enum):
    FRESH = "fresh"
    STALE = "stale"  # may be served while it is rendered again
    EXPIRED = "expired"  # served only if a new render fails
    GONE = "gone"  # purged: never served again


def tag_name(tag: str) -> str:
    return "tag:" + tag


def path_name(path: str) -> str:
    return "path:" + path


def url_name(path: str, query: str) -> str:
    return f"url:{path}?{query}"


def below_name(prefix: str) -> str:
    """The name of everything below ``prefix``, which ends in a slash."""
    return "below:" + prefix


def route_name(route: str) -> str:
    """The name of every page that was rendered for a route."""
    return "route:" + route


def names_of(path: str, query: str, tags: Iterable[str], route: str = "") -> tuple[str, ...]:
    """All names under which a page can be invalidated. ``route`` is empty if it has none."""
    below = [below_name(path[: at + 1]) for at, char in enumerate(path) if char == "/"]
    names = (ALL, path_name(path), url_name(path, query), *below, *map(tag_name, tags))
    return (*names, route_name(route)) if route else names


@dataclass(frozen=True, slots=True)
class Changes:
    """What a backend returns for "what was invalidated since counter ``since``?".

    A table has a limit. ``floor`` is the latest hard invalidation that was dropped: older pages may
    have been purged, and count as gone. ``soft_floor`` is the latest soft one that was dropped:
    older pages count as stale. ``forgotten`` is the latest dropped row of any kind, publications
    included.
    """

    nonce: str
    counter: int
    floor: int = 0
    forgotten: int = 0
    soft: tuple[tuple[str, int], ...] = ()
    hard: tuple[tuple[str, int], ...] = ()
    published: tuple[tuple[str, int], ...] = ()
    soft_floor: int = 0
    #: Names of dependencies, the counter when they were told, and of what.
    told: tuple[tuple[bytes, int, str], ...] = ()
    told_floor: int = 0


@dataclass(slots=True)
class Generations:
    """A process's copy of the table of invalidations. ``apply`` may run in several threads: it only
    raises values, and moves ``counter`` last. So a reader may see too many invalidations for a
    moment, never too few."""

    nonce: str = ""
    counter: int = 0
    floor: int = 0
    forgotten: int = 0
    soft: dict[str, int] = field(default_factory=dict)
    hard: dict[str, int] = field(default_factory=dict)
    published: dict[str, int] = field(default_factory=dict)
    soft_floor: int = 0
    tellings: Tellings = field(default_factory=Tellings)

    def apply(self, changes: Changes) -> None:
        for table, rows in (
            (self.soft, changes.soft),
            (self.hard, changes.hard),
            (self.published, changes.published),
        ):
            for name, value in rows:
                if value > table.get(name, 0):
                    table[name] = value
        self.forget(changes.floor, changes.soft_floor, changes.forgotten)
        self.tellings.apply(changes.told, changes.told_floor)
        self.counter = max(self.counter, changes.counter)

    def forget(self, floor: int, soft_floor: int, forgotten: int) -> None:
        """Raise the floors, and drop the rows that they cover."""
        risen = floor > self.floor or soft_floor > self.soft_floor or forgotten > self.forgotten
        if not risen:
            return
        self.floor = floor = max(self.floor, floor)
        self.soft_floor = max(self.soft_floor, soft_floor)
        self.forgotten = max(self.forgotten, forgotten)
        for table, end in (
            (self.hard, floor),
            (self.soft, max(floor, self.soft_floor)),
            (self.published, self.forgotten),
        ):
            for name in [name for name, value in list(table.items()) if value <= end]:
                table.pop(name, None)

    def last(self, names: Iterable[str]) -> int:
        """The counter's value at the latest invalidation, soft or hard, of any of ``names``."""
        soft, hard = self.soft, self.hard
        return max((max(soft.get(name, 0), hard.get(name, 0)) for name in names), default=0)

    def renewed(self, names: Iterable[str], since: int, depended: Depended | None = None) -> bool:
        """Whether a copy read at counter ``since`` may have been replaced or purged before its
        lifetime ended. After a soft invalidation alone, the copy may be served as stale."""
        if since < self.forgotten or since < self.floor:
            return True
        if depended is not None and self.tellings.since(depended, since) is not None:
            return True
        hard, published = self.hard, self.published
        return any(max(hard.get(name, 0), published.get(name, 0)) > since for name in names)


def accepts(
    generation: int, nonce: str, names: Iterable[str], mirror: Generations, arrival: int
) -> bool:
    """Whether a visitor who came at counter ``arrival`` may take a render begun at ``generation``:
    none of its names was invalidated between its start and their arrival (P6).

    The table has only the last invalidation of each name, and one after the arrival may hide one
    before it. So any invalidation since the start refuses a render that began before the arrival.
    """
    if nonce != mirror.nonce or generation < max(mirror.floor, mirror.soft_floor):
        return False
    return generation >= arrival or mirror.last(names) <= generation


def judge(
    entry: Entry, names: Iterable[str], mirror: Generations, now: float, fingerprint: str
) -> State:
    """The state of an entry at ``now`` under the policy with this ``fingerprint``."""
    stale = entry.fingerprint != fingerprint and not entry.restored
    generation, soft, hard = entry.generation, mirror.soft, mirror.hard
    if entry.nonce != mirror.nonce:
        # The table of invalidations that the entry refers to is lost, so it cannot count as fresh.
        # It counts as older than the whole present table: what is purged now is gone.
        stale, generation = True, 0
    if generation < mirror.floor:
        return State.GONE
    stale = stale or generation < mirror.soft_floor
    for name in names:
        if hard.get(name, 0) > generation:
            return State.GONE
        if soft.get(name, 0) > generation:
            stale = True
    if entry.depended is not None:
        if mirror.tellings.gone(entry.depended, generation) or (
            not entry.depended.soft and entry.depended.overdue(now)
        ):
            return State.GONE
        stale = stale or mirror.tellings.changed(entry.depended, generation)
    if now >= entry.expires_at:
        return State.EXPIRED
    if stale or now >= entry.fresh_until or now < entry.rendered_at - CLOCK_TOLERANCE:
        return State.STALE
    return State.FRESH
