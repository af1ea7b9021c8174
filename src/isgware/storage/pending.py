"""What waits until the backend is back: operations that failed, and pages made meanwhile, of which
another process may have another version."""

from __future__ import annotations

import atexit
import contextlib
import logging
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from ..backends.base import Lease
from ..backends.breaker import Breaker
from ..core.freshness import ALL, Generations
from ..core.stored_page import Entry, decode
from ..errors import BackendUnavailable
from ..formatting import printable
from .process_cache import Memory, Page, key_name

log: Final = logging.getLogger("isgware")
#: Names that people are told.
_MAX_SAID: Final = 20
#: Number of pages made without the backend that are remembered, the latest ones.
_MAX_LOCAL: Final = 10_000
#: Names of one kind that wait; more become `ALL`.
_MAX_NAMES: Final = 10_000
#: Longest pause, in seconds, between tries with a backend that answers but stores no pages.
_MAX_PAUSE: Final = 60.0


class Pending:
    """``put`` stores a page, ``fetch`` reads one into memory by key and base key, ``invalidate``
    takes names and whether hard."""

    def __init__(
        self, backend: Breaker, memory: Memory, clock: Callable[[], float],
        mirror: Callable[[], Generations], put: Callable[[Entry], bool],
        fetch: Callable[[str, str], object], invalidate: Callable[[list[str], bool], object],
    ) -> None:  # fmt: skip
        self._backend = backend
        self._memory = memory
        self._clock = clock
        self._mirror = mirror
        self._put = put
        self._fetch = fetch
        self._invalidate = invalidate
        #: Bounded; at the limit the oldest is dropped: a lease expires by itself.
        self._releases: deque[Lease] = deque(maxlen=1_000)
        #: Names to invalidate, soft and hard. None is dropped: at the limit they become all.
        self._names: tuple[set[str], set[str]] = (set(), set())
        self._leaving = False
        self._lock = threading.Lock()
        #: Base keys of pages of which others may have another version, by key.
        self._local_only: dict[str, str] = {}
        self._pause = self._try_at = 0.0

    def release(self, lease: Lease) -> None:
        self._releases.append(lease)

    def invalidate(self, names: Iterable[str], hard: bool) -> None:
        if not self._leaving:
            self._leaving = True
            atexit.register(_last_try, weakref.ref(self))
        with self._lock:
            waiting = self._names[hard]
            waiting.update(names)
            if len(waiting) > _MAX_NAMES:
                waiting.clear()
                waiting.add(ALL)

    def last_try(self) -> None:
        """The process ends, such as a command: nobody else knows what it has changed."""
        if any(self._names) and self._backend.probe():
            with contextlib.suppress(BackendUnavailable):
                self._retry_names()
        names = sorted(set().union(*self._names))
        if names:
            said = ", ".join(map(printable, names[:_MAX_SAID])) + (", …" * (len(names) > _MAX_SAID))
            log.error(
                "This process ends and could not tell the store to invalidate %s. Once the store "
                "is back, say it again, or: isgware purge STORE --all",
                said,
            )

    def stored_locally(self, key: str, base: str) -> None:
        """See `PageStore.stored_locally`."""
        if len(self._local_only) >= _MAX_LOCAL and key not in self._local_only:
            for oldest in list(self._local_only)[:1]:
                self._local_only.pop(oldest, None)
        self._local_only[key] = base

    def retry(self) -> None:
        with contextlib.suppress(BackendUnavailable):
            self._retry_names()
            self._retry_releases()
        if (
            self._local_only
            and self._backend.open_since is None
            and time.monotonic() >= self._try_at
        ):
            self._store_local_pages()

    def _retry_names(self) -> None:
        for hard in (True, False):
            with self._lock:
                names = list(self._names[hard])
                self._names[hard].clear()
            if names:
                try:
                    self._invalidate(names, hard)
                except BackendUnavailable:
                    self.invalidate(names, hard)
                    raise

    def _retry_releases(self) -> None:
        while self._releases:
            lease = self._releases.popleft()
            try:
                self._backend.release(lease)
            except BackendUnavailable:
                self._releases.appendleft(lease)
                raise

    def _store_local_pages(self) -> None:
        stored: dict[str, str] = {}
        try:
            for key, base in list(self._local_only.items()):
                if self._store_local_page(key, base):
                    stored[key] = base
                self._local_only.pop(key, None)
            if stored:
                self._backend.publish(map(key_name, stored))
            self._pause = 0.0
        except BackendUnavailable:  # it can be read, but stores nothing: do not try each second
            self._local_only.update(stored)
            self._pause = min(max(1.0, 2 * self._pause), _MAX_PAUSE)
            self._try_at = time.monotonic() + self._pause

    def _store_local_page(self, key: str, base: str) -> bool:
        """Store a page that other processes may have made, too. If theirs is stored already, use
        that one. True if ours was stored in place of others'. Raises `BackendUnavailable`."""
        page, mirror = self._memory.get(key), self._mirror()
        if page is None or page.entry.nonce != mirror.nonce or page.entry.depended:
            return False  # a page with dependencies is stale until the next render
        seen = mirror.counter
        other = decode(self._backend.get(key, self._clock()), key)
        if other is not None and same_render(page.entry, other):
            return True
        if other is not None and not newer(page.entry, other):
            self._memory.add(Page(other, seen, base))
            return False
        try:
            if self._put(page.entry):
                return True
            self._fetch(key, base)
        except BackendUnavailable:
            if self._backend.open_since is not None:  # else the page is the reason: do not retry
                raise
        return False


def newer(one: Entry, other: Entry) -> bool:
    return one.nonce == other.nonce and (one.generation, one.order) > (
        other.generation,
        other.order,
    )


def same_render(one: Entry, other: Entry) -> bool:
    """Whether two copies of a page come from the same render."""
    return (one.nonce, one.generation, one.order, one.rendered_at) == (
        other.nonce,
        other.generation,
        other.order,
        other.rendered_at,
    )


def _last_try(found: weakref.ref[Pending]) -> None:
    pending = found()
    if pending is not None:
        pending.last_try()
