"""What an invalidation costs, whatever it covers.

Three questions. What does one call cost with ten pages in the store, and with a million? What does
a hit cost while many other pages are invalidated? How soon do three hosts show the new page?
A million pages take some minutes to store; ``--pages 10 10000`` leaves them out.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from bench.agreement import agreement
from bench.hits import cpu_per_call
from bench.kit import stores
from bench.kit.apps import asked, constant, environ
from bench.kit.report import Column, Report, options
from isgware import ISG, Policy, connect

PAGES = (10, 10_000, 1_000_000)
CALLS, ROUNDS, PENDING = 300, 15, 10_000
BODY = b"<p>A small page.</p>" * 10
MILLISECONDS: Final = [Column(f"{name} ms", ",.2f") for name in ("p50", "p99", "max")]
Row = tuple[float | str, ...]


def spread(times: list[float]) -> tuple[float, float, float]:
    """The median, p99 and the longest."""
    times = sorted(times)
    return statistics.median(times), times[int(len(times) * 0.99)], times[-1]


def timed(work: Callable[[], object]) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


def cost_of_a_call(kind: str, sizes: Sequence[int]) -> Iterator[Row]:
    """The public call, until it returns: by a tag that all pages bear, and by one page's path."""
    with stores.KINDS[kind]() as (backend, url), connect(url, backend_timeout=30) as store:
        held = 0
        for size in sorted(sizes):
            stores.fill(backend, range(held, size), BODY)
            held = size
            store.purge_path("/nothing")
            for name, call in (
                ("a tag of all", lambda: store.purge_tag("pages")),
                ("one path", lambda: store.purge_path("/page/7")),
                ("all", store.purge_all),
            ):
                times = spread([timed(call) for _ in range(CALLS)])
                yield (f"`{kind}` {size:,} pages, {name}", *times)


def cost_of_a_hit(kind: str) -> Iterator[Row]:
    """CPU per hit, by turns: nothing invalidated; many names, none of them the page's; and the
    first hit after an invalidation of another page."""
    routes = {"/page": Policy(revalidate=3600)}
    with stores.KINDS[kind]() as (_, url), stores.KINDS[kind]() as (_, busy_url):
        calm = ISG(constant, store=url, routes=routes, backend_timeout=30)
        busy = ISG(constant, store=busy_url, routes=routes, backend_timeout=30)
        for number in range(PENDING):
            busy.purge_tag(f"other:{number}")
        times: dict[str, list[float]] = {"calm": [], "busy": [], "after": []}
        for app in (calm, busy):
            cpu_per_call(app, environ())
        for _ in range(ROUNDS):
            times["calm"].append(cpu_per_call(calm, environ()))
            times["busy"].append(cpu_per_call(busy, environ()))
            times["after"] += [_first_hit(busy, number) for number in range(20)]
        calm.close()
        busy.close()
    base = statistics.median(times["calm"])
    for name, label in (
        ("nothing invalidated", "calm"),
        (f"{PENDING:,} other names invalidated", "busy"),
        ("first hit after an invalidation", "after"),
    ):
        value = statistics.median(times[label])
        yield f"`{kind}` {name}", value, value / base


def _first_hit(isg: ISG, number: int) -> float:
    isg.purge_tag(f"other:{number}")
    started = time.process_time()
    told = asked(isg, environ())[1]
    took = (time.process_time() - started) * 1e6
    assert told["X-ISG-Cache"] == "HIT", told
    return took


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options("invalidation", __doc__)
    parser.add_argument("--pages", type=int, nargs="+", default=PAGES, help="sizes of the store")
    parser.add_argument("--rounds", type=int, default=300, help="purges that hosts agree about")
    chosen = parser.parse_args(arguments)
    report = Report(
        "invalidation", "What an invalidation costs", chosen.save, ("redis", "redis-server")
    )
    kinds = stores.kinds()
    report.table(
        ("", *MILLISECONDS),
        [row for kind in kinds for row in cost_of_a_call(kind, chosen.pages)],
        "call", f"Until the call returns, {CALLS} calls each",
    )  # fmt: skip
    report.table(
        ("", Column("CPU µs", ".2f"), Column("ratio", ".2f")),
        [row for kind in kinds for row in cost_of_a_hit(kind)],
        "hit", "A hit in process, medians",
    )  # fmt: skip
    if "redis:" in kinds:
        report.table(
            ("", *MILLISECONDS),
            [(name, *spread(times)) for name, times in agreement(chosen.rounds).items()],
            "agreement", f"Until hosts over one Redis show the new page, {chosen.rounds} purges",
        )  # fmt: skip
    report.close()


if __name__ == "__main__":
    main()
