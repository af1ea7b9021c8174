"""Stores for the benchmarks: filled quickly through their own ``put``, many pages at a time."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from isgware.backends.base import Limits, row_of
from isgware.backends.redis.backend import RedisBackend
from isgware.backends.redis.client import from_url
from isgware.backends.sqlite.backend import SQLiteBackend
from isgware.core.cache_key import Request
from isgware.core.stored_page import Entry, encode

from .machine import missing, program

LIMITS = Limits(pages=2_000_000, names=1_000_000)
BATCH = 2_000
#: Seconds; a store that takes a million pages may stop for a moment.
TIMEOUT = 30.0


def entry(number: int, body: bytes, nonce: str = "", **fields: Any) -> Entry:
    """One page of many: ``/page/7`` bears the tags ``pages`` and ``page:7``. ``fields`` are those
    that it has beside, or otherwise."""
    request = Request("http", "example.com", "", f"/page/{number}")
    now = time.time()
    made = Entry(
        key=request.key(),
        request=request,
        status="200 OK",
        headers=(("Content-Type", "text/html"),),
        body=body,
        rendered_at=now,
        revalidate=3600.0,
        expire=86_400.0,
        tags=("pages", f"page:{number}"),
        order=number,
        nonce=nonce,
    )
    return replace(made, **fields) if fields else made


def fill(backend: Any, numbers: range, body: bytes, **fields: Any) -> None:
    """Store a page for each number; tells of its progress on a terminal. ``fields``: see `entry`;
    one that is a function is called with the number."""
    nonce, started = backend.nonce(), time.monotonic()
    put_many = _put_many_redis if isinstance(backend, RedisBackend) else _put_many_sqlite
    for start in range(numbers.start, numbers.stop, BATCH):
        batch = range(start, min(start + BATCH, numbers.stop))
        put_many(backend, (entry(n, body, nonce, **_of(fields, n)) for n in batch))
        if sys.stderr.isatty() or batch.stop % 100_000 == 0:
            each = (time.monotonic() - started) / (batch.stop - numbers.start) * 1e6
            print(f"  {batch.stop:,} pages, {each:.0f} us each", file=sys.stderr)


def _of(fields: dict[str, Any], number: int) -> dict[str, Any]:
    return {name: made(number) if callable(made) else made for name, made in fields.items()}


def _put_many_sqlite(backend: Any, entries: Iterable[Entry]) -> None:
    """In one transaction: ``put`` is handed its connection."""
    database = backend.database

    def work(connection: Any) -> None:
        database.write = lambda inner: inner(connection)
        try:
            for made in entries:
                backend.put(row_of(made), encode(made), made.rendered_at)
        finally:
            del database.write

    database.write(work)


def _put_many_redis(backend: Any, entries: Iterable[Entry]) -> None:
    """In one pipeline: ``put`` is handed a client that sends nothing yet."""
    backend.ping()
    connections = backend.connections
    client = connections.client()
    queue = _Queue(client)
    connections._client = queue
    try:
        for made in entries:
            backend.put(row_of(made), encode(made), made.rendered_at)
    finally:
        connections._client = client
    queue.pipeline.execute()


class _Queue:
    def __init__(self, client: Any) -> None:
        from isgware.backends.redis.page_scripts import PUT

        client.script_load(PUT.text)
        self.pipeline = client.pipeline(transaction=False)

    def evalsha(self, *arguments: Any) -> list[bytes]:
        self.pipeline.evalsha(*arguments)
        return [b""]


@contextlib.contextmanager
def sqlite() -> Iterator[tuple[Any, str]]:
    """An empty store and its URL; gone afterwards, as the next one."""
    with tempfile.TemporaryDirectory() as directory:
        backend = SQLiteBackend(f"{directory}/store", LIMITS, TIMEOUT)
        yield backend, f"file:{directory}/store"
        backend.close()


@contextlib.contextmanager
def redis() -> Iterator[tuple[Any, str]]:
    from tests.stores import Redis, running

    with running(Redis()) as server:
        backend = opened(server.url)
        yield backend, server.url
        backend.close()


KINDS = {"file:": sqlite, "redis:": redis}


def kinds() -> list[str]:
    """Those that can be had here."""
    if program("redis-server"):
        return list(KINDS)
    print(f"Without Redis: {missing('redis-server')}.")
    return ["file:"]


def opened(url: str) -> Any:
    """A backend of this process's own over a store of `KINDS`."""
    if url.startswith("file:"):
        return SQLiteBackend(url[len("file:") :], LIMITS, TIMEOUT)
    connect, namespace = from_url(url, TIMEOUT)
    return RedisBackend(connect, LIMITS, namespace)


def taken(backend: Any) -> float:
    """Bytes that a store takes, on the disk or in Redis."""
    if isinstance(backend, RedisBackend):
        return float(backend.connections.client().info("memory")["used_memory"])
    directory = backend.database.directory
    for path in directory.glob("*.db"):  # what waits in its journal is not there for long
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return float(sum(file.stat().st_size for file in directory.iterdir()))
