"""`Breaker`: a `Backend` behind a `Circuit`, operation by operation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import NoneType
from typing import Any, Final, TypeVar

from ..core.freshness import Changes
from ..errors import BackendUnavailable
from .base import (
    Backend,
    Before,
    Counters,
    Followers,
    Held,
    History,
    Job,
    JobQueue,
    Lease,
    Renewals,
    Row,
    Standing,
    counts_between,
    get_with_note,
    rows_after,
)
from .circuit import Circuit

T = TypeVar("T")
#: Limits a batch, so that it does not block other writers for long.
_TOUCHED_AT_ONCE: Final = 500


class Breaker(Circuit):
    """A `Backend` that guards another."""

    def get(self, key: str, now: float) -> bytes | None:
        return self.call(self.backend.get, key, now, returns=bytes | None, kind="pages")

    @property
    def reads_along(self) -> bool:
        """Whether the backend reads a page and a note in one operation: see `get_with_note`."""
        return getattr(self.backend, "get_with_note", None) is not None

    def get_with_note(self, key: str, note: str, now: float) -> tuple[bytes | None, bytes | None]:
        return self.call(_both, self.backend, key, note, now)

    def put(self, row: Row, data: bytes, now: float, before: Before | None = None) -> bool:
        """Without versions, if the backend keeps none."""
        if before is None or not isinstance(self.backend, History):
            return self.call(self.backend.put, row, data, now, returns=bool, kind="pages")
        return self.call(self.backend.put, row, data, now, before, returns=bool, kind="pages")

    def history(self, key: str, now: float) -> list[bytes]:
        """None from a backend that keeps no versions."""
        if not isinstance(self.backend, History):
            return []
        return self.apart(self.backend.history, key, now, returns=list, kind="pages")

    def put_head(self, row: Row, head: bytes, standing: Standing, now: float) -> bool:
        """False also from a backend that knows whole pages only."""
        if not isinstance(self.backend, Renewals):
            return False
        return self.call(
            self.backend.put_head, row, head, standing, now, returns=bool, kind="pages"
        )

    def delete(self, key: str) -> None:
        self.call(self.backend.delete, key, returns=NoneType, kind="pages")

    def touch(self, keys: Sequence[str], now: float) -> None:
        for start in range(0, len(keys), _TOUCHED_AT_ONCE):
            self.apart(
                self.backend.touch, keys[start : start + _TOUCHED_AT_ONCE], now, returns=NoneType
            )

    def rows_of(self, keys: Sequence[str], now: float) -> dict[str, Row] | None:
        """Rows of the pages that exist; ``None`` if the backend cannot read them without the
        pages."""
        work = getattr(self.backend, "rows_of", None)
        return None if work is None else self.apart(work, keys, now, returns=dict)

    def together(self, work: Callable[[], None], *, announces: bool = False) -> None:
        """Run ``work``, in one transaction if the backend has transactions. ``announces``: it
        includes invalidations or publications."""
        join = getattr(self.backend, "together", None)
        if join is None:
            work()
        else:
            self.apart(join, work, announces, returns=NoneType)

    def rows(
        self, prefix: str = "", tag: str | None = None, after: tuple[str, str] | None = None
    ) -> Iterator[Row]:
        """``after``: path and key of a page; only what comes behind it."""
        if after is None:
            rows = self.apart(self.backend.rows, prefix, tag)
        else:
            rows = self.apart(rows_after, self.backend, after, prefix, tag)
        while True:
            row = self.apart(_next, rows)
            if row is None:
                return
            yield row

    def sizes(self) -> tuple[int, int] | None:
        """Pages of all builds and their bytes; ``None`` from a backend that would have to count."""
        work = getattr(self.backend, "sizes", None)
        return None if work is None else self.apart(work, returns=tuple | None)

    def sync(self, nonce: str, since: int) -> Changes:
        return self.call(self.backend.sync, nonce, since, returns=Changes, kind="sync")

    def invalidate(self, names: Iterable[str], hard: bool) -> int:
        return self.apart(self.backend.invalidate, names, hard, returns=int, kind="invalidate")

    def publish(self, names: Iterable[str]) -> int:
        return self.call(self.backend.publish, names, returns=int)

    def acquire(
        self, key: str, ttl: float, now: float, *, generation: int, overtake_before: int
    ) -> Lease | Held:
        return self.call(
            self.backend.acquire,
            key,
            ttl,
            now,
            generation=generation,
            overtake_before=overtake_before,
            returns=Lease | Held,
        )

    def acquire_all(
        self, keys: Sequence[str], ttl: float, now: float, *, generation: int, overtake_before: int
    ) -> list[Lease | Held]:
        """`acquire` of each of ``keys``, which differ: at once if the backend knows how."""
        at_once = getattr(self.backend, "acquire_all", None)
        if at_once is None:
            return [
                self.acquire(key, ttl, now, generation=generation, overtake_before=overtake_before)
                for key in keys
            ]
        return self.call(
            at_once,
            keys,
            ttl,
            now,
            generation=generation,
            overtake_before=overtake_before,
            returns=list,
        )

    def renew(self, lease: Lease, ttl: float, now: float) -> bool:
        return self.call(self.backend.renew, lease, ttl, now, returns=bool)

    def release(self, lease: Lease) -> None:
        self.call(self.backend.release, lease, returns=NoneType)

    def read_note(self, name: str, now: float) -> bytes | None:
        return self.call(self.backend.read_note, name, now, returns=bytes | None)

    def read_notes(self, names: Sequence[str], now: float) -> list[bytes | None]:
        """See `notes_of`. One by one they are operations of their own, each with its time."""
        at_once = getattr(self.backend, "read_notes", None)
        if at_once is not None:
            return self.apart(at_once, names, now, returns=list)
        read = self.backend.read_note
        return [self.apart(read, name, now, returns=bytes | None) for name in names]

    def write_note(self, name: str, value: bytes, ttl: float, now: float) -> None:
        self.call(self.backend.write_note, name, value, ttl, now, returns=NoneType)

    def drop_note(self, name: str) -> None:
        self.call(self.backend.drop_note, name, returns=NoneType)

    @property
    def _queue(self) -> JobQueue:
        if not isinstance(self.backend, JobQueue):
            raise BackendUnavailable("The store keeps no queue of jobs.")
        return self.backend

    def enqueue(self, queue: str, key: str, data: bytes, limit: int, now: float) -> bool:
        return self.call(self._queue.enqueue, queue, key, data, limit, now, returns=bool)

    def raise_priority(self, queue: str, requests: Mapping[str, int]) -> None:
        self.call(self._queue.raise_priority, queue, requests, returns=NoneType)

    def dequeue(self, queue: str, now: float, hold: float) -> Job | None:
        return self.call(self._queue.dequeue, queue, now, hold, returns=Job | None)

    def done(self, queue: str, job: Job) -> None:
        self.call(self._queue.done, queue, job, returns=NoneType)

    def queued(self, queue: str, now: float) -> int:
        return self.call(self._queue.queued, queue, now, returns=int)

    @property
    def _counters(self) -> Counters:
        if not isinstance(self.backend, Counters):
            raise BackendUnavailable("The store keeps no counts.")
        return self.backend

    def add_counts(
        self, process: str, number: int, amounts: Mapping[str, float], now: float
    ) -> None:
        """In the background."""
        self._counting(self._counters.add_counts, process, number, amounts, now)

    def counts(self, period: int, now: float) -> list[tuple[float, str, float]]:
        return self._counting(self._counters.counts, period, now)

    def counts_between(
        self, period: int, first: float, last: float
    ) -> list[tuple[float, str, float]]:
        return self._counting(counts_between, self._counters, period, first, last)

    def _counting(self, work: Callable[..., T], *args: Any) -> T:
        """That counts take too long, or fail, is no reason to serve visitors without the store: the
        circuit stays closed."""
        if self.open_since is not None:
            raise BackendUnavailable("The store is out of reach; it is probed in the background.")
        try:
            return work(*args)
        except Exception as error:
            raise BackendUnavailable(f"The store's counts failed: {error}") from error

    @property
    def followers(self) -> Followers:
        """In the background only: that they are out of reach does not open the circuit."""
        found: Followers | None = getattr(self.backend, "followers", None)
        if found is None:
            raise BackendUnavailable("The processes of this store cannot be followed.")
        return found

    def ping(self) -> None:
        self.call(self.backend.ping)

    def close(self) -> None:
        self.backend.close()


def _both(backend: Backend, key: str, note: str, now: float) -> tuple[bytes | None, bytes | None]:
    page, found = get_with_note(backend, key, note, now)
    for each in (page, found):
        if not isinstance(each, bytes | None):
            raise TypeError(f"it answered {type(each).__name__}")
    return page, found


def _next(rows: Iterator[Row]) -> Row | None:
    return next(rows, None)
