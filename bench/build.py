"""What `isgware build` costs beside the app: pages of the Flask example, two processes.

The yardstick is the app alone: two processes that import it and call it for the same pages, each
half of them, read the answers and throw them away. Elapsed time is that of whole programs, with
Python's start and the app's import on either side; processor time is without either's. Of some
rounds the best of each; on a machine that has other things to do, processor time is the one to
compare. The example makes a page in a fraction of a millisecond, so the same is done with pages
that take longer, by work that is added to each. Then a second build with `--stale`, and the memory
of the process that hands out the work, with a tenth and with all of the pages.
"""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.kit.machine import ROOT
from bench.kit.report import Column, Report, options

PAGES = 10_000
JOBS = 2
BASE = "https://example.com"
#: The module that the builds below name: the example, with as many of its pages as are wanted.
SITE = """
import itertools, os, resource, atexit, hashlib
from examples.flask_app import catalogue
from examples.flask_app.app import app
from examples.flask_app.views import every_item
from isgware import Policy
import dataclasses

for kind in catalogue.KINDS:  # what the app itself loads and keeps is in memory from the start
    catalogue.items(kind)
wanted = int(os.environ["BENCH_PAGES"])
count = itertools.count()
parent = os.getpid()

def some(most):
    return lambda: itertools.islice(every_item(), most)

for name, most in (("site.item", wanted - wanted // 2), ("site.item_data", wanted // 2)):
    view = app.view_functions[name]
    view.__isgware_policy__ = dataclasses.replace(view.__isgware_policy__, paths=some(most))
for name in ("site.home", "site.item_list", "site.names", "site.now"):
    view = app.view_functions[name]
    view.__isgware_policy__ = dataclasses.replace(view.__isgware_policy__, revalidate=0)

def peak():
    if os.getpid() == parent:
        with open(os.environ["BENCH_PEAK"], "w") as file:
            file.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))

atexit.register(peak)

rounds = int(os.environ["BENCH_ROUNDS"])
if rounds:
    app.before_request(lambda: hashlib.pbkdf2_hmac("sha256", b"page", b"bench", rounds) and None)
"""
#: The app alone, called as a server would.
ALONE = """
import io, os, sys
from site_of_the_bench import app, some

half, jobs = int(sys.argv[1]), int(sys.argv[2])
wsgi, wanted = app.extensions["isgware"].core.application, int(os.environ["BENCH_PAGES"])
paths = [f"/{a['kind']}/{a['code']}" for a in some(wanted - wanted // 2)()]
paths += [f"/api/{a['kind']}/{a['code']}.json" for a in some(wanted // 2)()]

def start_response(status, headers, exc_info=None):
    assert status == "200 OK", status

for path in paths[half::jobs]:
    chunks = wsgi({
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "",
        "SERVER_NAME": "example.com", "SERVER_PORT": "443", "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "example.com", "wsgi.version": (1, 0), "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr, "wsgi.multithread": False,
        "wsgi.multiprocess": True, "wsgi.run_once": False,
    }, start_response)
    b"".join(chunks)
    chunks.close()
"""


