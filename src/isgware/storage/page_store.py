"""Finds and stores pages: the in-process cache first, then the backend.

It also holds this process's copy of the table of invalidations, and decides by it whether a page in
memory may still be current. Failures of the backend are handled here: a page that cannot be read is
a miss, one that cannot be written is kept in memory only.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from ..backends.base import Before, Lease, Row, row_of, standing_of
from ..backends.breaker import Breaker
from ..backends.read_ahead import Copy, ReadAhead, current
from ..core.depended import MAYBE, NOTHING
from ..core.freshness import Changes, Generations, State, judge
from ..core.storable import GONE
from ..core.stored_page import Entry, decode, encode, head_of
from ..errors import BackendUnavailable
from ..render_context import note_invalidation
from .dependency_state import as_recorded, late
from .pending import Pending, newer, same_render
from .process_cache import Memory, Page, key_name

if TYPE_CHECKING:
    from ..backends.dependents import Depending
    from .dependencies import Dependencies

log: Final = logging.getLogger("isgware")
#: Seconds after which the store is asked again for a page whose copy in memory is stale.
_LOOK_UP: Final = 1.0
#: Seconds between two batches of which pages were visited.
_FLUSH_SECONDS: Final = 5.0


class PageStore:
    """``offline``: seconds for which pages in memory count as current without the backend."""

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
        self._flushed = 0.0
        #: How many previous versions of a page the store keeps.
        self.history = 0
        #: What pages depend on, with the option ``dependencies``.
        self.dependencies: Dependencies | None = None
        self._pending = Pending(
            backend, memory, clock, lambda: self.mirror, self._put,
            lambda key, base: self._fetch(key, base, None),
            lambda names, hard: self.invalidate(names, hard=hard),
        )  # fmt: skip

    def begin(self, read_ahead: ReadAhead | None = None) -> None:
        """A visit or a job begins, or continues with its ``read_ahead``: the time that it may spend
        on the backend is counted from now."""
        self.backend.begin(read_ahead)

    def end(self) -> None:
        self.backend.end()

    def now(self) -> float:
        return self._clock()

    def sync(self) -> None:
        """Update the copy of the table, if the version shows that it is behind."""
        version = self.backend.version[0]
        if version == self.settled and self._offline_since is None:
            return
        try:
            if self.dependencies is not None:
                self.dependencies.look_first()
            for _ in range(3):
                self._pull()
                after = self.backend.version[0]
                if after == version and not version % 2:
                    self.settled = version
                    break
                version, self.settled = after, -1
            self._offline_since = None
        except BackendUnavailable:
            self.settled = -1
            if self._offline_since is None:
                self._offline_since = time.monotonic()

    def pull(self) -> None:
        """Bring the mirror up to the backend, whatever the version says: a network may be late with
        it. Raises `BackendUnavailable`."""
        self._pull()

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
        """The page under ``key`` and its state now. The backend is asked if memory does not have
        the page, and once a second if its copy is stale: another process may have rendered it.
        ``again``: ask always."""
        read_ahead = current.get()
        ahead = read_ahead.take(key) if read_ahead is not None else None
        page = self.memory.get(key)
        if page is None or again or self._renewed(page):
            page = self._fetch(key, base, page, None if again else ahead)
        state = self._state(page, fingerprint)
        if page is not None and state in (State.STALE, State.EXPIRED) and self._to_look_up(page):
            page = self._fetch(key, base, page)
            state = self._state(page, fingerprint)
        return page, state

    def _state(self, page: Page | None, fingerprint: str) -> State | None:
        if page is None:
            return None
        state = judge(page.entry, page.names, self.mirror, self._clock(), fingerprint)
        if state is State.FRESH and (
            self.offline_too_long or not as_recorded(page.entry, self.dependencies)
        ):
            state = State.STALE
        return state

    def _to_look_up(self, page: Page) -> bool:
        """Whether no thread of this process has asked the store for this page within a second."""
        now = self._clock()
        if page.looked_up <= now < page.looked_up + _LOOK_UP:
            return False
        page.looked_up = now  # before the store answers, so that other threads do not ask
        return True

    def _renewed(self, page: Page) -> bool:
        mirror = self.mirror
        counter = mirror.counter  # read first: another thread may change it meanwhile
        if page.entry.nonce != mirror.nonce:
            return True
        if page.seen < counter:
            if mirror.renewed(page.names, page.seen, page.entry.depended):
                return True
            page.seen = counter
        return False

    def _fetch(
        self, key: str, base: str, known: Page | None, copy: Copy | None = None
    ) -> Page | None:
        """The page as the backend has it, or had it when ``copy`` was read."""
        seen, now = self.mirror.counter if copy is None else copy.seen, self._clock()
        if known is not None:
            known.looked_up = now
        try:
            data = self.backend.get(key, now) if copy is None else copy.data
        except BackendUnavailable:
            return known
        entry = decode(data, key)
        if entry is None or (known is not None and newer(known.entry, entry)):
            if known is not None:
                known.seen = seen
            return known
        if known is not None and same_render(known.entry, entry):
            known.seen = seen
            return known
        page, kept = Page(entry, seen, base, now), self.memory.get(key)
        if kept is not None and newer(kept.entry, entry):  # rendered here while the store answered
            return kept
        self.memory.add(page)
        return page

    def read_note(self, name: str, expected: Callable[[], str] | None = None) -> bytes | None:
        """The content of a note. ``expected``: the key of the page that this visit will probably
        need next. If reading is a round trip, and the page is not in memory, both are read in one.

        Raises `BackendUnavailable`.
        """
        read_ahead = current.get()
        if expected is not None and read_ahead is not None and self.backend.reads_along:
            key = expected()
            page = self.memory.get(key)
            if key and (page is None or self._renewed(page)):
                seen = self.mirror.counter  # read first: later changes are checked again
                data, note = self.backend.get_with_note(key, name, self._clock())
                read_ahead.ahead = Copy(key, data, seen)
                return note
        return self.backend.read_note(name, self._clock())

    def rows_of(self, keys: Sequence[str]) -> dict[str, Row]:
        """The store's rows under ``keys``, without bodies where it can read them separately. Raises
        `BackendUnavailable`."""
        now = self._clock()
        found = self.backend.rows_of(keys, now)
        if found is None:
            entries = (decode(self.backend.get(key, now), key) for key in keys)
            found = {entry.key: row_of(entry) for entry in entries if entry is not None}
        return found

    def keep(
        self, entry: Entry, base: str, replaces: Entry | None = None,
        depending: Depending | None = None, version: bytes = b"",
    ) -> tuple[Page, bool]:  # fmt: skip
        """Store a page, which ``replaces`` another. Returns it, or the newer one that was there
        already, and whether the store has it: without, it is kept in memory alone. ``depending``:
        what it depends on, as the store has to know; ``version``: the other one as a version."""
        stored = True
        if self.dependencies is not None:
            entry = self.dependencies.met(entry, depending)
        page = Page(entry, self.mirror.counter, base)
        try:
            if self._worth_storing(entry) and not self._put(entry, replaces, version):
                return self._fetch(entry.key, base, None) or page, True
        except BackendUnavailable as error:
            stored = False
            page = Page(late(entry, MAYBE), page.seen, base)
            log.debug("A page of %s stays in memory only: %s", entry.route, error)
            if self.backend.open_since is not None:  # not because of the page's content
                self.stored_locally(entry.key, base)
        known = self.memory.get(entry.key)
        if known is not None and newer(known.entry, entry):
            return known, stored
        self.memory.add(page)
        return page, stored

    def _worth_storing(self, entry: Entry) -> bool:
        """A page that may not be served at all would only replace another one."""
        depended = entry.depended
        return depended is None or depended.late == NOTHING or depended.soft

    def _put(self, entry: Entry, replaces: Entry | None = None, version: bytes = b"") -> bool:
        """Whether the store has the page now. If its body equals that of the one before, only the
        part before the body is written. A page that is gone leaves no ``version``."""
        row, now = row_of(entry), self._clock()
        if replaces is not None and _same_body(entry, replaces):
            if self.backend.put_head(row, head_of(entry), standing_of(replaces), now):
                return True
        before = None
        if self.history and replaces is not None and entry.version and entry.code not in GONE:
            before = Before(standing_of(replaces), version, self.history)
        return self.backend.put(row, encode(entry), now, before)

    def stored_locally(self, key: str, base: str) -> None:
        """The page was made while the backend was unavailable, or without a lease, so other
        processes may have another. When the backend is back, all get the same one."""
        self._pending.stored_locally(key, base)

    def drop(self, key: str) -> None:
        """Delete a page, here and in the backend."""
        self.memory.discard(key)
        try:
            self.backend.delete(key)
        except BackendUnavailable as error:
            log.debug("A page could not be deleted: %s", error)

    def withdraw(self, key: str) -> None:
        """Stop serving a page in all processes: it is personal. If the store is unavailable, this
        process stops at once, and the others as soon as it is back."""
        self.invalidate_eventually([key_name(key)], hard=True)  # first: others have it in memory
        self.drop(key)

    def acquire(
        self, key: str, ttl: float, names: Sequence[str], *, overtake: bool = False,
        known: Page | None = None,
    ) -> Lease | None:  # fmt: skip
        """A lease, or ``None`` if another process has it. Raises `BackendUnavailable`.

        A lease that was taken before any of ``names`` was invalidated, or before a change that
        ``known`` shows, is overtaken; with ``overtake`` any lease is.
        """
        generations = self._known(names, overtake, known)
        lease = self.backend.acquire(key, ttl, self._clock(), **generations)
        return lease if isinstance(lease, Lease) else None

    def acquire_all(
        self, keys: Sequence[str], ttl: float, *, overtake: bool = False
    ) -> list[Lease | None]:
        """`acquire` for each of ``keys``, which differ."""
        found = self.backend.acquire_all(keys, ttl, self._clock(), **self._known((), overtake))
        return [lease if isinstance(lease, Lease) else None for lease in found]

    def _known(
        self, names: Sequence[str], overtake: bool, page: Page | None = None
    ) -> dict[str, int]:
        mirror = self.mirror
        last = max(mirror.last(names), mirror.floor, mirror.soft_floor)
        if page is not None and page.entry.depended is not None:
            last = max(last, mirror.tellings.last_of(page.entry.depended))
        since = mirror.counter + 1 if overtake else last
        return {"generation": mirror.counter, "overtake_before": since}

    def release(self, lease: Lease | None) -> None:
        if lease is not None:
            try:
                self.backend.release(lease)
            except BackendUnavailable as error:
                log.debug("A lease could not be released yet: %s", error)
                self._pending.release(lease)

    def invalidate(self, names: Sequence[str], *, hard: bool) -> None:
        """Invalidate in the backend, and count it here even if the copy of the table cannot be
        updated.

        Raises `BackendUnavailable`: then nothing is invalidated.
        """
        note_invalidation(names)
        counter = self.backend.invalidate(names, hard)
        self._mark(names, counter, hard)
        self.sync()

    def invalidate_eventually(self, names: Sequence[str], *, hard: bool = True) -> None:
        """Invalidate after a change: in this process at once, in others as soon as the backend is
        available."""
        try:
            self.invalidate(names, hard=hard)
        except BackendUnavailable as error:
            log.warning("A page was changed; its invalidation waits for the store: %s", error)
            self._mark(names, self.mirror.counter + 1, hard=hard)
            self.settled = -1  # and prepared answers are checked again
            self.memory.unready()
            self._pending.invalidate(names, hard)

    def _mark(self, names: Sequence[str], counter: int, hard: bool) -> None:
        rows = tuple((name, counter) for name in names)
        mirror = self.mirror
        mirror.apply(Changes(mirror.nonce, 0, soft=() if hard else rows, hard=rows if hard else ()))

    def retry_pending(self) -> None:
        """Repeat the operations that the backend could not complete. Call it about once a
        second."""
        self._pending.retry()
        if self.dependencies is not None:
            self.dependencies.pay()

    def maintain(self) -> None:
        """Periodic work, about once a second: check the store's files, retry pending operations,
        report visits, tell what others have announced and never told."""
        verify = getattr(getattr(self.backend.backend, "database", None), "verify", None)
        if verify is not None:
            verify()
        self.retry_pending()
        now = time.monotonic()
        if now - self._flushed > _FLUSH_SECONDS:
            self._flushed = now
            self.flush_recency()
        if self.dependencies is not None and self.backend.open_since is None:
            self.dependencies.tell_overdue()

    def flush_recency(self) -> None:
        """Report to the backend, in one batch, which pages were visited recently."""
        keys = self.memory.recent(10_000)
        if keys:
            try:
                self.backend.touch(keys, self._clock())
            except BackendUnavailable as error:
                log.debug("Recency was not written: %s", error)


def _same_body(entry: Entry, replaces: Entry) -> bool:
    """Whether a render found its page unchanged, with the same encodings."""
    return (
        bool(entry.version)
        and entry.version == replaces.version
        and entry.body == replaces.body
        and list(entry.encodings.items()) == list(replaces.encodings.items())
    )
