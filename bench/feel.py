"""What visitors of a hot page feel while other pages are regenerated.

A hundred requests a second for one page, open loop, of one waitress process. Meanwhile two pages,
then five, each 100 ms of pure CPU, go stale every second. They are rendered by the process's own
pool, as it is and with Python's own switch interval (5 ms) left alone, and by ``isgware worker``.
What the pool might do besides is tried, too: threads of a lower priority, and a forked child for
each render.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from typing import Any, Final

from bench.kit.load import Due, Felt, every, load
from bench.kit.report import Column, Report, options
from bench.kit.serving import get, renders, serving, working

RATE = 100
BURNING = (2, 5)
CPU = 0.1
#: Seconds; said by hand, and therefore left as it is while renders run.
PYTHONS_OWN = 0.004_999
COLUMNS: Final = (Column("p50", ".1f"), Column("p99", ".1f"), Column("max", ".1f"))


def feel(seconds: float, burning: int, *, worker: bool = False, **said: object) -> tuple[Felt, int]:
    """What the hot page's visitors felt, and how many renders there were meanwhile."""
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as running:
        said = {"cpu": CPU, **said}
        port = running.enter_context(serving(place, **said))
        for path in ("/hot", *(f"/burn/{n}" for n in range(burning))):
            get(port, path)
        if worker:
            running.enter_context(working(place, **said))
        dues: list[Due] = every(seconds, RATE, "/hot", "hot")
        for n in range(burning):
            dues += every(seconds, 4, f"/burn/{n}", "burning", offset=0.02 * n)
        load(port, every(0.5, RATE, "/hot", "warm-up"))
        before = len(renders(place))
        felt = load(port, dues)["hot"]
        return felt, len(renders(place)) - before


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options("feel", __doc__)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each line (default: 6)")
    chosen = parser.parse_args(arguments)
    report = Report(
        "feel",
        f"{RATE} requests/s of a hot page, one waitress process, {chosen.seconds:g} s each; pages "
        f"of {1_000 * CPU:g} ms of CPU go stale every second",
        chosen.save,
        ("waitress",),
    )
    rows: list[tuple[float | str, ...]] = []

    def line(name: str, burning: int, **said: Any) -> None:
        felt, rendered = feel(chosen.seconds, burning, **said)
        rows.append((name, *felt.row, rendered))

    line("idle", 0)
    for burning in BURNING:
        line(f"{burning} pages, isgware worker", burning, worker=True)
        line(f"{burning} pages, own pool", burning)
        line(f"{burning} pages, own pool, interval 5 ms", burning, interval=PYTHONS_OWN)
        line(f"{burning} pages, own pool, nice 10", burning, nice=10)
        line(f"{burning} pages, own pool, nice 19", burning, nice=19)
        line(f"{burning} pages, own pool, a child each", burning, fork=1)
    report.table(("ms from the intended arrival", *COLUMNS, "renders"), rows)
    report.close()


if __name__ == "__main__":
    main()
