"""``redis://``: pages, leases, invalidations and the catalogue in one Redis, for many hosts.

A page is one string, under the key and with the end that cachelib's ``RedisCache`` gives it. Behind
the entry stand 128 bytes that say when it ends and how new it is, so that a put is decided where
the page is. When a render finds it unchanged, what then stands before its bodies is written beside
it, and both are read in one round trip. Everything that changes is one script: see `scripts`.
"""

from __future__ import annotations

import functools
import logging
import math
import secrets
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from cachelib import RedisCache

from ...core.freshness import Changes
from .. import fork_safety as forks
from ..base import HELD, JOB_TIME, Before, Held, Job, Lease, Limits, NotTaken, Row, Standing
from ..cachelib import BytesSerializer
from . import counts, jobs, page_scripts, scripts, values
from .client import Connect
from .connections import Connections
from .dependents import DependentPages
from .followers import ChannelFollowers
from .pools import NAMESPACE
from .pubsub import Subscription
from .scripts import Script
from .values import UNTIL, dumped, dumped_row, note_of, page_of, read, row_from, tail_of

T = TypeVar("T")
log: Final = logging.getLogger("isgware")
#: Redis takes no end further away; a page still wanted by then is rendered again.
_LONGEST: Final = 10 * 365 * 86_400
#: As in the SQLite store: a page counts as older until somebody asks for it again.
_PROBATION: Final = 60.0
_BATCH: Final = 500
#: Answers of a server that is there and reads, but does not take this write.
_REFUSALS: Final = ("OOM ", "MISCONF ", "NOREPLICAS ")
_QUIET: Final = 60.0


