"""What ``dependencies=True`` costs: recording a render, requests outside of clean rooms, commits.

The blog of `bench.blog`, in Django and with Flask-SQLAlchemy. One process has isgware with the
option, another has it without; both do the same in turns, and CPU time of each process counts. With
--count callgrind counts the instructions of both instead, which differ little from run to run; that
needs valgrind, and ten minutes.
"""

from __future__ import annotations

import contextlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from bench.blog.measured import CASES, COMMITS, COUNTED, OWN, PAGES, RENDERS
from bench.kit import stores
from bench.kit.machine import ROOT, missing, program
from bench.kit.report import Column, Report, options

LIBRARIES: Final = {"django": "Django", "flask": "Flask-SQLAlchemy"}
ROUNDS, TIMES = 8, 15
#: The libc function that a process calls to say that another count begins.
_MARK: Final = "getsid"
#: Instructions or microseconds of a case: without the option, and with it.
Pair = tuple[float, float]


class Measured:
    """A process of `bench.blog.measured`."""

    def __init__(self, library: str, url: str, recorded: str) -> None:
        self._process = subprocess.Popen(
            _command(library, url, recorded), cwd=ROOT, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        #: By page, how many dependencies it has.
        self.depends = {page: int(self._line()[0]) for page in PAGES}

    def _line(self) -> list[float]:
        assert self._process.stdout is not None
        return [float(word) for word in self._process.stdout.readline().split()]

    def take(self, case: str, times: int) -> tuple[float, float]:
        """Microseconds of CPU, and round trips to Redis."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{case} {times}\n")
        self._process.stdin.flush()
        took, trips = self._line()
        return took, trips

    def close(self) -> None:
        self._process.communicate()


def _command(library: str, url: str, recorded: str) -> list[str]:
    return [sys.executable, "-m", "bench.blog.measured", library, url, recorded]


@contextlib.contextmanager
def pair(library: str, url: str, other: str) -> Iterator[tuple[Measured, Measured]]:
    without, with_it = Measured(library, other, "off"), Measured(library, url, "on")
    yield without, with_it
    without.close()
    with_it.close()


def in_turns(
    both: tuple[Measured, Measured], cases: Sequence[str]
) -> tuple[dict[str, Pair], dict[str, float]]:
    """Medians over the rounds: CPU, and round trips with the option."""
    found: dict[str, tuple[list[float], list[float]]] = {case: ([], []) for case in cases}
    trips: dict[str, list[float]] = {case: [] for case in cases}
    for number in range(ROUNDS + 1):  # the first warms up
        for case in cases:
            for which in (0, 1) if number % 2 else (1, 0):
                took, sent = both[which].take(case, TIMES)
                if number:
                    found[case][which].append(took)
                    trips[case] += [sent] * which
    median = statistics.median
    return (
        {case: (median(without), median(with_it)) for case, (without, with_it) in found.items()},
        {case: median(sent) for case, sent in trips.items()},
    )


def counted(library: str) -> dict[str, Pair]:
    """Thousands of instructions."""
    without, with_it = (_instructions(library, recorded) for recorded in ("off", "on"))
    return {case: (without[case], with_it[case]) for case in CASES}


def _instructions(library: str, recorded: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as directory:
        command = [
            program("valgrind") or "", "--tool=callgrind", f"--callgrind-out-file={directory}/out",
            f"--dump-before={_MARK}", *_command(library, "", recorded), "count",
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
        found = {}
        for number, case in enumerate(CASES):
            dump = Path(f"{directory}/out.{2 * number + 2}")
            total = re.search(r"^summary: (\d+)", dump.read_text(), re.M) if dump.exists() else None
            if total is None:
                raise SystemExit(f"callgrind told nothing:\n{done.stderr[-2_000:]}")
            found[case] = int(total[1]) / COUNTED / 1e3
        return found


def requests_table(report: Report, found: dict[str, dict[str, Pair]], unit: str) -> None:
    rows = [
        (f"{name}, {case}", without, with_it, with_it - without, (with_it / without - 1) * 100)
        for name, by_case in found.items()
        for case, (without, with_it) in by_case.items()
        if case not in COMMITS
    ]
    head = (
        "", Column(f"without, {unit}"), Column(f"with, {unit}"), Column("more", "+,.0f"),
        Column("more, %", "+.1f"),
    )  # fmt: skip
    report.table(head, rows, "requests")


def commits_table(report: Report, rows: Sequence[tuple[str, Pair, float | None]]) -> None:
    head = (
        "", Column("without, µs"), Column("with, µs"), Column("more, µs", "+,.0f"),
        Column("round trips", ".1f"),
    )  # fmt: skip
    told = [(name, *two, two[1] - two[0], trips) for name, two, trips in rows]
    report.table(head, told, "commits", "The commit of one row")


def commits(library: str) -> list[tuple[str, Pair, float | None]]:
    """On each store; without the option there is nothing to tell any."""
    rows: list[tuple[str, Pair, float | None]] = []
    for kind in ("memory:", *stores.kinds()):
        opened = contextlib.nullcontext((None, "memory:" if kind == "memory:" else ""))
        store = stores.redis() if kind == "redis:" else opened
        with store as (_, url), pair(library, url, "memory:") as both:
            times, trips = in_turns(both, COMMITS)
            for case, two in times.items():
                sent = trips[case] if kind == "redis:" else None
                rows.append((f"{LIBRARIES[library]}, {kind} {case}", two, sent))
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options("dependency_recording", __doc__)
    parser.add_argument("--count", action="store_true", help="instructions, by callgrind")
    parser.add_argument("--library", choices=LIBRARIES, action="append", help="this one alone")
    chosen = parser.parse_args(arguments)
    if chosen.count and program("valgrind") is None:
        raise SystemExit(missing("valgrind"))
    about = "A blog with and without dependencies=True: the same page from a database"
    name = "dependency_recording" + ("-counted" if chosen.count else "")
    versions = ("Django", "SQLAlchemy", "Flask-SQLAlchemy")
    report = Report(name, about, chosen.save, versions)
    found: dict[str, dict[str, Pair]] = {}
    told: list[tuple[str, Pair, float | None]] = []
    for library in chosen.library or LIBRARIES:
        if chosen.count:
            found[LIBRARIES[library]] = counted(library)
            continue
        with pair(library, "", "") as both:
            found[LIBRARIES[library]] = in_turns(both, (*RENDERS, *OWN))[0]
            pages = ", ".join(f"{page} {count}" for page, count in both[1].depends.items())
        report.say(f"{LIBRARIES[library]}: dependencies of each page: {pages}.")
        told += commits(library)
    requests_table(report, found, "1,000 instructions" if chosen.count else "µs")
    if told:
        commits_table(report, told)
    report.close()


if __name__ == "__main__":
    main()
