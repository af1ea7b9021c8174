"""Stale for everybody at once.

A site of 10,000 pages, 5 ms of CPU and 20 ms of waiting each, one waitress process, 200 requests a
second with the popularities of Zipf's law, open loop: with every page fresh, read from the store by
a process that has nothing in memory, and in its memory; when all were declared stale
(``revalidate_path("/*")``); and after a deploy that changed the policy, by a process that has
nothing in memory. Those who were served stale pages, and those who had hits beside them, are told
apart, too. Then a burst: a hot page's visitors while 1,000 pages are visited within one
second, once when those are fresh and once when they are stale. Counts the renders of each page:
there may be one for each staleness.
"""

from __future__ import annotations

import itertools
import os
import random
import tempfile
from collections import Counter
from collections.abc import Sequence

from bench.feel import COLUMNS
from bench.kit.load import Due, Felt, every, load
from bench.kit.report import Report, options
from bench.kit.serving import application, get, renders, serving
from isgware import connect

RATE = 200
BURST = 1_000
COST = {"cpu": 0.005, "wait": 0.02}
Row = tuple[float | str, ...]


def fill(place: str, pages: int) -> None:
    """Render every page once, as ``isgware build`` would."""
    os.environ |= {"BENCH_STORE": f"file:{place}/store", "BENCH_RENDERS": os.devnull}
    isg = application()
    isg.prerender([f"/page/{n}" for n in range(pages)])
    isg.close()


def zipf(pages: int, seconds: float, seed: int) -> list[Due]:
    """Page n is visited as often as 1 / (n + 1) says."""
    weights = list(itertools.accumulate(1 / (n + 1) for n in range(pages)))
    count = int(RATE * seconds)
    chosen = random.Random(seed).choices(range(pages), cum_weights=weights, k=count)
    return [Due(at / RATE, f"/page/{n}", "visitors") for at, n in enumerate(chosen)]


def told(name: str, felt: Felt, visited: int, rendered: list[str]) -> list[Row]:
    counts = Counter(path for path in rendered if path != "/hot")
    most = max(counts.values(), default=0)
    labels = ", ".join(f"{label.upper()} {count:,}" for label, count in felt.labels.most_common())
    rows: list[Row] = [(name, *felt.row, visited, len(counts), most, labels)]
    if len(felt.answers) > 1:
        rows += [
            (f"{name}, {label.upper()}", *answer.row, "", "", "", "")
            for label, answer in sorted(felt.answers.items())
        ]
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options("storm", __doc__)
    parser.add_argument("--pages", type=int, default=10_000, help="default: 10000")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each line (default: 6)")
    chosen = parser.parse_args(arguments)
    report = Report(
        "storm",
        f"{chosen.pages:,} pages, {RATE} requests/s by Zipf's law, {chosen.seconds:g} s each; a "
        f"render takes {1_000 * COST['cpu']:g} ms of CPU and {1_000 * COST['wait']:g} ms of "
        "waiting",
        chosen.save,
        ("waitress",),
    )
    head = ("ms from the intended arrival", *COLUMNS, "visited", "rendered", "most", "answers")
    report.table(head, storm(chosen.pages, chosen.seconds))
    report.close()


def storm(pages: int, seconds: float) -> list[Row]:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as place:
        fill(place, pages)
        plan = zipf(pages, seconds, 1)
        visited = len({due.path for due in plan})

        def measure(port: int, name: str, dues: list[Due], group: str, visited: int) -> None:
            before = len(renders(place))
            felt = load(port, dues)[group]
            rows.extend(told(name, felt, visited, renders(place)[before:]))

        with serving(place, **COST) as port:
            get(port, "/hot")
            load(port, every(0.5, 100, "/hot", "warm-up"))
            measure(port, "fresh, from the store", plan, "visitors", visited)
            measure(port, "fresh, in memory", plan, "visitors", visited)
            with connect(f"file:{place}/store") as store:
                store.revalidate_path("/*")
            measure(port, "all stale", plan, "visitors", visited)
        with serving(place, release="two", **COST) as port:
            measure(port, "after a deploy", plan, "visitors", visited)
        count = min(BURST, pages)
        burst = [Due(1 + n / count, f"/page/{n}", "burst") for n in range(count)]
        burst += every(seconds, 100, "/hot", "hot")
        fill(place, pages)
        for name, release in (("hot page, fresh burst", "one"), ("hot page, stale burst", "three")):
            with serving(place, release=release, **COST) as port:
                get(port, "/hot")
                measure(port, name, burst, "hot", count)
    return rows


if __name__ == "__main__":
    main()
