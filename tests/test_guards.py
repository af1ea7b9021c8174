"""`tools/guards.py`: what a mutation run switches off is still there to be switched off."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_every_guard_is_where_a_mutation_run_looks_for_it() -> None:
    check = [sys.executable, str(ROOT / "tools" / "mutants.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
