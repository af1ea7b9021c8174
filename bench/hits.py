"""What a hit adds to a bare WSGI call: CPU time per request, as a ratio in one run.

Bare app and wrapped app are called in turns, so that the machine's moods fall on both.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

from bench.apps import constant, environ, saying
from isgware import ISG, Policy

ROUNDS, CALLS = 15, 4_000


def cpu_per_call(app: Callable[..., Any], request: dict[str, Any]) -> float:
    def start_response(status: str, headers: list[Any], exc_info: Any = None) -> None:
        return None

    started = time.process_time()
    for _ in range(CALLS):
        for _chunk in app(request.copy(), start_response):
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
        etag = dict(_headers(memory, plain))["ETag"]
        cases = {
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


def _headers(app: Any, request: dict[str, Any]) -> list[tuple[str, str]]:
    seen: list[tuple[str, str]] = []
    app(request.copy(), lambda status, headers, exc_info=None: seen.extend(headers))
    return seen


def main() -> None:
    results = measure()
    bare = results[0][1]
    print("CPU per call in process, 30 kB page, no server\n")
    print(f"{'':22}{'us':>8}{'added us':>10}{'x bare':>8}")
    for name, value in results:
        print(f"{name:22}{value:8.2f}{value - bare:10.2f}{value / bare:8.1f}")


if __name__ == "__main__":
    main()
