"""isgware against what else people put in front of an app: CPU, throughput, latency of a hit.

All servers run at once, and are asked in turns, so that the machine's moods fall on all of them.
Each has one process and one thread; it gets one core, the load another, where there are two.
``python -m bench.versus`` prints a table; ``--save`` keeps it, and plots, for the documentation.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field

from bench import versus_report as report
from bench.contenders import CONTENDERS, Running, started

ROUNDS = 3
SECONDS = 1.0
#: Requests per second of the open loop: what the slowest contender bears without a queue.
RATE = 200.0


@dataclass
class Measured:
    """One contender with one Accept-Encoding, a value for each round. ``cpu`` in seconds per
    request, ``waits`` in seconds."""

    cpu: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        waits = sorted(self.waits)
        return waits[min(int(len(waits) * share), len(waits) - 1)]


def load(*arguments: object) -> str:
    """What a load generator prints. It is another process, on another core."""
    command = [sys.executable, "-m", "bench.load", *map(str, arguments)]
    return subprocess.check_output(command, text=True, preexec_fn=lambda: settle(-1))


def flat_out(port: int, accept: str) -> tuple[int, float]:
    """Requests answered and seconds taken by clients that ask again at once. `wrk`, where it is
    installed, asks faster than the fastest server answers; the bench's own generator does not."""
    if not shutil.which("wrk"):
        count, took = json.loads(load("closed", port, accept, SECONDS))
        return count, took
    asked = ["-H", f"Accept-Encoding: {accept}"] if accept else []
    command = ["wrk", "-t1", "-c16", "-d1s", *asked, f"http://127.0.0.1:{port}/page"]
    told = subprocess.check_output(command, text=True, preexec_fn=lambda: settle(-1))
    if "Non-2xx" in told:
        raise SystemExit(f"Port {port} answered errors:\n{told}")
    words = told.split()
    return int(words[words.index("requests") - 1]), float(words[words.index("in") + 1].strip("s,"))


def settle(core: int) -> None:
    """Keep this process on one of the cores it may use: the first (0) or the last (-1)."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[core]})


def measure(running: list[Running]) -> dict[tuple[str, str], Measured]:
    results: dict[tuple[str, str], Measured] = {}
    for _ in range(ROUNDS):
        for one in running:
            for accept in one.kind.encodings:
                found = results.setdefault((one.kind.name, accept), Measured())
                before = one.cpu()
                count, took = flat_out(one.port, accept)
                found.cpu.append((one.cpu() - before) / count)
                found.rate.append(count / took)
                if not accept:
                    found.waits += json.loads(load("open", one.port, accept, SECONDS, RATE))
    return results


def machine() -> list[str]:
    """What has to be known to compare the figures with others."""
    packages = ("granian", "Flask", "Flask-Caching", "Django")
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as told:
        models = [line.partition(":")[2].strip() for line in told if line.startswith("model name")]
    return [
        f"{os.cpu_count()} cores ({models[0] if models else platform.machine()}), "
        f"{platform.system()}, Python {platform.python_version()}",
        ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages),
        *(version for version in map(_version, ("nginx", "varnishd")) if version),
        f"load average at the start and at the end {_LOAD:.1f} and {os.getloadavg()[0]:.1f} "
        "(the bench itself makes about 1.5)",
    ]


_LOAD = os.getloadavg()[0]


def _version(program: str) -> str:
    """``nginx/1.22.1``, ``varnish-7.1.1``: the word of its own description that names it."""
    if not shutil.which(program):
        return ""
    option = {"nginx": "-v", "varnishd": "-V"}[program]
    done = subprocess.run([program, option], capture_output=True, text=True)
    words = (done.stderr + done.stdout).replace("(", " ").split()
    return next((word for word in words if word.startswith(("nginx/", "varnish-"))), program)


def main() -> None:
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        os.chmod(directory, 0o755)
        running: list[Running] = []
        for kind in CONTENDERS:
            if kind.needs and not shutil.which(kind.needs):
                print(f"{kind.name}: not measured, since {kind.needs} is not installed.")
                continue
            running.append(stack.enter_context(started(kind, directory, running)))
        results = measure(running)
    rows = report.rows(results, statistics.median)
    print(report.as_text(rows, machine()))
    if "--save" in sys.argv:
        report.save(rows, machine())


if __name__ == "__main__":
    main()
