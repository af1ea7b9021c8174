"""What does not fit a machine, worked out.

Traffic is Zipf's (the page of rank r is asked for in proportion to 1/r) and visits come by chance.
Then a page is renewed once in its lifetime and the time until somebody comes, and a worker has it
in memory if it was asked for within that memory's *characteristic time* (Che's approximation of
an LRU). So the load of any size is a sum over ranks, which `Load` adds up in buckets. A simulation
visit by visit of a site that is small enough says how far those sums are off, and what an operation
costs Redis is measured first, where there is one.
"""

from __future__ import annotations

import math
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from bench.kit import stores
from bench.kit.report import Column, Report, options
from isgware.backends.base import row_of
from isgware.core.stored_page import encode

#: Bytes of a page as it is stored: 30 kB and its three encodings.
STORED: Final = 50_000
SAMPLES: Final = 1_000
#: What `bench.invalidation` measures of the first hit after an invalidation: microseconds.
JUDGED: Final = 70.0
#: Commands to Redis by a regeneration, beside reading and storing the page: its lease, taken and
#: given back, and what is noted of its failures and its URL.
BESIDE: Final = 4
#: Commands a second by which each process makes sure that it misses no invalidation.
ASKED: Final = 2
#: Names that the table of invalidations holds, and pages that a store keeps unless told otherwise.
NAMES, KEPT = 100_000, 1_000_000


@dataclass(frozen=True)
class Site:
    """``visits`` and ``purges`` a second, ``lifetime`` in seconds, ``render`` in seconds of a
    processor, ``held``: pages that a worker has room for. A region has a store of its own."""

    name: str
    pages: int
    workers: int
    visits: float
    purges: float = 1.0
    lifetime: float = 3_600.0
    render: float = 0.1
    held: int = 1_300
    regions: int = 1


SITES: Final = (
    Site("a host", 10_000, 8, 100),
    Site("ten hosts", 1_000_000, 80, 5_000),
    Site("a hundred hosts", 10_000_000, 1_000, 50_000),
    Site("fifty regions", 100_000_000, 1_000, 50_000, regions=50),
)
#: What `measured` finds where there is no Redis.
TAKEN: Final = {"read": 16.0, "store": 137.0, "sync": 22.0}
PURGES: Final = (1, 10, 100, 1_000)
CHECKED: Final = Site("checked", 2_000, 4, 200, lifetime=60.0, held=200)


