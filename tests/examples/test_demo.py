"""``make demo`` without make."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.serving import ROOT

DEMO = [sys.executable, str(ROOT / "tools" / "demo.py")]


@pytest.fixture
def serving() -> Iterator["subprocess.Popen[str]"]:
    demo = subprocess.Popen([*DEMO, "--port=0"], stdout=subprocess.PIPE, text=True)
    yield demo
    if demo.poll() is None:
        demo.kill()
    demo.communicate()


def test_the_transcript_shows_miss_hit_stale_hit(tmp_path: Path) -> None:
    demo = subprocess.run(
        [*DEMO, "--port=0", "--once"], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert (demo.stderr, demo.returncode) == ("", 0), demo.stdout
    assert re.findall(r"\b(MISS|HIT|STALE)\b +\d", demo.stdout) == ["MISS", "HIT", "STALE", "HIT"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_it_serves_until_told_to_stop(
    serving: "subprocess.Popen[str]", number: signal.Signals
) -> None:
    assert serving.stdout is not None
    for line in serving.stdout:
        if "Serving until Ctrl-C" in line:
            break
    serving.send_signal(number)
    assert serving.wait(60) == 0


def test_a_port_that_is_taken_is_named_with_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        demo = subprocess.run(
            [*DEMO, f"--port={port}"], capture_output=True, text=True, timeout=300
        )
    assert demo.returncode == 1
    assert f"Port {port} cannot be used" in demo.stderr
    assert "make demo PORT=" in demo.stderr
