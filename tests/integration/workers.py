"""Real `isgware worker` processes over a test's world, each ended by the pid it started with."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

from tests.integration.servers import APPS, STARTS_WITHIN, STOPS_WITHIN, environment
from tests.integration.world import World

COMMANDS = {
    "plain": ["isgware", "worker", APPS["plain"]],
    "flask": ["flask", "--app", APPS["flask"], "isg", "worker"],
    "django": ["django", "isg", "worker"],
}


class WorkerProcess:
    def __init__(self, world: World, *, app: str = "plain", **options: Any) -> None:
        number = len(list(world.directory.glob("worker-*")))
        self.output = world.directory / f"worker-{number}"
        command = [sys.executable, "-m", *COMMANDS[app]]
        for name, value in options.pop("flags", {}).items():
            command += [f"--{name}", str(value)]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                env=environment(world, options.pop("env", {})),
                cwd=world.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def started(self) -> WorkerProcess:
        deadline = time.monotonic() + STARTS_WITHIN
        while " renders for " not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.02)
        return self

    def stop(self) -> int:
        """SIGTERM, as from systemd. Returns the exit status."""
        self.process.terminate()
        return self.process.wait(STOPS_WITHIN)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
