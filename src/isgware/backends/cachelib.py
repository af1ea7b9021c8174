"""Pages in any cachelib ``BaseCache``; leases, invalidations and the catalogue beside it.

cachelib offers no lock and no counter that can be trusted (its ``add`` and ``inc`` were measured
to let several win, and to lose updates), so only pages go there, as bytes under integer timeouts.
"""

from __future__ import annotations

import copy
import logging
import math
import os
import pickletools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, Final

from cachelib import BaseCache

from ..core.freshness import Changes
from ..core.stored_page import MAGIC
from ..errors import BackendUnavailable
from .base import (
    Before,
    Coordinator,
    Followers,
    Held,
    Job,
    Lease,
    NotTaken,
    Row,
    counts_between,
    get_with_note,
    is_newer,
    live_version,
    notes_of,
    rows_after,
)
from .dependents import (
    INTENT_SECONDS,
    Begun,
    Dependents,
    Depending,
    Intent,
    Kept,
    KnownShapes,
    Lagging,
    Teller,
    Told,
)
from .sqlite.database import Database

log: Final = logging.getLogger("isgware")
_QUIET: Final = 60.0
#: Memcached takes longer timeouts for a date; a page that is still needed then is rendered again.
_MAX_TIMEOUT: Final = 30 * 86_400
#: The head of an encoded entry: magic, version, checksum, length.
MARK: Final = 13
_INTEGER_OPCODES: Final = {"PROTO", "FRAME", "BININT", "BININT1", "BININT2", "INT", "LONG1", "STOP"}


class BytesSerializer:
    """Stands in for cachelib's pickling serializers: bytes go in and come out, nothing else.

    cachelib's file cache also keeps a count of its files; that one pickled integer is written as
    its owner would, and read by its opcodes, without running the pickle.
    """

    def dumps(self, value: Any) -> bytes:
        if isinstance(value, bytes):
            return value
        if type(value) is int:
            return b"\x80\x02J" + value.to_bytes(4, "little", signed=True) + b"."
        raise TypeError("only pages are kept here")

    def loads(self, data: Any) -> Any:
        if isinstance(data, bytes) and data.startswith(MAGIC):
            return data
        return _pickled_integer(data)

    def dump(self, value: Any, stream: IO[bytes]) -> None:
        stream.write(self.dumps(value))

    def load(self, stream: IO[bytes]) -> Any:
        return self.loads(stream.read())


def _pickled_integer(data: Any) -> int | None:
    if not isinstance(data, bytes) or len(data) > 32:
        return None
    try:
        operations = [(code.name, argument) for code, argument, _ in pickletools.genops(data)]
    except Exception:
        return None
    if not {name for name, _ in operations} <= _INTEGER_OPCODES:
        return None
    numbers = [argument for name, argument in operations if name not in ("PROTO", "FRAME", "STOP")]
    return numbers[0] if len(numbers) == 1 and isinstance(numbers[0], int) else None


