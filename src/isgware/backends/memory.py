"""``memory:``: everything is in this process and ends with it. For tests and development."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from ..core.freshness import Changes
from ..core.stored_page import head_size
from . import fork_safety as forks
from .base import HELD, Before, Held, Job, Lease, Limits, Row, Standing, is_newer
from .memory_counts import Counted
from .memory_dependents import DependencyTables, DependentPages
from .memory_jobs import Jobs
from .memory_versions import Versions

MEMORY_LIMITS: Final = Limits(pages=100_000, bytes=256 * 1024**2)
#: How many of the least recently used pages each ``put`` checks for expiry.
_LOOK: Final = 8


class _PagesInOrder:
    """Pages in the order of their use, up to a number of pages and bytes."""

    def __init__(self, max_pages: int, max_bytes: int) -> None:
        #: Rows, what stands before the bodies, and those.
        self.pages: OrderedDict[str, tuple[Row, bytes, bytes]] = OrderedDict()
        self.bytes = 0
        self._max_pages = max_pages
        self._max_bytes = max_bytes

    def add(self, row: Row, head: bytes, bodies: bytes) -> None:
        self.pages[row.key] = (row, head, bodies)
        self.bytes += self._size(row.key)

    def remove(self, key: str) -> Row | None:
        if key not in self.pages:
            return None
        self.bytes -= self._size(key)
        return self.pages.pop(key)[0]

    def to_go(self, now: float, added: str) -> list[str]:
        """Keys of expired pages, and of the least recently used if there are too many; never the
        last added."""
        oldest = list(islice(self.pages.items(), _LOOK))
        gone = [key for key, (row, *_) in oldest if row.keep_until <= now]
        pages = len(self.pages) - len(gone)
        size = self.bytes - sum(map(self._size, gone))
        for key in self.pages:
            if pages <= self._max_pages and size <= self._max_bytes:
                break
            if key != added and key not in gone:
                gone.append(key)
                pages, size = pages - 1, size - self._size(key)
        return gone

    def _size(self, key: str) -> int:
        row, head, bodies = self.pages[key]
        names = len(row.depended.names) if row.depended is not None else 0
        return len(head) + len(bodies) + names


class MemoryBackend(DependentPages):
    """The protocol over dictionaries, each operation under one short lock."""

    #: Other processes cannot see what is stored.
    in_process: Final = True

    def __init__(self, limits: Limits = MEMORY_LIMITS) -> None:
        self.version: list[int] = [0]
        self.versions = [self.version]
        self._limits = limits
        self._lock = threading.Lock()
        self._nonce = secrets.token_hex(8)
        self._good = _PagesInOrder(limits.pages, limits.bytes)
        self._errors = _PagesInOrder(limits.error_pages, limits.error_bytes)
        self._variants: dict[str, OrderedDict[str, None]] = {}
        self._counter = self._floor = self._soft_floor = self._forgotten = self._order = 0
        self._soft: dict[str, int] = {}
        self._hard: dict[str, int] = {}
        self._published: dict[str, int] = {}
        self._leases: dict[str, tuple[Lease, float, int]] = {}
        self._notes: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._versions = Versions()
        self._jobs = Jobs()
        self._counted = Counted()
        self._dependencies = DependencyTables(limits.names)
        forks.watch(self)

    def before_fork(self) -> None:
        """Nothing is open."""

    def after_fork(self, child: bool) -> None:
        if child:  # another thread of the parent may have held the lock
            self._lock = threading.Lock()

    def get(self, key: str, now: float) -> bytes | None:
        with self._lock:
            row, head, bodies = self._find(key)
            if row is None:
                return None
            if row.keep_until <= now:
                self._remove(key)
                return None
            return head + bodies

    def rows_of(self, keys: Sequence[str], now: float) -> dict[str, Row]:
        with self._lock:
            rows = [row for row, *_ in map(self._find, keys) if row is not None]
        return {row.key: row for row in rows if row.keep_until > now}

    def put(self, row: Row, data: bytes, now: float, before: Before | None = None) -> bool:
        with self._lock:
            old, *_ = self._find(row.key)
            if old and is_newer(_standing(old), row, self._nonce):
                return False
            if before is not None and old and before.standing == _standing(old):
                self._versions.keep(row.key, before)
            else:
                self._versions.drop(row.key)
            split = head_size(data) or len(data)
            self._put(row, data[:split], data[split:], now)
            return True

    def history(self, key: str, now: float) -> list[bytes]:
        """See `History`."""
        with self._lock:
            row, *_ = self._find(key)
            return self._versions.of(key) if row is not None and row.keep_until > now else []

    def put_head(self, row: Row, head: bytes, standing: Standing, now: float) -> bool:
        """See `Renewals`. The body stays the very same object."""
        with self._lock:
            old, _, bodies = self._find(row.key)
            if not old or _standing(old) != standing or is_newer(standing, row, self._nonce):
                return False
            self._put(row, head, bodies, now)
            return True

    def _put(self, row: Row, head: bytes, bodies: bytes, now: float) -> None:
        self._take_out(row.key)
        page_store = self._errors if row.error_quota else self._good
        page_store.add(row, head, bodies)
        self._versions.shrink(self._limits.bytes - self._good.bytes)
        if row.variant:
            self._add_variant(row)
        for key in page_store.to_go(now, row.key):
            self._remove(key)

    def _find(self, key: str) -> tuple[Row, bytes, bytes] | tuple[None, bytes, bytes]:
        return self._good.pages.get(key) or self._errors.pages.get(key) or (None, b"", b"")

    def _add_variant(self, row: Row) -> None:
        variants = self._variants.setdefault(row.page_key, OrderedDict())
        variants[row.key] = None
        for key in list(islice(variants, max(0, len(variants) - self._limits.variants))):
            self._remove(key)

    def _remove(self, key: str) -> None:
        self._versions.drop(key)
        self._take_out(key)

    def _take_out(self, key: str) -> None:
        row = self._good.remove(key) or self._errors.remove(key)
        variants = self._variants.get(row.page_key) if row else None
        if row and variants:
            variants.pop(key, None)
            if not variants:
                del self._variants[row.page_key]

    def delete(self, key: str) -> None:
        with self._lock:
            self._remove(key)

    def touch(self, keys: Sequence[str], now: float) -> None:
        with self._lock:
            for key in keys:
                if key in self._good.pages:
                    self._good.pages.move_to_end(key)
                    row = self._good.pages[key][0]
                    if row.variant:
                        self._variants[row.page_key].move_to_end(key)

    def rows(self, prefix: str = "", tag: str | None = None) -> Iterator[Row]:
        rows = self._all_rows()
        rows.sort(key=lambda row: (row.path, row.query, row.key))  # as others do, whatever was used
        return (
            row for row in rows if row.path.startswith(prefix) and (tag is None or tag in row.tags)
        )

    def _all_rows(self) -> list[Row]:
        with self._lock:
            pages = (*self._good.pages.values(), *self._errors.pages.values())
        return [page[0] for page in pages]

    def sizes(self) -> tuple[int, int]:
        """Pages and their bytes."""
        with self._lock:
            good, errors = self._good, self._errors
            return len(good.pages) + len(errors.pages), good.bytes + errors.bytes

    def sync(self, nonce: str, since: int) -> Changes:
        with self._lock:
            if nonce != self._nonce:
                since = 0

            def later(table: dict[str, int]) -> tuple[tuple[str, int], ...]:
                return tuple(item for item in table.items() if item[1] > since)

            return Changes(
                self._nonce,
                self._counter,
                self._floor,
                self._forgotten,
                later(self._soft),
                later(self._hard),
                later(self._published),
                self._soft_floor,
                self._dependencies.told_since(since),
                self._dependencies.floor,
            )

    def invalidate(self, names: Iterable[str], hard: bool) -> int:
        return self._announce(self._hard if hard else self._soft, names)

    def publish(self, names: Iterable[str]) -> int:
        return self._announce(self._published, names)

    def _announce(self, table: dict[str, int], names: Iterable[str]) -> int:
        with self._lock:
            self._counter += 1
            for name in names:
                table[name] = self._counter
            if len(table) > self._limits.names:
                self._forget_oldest(table)
            self.version[0] += 2
            return self._counter

    def _forget_oldest(self, table: dict[str, int]) -> None:
        """Drop the oldest tenth of one kind, and raise the floor of that kind."""
        values = sorted(table.values())
        last = values[len(values) // 10]
        for name in [name for name, value in table.items() if value <= last]:
            del table[name]
        self._forgotten = max(self._forgotten, last)
        if table is self._hard:
            self._floor = last
        elif table is self._soft:
            self._soft_floor = last

    def acquire(
        self, key: str, ttl: float, now: float, *, generation: int, overtake_before: int
    ) -> Lease | Held:
        with self._lock:
            held = self._leases.get(key)
            if held and now < held[1] <= now + 2 * ttl and held[2] >= overtake_before:
                return HELD
            self._order += 1
            if len(self._leases) >= self._limits.names:
                self._leases = {name: it for name, it in self._leases.items() if now < it[1]}
            lease = Lease(key, secrets.token_hex(8), self._order)
            self._leases[key] = (lease, now + ttl, generation)
            return lease

    def renew(self, lease: Lease, ttl: float, now: float) -> bool:
        with self._lock:
            held = self._leases.get(lease.key)
            if not held or held[0].token != lease.token:
                return False
            self._leases[lease.key] = (lease, now + ttl, held[2])
            return True

    def release(self, lease: Lease) -> None:
        with self._lock:
            held = self._leases.get(lease.key)
            if held and held[0].token == lease.token:
                del self._leases[lease.key]

    def read_note(self, name: str, now: float) -> bytes | None:
        with self._lock:
            value, until = self._notes.get(name, (None, 0.0))
            return value if now < until else None

    def write_note(self, name: str, value: bytes, ttl: float, now: float) -> None:
        with self._lock:
            self._notes[name] = (value, now + ttl)
            self._notes.move_to_end(name)
            while len(self._notes) > self._limits.names:
                self._notes.popitem(last=False)

    def drop_note(self, name: str) -> None:
        with self._lock:
            self._notes.pop(name, None)

    def enqueue(self, queue: str, key: str, data: bytes, limit: int, now: float) -> bool:
        with self._lock:
            return self._jobs.enqueue(queue, key, data, limit, now)

    def raise_priority(self, queue: str, requests: Mapping[str, int]) -> None:
        with self._lock:
            self._jobs.raise_priority(queue, requests)

    def dequeue(self, queue: str, now: float, hold: float) -> Job | None:
        with self._lock:
            return self._jobs.dequeue(queue, now, hold)

    def done(self, queue: str, job: Job) -> None:
        with self._lock:
            self._jobs.done(queue, job)

    def queued(self, queue: str, now: float) -> int:
        with self._lock:
            return self._jobs.queued(queue, now)

    def add_counts(
        self, process: str, number: int, amounts: Mapping[str, float], now: float
    ) -> None:
        with self._lock:
            self._counted.add_counts(process, number, amounts, now)

    def counts(self, period: int, now: float) -> list[tuple[float, str, float]]:
        with self._lock:
            return self._counted.counts(period, now)

    def counts_between(
        self, period: int, first: float, last: float
    ) -> list[tuple[float, str, float]]:
        """`counts` of the periods that begin from ``first`` to ``last``."""
        with self._lock:
            return self._counted.between(period, first, last)

    def ping(self) -> None:
        """Always there."""

    def close(self) -> None:
        """Nothing to close."""


def _standing(row: Row) -> Standing:
    return row.nonce, row.generation, row.order
