"""What wrapping costs a site of which no page can be stored, since each answer sets a cookie.

Bare and wrapped site run in processes of their own and get the same visits in turns. CPU time is
that of the whole process, so that renders in the background and garbage collection count, too. The
first visits, in which pages are tried, are part of it. Where Python's objects lie in memory makes
one process up to a tenth faster than the next, so there are several pairs of processes, and the
median of all rounds' ratios is shown.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from bench.kit.machine import ROOT
from bench.kit.report import Column, Report, options
from bench.refused_sites import SITES, VISITS

PAIRS, ROUNDS = 4, 40


class Site:
    """One process, which is told when to answer the visits of the next round."""

    def __init__(self, name: str, kind: str, store: str, rounds: int) -> None:
        command = [sys.executable, "-m", "bench.refused_sites", name, kind, store, str(rounds)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, cwd=ROOT,
        )  # fmt: skip
        if self._told() != "ready":
            raise SystemExit(f"{name} ({kind}) did not start.")

    def round(self) -> float:
        """CPU seconds since the round before."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._told())

    def _told(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        self._process.communicate()


def pair(name: str, rounds: int) -> list[tuple[float, float]]:
    """Seconds of CPU that bare and wrapped site took in each round."""
    with tempfile.TemporaryDirectory() as directory:
        sites = [
            Site(name, kind, f"file:{directory}/store", rounds) for kind in ("bare", "wrapped")
        ]
        taken = []
        for number in range(rounds):
            turns = sites if number % 2 else sites[::-1]
            took = {site: site.round() for site in turns}
            taken.append((took[sites[0]], took[sites[1]]))
        for site in sites:
            site.close()
    return taken


def measure(name: str, pairs: int, rounds: int) -> tuple[float, float, float]:
    """µs of CPU for a visit of the bare and of the wrapped site, and the median of the rounds'
    ratios."""
    taken = [one for _ in range(pairs) for one in pair(name, rounds)]
    bare, wrapped = (1e6 * statistics.median(each) / VISITS for each in zip(*taken, strict=True))
    return bare, wrapped, statistics.median(wrapped / bare for bare, wrapped in taken)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options("refused", __doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"of processes; default {PAIRS}")
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help=f"of {VISITS} visits each; default {ROUNDS}"
    )
    chosen = parser.parse_args(arguments)
    report = Report(
        "refused", "CPU of a visit, sites whose pages all set a cookie", chosen.save,
        ("Flask", "Django", "Jinja2"),
    )  # fmt: skip
    report.table(
        ("", Column("bare, µs"), Column("wrapped, µs"), Column("x bare", ".3f")),
        [(name, *measure(name, chosen.pairs, chosen.rounds)) for name in SITES],
    )
    report.close()


if __name__ == "__main__":
    main()
