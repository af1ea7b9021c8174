"""What a page costs that is in the embedded store but not in this process's memory.

``python -m bench.misses`` prints it; ``--save`` keeps it for the documentation.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bench.apps import constant, environ
from isgware import ISG, Policy
from isgware.backends.sqlite import SQLiteBackend
from isgware.core.entry import Entry, decode
from isgware.memory import Page
from isgware.ready import Ready

PAGES = 2_000
SHOWN: Final = Path(__file__).resolve().parent.parent / "docs" / "measured" / "misses.md"


def timed(work: Callable[[Any], object], given: list[Any]) -> float:
    """Microseconds of this thread's CPU, the median of one call with each of ``given``."""
    times = []
    for each in given:
        started = time.thread_time_ns()
        work(each)
        times.append(time.thread_time_ns() - started)
    return statistics.median(times) / 1e3


def ignored(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
    return None


def measure() -> list[tuple[str, float]]:
    with tempfile.TemporaryDirectory() as directory:
        options: dict[str, Any] = {
            "store": f"file:{directory}/store",
            "routes": {"/page/<int:number>": Policy(revalidate=3600)},
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


def main() -> None:
    results = measure()
    print(f"A page of 30 kB from file:, not in memory; {PAGES:,} pages, medians of CPU in us\n")
    for name, value in results:
        print(f"{name:28}{value:8.0f}")
    if "--save" in sys.argv:
        lines = ["| from `file:`, 30 kB | CPU µs |", "|---|---:|"]
        lines += [f"| {name} | {value:.0f} |" for name, value in results]
        SHOWN.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
