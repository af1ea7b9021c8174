"""What a page costs that is in the store but not in this process's memory."""

from __future__ import annotations

import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from bench.kit.apps import constant, environ, ignored
from bench.kit.report import Column, Report, options
from isgware import ISG, Policy
from isgware.backends.sqlite.backend import SQLiteBackend
from isgware.core.stored_page import Entry, decode
from isgware.serving.prepared_hits import PreparedHit
from isgware.storage.process_cache import Page

PAGES = 2_000
ROUTES: Final = {"/page/<int:number>": Policy(revalidate=3600)}


def timed(
    work: Callable[[Any], object], given: list[Any], clock: Callable[[], int] = time.thread_time_ns
) -> float:
    """Microseconds by ``clock``, the median of one call with each of ``given``."""
    times = []
    for each in given:
        started = clock()
        work(each)
        times.append(clock() - started)
    return statistics.median(times) / 1e3


def measure() -> list[tuple[str, float]]:
    with tempfile.TemporaryDirectory() as directory:
        options: dict[str, Any] = {
            "store": f"file:{directory}/store",
            "routes": ROUTES,
            "backend_timeout": 5.0,
        }
        asked = [environ(f"/page/{number}") for number in range(PAGES)]
        before = ISG(constant, **options)
        for each in asked:
            before(each.copy(), ignored)
        keys = [info.key for info in _rows(directory)]
        before.close()
        now = ISG(constant, **options)
        now(asked.pop().copy(), ignored)
        random.Random(1).shuffle(asked)
        visit = timed(lambda each: now(each, ignored), [each.copy() for each in asked])
        now.close()
        return [*_parts(SQLiteBackend(f"{directory}/store"), keys), ("the whole visit", visit)]


def from_redis() -> list[tuple[str, float, float]]:
    """What visits cost by the clock, and how many commands each sends to a Redis on this host."""
    from tests.stores import Redis, running

    with running(Redis()) as server:
        client = server.client()

        def told() -> int:
            """The listener asks with others, once a second."""
            said = client.info("commandstats")
            names = ("get", "mget", "evalsha", "eval")
            return sum(said.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in names)

        def isg() -> ISG:
            made = ISG(constant, store=server.url, routes=ROUTES, backend_timeout=5.0)
            made(environ("/page/0"), ignored)
            return made

        def visits(to: ISG) -> tuple[float, float]:
            asked = [environ(f"/page/{number}") for number in range(1, PAGES)]
            random.Random(1).shuffle(asked)
            before = told()
            took = timed(lambda each: to(each, ignored), asked, time.perf_counter_ns)
            return took, (told() - before) / len(asked)

        before, now = isg(), isg()
        visits(before)
        first = visits(now)
        now.runtime.memory.clear()
        again = visits(now)
        ping = timed(lambda _: client.ping(), [None] * PAGES, time.perf_counter_ns)
        before.close()
        now.close()
    return [
        ("a visit, the first of its URL", *first),
        ("a visit, of a URL seen before", *again),
        ("a bare PING by redis-py, to compare", ping, 1.0),
    ]


def _rows(directory: str) -> list[Any]:
    backend = SQLiteBackend(f"{directory}/store")
    try:
        return list(backend.rows())
    finally:
        backend.close()


def _parts(backend: SQLiteBackend, keys: list[str]) -> list[tuple[str, float]]:
    now = time.time()

    def entry(key: str) -> Entry:
        found = decode(backend.get(key, now), key)
        assert found is not None
        return found

    try:
        return [
            ("get", timed(lambda key: backend.get(key, now), keys)),
            ("get and decode", timed(entry, keys)),
            (
                "get, decode and make ready",
                timed(
                    lambda key: PreparedHit(
                        Page(entry(key), 0, "base"), "GET", None, 0, False, now
                    ),
                    keys,
                ),
            ),
        ]
    finally:
        backend.close()


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options("misses", __doc__).parse_args(arguments)
    report = Report(
        "misses",
        f"A page of 30 kB that is not in memory; {PAGES:,} pages, medians",
        chosen.save,
    )
    report.table(("from `file:`, 30 kB", "CPU µs"), measure())
    if shutil.which("redis-server"):
        head = ("from Redis over loopback, 30 kB", "µs by the clock", Column("commands", ".2f"))
        report.table(head, from_redis(), part="redis")
    report.close()


if __name__ == "__main__":
    main()
