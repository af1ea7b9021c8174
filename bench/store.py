"""What the embedded store costs as it grows: get, put and purge with 100 and 100,000 pages."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable

from bench.apps import BODY
from isgware.backends.base import row_of
from isgware.backends.sqlite import SQLiteBackend
from isgware.core.entry import Entry, decode, encode
from isgware.core.request import Request

SIZES = (100, 10_000, 100_000)
SAMPLES = 400


def entry(number: int) -> Entry:
    request = Request("http", "example.com", "", f"/page/{number}")
    return Entry(
        key=request.key(),
        request=request,
        status="200 OK",
        headers=(("Content-Type", "text/html"),),
        body=BODY,
        rendered_at=1.0,
        revalidate=60.0,
        expire=3600.0,
        tags=("pages", f"page:{number}"),
        order=number,
    )


def median_us(work: Callable[[int], object], numbers: list[int]) -> float:
    times = []
    for number in numbers:
        started = time.perf_counter()
        work(number)
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e6


def costs(backend: SQLiteBackend, chosen: list[int]) -> tuple[float, float, float]:
    """Get and decode, put, purge."""
    keys = {number: entry(number).key for number in chosen}
    made = {number: (row_of(entry(number)), encode(entry(number))) for number in chosen}
    return (
        median_us(lambda n: decode(backend.get(keys[n], 2.0), keys[n]), chosen),
        median_us(lambda n: backend.put(*made[n], 2.0), chosen),
        median_us(lambda n: backend.invalidate([f"tag:page:{n}"], True), chosen),
    )


def main() -> None:
    print("The embedded store, 30 kB pages, medians in us\n")
    print(f"{'pages':>10}{'get+decode':>12}{'put':>12}{'purge a tag':>12}")
    with tempfile.TemporaryDirectory() as directory:
        backend = SQLiteBackend(f"{directory}/store")
        held = 0
        for size in SIZES:
            for number in range(held, size):
                backend.put(row_of(entry(number)), encode(entry(number)), 2.0)
            held = size
            chosen = random.Random(1).sample(range(size), min(size, SAMPLES))
            print(f"{size:10,}" + "".join(f"{us:12.0f}" for us in costs(backend, chosen)))
        backend.close()


if __name__ == "__main__":
    main()
