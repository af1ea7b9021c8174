"""What dependencies cost a store, and whether that grows with its pages.

Pages have 20 dependencies each, as a site's have: their own row and rows that few others show, rows
and questions that many show. For ``memory:``, ``file:`` and Redis, with 100 to 100,000 pages, or as
many as ``--pages`` says (a million takes half an hour; ``memory:`` holds 100,000): storing a page,
telling what was changed, a hit after that, and the pages that a change affects. A page is stored by
`depend` and `put`, as `isgware.storage.page_store` does it.
"""

from __future__ import annotations

import contextlib
import gc
import random
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from bench.kit import stores
from bench.kit.report import Column, Report, Value, options
from isgware.backends.base import row_of
from isgware.backends.breaker import Breaker
from isgware.backends.dependents import Depending, Told
from isgware.backends.memory import MEMORY_LIMITS, MemoryBackend
from isgware.core.database_reads import DatabaseReads
from isgware.core.depended import Depended, compressed
from isgware.core.dependency_names import row_name, rows_name
from isgware.core.stored_page import Entry, decode, encode
from isgware.storage.page_store import PageStore
from isgware.storage.process_cache import Memory, Page

PAGES: Final = (100, 10_000, 100_000)
SAMPLES: Final = 200
BODY: Final = b"<p>A small page.</p>" * 10
BATCH: Final = 2_000
#: Pages of the store that is measured without dependencies, and those looked at in memory.
PLAIN: Final = 10_000
HELD: Final = 2_000
#: What a table of rows that all pages show has, and one of which each row is on about ten pages.
SHOWN_EVERYWHERE, FEW = 1_000, 10
ROTATED: Final = "forget all names that are known, ms"


@contextlib.contextmanager
def memory() -> Iterator[tuple[Any, str]]:
    yield MemoryBackend(replace(stores.LIMITS, bytes=1 << 40)), "memory:"


def kinds() -> dict[str, Any]:
    return {"memory:": memory} | {kind: stores.KINDS[kind] for kind in stores.kinds()}


