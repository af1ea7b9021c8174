"""The queue of regenerations: the page that was asked for most often is first. It has a limit.

The priority of a page (its *wants*) is the number of requests for it since it was queued. No page
starves: the count of a page that was rendered begins at zero again, while the counts of those that
wait grow, so that every page that has visitors is rendered in the end.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

#: Wants that count; among those with as many, first come, first served.
_MOST: Final = 255


@dataclass(eq=False)
class Work:
    """``run`` does it; ``give_up`` is called from elsewhere if it takes too long."""

    key: str
    run: Callable[[], None]
    give_up: Callable[[], None] = lambda: None


class RenderQueue:
    """Work by its key, each key once. Not safe for threads: the pool that has it has a lock.

    At the ``limit`` a page with more requests replaces the one with the fewest. The requests for
    pages that found no place are counted, for as many pages as may wait. Urgent work has no limit.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._urgent: dict[str, Work] = {}
        self._wants: dict[str, int] = {}
        self._levels: dict[int, dict[str, Work]] = {}  # by wants; in each, first come first
        self._turned_away: OrderedDict[str, int] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        return key in self._wants or key in self._urgent

    def __len__(self) -> int:
        return len(self._wants) + len(self._urgent)

    @property
    def urgent(self) -> bool:
        """Whether somebody waits for what is next."""
        return bool(self._urgent)

    def add(self, work: Work, *, urgent: bool = False) -> Work | None:
        """Add work of a new key. Returns the work that has no place then: none, the least wanted,
        or this one."""
        if urgent:
            self._urgent[work.key] = work
            return None
        wants = min(self._turned_away.pop(work.key, 0) + 1, _MOST)
        lost = None
        if len(self) >= self._limit:
            least = min(self._levels, default=_MOST)
            if wants <= least:
                self._turn_away(work.key, wants)
                return work
            lost = self._take(next(iter(self._levels[least])))  # it waited longest for as little
            self._turn_away(lost.key, least)
        self._put(work, wants)
        return lost

    def want(self, key: str, *, urgent: bool = False) -> None:
        """What waits is asked for again."""
        wants = self._wants.get(key)
        if wants is None or (wants == _MOST and not urgent):
            return
        work = self._take(key)
        if urgent:
            self._urgent[key] = work
        else:
            self._put(work, wants + 1)

    def lose(self, key: str) -> None:
        """Remove work that will not be done: ``key``, or if that is under way the least wanted."""
        if key in self._wants:
            self._take(key)
        elif not self._urgent.pop(key, None) and self._levels:
            self._take(next(iter(self._levels[min(self._levels)])))

    def pop(self) -> Work:
        """What is next: urgent work in its order, then the most wanted."""
        if self._urgent:
            return self._urgent.pop(next(iter(self._urgent)))
        return self._take(next(iter(self._levels[max(self._levels)])))

    def clear(self) -> None:
        for place in (self._urgent, self._wants, self._levels, self._turned_away):
            place.clear()

    def _put(self, work: Work, wants: int) -> None:
        self._wants[work.key] = wants
        self._levels.setdefault(wants, {})[work.key] = work

    def _take(self, key: str) -> Work:
        wants = self._wants.pop(key)
        level = self._levels[wants]
        work = level.pop(key)
        if not level:
            del self._levels[wants]
        return work

    def _turn_away(self, key: str, wants: int) -> None:
        self._turned_away[key] = wants
        while len(self._turned_away) > self._limit:
            self._turned_away.popitem(last=False)
