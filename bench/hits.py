"""What a hit adds to a bare WSGI call: CPU time per request, as a ratio in one run.

Bare app and wrapped app are called in turns, so that the machine's moods fall on both.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from bench.kit.apps import App, asked, constant, environ, ignored, saying
from bench.kit.report import Column, Report, options
from isgware import ISG, Policy

ROUNDS, CALLS = 15, 4_000


def cpu_per_call(app: App, request: dict[str, Any]) -> float:
    """Microseconds."""
    started = time.process_time()
    for _ in range(CALLS):
        for _chunk in app(request.copy(), ignored):
            pass
    return (time.process_time() - started) / CALLS * 1e6


def measure() -> list[tuple[str, float]]:
    """Microseconds of CPU per call, medians over interleaved rounds."""
    routes = {"/page": Policy(revalidate=3600)}
    with tempfile.TemporaryDirectory() as directory:
        memory = ISG(constant, store="memory:", routes=routes)
        embedded = ISG(constant, store=f"file:{directory}/store", routes=routes)
        full = ISG(saying, store=f"file:{directory}/full", cache_control="full")
        plain = environ()
        etag = asked(memory, plain)[1]["ETag"]
        cases: dict[str, tuple[App, dict[str, Any]]] = {
            "bare app": (constant, plain),
            "hit, memory:": (memory, plain),
            "hit, file:": (embedded, plain),
            "hit, gzip": (embedded, {**plain, "HTTP_ACCEPT_ENCODING": "gzip, deflate, br, zstd"}),
            "304": (embedded, {**plain, "HTTP_IF_NONE_MATCH": etag}),
            "HEAD": (embedded, {**plain, "REQUEST_METHOD": "HEAD"}),
            "undeclared route": (embedded, environ("/other")),
            "hit by its headers": (full, plain),
            "full, not stored": (full, environ("/other")),
        }
        times: dict[str, list[float]] = {name: [] for name in cases}
        for app, request in cases.values():
            cpu_per_call(app, request)
        for _ in range(ROUNDS):
            for name, (app, request) in cases.items():
                times[name].append(cpu_per_call(app, request))
        full.close()
        embedded.close()
        memory.close()
    return [(name, statistics.median(values)) for name, values in times.items()]


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options("hits", __doc__).parse_args(arguments)
    report = Report(
        "hits", "CPU per call in process, 30 kB page, no server", chosen.save, ("Werkzeug",)
    )
    results = measure()
    bare = results[0][1]
    report.table(
        ("", Column("µs", ".2f"), Column("added µs", ".2f"), Column("x bare", ".1f")),
        [(name, value, value - bare, value / bare) for name, value in results],
    )
    report.close()


if __name__ == "__main__":
    main()
