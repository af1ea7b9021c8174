"""isgware against what else people put in front of an app: CPU, throughput, latency of a hit.

All servers run at once and are asked in turns, many times over, so that the machine's moods fall on
all of them. Each has one process and one thread; it gets one core, the load another, where there
are two. nginx, Varnish and wrk take part where they are installed. Takes five minutes;
``--rounds 2`` one.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.contenders import CONTENDERS, Running, started
from bench.kit import charts
from bench.kit.load import CLOSED, HOST, Felt, every, flat_out, load
from bench.kit.machine import missing, program, settle
from bench.kit.report import Column, Report, Value, options

ROUNDS, SECONDS = 10, 1.0
#: Of the open loop, requests a second: half of what the slowest cache bears on a slow machine.
RATE: Final = 1_000.0
#: Seconds of the open loop in each round. Ten rounds are 20,000 requests: p99.9 has 20 beyond it.
STEADY: Final = 2.0
SHARES: Final = (0.5, 0.99, 0.999)
VERSIONS: Final = ("granian", "Flask", "Flask-Caching", "Django", "nginx", "varnishd", "wrk")
CPU: Final = ("", Column("CPU µs", ",.1f"), Column("x constant", ".2f"),
              Column("CPU µs, gzip", ",.1f"), Column("x constant, gzip", ".2f"),
              "requests/s")  # fmt: skip
LATENCY: Final = ("", Column("p50 ms", ".2f"), Column("p99 ms", ".2f"), Column("p99.9 ms", ".2f"),
                  Column("p50 x", ".2f"), Column("p99 x", ".2f"), Column("p99.9 x", ".2f"),
                  "requests")  # fmt: skip


@dataclass
class Measured:
    """One contender: for each Accept-Encoding seconds of CPU per request and requests a second,
    a value for each round; and what a steady rate of visitors felt."""

    cpu: dict[str, list[float]] = field(default_factory=dict)
    rate: dict[str, list[float]] = field(default_factory=dict)
    felt: Felt = field(default_factory=Felt)


def hammered(port: int, accept: str) -> tuple[int, float]:
    """Requests answered and seconds taken by clients that ask again at once. `wrk`, where it is
    installed, asks faster than the fastest server answers; the bench's own generator does not."""
    wrk = program("wrk")
    if wrk is None:
        return flat_out(port, accept, SECONDS, core=-1)
    asked = ["-H", f"Host: {HOST}", *(["-H", f"Accept-Encoding: {accept}"] if accept else [])]
    address = f"http://127.0.0.1:{port}/page"
    command = [wrk, "-t1", f"-c{CLOSED}", f"-d{SECONDS:.0f}s", *asked, address]
    told = subprocess.check_output(command, text=True, preexec_fn=lambda: settle(-1))
    if "Non-2xx" in told:
        raise SystemExit(f"Port {port} answered errors:\n{told}")
    words = told.split()
    return int(words[words.index("requests") - 1]), float(words[words.index("in") + 1].strip("s,"))


def measure(running: Sequence[Running], rounds: int) -> dict[str, Measured]:
    results = {one.kind.name: Measured() for one in running}
    for number in range(rounds):
        if sys.stderr.isatty():
            print(f"  round {number + 1} of {rounds}", file=sys.stderr)
        for one in running:
            found = results[one.kind.name]
            for accept in one.kind.encodings:
                before = one.cpu()
                count, took = hammered(one.port, accept)
                found.cpu.setdefault(accept, []).append((one.cpu() - before) / count)
                found.rate.setdefault(accept, []).append(count / took)
            if one.kind.stores:
                found.felt.join(visited(one.port))
    return results


def visited(port: int) -> Felt:
    """What visitors of a steady rate felt, all of whom got the stored page."""
    felt = load(port, every(STEADY, RATE, "/page", "all"), most=CLOSED, core=-1)["all"]
    if strange := felt.labels.keys() - {"200", "hit"}:
        raise SystemExit(f"Port {port} answered {', '.join(sorted(strange))}.")
    return felt


def cpu_rows(results: dict[str, Measured]) -> list[list[Value]]:
    """Ratios are medians of the rounds' ratios: what disturbs a round disturbs both its sides."""
    least = next(iter(results.values())).cpu
    rows: list[list[Value]] = []
    for name, found in results.items():
        row: list[Value] = [name]
        for accept in ("", "gzip"):
            if accept not in found.cpu:
                row += [None, None]
                continue
            pairs = zip(found.cpu[accept], least[accept], strict=True)
            row.append(statistics.median(found.cpu[accept]) * 1e6)
            row.append(statistics.median(mine / bare for mine, bare in pairs))
        rows.append([*row, statistics.median(found.rate[""])])
    return rows


def latency_rows(results: dict[str, Measured]) -> list[list[Value]]:
    """Percentiles over all rounds' requests, and as multiples of those of constant bytes."""
    least = next(iter(results.values())).felt
    rows: list[list[Value]] = []
    for name, found in results.items():
        if found.felt.times:
            times = [found.felt.percentile(share) for share in SHARES]
            bare = [least.percentile(share) for share in SHARES]
            ratios = [mine / other for mine, other in zip(times, bare, strict=True)]
            rows.append([name, *times, *ratios, len(found.felt.times)])
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options("versus", __doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default: {ROUNDS}")
    chosen = parser.parse_args(arguments)
    report = Report(
        "versus", "A hit on a 30 kB page over loopback, one process and one thread each",
        chosen.save, VERSIONS,
    )  # fmt: skip
    results = compared(report, chosen)
    cpu, latency = cpu_rows(results), latency_rows(results)
    report.table(CPU, cpu, "cpu")
    report.table(
        LATENCY, latency, "latency", f"Latency at {RATE:,.0f} requests/s, from the intended arrival"
    )
    report.plot("cpu", _drawn("CPU per request", ("identity", "gzip"), cpu, (2, 4)))
    report.plot("latency", _drawn("Latency", ("p50", "p99", "p99.9"), latency, (4, 5, 6)))
    report.close()


def compared(report: Report, chosen: argparse.Namespace) -> dict[str, Measured]:
    if program("wrk") is None:
        report.say(f"{missing('wrk')}: the bench's own load, instead, is slower than some servers.")
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        os.chmod(directory, 0o755)
        running: list[Running] = []
        for kind in CONTENDERS:
            if kind.needs and program(kind.needs) is None:
                report.say(f"{kind.name} takes no part: {missing(kind.needs)}.")
                continue
            running.append(stack.enter_context(started(kind, directory, running)))
        return measure(running, chosen.rounds)


def _drawn(
    title: str, series: Sequence[str], rows: Sequence[Sequence[Value]], columns: Sequence[int]
) -> str:
    given = [(str(row[0]), [_number(row[column]) for column in columns]) for row in rows]
    return charts.bars(title, "times constant bytes", series, given)


def _number(value: Value) -> float | None:
    return None if value is None else float(value)


if __name__ == "__main__":
    main()
