"""What `isgware build` costs beside the app: 10,000 pages of the Flask example, two processes.

The yardstick is the app alone: two processes that call it for the same pages, each half of them,
and throw the answers away. Printed as a ratio, of elapsed time and of processor time; the second is
the one to compare on a machine that has other things to do. Then a second build with `--stale`, and
the memory of the process that hands out the work, with 1,000 and with all pages.
"""

from __future__ import annotations

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
APP = "examples.flask_app.app:app"
#: The module that the builds below name: the example, with as many of its pages as are wanted.
SITE = """
import itertools, os, resource, atexit
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
"""
#: The app alone: what a worker of the build does, without isgware.
ALONE = """
import os, sys, time
from site_of_the_bench import app, some
from isgware.core.request import Request
from isgware.page import Rendering
from isgware.render import render

half, jobs = int(sys.argv[1]), int(sys.argv[2])
wsgi, wanted = app.extensions["isgware"].core.application, int(os.environ["BENCH_PAGES"])
paths = [f"/{a['kind']}/{a['code']}" for a in some(wanted - wanted // 2)()]
paths += [f"/api/{a['kind']}/{a['code']}.json" for a in some(wanted // 2)()]
render(wsgi, Request("https", "example.com", "", paths[0]), Rendering(True), 10**7)
began, cpu = time.perf_counter(), time.process_time()
for path in paths[half::jobs]:
    render(wsgi, Request("https", "example.com", "", path), Rendering(True), 10**7)
print(time.perf_counter() - began, time.process_time() - cpu)
"""


def run(directory: Path, pages: int, *words: str) -> tuple[float, float, str]:
    """Elapsed and processor seconds of a program, and what it prints."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, *words], cwd=directory, env=environ(directory, pages), check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, cpu, done.stdout


def environ(directory: Path, pages: int) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": f"{directory}:{ROOT}",
        "CATALOGUE_DB": str(directory / "notes.sqlite"),
        "ISGWARE_STORE": f"file:{directory / 'pages'}",
        "BENCH_PAGES": str(pages),
        "BENCH_PEAK": str(directory / "peak"),
    }


def alone(directory: Path) -> tuple[float, float]:
    """Elapsed and processor seconds of the app, in as many processes."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", ALONE, str(number), str(JOBS)],
            cwd=directory, env=environ(directory, PAGES), stdout=subprocess.PIPE, text=True,
        )
        for number in range(JOBS)
    ]  # fmt: skip
    times = [tuple(map(float, process.communicate()[0].split())) for process in running]
    return max(elapsed for elapsed, _ in times), sum(cpu for _, cpu in times)


def build(directory: Path, pages: int, *options: str) -> tuple[float, float, int]:
    """Elapsed and processor seconds of a build without its start, and its peak in kB."""
    command = ("-m", "isgware", "build", "site_of_the_bench:app", "--base-url", BASE)
    elapsed, cpu, printed = run(directory, pages, *command, f"--jobs={JOBS}", *options)
    assert f"{pages:,}" in printed, printed
    return elapsed, cpu, int((directory / "peak").read_text())


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options("build", __doc__).parse_args(arguments)
    about = f"isgware build --jobs {JOBS}: {PAGES:,} pages of the Flask example"
    report = Report("build", about, chosen.save, ("Flask",))
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        (directory / "site_of_the_bench.py").write_text(SITE)
        start, start_cpu, _ = run(directory, 1, "-c", "import site_of_the_bench")
        _, _, small = build(directory, 1_000)
        shutil.rmtree(directory / "pages")
        app, app_cpu = alone(directory)
        elapsed, cpu, peak = build(directory, PAGES)
        again, again_cpu, _ = build(directory, PAGES, "--stale")
    report.table(
        ("", Column("elapsed s", ".2f"), Column("processor s", ".2f")),
        [
            ("the app alone", app, app_cpu),
            ("import of the app", start, start_cpu),
            ("the build", elapsed, cpu),
            ("the build, --stale", again, again_cpu),
            ("ratio of build and app, import aside",
             (elapsed - start) / app, (cpu - start_cpu) / app_cpu),
        ],
    )  # fmt: skip
    beside = (cpu - start_cpu - app_cpu) / PAGES * 1e3
    report.say(
        f"Beside the app: {beside:.2f} ms of processor time a page. Peak memory of the parent: "
        f"{small / 1024:.1f} MiB for 1,000 pages, {peak / 1024:.1f} MiB for {PAGES:,}."
    )
    report.close()


if __name__ == "__main__":
    main()
