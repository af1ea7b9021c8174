"""Finds and keeps pages: the in-process layer first, the backend behind it.

It also holds this process's mirror of the invalidations, and decides by it whether a page in
memory may still be what the store holds. Every failure of the backend ends here: a page that
cannot be read is not there, one that cannot be written is kept in memory alone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from .backends.base import Lease, row_of
from .backends.breaker import Breaker
from .core.entry import Entry, decode, encode
from .core.freshness import Generations, State, judge
from .errors import BackendUnavailable
from .memory import Memory, Page

log: Final = logging.getLogger("isgware")


class Shelf:
    """``offline``: seconds for which pages in memory count as they are without the backend."""

    def __init__(
        self, backend: Breaker, memory: Memory, clock: Callable[[], float], offline: float
    ) -> None:
        self.backend = backend
        self.memory = memory
        self.mirror = Generations()
        self.settled = -1
        self._clock = clock
        self._offline = offline
        self._offline_since: float | None = None

    def begin(self) -> None:
        """A visit or a job begins: what it may spend on the backend is counted from here."""
        self.backend.begin()

    def sync(self) -> None:
        """Bring the mirror up to the backend, if the word says that it is behind."""
        word = self.backend.word[0]
        if word == self.settled and self._offline_since is None:
            return
        try:
            for _ in range(3):
                self._pull()
                after = self.backend.word[0]
                if after == word and not word % 2:
                    self.settled = word
                    break
                word, self.settled = after, -1
            self._offline_since = None
        except BackendUnavailable:
            self.settled = -1
            if self._offline_since is None:
                self._offline_since = time.monotonic()

    def _pull(self) -> None:
        mirror = self.mirror
        changes = self.backend.sync(mirror.nonce, mirror.counter)
        if changes.nonce != mirror.nonce:
            mirror = Generations(nonce=changes.nonce)
            mirror.apply(changes)
            self.mirror = mirror
        else:
            mirror.apply(changes)

    @property
    def offline_too_long(self) -> bool:
        since = self._offline_since
        return since is not None and time.monotonic() - since > self._offline

    def find(
        self, key: str, base: str, fingerprint: str, *, again: bool = False
    ) -> tuple[Page | None, State | None]:
        """The page under ``key`` and its state now. ``again``: look in the backend even if memory
        has it, since another process may have rendered it."""
        page = self.memory.get(key)
        if page is None or again or self._renewed(page):
            page = self._fetch(key, base, page)
        if page is None:
            return None, None
        state = judge(page.entry, page.names, self.mirror, self._clock(), fingerprint)
        if state is State.FRESH and self.offline_too_long:
            state = State.STALE
        return page, state

    def _renewed(self, page: Page) -> bool:
        mirror = self.mirror
        counter = mirror.counter  # read first: another thread may move it while we look
        if page.entry.nonce != mirror.nonce:
            return True
        if page.seen < counter:
            if mirror.renewed(page.names, page.seen):
                return True
            page.seen = counter
        return False

    def _fetch(self, key: str, base: str, known: Page | None) -> Page | None:
        seen = self.mirror.counter
        try:
            data = self.backend.get(key, self._clock())
        except BackendUnavailable:
            return known
        entry = decode(data, key)
        if entry is None or (known is not None and _newer(known.entry, entry)):
            if known is not None:
                known.seen = seen
            return known
        if known is not None and _same(known.entry, entry):
            known.seen = seen
            return known
        page = Page(entry, seen, base)
        self.memory.add(page)
        return page

    def keep(self, entry: Entry, base: str) -> tuple[Page, bool]:
        """Store a page. Returns it, or the newer one that was there already, and whether the
        store has it: without, it is kept in memory alone."""
        page, stored = Page(entry, self.mirror.counter, base), True
        try:
            if not self.backend.put(row_of(entry), encode(entry), self._clock()):
                return self._fetch(entry.key, base, None) or page, True
        except BackendUnavailable as error:
            stored = False
            log.debug("A page of %s stays in memory only: %s", entry.route, error)
        known = self.memory.get(entry.key)
        if known is not None and _newer(known.entry, entry):
            return known, stored
        self.memory.add(page)
        return page, stored

    def drop(self, key: str) -> None:
        """Forget a page, here and in the backend."""
        self.memory.discard(key)
        try:
            self.backend.delete(key)
        except BackendUnavailable as error:
            log.debug("A page could not be deleted: %s", error)

    def acquire(self, key: str, ttl: float, names: Sequence[str]) -> Lease | None:
        """A lease, or ``None`` when another process has it. Raises `BackendUnavailable`."""
        mirror = self.mirror
        return self.backend.acquire(
            key,
            ttl,
            self._clock(),
            generation=mirror.counter,
            overtake_before=mirror.last(names),
        )

    def release(self, lease: Lease | None) -> None:
        if lease is not None:
            try:
                self.backend.release(lease)
            except BackendUnavailable as error:
                log.debug("A lease could not be released and will run out: %s", error)

    def flush_recency(self) -> None:
        """Tell the backend, in one batch, which pages were visited lately."""
        keys = self.memory.recent(10_000)
        if keys:
            try:
                self.backend.touch(keys, self._clock())
            except BackendUnavailable as error:
                log.debug("Recency was not written: %s", error)


def _newer(one: Entry, other: Entry) -> bool:
    return one.nonce == other.nonce and (one.generation, one.order) > (
        other.generation,
        other.order,
    )


def _same(one: Entry, other: Entry) -> bool:
    return (one.nonce, one.generation, one.order, one.rendered_at) == (
        other.nonce,
        other.generation,
        other.order,
        other.rendered_at,
    )
