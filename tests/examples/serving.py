"""gunicorn in front of an example, for as long as a test needs it."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def gunicorn(target: str, directory: Path, log: Path, **environ: str) -> Iterator[str]:
    """Two workers that serve ``target`` on a port of the system's choice; yields the URL."""
    command = ["gunicorn", "--workers=2", "--bind=127.0.0.1:0", "--graceful-timeout=5", target]
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=directory,
            env={**os.environ, **environ},
            stdout=output,
            stderr=output,
        )
    try:
        yield _address(server, log)
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()
            raise


def _address(server: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and server.poll() is None:
        if found := re.search(r"Listening at: (http://127\.0\.0\.1:\d+)", log.read_text()):
            return found[1]
        time.sleep(0.05)
    raise AssertionError(f"gunicorn did not start:\n{log.read_text()}")
