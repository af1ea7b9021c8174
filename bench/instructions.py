"""What a hit adds to a bare WSGI call, in instructions: a number without moods.

Counted by callgrind over 2,000 calls with one environ, after 300 that warm everything up. Needs
valgrind. ``python -m bench.instructions`` prints a table; ``--json`` the bare numbers; ``--save``
appends them to ``bench/instructions.json``, with the commit that they belong to, and writes the
table that the documentation shows.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bench.apps import constant, environ
from isgware import ISG, Policy

WARM, CALLS = 300, 2_000
ROOT: Final = Path(__file__).resolve().parent.parent
KEPT: Final = ROOT / "bench" / "instructions.json"
SHOWN: Final = ROOT / "docs" / "measured" / "instructions.md"
BARE: Final = "bare app"
CASES: Final = (
    BARE, "hit, memory:", "hit, file:", "hit, gzip", "hit, br", "hit, zstd", "hit, cookies", "HEAD",
    "304", "undeclared route",
)  # fmt: skip
#: In CASES' order, the libc function that a process calls to say that another count begins. Python
#: calls it for nobody else.
_MARK: Final = "getsid"


def prepared(case: str, directory: str) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The app and the request of a case; the page is in the store and in memory."""
    request = environ()
    if case == BARE:
        return constant, request
    store = "memory:" if case == "hit, memory:" else f"file:{directory}/{case}"
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
        "hit, gzip": {"HTTP_ACCEPT_ENCODING": "gzip, deflate"},
        "hit, br": {"HTTP_ACCEPT_ENCODING": "gzip, deflate, br, zstd"},
        "hit, zstd": {"HTTP_ACCEPT_ENCODING": "zstd"},
        "hit, cookies": {"HTTP_COOKIE": "theme=dark; _ga=GA1.1.1"},
        "HEAD": {"REQUEST_METHOD": "HEAD"},
        "304": {"HTTP_IF_NONE_MATCH": dict(seen)["ETag"]},
        "undeclared route": environ("/other"),
    }
    return app, {**request, **extra.get(case, {})}


def watched() -> None:
    """What callgrind watches: every case in turn."""

    def start_response(status: str, headers: list[Any], exc_info: Any = None) -> None:
        return None

    def repeat(app: Callable[..., Any], request: dict[str, Any], calls: int) -> None:
        for _ in range(calls):
            for _chunk in app(request.copy(), start_response):
                pass

    with tempfile.TemporaryDirectory() as directory:
        for case in CASES:
            app, request = prepared(case, directory)
            repeat(app, request, WARM)
            if isinstance(app, ISG):
                app.engine.housekeeper.close()  # its thread's chores are not the hit's
            os.getsid(0)
            repeat(app, request, CALLS)
            os.getsid(0)
            if isinstance(app, ISG):
                app.close()


def measure() -> dict[str, int]:
    """Instructions per call, by case."""
    with tempfile.TemporaryDirectory() as directory:
        command = [
            "valgrind", "--tool=callgrind", f"--callgrind-out-file={directory}/out",
            f"--dump-before={_MARK}", sys.executable, "-m", "bench.instructions", "--watched",
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
        counted = {}
        for number, case in enumerate(CASES):
            dump = Path(f"{directory}/out.{2 * number + 2}")
            found = re.search(r"^summary: (\d+)", dump.read_text(), re.M) if dump.exists() else None
            if found is None:
                raise SystemExit(f"callgrind told nothing:\n{done.stderr[-2_000:]}")
            counted[case] = int(found[1]) // CALLS
    return counted


def interpreter() -> str:
    """What else the numbers depend on. An interpreter built with PGO needs far fewer."""
    optimised = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    return f"Python {platform.python_version()}, built {'with' if optimised else 'without'} PGO"


def save(counted: dict[str, int]) -> None:
    """Keep ``counted`` under the commit at hand, in place of what was counted for it before."""

    def git(*arguments: str) -> str:
        return subprocess.check_output(["git", *arguments], cwd=ROOT, text=True).strip()

    if git("status", "--porcelain", "src"):
        raise SystemExit("src/ has changes that are in no commit: commit them, then count.")
    commit = git("log", "-1", "--format=%h", "--", "src/isgware")
    entry = {"commit": commit, "date": git("log", "-1", "--format=%cs", commit),
             "interpreter": interpreter(), "instructions": counted}  # fmt: skip
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else []
    same = [(commit, entry["interpreter"])]
    kept = [old for old in kept if (old["commit"], old["interpreter"]) not in same]
    kept.append(entry)
    KEPT.write_text(json.dumps(kept, indent=1) + "\n")
    SHOWN.write_text(shown(kept))


def shown(kept: list[dict[str, Any]]) -> str:
    """The counts as a table, newest first: what each case adds to the bare app."""
    cases = [case for case in CASES if case != BARE]
    lines = [
        "| commit | interpreter | " + " | ".join(cases) + " |",
        "|---|---|" + "---:|" * len(cases),
    ]
    for entry in reversed(kept):
        counted = entry["instructions"]
        added = [f"{counted[case] - counted[BARE]:,}" if case in counted else "-" for case in cases]
        told = [f"`{entry['commit']}`, {entry['date']}", entry["interpreter"], *added]
        lines.append("| " + " | ".join(told) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    if shutil.which("valgrind") is None:
        print("Instructions per hit: not counted, since valgrind is not installed.")
        return
    counted = measure()
    if "--save" in sys.argv:
        save(counted)
    if "--json" in sys.argv:
        print(json.dumps(counted, indent=2))
        return
    bare = counted[BARE]
    print("Instructions per call in process, 30 kB page, no server (callgrind)\n")
    print(f"{'':22}{'total':>9}{'added':>9}")
    for case, count in counted.items():
        print(f"{case:22}{count:9,}{count - bare:9,}")


if __name__ == "__main__":
    if "--watched" in sys.argv:
        watched()
    else:
        main()