class RedisBackend(DependentPages):
    """The protocol over Redis. ``connect`` makes clients that answer in time; ``namespace`` tells
    several stores in one Redis apart. Nothing is connected before the first operation."""

    def __init__(
        self, connect: Connect, limits: Limits | None = None, namespace: str = NAMESPACE
    ) -> None:
        #: The braces make it the hash tag: in a cluster, all of a store lies in one slot.
        self.prefix = f"isg:{{{namespace}}}:"
        self.connections = Connections(connect)
        self.followers = ChannelFollowers(self.connections, self.prefix)
        self._limits = limits or Limits()
        self._state = self.prefix + "state"
        self._subscription = Subscription(self.connections, self.prefix)
        self.versions = [self._subscription.version]
        self._logged_at = float("-inf")
        forks.watch(self)

    @property
    def version(self) -> Sequence[int]:
        return self._subscription.version

    # Connections belong to a process.

    def before_fork(self) -> None:
        """Connections are the parent's, and stay so."""

    def after_fork(self, child: bool) -> None:
        if child:
            self._renew_news()

    def close(self) -> None:
        self._subscription.stop()
        self._renew_news()
        self.connections.close()

    def _renew_news(self) -> None:
        self._subscription = Subscription(self.connections, self.prefix)
        self.versions[0] = self._subscription.version

    def __del__(self) -> None:
        subscription = getattr(self, "_subscription", None)
        if subscription is not None:
            subscription.abandon()

    def _run(self, script: Script, *arguments: Any) -> Any:
        return self._ask(lambda client: script.run(client, self._state, *arguments))

    def _ask(self, work: Callable[[Any], T]) -> T:
        def looked_into(client: Any) -> T:
            try:
                return work(client)
            except Exception as error:
                self._look_into(error)
                raise

        return self.connections.ask(looked_into)

    def _pages(self, client: Any) -> Any:
        """cachelib's cache over a client."""
        cache: Any = RedisCache(host=client, key_prefix=self.prefix + "page:")
        cache.serializer = BytesSerializer()
        return cache

    def _look_into(self, error: Exception) -> None:
        """Raise `NotTaken` if the server is well but will not have this."""
        said = str(error)
        if type(error).__name__ == "OutOfMemoryError" or said.startswith(_REFUSALS):
            if time.monotonic() - self._logged_at > _QUIET:
                self._logged_at = time.monotonic()
                log.error("Redis does not take new pages; they stay in memory only: %s", said)
            raise NotTaken(said) from error

    # Pages

    def get(self, key: str, now: float) -> bytes | None:
        names = self._names(key)
        page, head = self._ask(lambda client: client.mget(names))
        return page_of(page, head, now)

    def get_with_note(self, key: str, note: str, now: float) -> tuple[bytes | None, bytes | None]:
        """`get` and `read_note` in one round trip."""
        names = [*self._names(key), f"{self.prefix}note:{note}"]
        page, head, found = self._ask(lambda client: client.mget(names))
        return page_of(page, head, now), note_of(found, now)

    def _names(self, key: str) -> list[str]:
        return [f"{self.prefix}page:{key}", f"{self.prefix}head:{key}"]

    def put(self, row: Row, data: bytes, now: float, before: Before | None = None) -> bool:
        return self.put_row(row, data, len(data), now, before) is not None

    def history(self, key: str, now: float) -> list[bytes]:
        """See `History`."""
        return list(self._run(page_scripts.HISTORY, "", key, now))

    def put_row(
        self, row: Row, data: bytes, size: int, now: float, before: Before | None = None
    ) -> list[str] | None:
        """Keep a row with its page of ``size`` bytes (or with what identifies it elsewhere).
        Returns the keys that had to go, or ``None`` if a newer render is there already."""
        limits = self._limits
        asked = values.Asked()
        cache = self._pages(asked)  # cachelib says under which key, and until when
        cache.set(row.key, data + tail_of(row), timeout=_lasting(row, now))
        facts = {
            "key": row.key,
            "name": asked.name,
            "ttl": asked.ttl,
            "nonce": row.nonce,
            "generation": row.generation,
            "order": row.order,
            "now": now,
            "probation": _PROBATION,
            "variants": limits.variants,
            "pages": [limits.pages, limits.error_pages],
            "sizes": [limits.bytes, limits.error_bytes],
        }
        if before is not None:
            facts |= {"before": before.standing, "keep": before.keep}
        gone = self._run(
            page_scripts.PUT, secrets.token_hex(8), dumped(facts), asked.value,
            dumped_row(row, size), before.data if before is not None else b"",
        )  # fmt: skip
        return None if gone is None else [key.decode() for key in gone[1:]]

    def put_head(self, row: Row, head: bytes, standing: Standing, now: float) -> bool:
        """See `Renewals`."""
        facts = {
            "key": row.key,
            "ttl": _lasting(row, now),
            "nonce": row.nonce,
            "generation": row.generation,
            "order": row.order,
            "now": now,
            "before": standing,
        }
        bytes_ = len(head) + row.size
        return bool(
            self._run(
                page_scripts.PUT_HEAD, secrets.token_hex(8), dumped(facts), head + tail_of(row),
                dumped_row(row, bytes_),
            )
        )  # fmt: skip

    def standing(self, key: str) -> Standing | None:
        """Nonce, generation and order of the page under ``key``."""
        found = self._run(scripts.STANDING, "", key)
        return (found[0].decode(), int(found[1]), int(found[2])) if found else None

    def nonce(self) -> str:
        return self.sync("", 0).nonce

    def delete(self, key: str) -> None:
        self._run(scripts.DELETE, "", key)

    def touch(self, keys: Sequence[str], now: float) -> None:
        if keys:
            self._run(scripts.TOUCH, "", now, *keys)

    def rows(self, prefix: str = "", tag: str | None = None) -> Iterator[Row]:
        return self._rows_from(b"[" + prefix.encode(), prefix, tag)

    def rows_after(
        self, after: tuple[str, str], prefix: str = "", tag: str | None = None
    ) -> Iterator[Row]:
        """`rows` behind the page of that path and key, whether or not it is there."""
        return self._rows_from(b"(" + "\0".join(after).encode(), prefix, tag)

    def _rows_from(self, start: bytes, prefix: str, tag: str | None) -> Iterator[Row]:
        index = "paths" if tag is None else f"tag:{tag}"
        while True:
            last, count, found = self._run(scripts.ROWS, index, start, _BATCH)
            for text in found:
                row = row_from(text)
                if row is None:
                    continue
                if not row.path.startswith(prefix):
                    return  # in the order of paths, those below a prefix stand together
                yield row
            if count < _BATCH:
                return
            start = b"(" + last

    # Invalidation

    def sync(self, nonce: str, since: int) -> Changes:
        self._subscription.start()
        found = self._run(scripts.SYNC, secrets.token_hex(8), nonce, since)
        tables: dict[bytes, list[tuple[str, int]]] = {b"s": [], b"h": [], b"p": []}
        for name, value in zip(found[4][::2], found[4][1::2], strict=True):
            tables[name[:1]].append((name[1:].decode(), int(value)))
        return Changes(
            found[0].decode(),
            int(found[1]),
            int(found[2]),
            int(found[3]),
            tuple(tables[b"s"]),
            tuple(tables[b"h"]),
            tuple(tables[b"p"]),
            int(found[5]),
            tuple(
                (found[6][at], int(found[6][at + 1]), found[6][at + 2].decode("utf-8", "replace"))
                for at in range(0, len(found[6]), 3)
            ),
            int(found[7]),
        )

    def invalidate(self, names: Iterable[str], hard: bool) -> int:
        return self._announce("h" if hard else "s", names)

    def publish(self, names: Iterable[str]) -> int:
        return self._announce("p", names)

    def _announce(self, kind: str, names: Iterable[str]) -> int:
        subscription = self._subscription
        try:
            return int(
                self._run(
                    scripts.ANNOUNCE, secrets.token_hex(8), kind, subscription.sender,
                    self._limits.names,
                    *names,
                )
            )  # fmt: skip
        finally:  # what was not answered may have been done
            subscription.moved()

    # Leases

    def acquire(
        self, key: str, ttl: float, now: float, *, generation: int, overtake_before: int
    ) -> Lease | Held:
        token = secrets.token_hex(8)
        held = {"token": token, "until": now + ttl, "generation": generation, "host": _host()}
        order = self._run(
            scripts.ACQUIRE, secrets.token_hex(8), key, dumped(held), now, ttl, overtake_before
        )
        return HELD if order is None else Lease(key, token, int(order))

    def renew(self, lease: Lease, ttl: float, now: float) -> bool:
        return bool(self._run(scripts.RENEW, "", lease.key, lease.token, now, ttl))

    def release(self, lease: Lease) -> None:
        self._run(scripts.RELEASE, "", lease.key, lease.token)

    # Notes

    def read_note(self, name: str, now: float) -> bytes | None:
        found = self._ask(lambda client: read(client.get, f"{self.prefix}note:{name}"))
        return note_of(found, now)

    def read_notes(self, names: Sequence[str], now: float) -> list[bytes | None]:
        if not names:
            return []
        found = self._ask(lambda it: it.mget([f"{self.prefix}note:{name}" for name in names]))
        return [note_of(note, now) for note in found]

    def write_note(self, name: str, value: bytes, ttl: float, now: float) -> None:
        lasting = max(1, math.ceil(min(ttl, _LONGEST) * 1000))
        self._run(
            scripts.NOTE, "", name, UNTIL.pack(now + ttl) + value, lasting, self._limits.names
        )

    def drop_note(self, name: str) -> None:
        self._run(scripts.DROP_NOTE, "", name)

    # Jobs

    def enqueue(self, queue: str, key: str, data: bytes, limit: int, now: float) -> bool:
        job = UNTIL.pack(now + JOB_TIME) + data
        lasting = math.ceil(JOB_TIME * 1000)
        return bool(self._run(jobs.ENQUEUE, "", queue, key, job, now, limit, lasting))

    def raise_priority(self, queue: str, requests: Mapping[str, int]) -> None:
        self._run(
            jobs.RAISE_PRIORITY, "", queue, *(part for item in requests.items() for part in item)
        )

    def dequeue(self, queue: str, now: float, hold: float) -> Job | None:
        while True:
            lasting = math.ceil(JOB_TIME * 1000)
            found = self._run(jobs.DEQUEUE, "", queue, now, now + hold, lasting)
            if not found:
                return None
            name, ticket, data = found
            job = Job(name.decode(), int(ticket), data[UNTIL.size :])
            if len(data) >= UNTIL.size and now < UNTIL.unpack_from(data)[0] <= now + 2 * JOB_TIME:
                return job
            self.done(queue, job)

    def done(self, queue: str, job: Job) -> None:
        self._run(jobs.DONE, "", queue, job.key, job.ticket)

    def queued(self, queue: str, now: float) -> int:
        return int(self._run(jobs.QUEUED, "", queue, now))

    # Counts

    def sizes(self) -> tuple[int, int]:
        """Pages and their bytes."""
        pages, size = self._run(scripts.SIZES, "")
        return int(pages), int(size)

    def add_counts(
        self, process: str, number: int, amounts: Mapping[str, float], now: float
    ) -> None:
        self._run(counts.ADD, *counts.arguments(process, number, amounts, now))

    def counts(self, period: int, now: float) -> list[tuple[float, str, float]]:
        return counts.rows(self._run(counts.READ, "", *counts.hashes(period, now)))

    def counts_between(
        self, period: int, first: float, last: float
    ) -> list[tuple[float, str, float]]:
        """`counts` of the periods that begin from ``first`` to ``last``."""
        names = counts.hashes_between(period, first, last)
        return counts.rows(self._run(counts.READ, "", *names)) if names else []

    def ping(self) -> None:
        """Ask for the state; on the way, clear what stands in our place and is of another type."""
        self._run(scripts.PING, secrets.token_hex(8))


def _lasting(row: Row, now: float) -> int:
    """Seconds for which Redis keeps a page."""
    return min(_LONGEST, max(1, math.ceil(row.keep_until - now)))


@functools.cache
def _host() -> str:
    """What processes that share this one's clock have in common."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return f"{uuid.getnode():x}"