class CachelibBackend:
    """The protocol over a ``BaseCache`` for pages and a coordinator (SQLite, Redis) for everything
    else.

    Keys include the coordinator's nonce: hosts with coordinators of their own do not read each
    other's pages, since neither would see the other's invalidations.

    A page and its row in the catalogue cannot be written in one transaction. So the row has the
    first bytes of the page, including its checksum, and a page that does not match is a miss: one
    that a slower process wrote over a newer page, or that the cache kept in spite of a deletion.

    ``close`` closes a cache that was made for this backend only.
    """

    def __init__(
        self,
        cache: BaseCache,
        coordinator: Coordinator,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.coordinator = coordinator
        self.cache = copy.copy(cache)  # the user's own keeps its serializer
        if hasattr(self.cache, "serializer"):
            self.cache.serializer = BytesSerializer()
        self._nonce = ""
        self._logged_at = float("-inf")
        self._close = close

    @property
    def version(self) -> Sequence[int]:
        return self.coordinator.version

    @property
    def versions(self) -> Any:
        return live_version(self.coordinator)

    @property
    def database(self) -> Database | None:
        """The coordinator's files, if it has some."""
        return getattr(self.coordinator, "database", None)

    def _key(self, key: str) -> str:
        if not self._nonce:
            self._nonce = self.coordinator.nonce()
        return f"isg:{self._nonce}:{key}"

    def get(self, key: str, now: float) -> bytes | None:
        return self._marked(key, self.coordinator.get(key, now))

    @property
    def get_with_note(self) -> Any:
        """One operation of the coordinator, if it has one for both, and one of the cache."""
        if getattr(self.coordinator, "get_with_note", None) is None:
            return None

        def at_once(key: str, note: str, now: float) -> tuple[bytes | None, bytes | None]:
            mark, found = get_with_note(self.coordinator, key, note, now)
            return self._marked(key, mark), found

        return at_once

    def _marked(self, key: str, mark: bytes | None) -> bytes | None:
        """The page that the catalogue's row describes, if the cache has exactly that."""
        if mark is None:
            return None
        data = self.cache.get(self._key(key))
        return data if isinstance(data, bytes) and data[: len(mark)] == mark else None

    def put(self, row: Row, data: bytes, now: float, before: Before | None = None) -> bool:
        standing = self.coordinator.standing(row.key)
        if standing and is_newer(standing, row, self.coordinator.nonce()):
            return False
        name = self._key(row.key)
        timeout = min(_MAX_TIMEOUT, max(1, math.ceil(row.keep_until - now)))
        if not self.cache.set(name, data, timeout=timeout):
            self._probe()  # a full disk stores nothing; DynamoDB stores less than 400 kB
            self._log_too_big(len(data))
            raise NotTaken(f"{type(self.cache).__name__} did not take a page.")
        gone = self.coordinator.put_row(row, data[:MARK], len(data), now, before)
        if gone is None:  # overtaken meanwhile; the page no longer matches the catalogue
            self.cache.delete(name)
            return False
        for key in gone:
            self.cache.delete(self._key(key))
        return True

    def history(self, key: str, now: float) -> list[bytes]:
        """Versions lie beside the catalogue: nobody reads them but who asks for them by name."""
        return self.coordinator.history(key, now)

    def delete(self, key: str) -> None:
        self.coordinator.delete(key)
        self.cache.delete(self._key(key))

    def touch(self, keys: Sequence[str], now: float) -> None:
        self.coordinator.touch(keys, now)

    def rows(self, prefix: str = "", tag: str | None = None) -> Iterator[Row]:
        return self.coordinator.rows(prefix, tag)

    def rows_after(
        self, after: tuple[str, str], prefix: str = "", tag: str | None = None
    ) -> Iterator[Row]:
        return rows_after(self.coordinator, after, prefix, tag)

    def sizes(self) -> tuple[int, int] | None:
        """As the coordinator says; it lists what lies elsewhere."""
        work = getattr(self.coordinator, "sizes", None)
        return None if work is None else work()

    def sync(self, nonce: str, since: int) -> Changes:
        changes = self.coordinator.sync(nonce, since)
        self._nonce = changes.nonce
        return changes

    def invalidate(self, names: Iterable[str], hard: bool) -> int:
        return self.coordinator.invalidate(names, hard)

    def publish(self, names: Iterable[str]) -> int:
        return self.coordinator.publish(names)

    @property
    def _dependents(self) -> Dependents:
        dependents: Any = self.coordinator  # every coordinator has them
        return dependents  # type: ignore[no-any-return]

    def begun(self) -> Begun:
        return self._dependents.begun()

    def shapes(self) -> KnownShapes:
        return self._dependents.shapes()

    def tell(
        self, names: Mapping[bytes, str], nonce: str, version: int, teller: Teller | None = None
    ) -> Told | KnownShapes:
        return self._dependents.tell(names, nonce, version, teller)

    def announce(
        self, intent: Intent, version: int, now: float, seconds: float = INTENT_SECONDS
    ) -> bool:
        return self._dependents.announce(intent, version, now, seconds)

    def tell_overdue(self, now: float) -> int:
        return self._dependents.tell_overdue(now)

    def seconds_left(self, page: Lagging, now: float) -> float | None:
        return self._dependents.seconds_left(page, now)

    def depend(self, depending: Depending, nonce: str, generation: int) -> Kept:
        return self._dependents.depend(depending, nonce, generation)

    def affected(self, names: Iterable[bytes]) -> Iterator[Row]:
        return self._dependents.affected(names)

    def forget(self) -> int:
        return self._dependents.forget()

    def acquire(
        self, key: str, ttl: float, now: float, *, generation: int, overtake_before: int
    ) -> Lease | Held:
        return self.coordinator.acquire(
            key, ttl, now, generation=generation, overtake_before=overtake_before
        )

    def renew(self, lease: Lease, ttl: float, now: float) -> bool:
        return self.coordinator.renew(lease, ttl, now)

    def release(self, lease: Lease) -> None:
        self.coordinator.release(lease)

    def read_note(self, name: str, now: float) -> bytes | None:
        return self.coordinator.read_note(name, now)

    def read_notes(self, names: Sequence[str], now: float) -> list[bytes | None]:
        return notes_of(self.coordinator, names, now)

    def write_note(self, name: str, value: bytes, ttl: float, now: float) -> None:
        self.coordinator.write_note(name, value, ttl, now)

    def drop_note(self, name: str) -> None:
        self.coordinator.drop_note(name)

    def enqueue(self, queue: str, key: str, data: bytes, limit: int, now: float) -> bool:
        return self.coordinator.enqueue(queue, key, data, limit, now)

    def raise_priority(self, queue: str, requests: Mapping[str, int]) -> None:
        self.coordinator.raise_priority(queue, requests)

    def dequeue(self, queue: str, now: float, hold: float) -> Job | None:
        return self.coordinator.dequeue(queue, now, hold)

    def done(self, queue: str, job: Job) -> None:
        self.coordinator.done(queue, job)

    def queued(self, queue: str, now: float) -> int:
        return self.coordinator.queued(queue, now)

    def add_counts(
        self, process: str, number: int, amounts: Mapping[str, float], now: float
    ) -> None:
        self.coordinator.add_counts(process, number, amounts, now)

    def counts(self, period: int, now: float) -> list[tuple[float, str, float]]:
        return self.coordinator.counts(period, now)

    def counts_between(
        self, period: int, first: float, last: float
    ) -> list[tuple[float, str, float]]:
        return counts_between(self.coordinator, period, first, last)

    @property
    def followers(self) -> Followers | None:
        found: Followers | None = getattr(self.coordinator, "followers", None)
        return found

    def ping(self) -> None:
        self.coordinator.ping()
        self._probe()

    def _log_too_big(self, size: int) -> None:
        if time.monotonic() - self._logged_at > _QUIET:
            self._logged_at = time.monotonic()
            kind = type(self.cache).__name__
            log.warning("%s does not take a page of %d bytes; it stays in memory only.", kind, size)

    def _probe(self) -> None:
        """Raises `BackendUnavailable` if the cache stores nothing."""
        probe = f"isg:probe:{os.getpid()}"
        self.cache.set(probe, MAGIC, timeout=10)
        kept = self.cache.get(probe)
        self.cache.delete(probe)
        if kept != MAGIC:
            raise BackendUnavailable(f"{type(self.cache).__name__} does not keep what it is given.")

    def close(self) -> None:
        self.coordinator.close()
        self._close()
