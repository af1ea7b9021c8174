"""The circuit breaker in front of a backend (P4): one slow or failing operation opens it.

While it is open, operations fail at once with `BackendUnavailable`, so that visitors do not wait; a
probe in the background closes it again. A backend's own exceptions do not pass through.

Operations on the table of invalidations are still tried while others fail, if the table is in
another service than the pages, or if a version in memory shows that other processes can write it.
Otherwise a page that is purged meanwhile would be served from memory.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import NoneType
from typing import Any, Final, TypeVar

from ..core.freshness import Changes
from ..errors import BackendUnavailable, ConfigurationError
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
    NotTaken,
    Renewals,
    Row,
    Standing,
    counts_between,
    get_with_note,
    rows_after,
)
from .read_ahead import ReadAhead, current

T = TypeVar("T")
log: Final = logging.getLogger("isgware")
#: Seconds between two messages about the same outage.
_QUIET: Final = 60.0
#: Seconds between two probes by callers.
_RETRY: Final = 1.0
#: Kinds of operations on the table of invalidations.
_TABLE: Final = ("sync", "invalidate")
#: Limits a batch, so that it does not block other writers for long.
_TOUCHED_AT_ONCE: Final = 500


class Breaker:
    """A `Backend` that guards another. ``limit``: seconds after which an operation is too slow.

    ``on_open`` is called when the circuit opens, to start the probes. ``open_since``: by the
    monotonic clock, ``None`` while it is closed. ``changed``: when it last opened or closed,
    ``None`` if never. ``trips``: how often it opened.
    """

    def __init__(
        self, backend: Backend, limit: float, on_open: Callable[[], None] = lambda: None
    ) -> None:
        self.backend = backend
        self.limit = limit
        self.on_open = on_open
        self.open_since: float | None = None
        self._spared: tuple[str, ...] = ()
        self.changed: float | None = None
        self.trips = 0
        self._retrying = threading.Lock()
        self._retried = float("-inf")
        self._logged_at = float("-inf")
        self._announced = False

    @property
    def version(self) -> Sequence[int]:
        return self.backend.version

    def call(
        self, work: Callable[..., T], *args: Any, returns: Any = object, kind: str = "",
        **kwargs: Any,
    ) -> T:  # fmt: skip
        """Call ``work`` if the circuit is closed. A result that is not of the type ``returns``
        counts as damaged. ``kind``: ``pages`` for pages, or one of the kinds that are optional."""
        if self.open_since is not None and not self._worth_asking(kind):
            raise BackendUnavailable("The store is out of reach; it is probed in the background.")
        started = time.monotonic()
        try:
            result = work(*args, **kwargs)
            if not isinstance(result, returns) or (returns is int and isinstance(result, bool)):
                raise TypeError(f"it answered {type(result).__name__}")
        except (UnicodeError, OverflowError, NotTaken) as error:  # the values, not the store
            raise BackendUnavailable(f"The store cannot hold this: {error}") from error
        except ConfigurationError as error:
            self.trip(error, kind=kind)
            raise BackendUnavailable(str(error)) from error
        except Exception as error:
            self.trip(error, kind=kind)
            raise BackendUnavailable(
                f"The store failed: {type(error).__name__}: {error}"
            ) from error
        took = time.monotonic() - started
        read_ahead = current.get()
        total = took
        if read_ahead is not None:
            read_ahead.seconds += took
            total = read_ahead.seconds + self.limit / 3
        if total > self.limit:
            slow = kind if took > self.limit / 3 else "pages"  # or an earlier operation was slow
            self.trip(TimeoutError(f"it took {took:.2f} s"), kind=slow)
        return result

    def begin(self, read_ahead: ReadAhead | None = None) -> None:
        """A visit or a job begins, or continues with its ``read_ahead``. Its operations together
        may take two thirds of the limit, and then one more that fails: half a second in all, for
        the default of 0.3 s."""
        current.set(ReadAhead() if read_ahead is None else read_ahead)

    def apart(self, work: Callable[..., T], *args: Any, returns: Any = object, kind: str = "") -> T:
        """`call` for an explicit request: it has its own time limit, since one script may make
        many."""
        token = current.set(None)
        try:
            return self.call(work, *args, returns=returns, kind=kind)
        finally:
            current.reset(token)

    def end(self) -> None:
        """What follows in this context is not part of the visit or job."""
        current.set(None)

    def trip(self, error: BaseException, *, kind: str = "") -> None:
        """Open the circuit. ``kind``: that of the failed operation."""
        now = time.monotonic()
        if self.open_since is None or kind in _TABLE:
            self._spared = self._beside(kind)
        if self.open_since is None:
            self.open_since = self.changed = now
            self.trips += 1
            if now - self._logged_at > _QUIET:
                self._logged_at = now
                self._announced = True
                log.error(
                    "The store is out of reach (%s: %s). Pages in memory are still served; others "
                    "are answered by the app until a probe succeeds.",
                    type(error).__name__,
                    error,
                )
            self.on_open()

    def _beside(self, failed: str) -> tuple[str, ...]:
        """The kinds that are still worth trying after an operation of this kind has failed."""
        if failed in _TABLE:
            return ()
        if failed == "pages" and hasattr(self.backend, "coordinator"):
            return _TABLE
        alone = getattr(self.backend, "in_process", False)  # no other process writes it
        return _TABLE[:1] if hasattr(self.backend, "versions") and not alone else ()

    def _worth_asking(self, kind: str) -> bool:
        """Whether to try this kind while the circuit is open. An odd version shows that other
        processes cannot reach the store either."""
        return kind in self._spared and (self._spared == _TABLE or self.version[0] % 2 == 0)

    def probe(self) -> bool:
        """Try the backend if the circuit is open; close it on success. True when closed."""
        if self.open_since is None:
            return True
        started = time.monotonic()
        try:
            self.backend.ping()
        except Exception:
            return False
        now = time.monotonic()
        if now - started > self.limit:
            return False
        self.open_since, self.changed = None, now
        if self._announced:
            self._announced = False
            log.warning("The store is back.")
        return True

    def retry(self) -> None:
        """Probe an open circuit now, for an explicit request: it prefers one slow operation to an
        outdated answer. At most once a second in a process, however many call; never for a visit.
        """
        if self.open_since is None or not self._retrying.acquire(blocking=False):
            return
        try:
            now = time.monotonic()
            due = now - self._retried >= _RETRY
            if due:
                self._retried = now
        finally:
            self._retrying.release()
        if due:
            self.probe()

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
