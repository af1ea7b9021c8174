"""What grows with the site, and what does not: ``python -m bench.growth``.

By turns the number of pages, of worker processes, of tags a page and of variants a page grow, and
reading, storing and invalidating a page are timed, with ``file:`` and with Redis: the backend's own
operations, as a miss of the in-process layer makes them. ``--full`` goes up to a million pages and
takes a quarter of an hour; ``--plots DIR`` draws what was measured.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from bench import stores
from bench.apps import constant, environ
from bench.memory import resident
from bench.plot import Points, chart, save
from isgware import ISG, Policy
from isgware.backends.base import row_of
from isgware.backends.redis import RedisBackend
from isgware.core.entry import decode, encode

PAGES, ALL_PAGES = (100, 1_000, 10_000), (100, 1_000, 10_000, 100_000, 1_000_000)
WORKERS = (1, 2, 4, 8)
TAGS = (1, 3, 10, 30, 100)
VARIANTS = (1, 5, 20, 50)
SAMPLES, SECONDS, BASE = 300, 1.0, 500
BODY = b"<p>A small page.</p>" * 10
POLICY = Policy(revalidate=86_400)
RULE = "/page/<int:number>"
FIELDS = {
    "fingerprint": POLICY.fingerprint, "route": RULE, "revalidate": 86_400.0, "expire": 1e7,
}  # fmt: skip
UNITS = {
    "operations": "µs", "a second": "operations a second", "processor time": "µs",
    "start-up": "ms, and MiB resident", "bytes": "bytes a page",
}  # fmt: skip
Lines = dict[str, list[tuple[float, float]]]


def timed(work: Callable[[int], object], numbers: Sequence[int]) -> float:
    """The median time of a call, in microseconds."""
    times = []
    for number in numbers:
        started = time.perf_counter()
        work(number)
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e6


def operations(backend: Any, entries: Sequence[Any], name: str) -> dict[str, float]:
    """What it costs to read, to store and to invalidate, over pages that are there."""
    nonce = backend.nonce()

    def read(number: int) -> None:
        key = entries[number].key
        assert decode(backend.get(key, time.time()), key) is not None

    def store(number: int) -> None:
        newer = replace(entries[number], nonce=nonce, order=time.time_ns(), generation=1 << 40)
        assert backend.put(row_of(newer), encode(newer), time.time())

    numbers = [random.randrange(len(entries)) for _ in range(SAMPLES)]
    return {
        "read": timed(read, numbers),
        "store": timed(store, numbers),
        "invalidate": timed(lambda _: backend.invalidate([name], False), range(SAMPLES)),
    }


def by_pages(sizes: Sequence[int]) -> dict[str, Lines]:
    """Operations, start-up and memory as the store is filled."""
    found: dict[str, Lines] = {"operations": {}, "start-up": {}, "bytes": {}}
    for kind in kinds():
        with stores.KINDS[kind]() as (backend, url):
            held = 0
            for size in sorted(sizes):
                stores.fill(backend, range(held, size), BODY, **FIELDS)
                held = size
                sample = [_entry(random.randrange(size)) for _ in range(SAMPLES)]
                for name, value in operations(backend, sample, "tag:pages").items():
                    add(found["operations"], f"{kind} {name}", size, value)
                for name, value in started(url, size).items():
                    add(found["start-up"], f"{kind} {name}", size, value)
                add(found["bytes"], f"{kind} bytes", size, _bytes(backend) / size)
    return found


def started(url: str, pages: int) -> dict[str, float]:
    """What a new process takes to its first answer from the store, and its memory then."""
    command = [sys.executable, "-m", "bench.growth", "--start", url, "--pages", str(pages)]
    runs = [json.loads(subprocess.check_output(command)) for _ in range(3)]
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def start(url: str, pages: int) -> None:
    began = time.perf_counter()
    isg = ISG(constant, store=url, routes={RULE: POLICY}, backend_timeout=stores.TIMEOUT)
    answers: list[dict[str, str]] = []
    request = environ(f"/page/{pages // 2}") | {"HTTP_HOST": "example.com"}
    isg(request, lambda status, headers, exc_info=None: answers.append(dict(headers)))
    took = (time.perf_counter() - began) * 1e3
    assert answers[0]["X-ISG-Cache"] in ("HIT", "STALE"), answers
    print(json.dumps({"ms": took, "MiB": resident()}))
    isg.close()


def by_workers(counts: Sequence[int]) -> dict[str, Lines]:
    """Operations a second of so many processes at once on one store, and what one operation
    costs its process: waiting for the others costs none of that."""
    found: dict[str, Lines] = {"a second": {}, "processor time": {}}
    for kind in kinds():
        with stores.KINDS[kind]() as (backend, url):
            stores.fill(backend, range(BASE), BODY, **FIELDS)
            for count in counts:
                for work in ("read", "store"):
                    rate, each = _together(url, count, work)
                    add(found["a second"], f"{kind} {work}", count, rate)
                    add(found["processor time"], f"{kind} {work}", count, each)
    return found


def _together(url: str, count: int, work: str) -> tuple[float, float]:
    context = multiprocessing.get_context("fork")
    results, ready = context.Queue(), context.Barrier(count)
    each = [
        context.Process(target=_work, args=(url, work, ready, results, n)) for n in range(count)
    ]
    for process in each:
        process.start()
    found = [results.get(timeout=60) for _ in each]
    for process in each:
        process.join()
    done = sum(count for count, _ in found)
    return done / SECONDS, sum(spent for _, spent in found) / done * 1e6


def _work(url: str, work: str, ready: Any, results: Any, number: int) -> None:
    backend = _open(url)
    nonce, done, entries = backend.nonce(), 0, [_entry(n) for n in range(BASE)]
    chance = random.Random(number)
    ready.wait()
    began = time.process_time()
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        entry = chance.choice(entries)
        if work == "read":
            assert decode(backend.get(entry.key, time.time()), entry.key) is not None
        else:
            newer = replace(entry, nonce=nonce, order=time.time_ns(), generation=1 << 40)
            backend.put(row_of(newer), encode(newer), time.time())
        done += 1
    results.put((done, time.process_time() - began))
    backend.close()


def _open(url: str) -> Any:
    from isgware.backends.redis_client import from_url
    from isgware.backends.sqlite import SQLiteBackend

    if url.startswith("file:"):
        return SQLiteBackend(url[len("file:") :], stores.LIMITS, stores.TIMEOUT)
    connect, namespace = from_url(url, stores.TIMEOUT)
    return RedisBackend(connect, stores.LIMITS, namespace)


def by_tags(counts: Sequence[int]) -> dict[str, Lines]:
    """Operations on pages of ever more tags."""
    found: dict[str, Lines] = {"operations": {}}
    for kind in kinds():
        for count in counts:
            tags = tuple(f"tag-{number}" for number in range(count))
            with stores.KINDS[kind]() as (backend, _):
                stores.fill(backend, range(BASE), BODY, tags=tags, **FIELDS)
                sample = [_entry(number, tags=tags) for number in range(BASE)]
                for name, value in operations(backend, sample, "tag:tag-0").items():
                    add(found["operations"], f"{kind} {name}", count, value)
    return found


def by_variants(counts: Sequence[int]) -> dict[str, Lines]:
    """Operations on pages of ever more variants; the path stands for all of them."""
    found: dict[str, Lines] = {"operations": {}}
    for kind in kinds():
        for count in counts:
            with stores.KINDS[kind]() as (backend, _):
                sample = list(_variants(count))
                for entry in sample:
                    entry = replace(entry, nonce=backend.nonce())
                    backend.put(row_of(entry), encode(entry), time.time())
                for name, value in operations(backend, sample, "path:/page/0").items():
                    add(found["operations"], f"{kind} {name}", count, value)
    return found


def _variants(count: int) -> Iterator[Any]:
    """Of one page, by a header."""
    plain = _entry(0)
    for number in range(count):
        request = replace(plain.request, headers=(("accept-language", f"x-{number}"),))
        yield replace(plain, request=request, key=request.key())


def _entry(number: int, **fields: Any) -> Any:
    return stores.entry(number, BODY, **{**FIELDS, **fields})


def _bytes(backend: Any) -> float:
    """What the store takes, on the disk or in Redis."""
    if isinstance(backend, RedisBackend):
        return float(backend._opened[0].info("memory")["used_memory"])
    directory = backend.database.directory
    return float(sum(file.stat().st_size for file in directory.iterdir()))


def kinds() -> list[str]:
    """The stores that can be had here."""
    return [kind for kind in stores.KINDS if kind != "redis:" or shutil.which("redis-server")]


def add(lines: Lines, name: str, at: float, value: float) -> None:
    lines.setdefault(name, []).append((at, value))


def table(title: str, lines: dict[str, Points] | Lines) -> None:
    counts = sorted({at for line in lines.values() for at, _ in line})
    print(f"\n{title}\n\n{'':20}" + "".join(f"{count:>12,.0f}" for count in counts))
    for name, line in lines.items():
        print(f"{name:20}" + "".join(f"{value:12,.1f}" for _, value in line), flush=True)


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="bench.growth", description=__doc__)
    parser.add_argument("--pages", type=int, nargs="+", default=PAGES, help="sizes of the store")
    parser.add_argument("--full", action="store_true", help="up to a million pages")
    parser.add_argument("--plots", metavar="DIR", help="where to draw them")
    parser.add_argument("--start", metavar="URL", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.start:
        start(chosen.start, chosen.pages[0])
        return
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores; medians")
    for name, across, measured in (
        ("pages", "pages in the store", by_pages(ALL_PAGES if chosen.full else chosen.pages)),
        ("workers", "processes", by_workers(WORKERS)),
        ("tags", "tags a page", by_tags(TAGS)),
        ("variants", "variants of the page", by_variants(VARIANTS)),
    ):
        for what, lines in measured.items():
            upwards = UNITS.get(what, what)
            table(f"{what} by {across}, {upwards}", lines)
            if chosen.plots:
                title = f"{what.capitalize()} by {across}"
                slug = f"growth-{name}-{what.replace(' ', '-')}"
                save(chosen.plots, slug, chart(title, across, upwards, lines))


if __name__ == "__main__":
    main(sys.argv[1:])
