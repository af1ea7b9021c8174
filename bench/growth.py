"""What grows with the site, and what does not.

By turns the number of pages, of worker processes, of tags a page and of variants a page grow. Each
time, with file: and with Redis: getting, setting and invalidating a page, which are the store's own
operations as a miss of the in-process layer makes them; the start of a process; its memory, and the
store's. Up to a million pages, which takes a quarter of an hour; ``--pages 100 10000`` is shorter.
"""

from __future__ import annotations

import multiprocessing
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from bench.kit import charts, stores
from bench.kit.report import Column, Report, Value, options
from bench.newcomer import POLICY, RULE, VARIED, started
from isgware.backends.base import row_of
from isgware.core.stored_page import decode, encode

PAGES: Final = (100, 1_000, 10_000, 100_000, 1_000_000)
WORKERS: Final = (1, 2, 4, 8)
TAGS: Final = (1, 3, 10, 30, 100)
VARIANTS: Final = (1, 5, 20, 50)
#: Operations timed; seconds that workers work; pages in a store of which something else grows, and
#: of those that have variants.
SAMPLES, SECONDS, BASE, VARIED_PAGES = 300, 1.0, 500, 10
ASKED = 100
BODY = b"<p>A small page.</p>" * 10
FIELDS: Final = {"route": RULE, "revalidate": 86_400.0, "expire": 1e7}
#: What is measured, in its unit; each is a plot.
OPERATIONS, START, MEMORY, STORE, RATE = (
    "operations, µs", "start-up, ms", "memory, MiB of all processes", "store, bytes a page",
    "throughput, operations a second",
)  # fmt: skip
#: By what is measured and by store or operation: its value for each count.
Grown = dict[str, dict[str, list[tuple[float, float]]]]


def timed(work: Callable[[int], object], numbers: Sequence[int]) -> float:
    """The median time of a call, in microseconds."""
    times = []
    for number in numbers:
        started = time.perf_counter()
        work(number)
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e6


def operations(backend: Any, entries: Sequence[Any], name: str) -> dict[str, float]:
    """What it costs to get, to set and to invalidate, over pages that are there."""
    numbers = [random.randrange(len(entries)) for _ in range(SAMPLES)]
    works = works_of(backend, entries, name)
    return {what: timed(work, numbers) for what, work in works.items()}


def works_of(backend: Any, entries: Sequence[Any], name: str) -> dict[str, Callable[[int], object]]:
    nonce = backend.nonce()

    def get(number: int) -> None:
        key = entries[number].key
        assert decode(backend.get(key, time.time()), key) is not None

    def put(number: int) -> None:
        newer = replace(entries[number], nonce=nonce, order=time.time_ns(), generation=1 << 40)
        backend.put(row_of(newer), encode(newer), time.time())

    return {"get": get, "set": put, "invalidate": lambda _: backend.invalidate([name], False)}


def by_pages(kind: str, sizes: Sequence[int]) -> Iterator[tuple[int, str, str, float]]:
    with stores.KINDS[kind]() as (backend, url):
        held = 0
        for size in sorted(sizes):
            stores.fill(backend, range(held, size), BODY, **_fields())
            held = size
            put = works_of(backend, [_entry(n) for n in range(min(ASKED, size))], "")["set"]
            for number in range(min(ASKED, size)):  # invalidated when the store was smaller
                put(number)
            sample = [_entry(random.randrange(size)) for _ in range(SAMPLES)]
            yield from measured(kind, size, backend, url, sample, "tag:pages", size)


def by_tags(kind: str, counts: Sequence[int]) -> Iterator[tuple[int, str, str, float]]:
    for count in counts:
        tags = tuple(f"tag-{number}" for number in range(count))
        with stores.KINDS[kind]() as (backend, url):
            stores.fill(backend, range(BASE), BODY, tags=tags, **_fields())
            sample = [_entry(number, tags=tags) for number in range(BASE)]
            yield from measured(kind, count, backend, url, sample, "tag:tag-0", BASE)


def by_variants(kind: str, counts: Sequence[int]) -> Iterator[tuple[int, str, str, float]]:
    for count in counts:
        with stores.KINDS[kind]() as (backend, url):
            nonce, sample = backend.nonce(), list(_variants(count))
            for entry in sample:
                backend.put(row_of(entry), encode(replace(entry, nonce=nonce)), time.time())
            yield from measured(
                kind, count, backend, url, sample, "path:/page/0", len(sample), variants=count
            )


