"""What visitors of a hot page feel while other pages are regenerated:
``.venv/bin/python -m bench.feel [SECONDS]``.

A hundred requests a second for one page, open loop, of one waitress process. Meanwhile two pages,
then five, each 100 ms of pure CPU, go stale every second. They are rendered by the process's own
pool, as it is and with Python's own switch interval (5 ms) left alone, and by ``isgware worker``.
``SECONDS`` is how long each line is measured (default 3).
"""

from __future__ import annotations

import contextlib
import sys
import tempfile

from bench.openloop import Due, Felt, every, load
from bench.serving import get, renders, serving, working

RATE = 100
BURNING = (2, 5)
CPU = 0.1
#: Seconds; said by hand, and therefore left as it is while renders run.
PYTHONS_OWN = 0.004_999


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


def main(seconds: float = 3.0) -> None:
    print(
        f"{RATE} requests/s of a hot page, one waitress process, {seconds:g} s each; pages of "
        f"{1_000 * CPU:g} ms of CPU go stale every second\n"
    )
    print(f"{'ms from the intended arrival':38}{'p50':>9}{'p99':>9}{'max':>9}{'renders':>9}")

    def line(name: str, burning: int, **said: object) -> None:
        felt, rendered = feel(seconds, burning, **said)  # type: ignore[arg-type]
        print(f"{name:38}{felt.row}{rendered:9}", flush=True)

    line("idle", 0)
    for burning in BURNING:
        line(f"{burning} pages, isgware worker", burning, worker=True)
        line(f"{burning} pages, own pool", burning)
        line(f"{burning} pages, own pool, interval 5 ms", burning, interval=PYTHONS_OWN)


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]))
