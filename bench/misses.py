"""What a page costs that is in the embedded store but not in this process's memory."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

from bench.kit.apps import constant, environ, ignored
from bench.kit.report import Report, options
from isgware import ISG, Policy
from isgware.backends.sqlite import SQLiteBackend
from isgware.core.entry import Entry, decode
from isgware.memory import Page
from isgware.ready import Ready

PAGES = 2_000


def timed(work: Callable[[Any], object], given: list[Any]) -> float:
    """Microseconds of this thread's CPU, the median of one call with each of ``given``."""
    times = []
    for each in given:
        started = time.thread_time_ns()
        work(each)
        times.append(time.thread_time_ns() - started)
    return statistics.median(times) / 1e3


def measure() -> list[tuple[str, float]]:
    with tempfile.TemporaryDirectory() as directory:
        options: dict[str, Any] = {
            "store": f"file:{directory}/store",
            "routes": {"/page/<int:number>": Policy(revalidate=3600)},
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
                    lambda key: Ready(Page(entry(key), 0, "base"), "GET", None, 0, False, now), keys
                ),
            ),
        ]
    finally:
        backend.close()


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options("misses", __doc__).parse_args(arguments)
    report = Report(
        "misses",
        f"A page of 30 kB from file:, not in memory; {PAGES:,} pages, medians of CPU time",
        chosen.save,
    )
    report.table(("from `file:`, 30 kB", "CPU µs"), measure())
    report.close()


if __name__ == "__main__":
    main()
