"""The queue of regenerations: the page with the most requests is first. The queue is bounded.

The *priority* of a page is the number of requests for it since it was queued. No page starves:
after a render the count of a page starts at zero, while the counts of waiting pages grow, so that
each page with visitors is rendered in the end.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

#: The highest priority. Jobs of equal priority are served in the order of their arrival.
_MOST: Final = 255


@dataclass(eq=False)
class Work:
    """``run`` does the job; ``give_up`` is called from another thread if it takes too long."""

    key: str
    run: Callable[[], None]
    give_up: Callable[[], None] = lambda: None


class RenderQueue:
    """Jobs by key, each key once. Not thread-safe: its pool has a lock.

    At the ``limit`` a page with more requests replaces the one with the fewest. The requests for
    pages that were not accepted are counted, for as many pages as may wait. Urgent jobs have no
    limit.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._urgent: dict[str, Work] = {}
        self._priorities: dict[str, int] = {}
        self._levels: dict[int, dict[str, Work]] = {}  # by priority; in each, first come first
        self._turned_away: OrderedDict[str, int] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        return key in self._priorities or key in self._urgent

    def __len__(self) -> int:
        return len(self._priorities) + len(self._urgent)

    @property
    def urgent(self) -> bool:
        """Whether the next job is urgent: somebody waits for it."""
        return bool(self._urgent)

    def add(self, work: Work, *, urgent: bool = False) -> Work | None:
        """Add a job with a new key. Returns the job that was dropped for it: ``None``, the one with
        the lowest priority, or this one."""
        if urgent:
            self._urgent[work.key] = work
            return None
        priority = min(self._turned_away.pop(work.key, 0) + 1, _MOST)
        lost = None
        if len(self) >= self._limit:
            least = min(self._levels, default=_MOST)
            if priority <= least:
                self._turn_away(work.key, priority)
                return work
            lost = self._take(next(iter(self._levels[least])))  # the oldest of the lowest priority
            self._turn_away(lost.key, least)
        self._put(work, priority)
        return lost

    def count_request(self, key: str, *, urgent: bool = False) -> None:
        """Count another request for a waiting job."""
        priority = self._priorities.get(key)
        if priority is None or (priority == _MOST and not urgent):
            return
        work = self._take(key)
        if urgent:
            self._urgent[key] = work
        else:
            self._put(work, priority + 1)

    def discard(self, key: str) -> None:
        """Remove a job that will not be done: ``key``, or if that has begun, the one of lowest
        priority."""
        if key in self._priorities:
            self._take(key)
        elif not self._urgent.pop(key, None) and self._levels:
            self._take(next(iter(self._levels[min(self._levels)])))

    def pop(self) -> Work:
        """The next job: urgent ones in their order, then by priority."""
        if self._urgent:
            return self._urgent.pop(next(iter(self._urgent)))
        return self._take(next(iter(self._levels[max(self._levels)])))

    def clear(self) -> None:
        for place in (self._urgent, self._priorities, self._levels, self._turned_away):
            place.clear()

    def _put(self, work: Work, priority: int) -> None:
        self._priorities[work.key] = priority
        self._levels.setdefault(priority, {})[work.key] = work

    def _take(self, key: str) -> Work:
        priority = self._priorities.pop(key)
        level = self._levels[priority]
        work = level.pop(key)
        if not level:
            del self._levels[priority]
        return work

    def _turn_away(self, key: str, priority: int) -> None:
        self._turned_away[key] = priority
        while len(self._turned_away) > self._limit:
            self._turned_away.popitem(last=False)