def measured(
    kind: str, at: int, backend: Any, url: str, sample: Sequence[Any], name: str, pages: int,
    variants: int = 0,
) -> Iterator[tuple[int, str, str, float]]:  # fmt: skip
    """All that is asked of one store with so many pages in it; ``at`` is what has grown. Processes
    are started first: afterwards pages are stale, and would be rendered behind their visitors."""
    taken = stores.taken(backend) / pages
    seen = started(url, VARIED_PAGES if variants else min(ASKED, pages), variants)
    for what, value in operations(backend, sample, name).items():
        yield at, OPERATIONS, f"{kind} {what}", value
    yield at, START, kind, seen.start
    yield at, MEMORY, kind, seen.memory
    yield at, STORE, kind, taken


def by_workers(kind: str, counts: Sequence[int]) -> Iterator[tuple[int, str, str, float]]:
    """Here an operation's time is its process's own: waiting for the others costs none of that.
    How many all of them did in a second says what waiting does."""
    with stores.KINDS[kind]() as (backend, url):
        stores.fill(backend, range(BASE), BODY, **_fields())
        for count in counts:
            for what in ("get", "set", "invalidate"):
                rate, each = _together(url, count, what)
                yield count, OPERATIONS, f"{kind} {what}", each
                yield count, RATE, f"{kind} {what}", rate
            seen = started(url, ASKED, together=count)
            yield count, START, kind, seen.start
            yield count, MEMORY, kind, seen.memory


def _together(url: str, count: int, what: str) -> tuple[float, float]:
    """Operations a second, and microseconds of processor time for each."""
    context = multiprocessing.get_context("fork")
    results, ready = context.Queue(), context.Barrier(count)
    each = [
        context.Process(target=_work, args=(url, what, ready, results, n)) for n in range(count)
    ]
    for process in each:
        process.start()
    found = [results.get(timeout=60) for _ in each]
    for process in each:
        process.join()
    done = sum(count for count, _ in found)
    return done / SECONDS, sum(spent for _, spent in found) / done * 1e6


def _work(url: str, what: str, ready: Any, results: Any, number: int) -> None:
    backend = stores.opened(url)
    work = works_of(backend, [_entry(n) for n in range(BASE)], f"tag:page:{number}")[what]
    done, chance = 0, random.Random(number)
    work(0)
    ready.wait()
    began = time.process_time()
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        work(chance.randrange(BASE))
        done += 1
    results.put((done, time.process_time() - began))
    backend.close()


def _variants(count: int) -> Iterator[Any]:
    """Of a few pages, by a header."""
    for page in range(VARIED_PAGES):
        plain = _entry(page, fingerprint=VARIED.fingerprint)
        for number in range(count):
            request = replace(plain.request, headers=(("accept-language", f"x-{number}"),))
            yield replace(plain, request=request, key=request.key())


def _fields() -> dict[str, Any]:
    return {"fingerprint": POLICY.fingerprint, **FIELDS}


def _entry(number: int, **fields: Any) -> Any:
    return stores.entry(number, BODY, **{**_fields(), **fields})


def grown(
    of: Callable[[str, Sequence[int]], Iterator[tuple[int, str, str, float]]],
    kinds: Sequence[str],
    counts: Sequence[int],
) -> Grown:
    found: Grown = {}
    for kind in kinds:
        for at, unit, name, value in of(kind, counts):
            found.setdefault(unit, {}).setdefault(name, []).append((at, value))
    return found


def tell(report: Report, across: str, found: Grown) -> None:
    """One table, and one plot for each unit."""
    first = next(iter(next(iter(found.values())).values()))
    head: list[str | Column] = ["", *(Column(f"{count:,}", ",.0f") for count, _ in first)]
    rows: list[list[Value]] = []
    for unit, lines in found.items():
        what, _, measure = unit.partition(", ")
        for name, points in lines.items():
            told = f"{name}, {measure}" if " " in name else f"{name} {unit}"
            rows.append([told, *(value for _, value in points)])
        title = f"{what.capitalize()} by {across}"
        report.plot(what, charts.lines(title, across, measure, lines))
    report.table(head, rows)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options("growth", __doc__)
    parser.add_argument(
        "--pages", type=int, nargs="+", default=PAGES, help="sizes of the store, ascending"
    )
    parser.add_argument(
        "--only", choices=("pages", "workers", "tags", "variants"), nargs="+", metavar="WHAT",
        help="pages, workers, tags, variants",
    )  # fmt: skip
    chosen = parser.parse_args(arguments)
    kinds = stores.kinds()
    for part, across, of, counts in (
        ("pages", "pages in the store", by_pages, chosen.pages),
        ("workers", "processes", by_workers, WORKERS),
        ("tags", "tags a page", by_tags, TAGS),
        ("variants", "variants of a page", by_variants, VARIANTS),
    ):
        if chosen.only is None or part in chosen.only:
            about = f"What grows with the {across}: medians"
            report = Report(f"growth-{part}", about, chosen.save, ("redis", "redis-server"))
            tell(report, across, grown(of, kinds, counts))
            report.close()


if __name__ == "__main__":
    main()
