"""What an invalidation costs, whatever it covers: ``python -m bench.invalidation``.

Three questions. What does one call cost with ten pages in the store, and with a million? What does
a hit cost while many other pages are invalidated? How soon do three hosts show the new page?
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from bench import stores
from bench.agreement import agreement
from bench.apps import constant, environ
from bench.hits import cpu_per_call
from isgware import ISG, Policy, connect

PAGES = (10, 10_000, 1_000_000)
CALLS, ROUNDS, PENDING = 300, 15, 10_000
BODY = b"<p>A small page.</p>" * 10


def kinds() -> list[str]:
    """The stores that can be had here."""
    return [kind for kind in stores.KINDS if kind != "redis:" or shutil.which("redis-server")]


def row(name: str, times: list[float]) -> None:
    times.sort()
    late = times[int(len(times) * 0.99)]
    print(f"{name:34}{statistics.median(times):10.2f}{late:10.2f}{times[-1]:10.2f}")


def timed(work: Callable[[], object]) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


def cost_of_a_call(kind: str, sizes: Sequence[int]) -> None:
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
                row(f"{kind:7}{size:>10,} pages, {name}", [timed(call) for _ in range(CALLS)])


def cost_of_a_hit(kind: str) -> None:
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
        print(f"{kind:7}{name:34}{value:10.2f}{value / base:10.2f}")


def _first_hit(isg: ISG, number: int) -> float:
    isg.purge_tag(f"other:{number}")
    request, seen = environ(), []

    def start_response(status: str, headers: list[Any], exc_info: Any = None) -> None:
        seen.extend(headers)

    started = time.process_time()
    isg(request, start_response)
    took = (time.process_time() - started) * 1e6
    assert ("X-ISG-Cache", "HIT") in seen, seen
    return took


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="bench.invalidation", description=__doc__)
    parser.add_argument("--pages", type=int, nargs="+", default=PAGES, help="sizes of the store")
    parser.add_argument("--rounds", type=int, default=300, help="purges that hosts agree about")
    chosen = parser.parse_args(arguments)
    print(f"An invalidation, until the call returns, ms ({CALLS} calls)\n")
    print(f"{'':34}{'median':>10}{'p99':>10}{'max':>10}")
    for kind in kinds():
        cost_of_a_call(kind, chosen.pages)
    print("\nA hit, CPU us per call in process, medians, and as a ratio\n")
    for kind in kinds():
        cost_of_a_hit(kind)
    if "redis:" in kinds():
        print(f"\nUntil three hosts show the new page after a purge, ms ({chosen.rounds} purges)\n")
        print(f"{'':34}{'median':>10}{'p99':>10}{'max':>10}")
        for name, times in agreement(chosen.rounds).items():
            row(name, times)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
