"""Which pages ``paths`` lists, for ``fallback="not-found"``.

A route's list is read by the first visitor of a page that is not stored, and kept as hashes. It is
read again in the background when it is older than ``revalidate``. After an invalidation, such as
one for a publication, the list may be out of date. Then the next visitor of a page that is not
stored waits while it is read again, if that is quick and was not done a moment ago; otherwise the
page counts as listed, and is rendered. While ``paths`` raises, the old list is kept; without one,
all pages count as listed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ..adaptive import shortest
from ..core.cache_key import decoded
from ..core.local_path import local_path
from ..policy import Policy
from ..routing.declared_paths import Paths, Unusable
from ..routing.planner import Target
from ..routing.seen_paths import Seen

log: Final = logging.getLogger("isgware")
#: Longest list. With more paths, each page is rendered for its first visitor.
MAX_LISTED: Final = 1_000_000
#: Shortest interval, in seconds, between two readings of a list because of its age; after
#: invalidations, the interval is so many times the duration of the last reading.
_PAUSE: Final = 1.0
_SHARE: Final = 10.0
#: Longer readings, in seconds, are not waited for.
_QUICK: Final = 0.5
#: Seconds until a list that could not be read is tried again.
_RETRY: Final = 10.0


@dataclass(frozen=True, slots=True)
class _List:
    """``paths`` is ``None`` if the list is unknown. ``at`` and ``took`` are seconds; ``counter`` is
    that of the invalidations when the reading began."""

    paths: Seen | None
    at: float
    took: float
    counter: int
    failed: bool = False

    def has(self, target: Target) -> bool:
        request = target.request
        path = decoded(request.path)
        return self.paths is None or path in self.paths or request.full_path in self.paths


class Listings:
    """``background`` runs a piece of named work soon. ``wait_time``: seconds that a visitor waits
    for another thread that reads the list."""

    def __init__(
        self,
        paths: Paths,
        now: Callable[[], float],
        counter: Callable[[], int],
        background: Callable[[str, Callable[[], None]], object],
        wait_time: float,
    ) -> None:
        self._paths = paths
        self._now = now
        self._counter = counter
        self._background = background
        self._wait_time = wait_time
        self._lists: dict[str, _List] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._reading: dict[str, float] = {}  # start, by the monotonic clock

    def after_fork(self) -> None:
        """Make new locks: those of the parent process may be held."""
        self._locks = {}
        self._reading = {}

    def lacks(self, target: Target) -> bool:
        """Whether the route of a page has a list, and the page is not on it. A list that is known
        to be out of date does not prove that a page is missing."""
        arrival, known = self._counter(), self._lists.get(target.route)
        if known is None:
            known = self._read(target, None)
        elif self._due(known, target.policy):
            if known.took < _QUICK and self._told(known):
                known = self._read(target, known)
            else:
                old = known
                self._background("paths:" + target.route, lambda: self._again(target, old))
        return known is not None and known.counter >= arrival and not known.has(target)

    def _due(self, known: _List, policy: Policy) -> bool:
        age = self._now() - known.at
        if age < 0:  # the clock was put back
            return True
        if known.failed:
            return age >= _RETRY
        if self._told(known):
            return age >= _SHARE * known.took
        seconds = shortest(policy.revalidate)
        return bool(seconds) and age >= max(_PAUSE, float(seconds))

    def _told(self, known: _List) -> bool:
        """Whether something was invalidated since the list was read successfully."""
        return known.counter != self._counter() and not known.failed

    def _again(self, target: Target, old: _List) -> None:
        self._read(target, old)

    def _read(self, target: Target, old: _List | None) -> _List | None:
        """Read the list, or wait for the thread that does. ``None`` if that took too long; after
        that, nobody waits for it any more."""
        lock = self._locks.setdefault(target.route, threading.Lock())
        now = time.monotonic()
        spent = now - self._reading.get(target.route, now)
        if not lock.acquire(timeout=max(0.0, self._wait_time - spent)):
            return old
        try:
            self._reading[target.route] = time.monotonic()
            known = self._lists.get(target.route)
            if known is not None and known is not old:  # it was read while this thread waited
                return known
            made = self._lists[target.route] = self._made(target, old)
            return made
        finally:
            self._reading.pop(target.route, None)
            lock.release()

    def _made(self, target: Target, old: _List | None) -> _List:
        route, policy = target.route, target.policy
        began, counter = self._now(), self._counter()
        found, reason = Seen(MAX_LISTED), ""
        first: Unusable | None = None
        bad = 0
        for path in self._paths.plain(route):
            if isinstance(path, str):
                found.add(local_path(path)[0])
        for count, item in enumerate(self._paths.listed(route, policy), 1):
            if count > MAX_LISTED:
                reason = f"it lists more than {MAX_LISTED:,} paths"
                break
            if isinstance(item, Unusable):
                reason = reason if item.item else item.reason
                first, bad = first or item, bad + 1
            else:
                found.add(local_path(item)[0])
        took = max(0.0, self._now() - began)
        if not reason:
            if first is not None:
                _warn_of(route, first, bad)
            return _List(found, began, took, counter)
        kept = old.paths if old is not None else None
        if old is not None:  # only the attempt has the current time
            counter = old.counter
        if old is not None and old.failed:  # logged before
            return _List(kept, began, took, counter, failed=True)
        then = "the list stays as it was" if kept else "every page is rendered for its visitor"
        log.error("paths= of %s cannot be used (%s); %s.", route, reason, then)
        return _List(kept, began, took, counter, failed=True)


def _warn_of(route: str, first: Unusable, count: int) -> None:
    log.warning(
        "paths= of %s gave %d items that are no paths of it, such as %s: %s.",
        route,
        count,
        first.item,
        first.reason,
    )
