"""What a hit adds to a bare WSGI call, in instructions: a number without moods.

Counted by callgrind as the difference between 6,000 and 2,000 calls with one environ. Needs
valgrind. ``python -m bench.instructions`` prints a table; ``--json`` the bare numbers.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any, Final

from bench.apps import constant, environ
from isgware import ISG, Policy

FEW, MANY = 2_000, 6_000
ENCODINGS: Final = "gzip, deflate, br, zstd"
CASES: Final = (
    "bare app", "hit, memory:", "hit, file:", "hit, gzip", "hit, cookies", "HEAD", "304",
    "undeclared route",
)  # fmt: skip


def prepared(case: str, directory: str) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The app and the request of a case; the page is in the store and in memory."""
    request = environ()
    if case == "bare app":
        return constant, request
    store = "memory:" if case == "hit, memory:" else f"file:{directory}/store"
    app = ISG(
        constant,
        store=store,
        routes={"/page": Policy(revalidate=3600)},
        backend_timeout=60,
        wait_time=600,
        lease_time=600,
    )  # all is slow under valgrind
    seen: list[tuple[str, str]] = []
    app(request.copy(), lambda status, headers, exc_info=None: seen.extend(headers))
    extra: dict[str, dict[str, str]] = {
        "hit, gzip": {"HTTP_ACCEPT_ENCODING": ENCODINGS},
        "hit, cookies": {"HTTP_COOKIE": "theme=dark; _ga=GA1.1.1"},
        "HEAD": {"REQUEST_METHOD": "HEAD"},
        "304": {"HTTP_IF_NONE_MATCH": dict(seen)["ETag"]},
        "undeclared route": environ("/other"),
    }
    return app, {**request, **extra.get(case, {})}


def repeat(case: str, calls: int) -> None:
    """What callgrind watches: ``calls`` calls after a few that warm everything up."""

    def start_response(status: str, headers: list[Any], exc_info: Any = None) -> None:
        return None

    with tempfile.TemporaryDirectory() as directory:
        app, request = prepared(case, directory)
        for _ in range(200 + calls):
            for _chunk in app(request.copy(), start_response):
                pass
        if isinstance(app, ISG):
            app.close()


def instructions(case: str, calls: int) -> int:
    """Instructions of a whole process that makes ``calls`` calls."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
               sys.executable, "-m", "bench.instructions", case, str(calls)]  # fmt: skip
    done = subprocess.run(
        command, env={**os.environ, "PYTHONHASHSEED": "0"}, capture_output=True, text=True
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if found is None:
        raise SystemExit(f"callgrind told nothing:\n{done.stderr[-2_000:]}")
    return int(found[1])


def measure(cases: tuple[str, ...] = CASES) -> dict[str, int]:
    """Instructions per call, by case."""
    return {
        case: (instructions(case, MANY) - instructions(case, FEW)) // (MANY - FEW) for case in cases
    }


def main() -> None:
    if shutil.which("valgrind") is None:
        print("Instructions per hit: not counted, since valgrind is not installed.")
        return
    counted = measure()
    if "--json" in sys.argv:
        print(json.dumps(counted, indent=2))
        return
    bare = counted["bare app"]
    print("Instructions per call in process, 30 kB page, no server (callgrind)\n")
    print(f"{'':22}{'total':>9}{'added':>9}")
    for case, count in counted.items():
        print(f"{case:22}{count:9,}{count - bare:9,}")


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in CASES:
        repeat(sys.argv[1], int(sys.argv[2]))
    else:
        main()