class Load:
    """What one region of a site does in a second, on the average."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._visits = site.visits / site.regions
        self._workers = max(1, site.workers // site.regions)
        total = sum(count / rank for rank, count in _ranks(site.pages))
        self._buckets = [(n, self._visits / rank / total) for rank, n in _ranks(site.pages)]
        self._kept = self._characteristic()

    def _sum(self, of: Callable[[float], float]) -> float:
        return sum(count * of(rate) for count, rate in self._buckets)

    def _characteristic(self) -> float:
        """Seconds for which a worker remembers a page that nobody asks it for again."""
        low, high = 1e-6, 1e12
        for _ in range(80):
            middle = math.sqrt(low * high)
            held = self._sum(lambda rate: -math.expm1(-rate / self._workers * middle))  # noqa: B023
            low, high = (middle, high) if held < self.site.held else (low, middle)
        return low

    @property
    def renders(self) -> float:
        return self._sum(lambda rate: 1 / (self.site.lifetime + 1 / rate))

    @property
    def reads(self) -> float:
        """Pages read from the store: those no longer in memory, and those past their time there."""

        def of_one(rate: float) -> float:
            own = rate / self._workers
            missed = math.exp(-own * self._kept)
            return own * missed + (1 - missed) / (self.site.lifetime + 1 / own)

        return self._workers * self._sum(of_one)

    @property
    def syncs(self) -> float:
        """Workers asking what was invalidated: each, once for each time, if it has visitors."""
        own = self._visits / self._workers
        return self._workers / (1 / self.site.purges + 1 / own)

    @property
    def judged(self) -> float:
        """Processor time, of one worker, that goes into judging pages again after
        invalidations: a part of one."""
        purges = self.site.purges

        def of_one(rate: float) -> float:
            return 1 / (1 / purges + self._workers / rate)

        return self._sum(of_one) * JUDGED / 1e6

    @property
    def commands(self) -> float:
        asked = ASKED * self._workers
        return self.reads + (2 + BESIDE) * self.renders + self.syncs + asked

    @property
    def hottest(self) -> float:
        """Per cent of the visits that are of the million pages most visited."""
        covered = 0.0
        for (rank, _), (count, rate) in zip(_ranks(self.site.pages), self._buckets, strict=True):
            covered += count * rate * (rank <= KEPT)
        return covered / self._visits * 100

    @property
    def traffic(self) -> float:
        """Bytes a second that pass between the workers and the store."""
        return (self.reads + 2 * self.renders) * STORED


def _ranks(pages: int) -> Iterator[tuple[float, float]]:
    """Ranks and how many pages stand for each: single ones, then ever larger buckets."""
    low = 1.0
    while low <= pages:
        high = min(max(low + 1, low * 1.03), pages + 1)
        yield (low if high - low <= 1 else math.sqrt(low * (high - 1))), high - low
        low = high


def visit_by_visit(site: Site, seconds: float) -> tuple[float, float]:
    """Renders and reads a second of a site that is small enough to follow each visit."""
    chance = random.Random(1)
    weights = [1 / rank for rank in range(1, site.pages + 1)]
    made: dict[int, float] = {}
    held: list[OrderedDict[int, float]] = [OrderedDict() for _ in range(site.workers)]
    renders = reads = 0
    visits = int(seconds * site.visits)
    now, warm = 0.0, seconds / 4
    for page in chance.choices(range(site.pages), weights, k=visits):
        now += chance.expovariate(site.visits)
        memory, counts = held[chance.randrange(site.workers)], now > warm
        copy = memory.pop(page, -math.inf)
        if now - copy > site.lifetime:
            reads += counts
            if now - made.get(page, -math.inf) > site.lifetime:
                made[page] = now
                renders += counts
            copy = made[page]
        memory[page] = copy
        if len(memory) > site.held:
            memory.popitem(last=False)
    return renders / (now - warm), reads / (now - warm)


def measured() -> dict[str, float]:
    """Microseconds of Redis's own processor time for an operation."""
    with stores.redis() as (backend, _):
        stores.fill(backend, range(200), b"x" * STORED)
        nonce = backend.nonce()
        client = backend.connections.client()
        entries = [
            replace(stores.entry(n % 200, b"x" * STORED, nonce), order=time.time_ns() + n)
            for n in range(SAMPLES)
        ]

        def spent(work: Callable[[Any], object]) -> float:
            before = client.info("cpu")
            for entry in entries:
                work(entry)
            after = client.info("cpu")
            names = ("used_cpu_sys", "used_cpu_user")
            return float(sum(after[name] - before[name] for name in names)) / SAMPLES * 1e6

        counter = backend.invalidate(["tag:a"], False)
        return {
            "read": spent(lambda entry: backend.get(entry.key, time.time())),
            "store": spent(lambda entry: backend.put(row_of(entry), encode(entry), time.time())),
            "sync": spent(lambda _: backend.sync(nonce, counter)),
        }


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options("simulate", __doc__).parse_args(arguments)
    report = Report(
        "simulate", "Sites that do not fit a machine", chosen.save, ("redis", "redis-server")
    )
    costs = measured() if "redis:" in stores.kinds() else TAKEN
    report.table(
        ("", "µs"), list(costs.items()), "redis", "Redis's processor time for an operation"
    )
    renders, reads = visit_by_visit(CHECKED, 1_200)
    sums = Load(CHECKED)
    report.table(
        ("", Column("visit by visit", ".1f"), Column("by sums", ".1f")),
        [("renders a second", renders, sums.renders), ("reads a second", reads, sums.reads)],
        "checked", f"{CHECKED.pages:,} pages, both ways",
    )  # fmt: skip
    loads = [Load(site) for site in SITES]
    report.table(
        ("", *(site.name for site in SITES)),
        [[name, *(_short(of(load)) for load in loads)] for name, of in rows(costs)],
        "sites",
    )
    site = SITES[2]
    loads = [Load(replace(site, purges=n)) for n in PURGES]
    report.table(
        ("", *(f"{n:,}" for n in PURGES)),
        [[name, *(_short(of(load)) for load in loads)] for name, of in fan_out(costs)],
        "fan-out", f"Invalidations a second, {site.name}",
    )  # fmt: skip
    report.close()


def _short(value: float) -> str:
    """As many digits as such sums deserve."""
    if value >= 1_000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.2g}" if value < 10 else f"{value:,.0f}"


def busy(load: Load, costs: dict[str, float]) -> float:
    """Processors that Redis needs."""
    others = (load.commands - load.reads - load.renders) * costs["sync"]
    pages = load.reads * costs["read"] + load.renders * (costs["read"] + costs["store"])
    return (pages + others) / 1e6


def fan_out(costs: dict[str, float]) -> list[tuple[str, Callable[[Load], float]]]:
    return [
        ("workers asking what, a second", lambda load: load.syncs),
        ("messages a second", lambda load: load.site.purges * load.site.workers),
        ("Redis, processors", lambda load: busy(load, costs)),
        ("per cent of a worker, judging again", lambda load: load.judged * 100),
        ("hours until the table is full", lambda load: NAMES / load.site.purges / 3_600),
    ]


def rows(costs: dict[str, float]) -> list[tuple[str, Callable[[Load], float]]]:
    return [
        ("pages, millions", lambda load: load.site.pages / 1e6),
        ("workers in all", lambda load: load.site.workers),
        ("visits a second in all", lambda load: load.site.visits),
        ("regions, each with a store", lambda load: load.site.regions),
        ("of one region: renders a second", lambda load: load.renders),
        ("  processors that render", lambda load: load.renders * load.site.render),
        ("  pages read a second", lambda load: load.reads),
        ("  commands a second", lambda load: load.commands),
        ("  Redis, processors", lambda load: busy(load, costs)),
        ("  traffic, MB/s", lambda load: load.traffic / 1e6),
        ("  the store, GB", lambda load: load.site.pages * STORED / 1e9),
        ("  visits of the hottest million, %", lambda load: load.hottest),
        ("in all: renders a second", lambda load: load.renders * load.site.regions),
        ("hours to render each page once", _hours),
    ]


def _hours(load: Load) -> float:
    """With a tenth of the workers' processors."""
    return load.site.pages * load.site.render / (load.site.workers / 10) / 3_600


if __name__ == "__main__":
    main()
