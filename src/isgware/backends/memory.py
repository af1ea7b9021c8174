"""``memory:``: everything in this process, gone with it. For tests and single-process development."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence

from ..core.freshness import Changes
from .base import Lease, Limits, Row

MEMORY_LIMITS = Limits(pages=100_000, bytes=256 * 1024**2)


class MemoryBackend:
    """The protocol over dictionaries, each operation under one short lock."""

    def __init__(self, limits: Limits = MEMORY_LIMITS) -> None:
        self.word: list[int] = [0]
        self._limits = limits
        self._lock = threading.Lock()
        self._nonce = secrets.token_hex(8)
        self._pages: OrderedDict[str, tuple[Row, bytes]] = OrderedDict()
        self._errors: OrderedDict[str, tuple[Row, bytes]] = OrderedDict()
        self._bytes = 0
        self._counter = self._floor = self._forgotten = self._order = 0
        self._soft: dict[str, int] = {}
        self._hard: dict[str, int] = {}
        self._published: dict[str, int] = {}
        self._leases: dict[str, tuple[Lease, float, int]] = {}
        self._notes: OrderedDict[str, tuple[bytes, float]] = OrderedDict()

    def get(self, key: str, now: float) -> bytes | None:
        with self._lock:
            for shelf in (self._pages, self._errors):
                if key in shelf:
                    row, data = shelf[key]
                    return data if now < row.keep_until else None
        return None

    def put(self, row: Row, data: bytes, now: float) -> bool:
        with self._lock:
            old = self._pages.get(row.key) or self._errors.get(row.key)
            if old and (old[0].generation, old[0].order) > (row.generation, row.order):
                return False
            self._remove(row.key)
            shelf = self._errors if row.error_quota else self._pages
            shelf[row.key] = (row, data)
            self._bytes += len(data)
            self._make_room(row)
            return True

    def _make_room(self, added: Row) -> None:
        while len(self._errors) > self._limits.error_pages:
            self._remove(next(iter(self._errors)))
        if added.variant:
            same = [key for key, (row, _) in self._pages.items() if row.page_key == added.page_key]
            for key in same[: max(0, len(same) - self._limits.variants)]:
                self._remove(key)
        while self._pages and (
            len(self._pages) > self._limits.pages or self._bytes > self._limits.bytes
        ):
            self._remove(next(iter(self._pages)))

    def _remove(self, key: str) -> None:
        for shelf in (self._pages, self._errors):
            found = shelf.pop(key, None)
            if found:
                self._bytes -= len(found[1])

    def delete(self, key: str) -> None:
        with self._lock:
            self._remove(key)

    def touch(self, keys: Sequence[str], now: float) -> None:
        with self._lock:
            for key in keys:
                if key in self._pages:
                    self._pages.move_to_end(key)

    def rows(self, prefix: str = "", tag: str | None = None) -> Iterator[Row]:
        with self._lock:
            rows = [row for row, _ in (*self._pages.values(), *self._errors.values())]
        rows.sort(key=lambda row: (row.path, row.query))
        return (
            row for row in rows if row.path.startswith(prefix) and (tag is None or tag in row.tags)
        )

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
            self._forget_oldest()
            self.word[0] += 2
            return self._counter

    def _forget_oldest(self) -> None:
        tables = (self._soft, self._hard, self._published)
        if sum(map(len, tables)) <= self._limits.names:
            return
        values = sorted(value for table in tables for value in table.values())
        self._forgotten = values[len(values) // 10]
        for table in tables:
            for name in [name for name, value in table.items() if value <= self._forgotten]:
                if table is not self._published:
                    self._floor = max(self._floor, table[name])
                del table[name]

    def acquire(
        self, key: str, ttl: float, now: float, *, generation: int, overtake_before: int
    ) -> Lease | None:
        with self._lock:
            held = self._leases.get(key)
            if held and now < held[1] <= now + 2 * ttl and held[2] >= overtake_before:
                return None
            self._order += 1
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

    def ping(self) -> None:
        """Always there."""

    def close(self) -> None:
        """Nothing to close."""
