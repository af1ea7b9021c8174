"""An open-loop load, from a process of its own: each request has a moment at which it is due, and
its latency counts from then. A server that falls behind is asked all the same, as by visitors, so
that the time for which it answers nobody shows in full.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

#: Seconds after which a request counts as lost.
PATIENCE = 30.0
#: Seconds before the first request, for the process to be ready.
LEAD = 0.2


@dataclass(frozen=True)
class Due:
    """One request: when it is due, in seconds from the start, and whose figures it counts for."""

    at: float
    path: str
    group: str


@dataclass
class Felt:
    """What the visitors of a group felt: milliseconds, ascending, and what they were served."""

    times: list[float] = field(default_factory=list)
    labels: Counter[str] = field(default_factory=Counter)

    def percentile(self, share: float) -> float:
        return self.times[min(len(self.times) - 1, int(len(self.times) * share))]

    @property
    def row(self) -> str:
        """Three columns of nine characters: p50, p99 and the longest."""
        return "".join(f"{self.percentile(share):9.1f}" for share in (0.5, 0.99, 1.0))


def every(seconds: float, rate: float, path: str, group: str, offset: float = 0.0) -> list[Due]:
    """``rate`` requests a second for one path, evenly."""
    return [Due(offset + n / rate, path, group) for n in range(int(seconds * rate))]


def load(port: int, dues: Iterable[Due]) -> dict[str, Felt]:
    """Ask a server on the loopback interface for all of ``dues``, and tell what was felt."""
    plan = sorted((due.at, due.path, due.group) for due in dues)
    done = subprocess.run(
        [sys.executable, "-m", "bench.openloop", str(port)],
        input=json.dumps(plan),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parent.parent,
    )
    groups: dict[str, Felt] = {}
    for group, label, milliseconds in json.loads(done.stdout):
        felt = groups.setdefault(group, Felt())
        felt.times.append(milliseconds)
        felt.labels[label] += 1
    for felt in groups.values():
        felt.times.sort()
    return groups


class _Client:
    """Kept connections; as many as there are requests under way."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, path: str) -> str:
        """GET ``path``, and return its X-ISG-Cache, or its status if there is none."""
        if self._free:
            reader, writer = self._free.pop()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: bench.example\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        await reader.readexactly(int(fields["content-length"]))
        if fields.get("connection") == "close":
            writer.close()
        else:
            self._free.append((reader, writer))
        return fields.get("x-isg-cache", head[0].split(" ")[1])

    def close(self) -> None:
        for _, writer in self._free:
            writer.close()


async def _run(port: int, plan: list[tuple[float, str, str]]) -> list[tuple[str, str, float]]:
    client, results = _Client(port), []
    began = time.perf_counter() + LEAD

    async def visit(at: float, path: str, group: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                label = await client.ask(path)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            label = "lost"
        results.append((group, label, 1_000 * (time.perf_counter() - began - at)))

    async with asyncio.TaskGroup() as visits:
        for at, path, group in plan:
            await asyncio.sleep(max(0.0, began + at - time.perf_counter()))
            visits.create_task(visit(at, path, group))
    client.close()
    return results


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_run(int(sys.argv[1]), json.load(sys.stdin)))))