class Bench:
    """One kind of pages: ``rounds`` of work are added to each."""

    def __init__(self, directory: Path, pages: int, rounds: int) -> None:
        self.pages = pages
        self._directory = directory
        self._rounds = rounds
        self._start = 0.0
        (directory / "site_of_the_bench.py").write_text(SITE)

    def alone(self) -> tuple[float, float]:
        """Elapsed and processor seconds of the app, in as many processes."""
        starts = [[sys.executable, "-c", "import site_of_the_bench"]] * JOBS
        works = [[sys.executable, "-c", ALONE, str(number), str(JOBS)] for number in range(JOBS)]
        _, spent = self._timed(*starts)
        self._start = spent / JOBS
        elapsed, spent = self._timed(*works)
        return elapsed, spent - JOBS * self._start

    def build(self, *options: str) -> tuple[float, float]:
        """Those of a build; without ``options`` of all pages."""
        if not options:
            shutil.rmtree(self._directory / "pages", ignore_errors=True)
        command = [sys.executable, "-m", "isgware", "build", "site_of_the_bench:app"]
        command += ["--base-url", BASE, f"--jobs={JOBS}", *options]
        elapsed, spent = self._timed(command)
        return elapsed, spent - self._start

    def peak(self) -> float:
        """Of the process that handed out the work of the last build, in MB."""
        return int((self._directory / "peak").read_text()) / 1024

    def _timed(self, *commands: list[str]) -> tuple[float, float]:
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        running = [
            subprocess.Popen(
                command, cwd=self._directory, env=self._environ(), stdout=subprocess.PIPE, text=True
            )
            for command in commands
        ]
        for process in running:
            printed, _ = process.communicate()
            assert process.returncode == 0, printed
        elapsed, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        return elapsed, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def _environ(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": f"{self._directory}:{ROOT}",
            "CATALOGUE_DB": str(self._directory / "notes.sqlite"),
            "ISGWARE_STORE": f"file:{self._directory / 'pages'}",
            "BENCH_PAGES": str(self.pages),
            "BENCH_ROUNDS": str(self._rounds),
            "BENCH_PEAK": str(self._directory / "peak"),
        }


Times = tuple[float, float]


def compared(bench: Bench, rounds: int) -> tuple[Times, Times, Times]:
    """The best elapsed and processor seconds of the app alone, a build, and one with --stale."""
    found: list[tuple[Times, Times, Times]] = [
        (bench.alone(), bench.build(), bench.build("--stale")) for _ in range(rounds)
    ]
    app, build, stale = (
        (min(each[0] for each in times), min(each[1] for each in times))
        for times in zip(*found, strict=True)
    )
    return app, build, stale


def rounds_of(milliseconds: float) -> int:
    """How much work takes so long, on this machine, now."""
    best = float("inf")
    for _ in range(20):
        began = time.process_time()
        hashlib.pbkdf2_hmac("sha256", b"page", b"bench", 1_000)
        best = min(best, time.process_time() - began)
    return int(milliseconds / 1e3 / best * 1_000)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options("build", __doc__)
    parser.add_argument("--rounds", type=int, default=2, help="of which the best count")
    parser.add_argument("--pages", type=int, default=PAGES, help="fewer of those that take longer")
    parser.add_argument(
        "--more", type=float, nargs="*", default=[1, 3, 10], metavar="MS",
        help="milliseconds of work that are added to each page",
    )  # fmt: skip
    chosen = parser.parse_args(arguments)
    about = f"isgware build --jobs {JOBS}: pages of the Flask example"
    report = Report("build", about, chosen.save, ("Flask",))
    rows: list[tuple[float, ...]] = []
    peaks = ""
    for more in (0.0, *chosen.more):
        with tempfile.TemporaryDirectory() as made:
            bench = Bench(Path(made), int(chosen.pages / (1 + more)), rounds_of(more))
            app, build, stale = compared(bench, chosen.rounds)
            rows.append((
                app[1] / bench.pages * 1e3, bench.pages, app[0], build[0], build[0] / app[0],
                build[1] / app[1], (build[1] - app[1]) / bench.pages * 1e3, stale[0],
            ))  # fmt: skip
            if not more:
                large, bench.pages = bench.peak(), chosen.pages // 10
                bench.build()
                peaks = (
                    f"Peak memory of the process that hands out the work: {bench.peak():.1f} MiB "
                    f"for {bench.pages:,} pages, {large:.1f} MiB for {chosen.pages:,}."
                )
    head = (
        "ms a page takes the app", Column("pages"), Column("app s", ".2f"),
        Column("build s", ".2f"), Column("build / app", ".2f"),
        Column("the same in processor time", ".2f"),
        Column("ms beside the app, a page", ".2f"), Column("--stale s", ".2f"),
    )  # fmt: skip
    report.table(head, [(f"{took:.2f}", *others) for took, *others in rows])
    report.say(peaks)
    report.close()


if __name__ == "__main__":
    main()
