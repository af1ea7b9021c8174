"""The protocol of backends: pages, leases and invalidations, wherever they are stored.

Rules that every backend keeps, and that `isgware.testing.BackendContract` checks:

- Every operation either does what it says or raises; none returns a half result.
- ``now`` is passed in: a backend reads no clock.
- ``version[0]`` changes with every invalidation and every publication, before the call that made it
  returns; where hosts share the store, on the others within 100 ms. An odd value means "ask
  ``sync``"; equal even values mean "nothing happened since".
- ``put`` never lets an older render overwrite a newer one: see `is_newer`.
- A key is queued once. The job with the most requests is next, among equals the oldest. It is given
  to one worker, and queued again if it is not done in time. It may be lost after `JOB_TIME` or
  `TAKES`, or with the store: a job is a hint, and nothing depends on it.
- A lease belongs to a token. It ends when it is released, or not renewed in time, or overtaken by
  a render that began after an invalidation its owner had not seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Protocol, runtime_checkable

from ..core.depended import Depended, without_texts
from ..core.freshness import Changes
from ..core.stored_page import Entry

#: Seconds a page is kept beyond its expiry, to have something to show when renders fail.
GRACE: Final = 86_400.0
ERROR_GRACE: Final = 60.0
#: Seconds after which a job that nobody took is gone.
JOB_TIME: Final = 600.0
#: How often a job is handed out. One that was the end of so many workers may be so for each.
TAKES: Final = 3
#: Wants that count.
MAX_PRIORITY: Final = 100_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What a store holds at most; at the limit the least recently used pages go."""

    pages: int = 1_000_000
    bytes: int = 4 * 1024**3
    error_pages: int = 1_000
    variants: int = 50
    names: int = 100_000

    @property
    def error_bytes(self) -> int:
        """Error pages have a quota of bytes too, lest a flood of them push out the good ones."""
        return self.bytes // 16


@dataclass(frozen=True, slots=True)
class Row:
    """A page's row in the catalogue. ``depended`` says no texts. ``route``: the one that it was
    rendered for; empty if an earlier release wrote the row."""

    key: str
    page_key: str
    path: str
    url: str
    query: str
    variant: str
    status: int
    size: int
    rendered_at: float
    revalidate: float | None
    expire: float
    keep_until: float
    render_seconds: float
    generation: int
    order: int
    nonce: str
    fingerprint: str
    build_id: str
    error_quota: bool
    tags: tuple[str, ...]
    depended: Depended | None = None
    route: str = ""


#: Nonce, generation and order: which render of its page an entry is of.
Standing = tuple[str, int, int]


def standing_of(entry: Entry) -> Standing:
    return entry.nonce, entry.generation, entry.order


def is_newer(kept: Standing, row: Row, nonce: str) -> bool:
    """Whether a page that is kept (its nonce, generation, order) is newer than that of ``row``.

    Generations compare within one table of invalidations only. Of two pages that knew different
    tables, the one that knows the present one, ``nonce``, is newer.
    """
    if kept[0] != row.nonce:
        return kept[0] == nonce
    return kept[1:] > (row.generation, row.order)


def row_of(entry: Entry) -> Row:
    grace = ERROR_GRACE if entry.error_quota else GRACE
    return Row(
        key=entry.key,
        page_key=entry.request.page_key(entry.build_id),
        path=entry.request.full_path,
        url=entry.request.url,
        query=entry.request.query,
        variant=entry.request.variant,
        status=entry.code,
        size=entry.size,
        rendered_at=entry.rendered_at,
        revalidate=entry.lifetime,
        expire=entry.expire,
        keep_until=entry.expires_at + grace,
        render_seconds=entry.render_seconds,
        generation=entry.generation,
        order=entry.order,
        nonce=entry.nonce,
        fingerprint=entry.fingerprint,
        build_id=entry.build_id,
        error_quota=entry.error_quota,
        tags=entry.tags,
        depended=without_texts(entry.depended),
        route=entry.route,
    )


