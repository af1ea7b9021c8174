"""Switch each guard of `tools/guards.py` off in turn: `python tools/mutants.py [NAME…]`.

Each is switched off in a copy of `src/`, and the tests that hold it run against that copy. A guard
whose tests still pass is no guard, or has no test: that fails this run, as does one whose text is
no longer there exactly once. `--check` looks for the texts only. `--recorders` runs those of
`tools/recorder_guards.py`, each of which an oracle has to find: see `docs/dependencies.md`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools.guards import GUARDS, Guard  # noqa: E402
from tools.recorder_guards import RECORDER_GUARDS  # noqa: E402

#: pytest's exit status when a test failed.
FAILED = 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="parts of names; all without")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--check", action="store_true", help="only see whether each still applies")
    parser.add_argument("--recorders", action="store_true", help="what is recorded of databases")
    given = parser.parse_args()
    guards = RECORDER_GUARDS if given.recorders else GUARDS
    chosen = [
        guard
        for guard in ((*GUARDS, *RECORDER_GUARDS) if given.check else guards)
        if not given.names or any(part in guard.name for part in given.names)
    ]
    if lost := [guard for guard in chosen if not applies(guard)]:
        for guard in lost:
            print(f"LOST      {guard.name}: not exactly once in {guard.file}: {guard.text!r}")
        return 1
    if given.check:
        print(f"{len(chosen)} guards are where they were")
        return 0
    with ThreadPoolExecutor(given.jobs) as pool:
        survived = [name for name, seen in pool.map(switched_off, chosen) if not seen]
    print(f"{len(chosen) - len(survived)} of {len(chosen)} were missed by a test")
    return 1 if survived else 0


def applies(guard: Guard) -> bool:
    return (ROOT / "src/isgware" / guard.file).read_text().count(guard.text) == 1


def switched_off(guard: Guard) -> tuple[str, bool]:
    """Whether a test fails without this guard."""
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "src"
        shutil.copytree(ROOT / "src", copy, ignore=shutil.ignore_patterns("__pycache__"))
        place = copy / "isgware" / guard.file
        place.write_text(place.read_text().replace(guard.text, guard.without))
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "pytest_timeout",
             "-p", "no:cacheprovider", "--basetemp", f"{temporary}/tests",
             *(["--timeout", "0"] if guard.environ else []), *guard.tests],
            cwd=ROOT, capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1",
                 "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "200", **dict(guard.environ)},
        )  # fmt: skip
    told = (done.stdout + done.stderr).strip().splitlines()
    failed = next((line for line in told if line.startswith("FAILED ")), "")
    how = failed.partition("AssertionError: ")[2]
    seen = done.returncode == FAILED and bool(how or not guard.environ)
    word = "missed" if seen else "SURVIVED" if done.returncode == 0 else "BROKEN"
    how = f": {how}" if guard.environ else ""
    print(f"{word:9} {guard.name} ({time.monotonic() - started:.0f} s){how}", flush=True)
    if word == "BROKEN":
        print("\n".join(told[-5:]), flush=True)
    return guard.name, seen


if __name__ == "__main__":
    sys.exit(main())