def reads_of(number: int, pages: int, extra: int = 0) -> DatabaseReads:
    """20 dependencies, and ``extra`` rows beside."""
    chance, reads = random.Random(number), DatabaseReads()
    reads.row("post", number)
    reads.row("author", number // FEW)
    for _ in range(5):
        reads.row("post", chance.randrange(pages))
    for _ in range(5):
        reads.row("tag", chance.randrange(max(1, pages // FEW)))
    for _ in range(5):
        reads.row("product", chance.randrange(SHOWN_EVERYWHERE))
    reads.question("comment", {"date"}, {"post": number})
    reads.question("post", {"date"}, {"author": number // FEW})
    reads.question("menu", {"position"})
    reads.rows("archive", range(number * 1_000, number * 1_000 + extra))
    return reads


@dataclass
class Site:
    """A store of ``pages`` pages. ``shapes`` are those it knows once a page is in it."""

    backend: Any
    pages: int = 0
    order: int = 0

    def __post_init__(self) -> None:
        self.nonce = self.backend.sync("", 0).nonce
        self.begin()

    def begin(self) -> None:
        """What renders take that begin now."""
        self.counter = self.backend.sync("", 0).counter
        self.shapes, self.begun = self.backend.shapes(), self.backend.begun()

    def page(self, number: int, depends: bool = True, extra: int = 0) -> tuple[Entry, Any]:
        self.order += 1
        entry = stores.entry(number, BODY, self.nonce, generation=self.counter, tags=())
        entry = replace(entry, order=self.order)
        if not depends:
            return entry, None
        reads = reads_of(number, max(self.pages, 1), extra)
        found = reads.finished(self.shapes.by_table)
        depended = Depended(found.names, compressed(found.texts))
        return replace(entry, depended=depended), Depending(found.names, self.begun, found.shapes)

    def store(self, made: tuple[Entry, Any]) -> None:
        entry, depending = made
        if depending is not None:
            self.backend.depend(depending, self.nonce, entry.generation)
        assert self.backend.put(row_of(entry), encode(entry), entry.rendered_at)

    def fill(self, pages: int, depends: bool = True) -> None:
        began, self.pages = self.pages, pages
        for start in range(began, pages, BATCH):
            numbers = range(start, min(start + BATCH, pages))
            self.begin()

            def work(numbers: range = numbers) -> None:
                for number in numbers:
                    self.store(self.page(number, depends))

            together = getattr(self.backend, "together", None)
            work() if together is None else together(work, False)

    def tell(self, names: dict[bytes, str]) -> int:
        shapes = self.backend.shapes()
        found = self.backend.tell(names, shapes.nonce, shapes.version)
        assert isinstance(found, Told)
        return found.counter


def timed(work: Callable[[Any], object], given: Sequence[Any]) -> float:
    """The median time of a call, in microseconds."""
    times = []
    for each in given:
        started = time.perf_counter()
        work(each)
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e6


def stored(site: Site) -> Iterator[tuple[str, float]]:
    """New pages stand behind those that are counted, and are deleted again."""
    fresh = range(site.pages + 10, site.pages + 10 + SAMPLES)
    old = [random.randrange(site.pages) for _ in range(SAMPLES)]
    for what, numbers, how in (
        ("store a page without dependencies, µs", fresh, {"depends": False}),
        ("store a page with 20, µs", fresh, {}),
        ("store it again, µs", old, {}),
        ("store a page with 1,000, µs", fresh[: SAMPLES // 10], {"extra": 980}),
    ):
        site.begin()
        yield what, timed(site.store, [site.page(number, **how) for number in numbers])
        if numbers is not old:
            for number in numbers:
                site.backend.delete(stores.entry(number, BODY).key)


def told(site: Site) -> Iterator[tuple[str, float]]:
    shapes = site.backend.shapes()

    def tell(name: bytes) -> None:
        assert isinstance(site.backend.tell({name: "x"}, shapes.nonce, shapes.version), Told)

    numbers = [random.randrange(site.pages) for _ in range(SAMPLES)]
    known = [row_name("post", str(number)) for number in numbers]
    yield "tell a name that pages have, µs", timed(tell, known)
    nobody = [row_name("nobody", str(n)) for n in range(SAMPLES)]
    yield "tell a name that none has, µs", timed(tell, nobody)


def hit(site: Site) -> Iterator[tuple[str, float]]:
    """What a process with the page in memory does with it, after each telling."""
    store = PageStore(Breaker(site.backend, 30.0), Memory(1 << 30), time.time, 60.0)
    site.begin()
    entry, depending = site.page(1)
    site.store((entry, depending))
    store.sync()
    store.find(entry.key, "", entry.fingerprint)

    def find(_: object) -> None:
        store.sync()
        page, _state = store.find(entry.key, "", entry.fingerprint)
        assert page is not None

    def after(name: bytes) -> float:
        times = []
        for _ in range(SAMPLES):
            site.tell({name: "x"})
            times.append(timed(find, [None]))
        return statistics.median(times)

    store.sync()
    yield "a hit in memory, µs", timed(find, range(SAMPLES))
    yield "after a telling that concerns nobody, µs", after(row_name("nobody", "1"))
    yield "after one that concerns another page, µs", after(row_name("product", "1"))


def affected(site: Site) -> Iterator[tuple[str, float]]:
    def listed(name: bytes) -> int:
        return sum(1 for _ in site.backend.affected([name]))

    def first(name: bytes) -> None:
        next(iter(site.backend.affected([name])))

    some = [row_name("post", str(random.randrange(site.pages))) for _ in range(20)]
    yield "affected: a row on about six pages, ms", timed(listed, some) / 1e3
    shown = row_name("product", "7")
    yield "pages that show a row of a small table", float(listed(shown))
    yield "affected: those, ms", timed(listed, [shown] * 3) / 1e3
    yield "affected: the first of all pages, ms", timed(first, [rows_name("post")] * 3) / 1e3


def held(with_dependencies: bool) -> float:
    """Bytes that a page takes in the memory of a process."""
    site = Site(MemoryBackend())
    site.pages = PLAIN
    entries = [site.page(number, with_dependencies)[0] for number in range(HELD)]
    encoded = [(encode(entry), entry.key) for entry in entries]
    tracemalloc.start()
    kept = [Page(_decoded(data, key), 0, "") for data, key in encoded]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / len(kept)


def _decoded(data: bytes, key: str) -> Entry:
    entry = decode(data, key)
    assert entry is not None
    return entry


def _resident() -> float:
    return float(int(Path("/proc/self/statm").read_text().split()[1]) * 4096)


def taken(site: Site) -> float:
    if isinstance(site.backend, MemoryBackend):
        gc.collect()
        return _resident()
    return stores.taken(site.backend)


def measure(kind: str, make: Any, sizes: Sequence[int]) -> list[dict[str, float]]:
    found = []
    with make() as (backend, _):
        plain = Site(backend)
        empty = taken(plain)
        plain.fill(min(PLAIN, max(sizes)), depends=False)
        without = (taken(plain) - empty) / plain.pages
    with make() as (backend, _):
        site = Site(backend)
        empty = taken(site)
        for size in sorted(sizes):
            started = time.monotonic()
            site.fill(size)
            print(f"  {kind} {size:,} pages, {time.monotonic() - started:.0f} s", flush=True)
            sizes_of = {
                "bytes a page without dependencies": without,
                "bytes a page with 20": (taken(site) - empty) / size,
            }
            parts = (stored(site), told(site), hit(site), affected(site))
            found.append({what: value for part in parts for what, value in part} | sizes_of)
        started = time.perf_counter()
        backend.forget()
        found[-1][ROTATED] = (time.perf_counter() - started) * 1e3
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options("dependency_store", __doc__)
    parser.add_argument(
        "--pages", type=int, nargs="+", default=PAGES, help="sizes of the store, ascending"
    )
    parser.add_argument("--only", nargs="+", metavar="STORE", help="memory:, file:, redis:")
    chosen = parser.parse_args(arguments)
    for kind, make in kinds().items():
        if chosen.only and kind not in chosen.only:
            continue
        name, about = kind.strip(":"), f"What dependencies cost {kind}: medians"
        report = Report(f"dependency_store-{name}", about, chosen.save, ("redis", "redis-server"))
        sizes = [size for size in chosen.pages if kind != "memory:" or size <= MEMORY_LIMITS.pages]
        columns = measure(kind, make, sizes)
        head: list[str | Column] = ["", *(Column(f"{size:,} pages", ",.4g") for size in sizes)]
        rows: list[list[Value]] = [
            [what, *(column.get(what) for column in columns)] for what in columns[-1]
        ]
        report.table(head, rows)
        if kind == "memory:":
            report.table(
                ["in the memory of a process", Column("bytes a page")],
                [["without dependencies", held(False)], ["with 20", held(True)]],
                "process",
            )
        report.close()


if __name__ == "__main__":
    main()