@dataclass(frozen=True, slots=True)
class Before:
    """The render that a page replaces, as its maker knew it. ``data``: that render as a version to
    keep, empty if its versions are to stay as they are. At most ``keep`` versions stay."""

    standing: Standing
    data: bytes
    keep: int


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to render ``key``. ``order`` grows with every lease granted for any key."""

    key: str
    token: str
    order: int


@dataclass(frozen=True, slots=True)
class Job:
    """What was taken out of a queue. Its ``ticket`` is not that of a later job for its key."""

    key: str
    ticket: int
    data: bytes


class NotTaken(Exception):
    """The backend is well, but does not take this (it is full, the page is too large for it).

    Raised by a backend for its circuit breaker, which stays closed.
    """


class Held(Enum):
    """Somebody else has the lease. Told apart from ``None``, which a broken backend answers."""

    HELD = "held"


HELD: Final = Held.HELD


@runtime_checkable
class Backend(Protocol):
    """Pages and everything their coherence needs. Values of notes are bytes, TTLs are seconds."""

    @property
    def version(self) -> Sequence[int]: ...
    def get(self, key: str, now: float) -> bytes | None: ...
    def put(self, row: Row, data: bytes, now: float) -> bool: ...
    def delete(self, key: str) -> None: ...
    def touch(self, keys: Sequence[str], now: float) -> None: ...
    def rows(self, prefix: str = "", tag: str | None = None) -> Iterator[Row]: ...
    def sync(self, nonce: str, since: int) -> Changes: ...
    def invalidate(self, names: Iterable[str], hard: bool) -> int: ...
    def publish(self, names: Iterable[str]) -> int: ...
    def acquire(
        self, key: str, ttl: float, now: float, *, generation: int, overtake_before: int
    ) -> Lease | Held: ...
    def renew(self, lease: Lease, ttl: float, now: float) -> bool: ...
    def release(self, lease: Lease) -> None: ...
    def read_note(self, name: str, now: float) -> bytes | None: ...
    def write_note(self, name: str, value: bytes, ttl: float, now: float) -> None: ...
    def drop_note(self, name: str) -> None: ...
    def ping(self) -> None: ...
    def close(self) -> None: ...


def notes_of(backend: Backend, names: Sequence[str], now: float) -> list[bytes | None]:
    """What `Backend.read_note` says of each name. In one operation where the backend offers
    ``read_notes``: where one costs a round trip, a list of pages asks for hundreds."""
    at_once = getattr(backend, "read_notes", None)
    if at_once is None:
        return [backend.read_note(name, now) for name in names]
    found: list[bytes | None] = at_once(names, now)
    return found


def rows_after(
    backend: Backend, after: tuple[str, str], prefix: str, tag: str | None
) -> Iterator[Row]:
    """What `Backend.rows` says behind the page of that path and key, which may be gone. Without a
    walk over those before where the backend offers ``rows_after``."""
    at_once = getattr(backend, "rows_after", None)
    if at_once is not None:
        found: Iterator[Row] = at_once(after, prefix, tag)
        return found
    return behind(backend.rows(prefix, tag), after)


def behind(rows: Iterable[Row], after: tuple[str, str]) -> Iterator[Row]:
    """Those behind that path and key; if it is gone, those behind its path."""
    path, key = after
    found = False
    for row in rows:
        if row.path > path or found:
            yield row
        found = found or (row.path == path and row.key == key)


def get_with_note(
    backend: Backend, key: str, note: str, now: float
) -> tuple[bytes | None, bytes | None]:
    """What `Backend.get` and `Backend.read_note` say. In one operation where the backend offers
    ``get_with_note``: it does where one costs a round trip, and then a page and what was learned
    of its URL are asked for together."""
    at_once = getattr(backend, "get_with_note", None)
    if at_once is None:
        return backend.get(key, now), backend.read_note(note, now)
    found: tuple[bytes | None, bytes | None] = at_once(key, note, now)
    return found


@runtime_checkable
class Renewals(Protocol):
    """What a backend has besides, for renders that find their page unchanged; ISG works without.

    ``put_head`` writes the row and the ``head`` of a page (see `stored_page.head_of`) whose bodies
    are those of the render of that ``standing``. False if another is there: nothing changes then.
    """

    def put_head(self, row: Row, head: bytes, standing: Standing, now: float) -> bool: ...


@runtime_checkable
class History(Protocol):
    """What a backend has besides, for previous versions of pages; ISG works without.

    ``put`` keeps the versions of a page only together with ``before``, and if that is the render
    that is there: versions that somebody else has made, or that a purge may lie between, go. They
    go with their page, too, and before any page if the store is full. ``history``: the versions of
    a page that is there, newest first.
    """

    def put(self, row: Row, data: bytes, now: float, before: Before | None = None) -> bool: ...
    def history(self, key: str, now: float) -> list[bytes]: ...


@runtime_checkable
class JobQueue(Protocol):
    """What a backend has besides, for regenerations by other processes; ISG works without.

    ``enqueue`` is false when ``limit`` jobs wait; a key that waits already is wanted once more.
    ``want`` adds to what keys that wait are wanted. What ``dequeue`` gives waits again after
    ``hold`` seconds, unless it is ``done``, or enqueued anew meanwhile.
    """

    def enqueue(self, queue: str, key: str, data: bytes, limit: int, now: float) -> bool: ...
    def raise_priority(self, queue: str, requests: Mapping[str, int]) -> None: ...
    def dequeue(self, queue: str, now: float, hold: float) -> Job | None: ...
    def done(self, queue: str, job: Job) -> None: ...
    def queued(self, queue: str, now: float) -> int: ...


#: Length of the periods for which counts are kept apart, and for how long, in seconds.
MINUTES: Final = 60
HOURS: Final = 3_600
KEPT: Final = {MINUTES: 2 * 3_600, HOURS: 14 * 86_400}
#: Seconds for which a store remembers how far a process has told of its counts.
TOLD_TIME: Final = 86_400


@runtime_checkable
class Counters(Protocol):
    """What a backend has besides, for counts of the whole fleet; ISG works without.

    ``add_counts`` adds to totals, which are kept for ever, and to the periods of ``now``: see
    `KEPT`. ``number`` grows with each call of a ``process``: one that was added already is not
    added again. A name that is new when there are `MAX_SERIES`, or of a route that is new when
    there are `MAX_ROUTES`, is counted as `overflow_of` it. The total `SINCE` is when the first were
    added.
    ``counts`` are the totals by name (``period`` 0), or begin, name and amount in each period of
    so many seconds.
    """

    def add_counts(
        self, process: str, number: int, amounts: Mapping[str, float], now: float
    ) -> None: ...
    def counts(self, period: int, now: float) -> list[tuple[float, str, float]]: ...


def counts_between(
    backend: Counters, period: int, first: float, last: float
) -> list[tuple[float, str, float]]:
    """What `Counters.counts` says of the periods that begin from ``first`` to ``last``. Without all
    others where the backend offers ``counts_between``: there may be many series."""
    at_once = getattr(backend, "counts_between", None)
    if at_once is not None:
        found: list[tuple[float, str, float]] = at_once(period, first, last)
        return found
    return [row for row in backend.counts(period, last) if row[0] >= first]


class Follower(Protocol):
    """Receives messages of a fleet's processes. ``read`` returns the next one, ``None`` if none
    came within so many seconds."""

    def read(self, seconds: float) -> bytes | None: ...
    def close(self) -> None: ...


class Followers(Protocol):
    """Those who follow the decisions of a fleet as they are made; a backend that knows of them has
    one of these as its ``followers``. ``there``: are there any? ``tell`` sends them a message,
    without waiting for anybody; false if somebody did not get it."""

    def there(self) -> bool: ...
    def tell(self, message: bytes) -> bool: ...
    def follow(self) -> Follower: ...


class _Live:
    """Asks a backend for its version each time."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def __getitem__(self, index: int) -> Sequence[int]:
        return self._backend.version


def live_version(backend: Backend) -> Any:
    """Something whose item 0 is the backend's version for as long as the process lives.

    A backend may keep such a list up to date itself, as ``versions``: a hit reads it, and two
    properties on the way to the version would be a third of what the hit costs.
    """
    versions = getattr(backend, "versions", None)
    return _Live(backend) if versions is None else versions


class Coordinator(History, Backend, JobQueue, Counters, Protocol):
    """A backend that can also keep the catalogue rows of pages that are stored elsewhere."""

    def nonce(self) -> str: ...
    def standing(self, key: str) -> Standing | None: ...
    def put_row(
        self, row: Row, data: bytes, size: int, now: float, before: Before | None = None
    ) -> list[str] | None: ...
