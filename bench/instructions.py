"""What a hit adds to a bare WSGI call, in instructions: a number without moods.

Counted by callgrind over 2,000 calls with one environ, after 300 that warm everything up; needs
valgrind, and half a minute. --save appends the counts to bench/instructions.json, with the commit
that they belong to, and writes the table that the documentation shows. --check compares them with
those that were kept last for the same build of Python, and fails if a hit became dearer.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import flask

from bench.kit.apps import BODY, App, asked, constant, environ, ignored
from bench.kit.machine import ROOT, missing, program
from bench.kit.report import SHOWN as MEASURED
from isgware import ISG, Policy, revalidate
from isgware.flask import ISG as FlaskISG

WARM, CALLS = 300, 2_000
KEPT: Final = ROOT / "bench" / "instructions.json"
SHOWN: Final = MEASURED / "instructions.md"
#: What a count may exceed the one that was kept by. Runs of one commit differ by less than 1 %.
TOLERANCE: Final = 0.03
BARE: Final = "bare app"
CASES: Final = (
    BARE, "hit, memory:", "hit, file:", "hit, gzip", "hit, br", "hit, zstd", "hit, cookies", "HEAD",
    "304", "undeclared route", "hit, session",
)  # fmt: skip
#: In CASES' order, the libc function that a process calls to say that another count begins. Python
#: calls it for nobody else.
_MARK: Final = "getsid"


def prepared(case: str, directory: str) -> tuple[App, dict[str, Any]]:
    """The app and the request of a case; the page is in the store and in memory."""
    request = environ()
    if case == BARE:
        return constant, request
    if case == "hit, session":
        return with_session(request)
    store = "memory:" if case == "hit, memory:" else f"file:{directory}/{case}"
    app = ISG(
        constant,
        store=store,
        routes={"/page": Policy(revalidate=3600)},
        backend_timeout=60,
        wait_time=600,
        lease_time=600,
    )  # all is slow under valgrind
    etag = asked(app, request)[1]["ETag"]
    extra: dict[str, dict[str, str]] = {
        "hit, gzip": {"HTTP_ACCEPT_ENCODING": "gzip, deflate"},
        "hit, br": {"HTTP_ACCEPT_ENCODING": "gzip, deflate, br, zstd"},
        "hit, zstd": {"HTTP_ACCEPT_ENCODING": "zstd"},
        "hit, cookies": {"HTTP_COOKIE": "theme=dark; _ga=GA1.1.1"},
        "HEAD": {"REQUEST_METHOD": "HEAD"},
        "304": {"HTTP_IF_NONE_MATCH": etag},
        "undeclared route": environ("/other"),
    }
    return app, {**request, **extra.get(case, {})}


def with_session(request: dict[str, Any]) -> tuple[App, dict[str, Any]]:
    """A Flask page that reads a session key, and a visitor whose session does not have it."""
    site = flask.Flask("bench")
    site.secret_key = "for this measurement only"

    @site.get("/page")
    @revalidate(3600)
    def page() -> bytes:
        return BODY if flask.session.get("user") is None else b""

    with site.test_request_context():
        flask.session["basket"] = [1, 2, 3]
        answer = site.process_response(site.make_response(""))
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    app = FlaskISG(site, store="memory:", wait_time=600, lease_time=600).core
    asked(app, request)
    return app, {**request, "HTTP_COOKIE": cookie}


def watched() -> None:
    """What callgrind watches: every case in turn."""

    def repeat(app: App, request: dict[str, Any], calls: int) -> None:
        for _ in range(calls):
            for _chunk in app(request.copy(), ignored):
                pass

    with tempfile.TemporaryDirectory() as directory:
        for case in CASES:
            app, request = prepared(case, directory)
            repeat(app, request, WARM)
            if isinstance(app, ISG):
                # Its thread's tasks are not the hit's.
                app.runtime.engine.renderer.maintenance.close()
            os.getsid(0)
            repeat(app, request, CALLS)
            os.getsid(0)
            if isinstance(app, ISG):
                app.close()


def measure() -> dict[str, int]:
    """Instructions per call, by case."""
    with tempfile.TemporaryDirectory() as directory:
        command = [
            program("valgrind") or "", "--tool=callgrind", f"--callgrind-out-file={directory}/out",
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
             "interpreter": interpreter(), "compiler": platform.python_compiler(),
             "instructions": counted}  # fmt: skip
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


def dearer(counted: dict[str, int], kept: Sequence[dict[str, Any]]) -> list[str]:
    """What takes more instructions than it did when they were last kept for this interpreter."""
    built = interpreter(), platform.python_compiler()
    same = [old for old in kept if (old["interpreter"], old.get("compiler", built[1])) == built]
    if not same:
        raise SystemExit(f"No counts were kept for {interpreter()}: nothing to compare with.")
    before = same[-1]["instructions"]
    return [
        f"{case}: {count:,}, and {before[case]:,} at {same[-1]['commit']}"
        for case, count in counted.items()
        if case in before and count > before[case] * (1 + TOLERANCE)
    ]


def told(counted: dict[str, int]) -> str:
    bare = counted[BARE]
    lines = ["Instructions per call in process, 30 kB page, no server (callgrind)\n"]
    lines.append(f"{'':22}{'total':>9}{'added':>9}")
    lines += [f"{case:22}{count:9,}{count - bare:9,}" for case, count in counted.items()]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.instructions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--save", action="store_true", help="keep the counts for this commit")
    parser.add_argument(
        "--check", action="store_true",
        help=f"exit with 1 if one is more than {TOLERANCE:.0%}% above those kept last",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the bare counts")
    parser.add_argument("--watched", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.watched:
        watched()
        return
    if program("valgrind") is None:
        print(f"Instructions per hit: not counted, since {missing('valgrind')}.")
        return
    counted = measure()
    print(json.dumps(counted, indent=2) if chosen.json else told(counted))
    if chosen.check:
        if found := dearer(counted, json.loads(KEPT.read_text())):
            raise SystemExit("Dearer than before:\n" + "\n".join(found))
        print(f"\nNo dearer than the counts kept last, within {TOLERANCE:.0%}.")
    if chosen.save:
        save(counted)


if __name__ == "__main__":
    main()
