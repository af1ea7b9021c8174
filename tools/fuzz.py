"""Fuzz what isgware decodes, guided by coverage: `python tools/fuzz.py [--seconds N] [TARGET…]`.

Needs atheris (`pip install atheris`). Each target of `tests/fuzz/targets.py` runs in a process of
its own. A failure is shown with the input that led to it; put that into `tests/fuzz/found.py`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="all, if none is named")
    parser.add_argument("--seconds", type=int, default=120, help="for each target (default 120)")
    parser.add_argument("--corpus", type=Path, help="a directory that keeps what was found")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        _fuzz(given.inside, given.corpus, given.seconds)
        return 0
    from tests.fuzz.targets import SEEDS, TARGETS

    if unknown := set(given.targets) - set(TARGETS):
        parser.error(
            f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}"
        )
    with tempfile.TemporaryDirectory() as temporary:
        failed = []
        for name in given.targets or TARGETS:
            corpus = (given.corpus or Path(temporary)) / name
            corpus.mkdir(parents=True, exist_ok=True)
            for number, seed in enumerate(SEEDS[name]):
                (corpus / f"seed-{number}").write_bytes(seed)
            if _run(name, corpus, given.seconds):
                failed.append(name)
    print(f"failed: {', '.join(failed)}" if failed else "nothing found")
    return 1 if failed else 0


def _run(name: str, corpus: Path, seconds: int) -> bool:
    print(f"== {name}, {seconds} s", flush=True)
    command = [sys.executable, __file__, "--inside", name, "--corpus", str(corpus)]
    done = subprocess.run(
        [*command, "--seconds", str(seconds)], cwd=corpus, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, check=False,
    )  # fmt: skip
    told = (done.stdout + done.stderr).strip().splitlines()
    print("\n".join(told[-40:] if done.returncode else told[-2:]), flush=True)
    return done.returncode != 0


def _fuzz(name: str, corpus: Path, seconds: int) -> None:
    import atheris

    with atheris.instrument_imports(include=["isgware"]):
        from tests.fuzz.targets import TARGETS
    arguments = [sys.argv[0], f"-max_total_time={seconds}", "-max_len=4096", str(corpus)]
    atheris.Setup(arguments, TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
