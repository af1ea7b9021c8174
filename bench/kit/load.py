"""Makes load on one port of loopback, from a process of its own.

In the *open* loop (`load`) each request has a moment at which it is due, whatever the server does,
and its latency counts from then: a server that stalls is not spared the requests it kept from
being sent. In the *closed* loop (`flat_out`) each connection asks again as soon as it has its
answer: how many answers there are. Connections are kept alive.
"""

from __future__ import annotations

import argparse
import json
import selectors
import socket
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from .machine import ROOT, settle

#: Seconds after which a request counts as lost.
PATIENCE = 30.0
HOST = "bench.example"
#: Seconds before the first request, for the process to be ready.
LEAD = 0.2
#: Connections: of the closed loop, and at most of the open one. `select`, which wakes up to the
#: microsecond where `epoll` counts in milliseconds, knows a thousand.
CLOSED, MOST = 16, 500


@dataclass(frozen=True)
class Due:
    """One request: when it is due, in seconds from the start, and whose figures it counts for."""

    at: float
    path: str
    group: str


@dataclass
class Felt:
    """What the visitors of a group felt: milliseconds, ascending, and what they were served; and
    the same for those who got each answer."""

    times: list[float] = field(default_factory=list)
    labels: Counter[str] = field(default_factory=Counter)
    answers: dict[str, Felt] = field(default_factory=dict)

    def percentile(self, share: float) -> float:
        return self.times[min(len(self.times) - 1, int(len(self.times) * share))]

    @property
    def row(self) -> tuple[float, float, float]:
        """p50, p99 and the longest."""
        return self.percentile(0.5), self.percentile(0.99), self.times[-1]

    def join(self, other: Felt) -> None:
        self.times = sorted(self.times + other.times)
        self.labels += other.labels
        for label, felt in other.answers.items():
            self.answers.setdefault(label, Felt()).join(felt)


def every(seconds: float, rate: float, path: str, group: str, offset: float = 0.0) -> list[Due]:
    """``rate`` requests a second for one path, evenly."""
    return [Due(offset + n / rate, path, group) for n in range(int(seconds * rate))]


def load(
    port: int, dues: Iterable[Due], accept: str = "", most: int = MOST, core: int | None = None
) -> dict[str, Felt]:
    """Ask for all of ``dues``, and tell what was felt. ``most``: connections; ``core``: see
    `settle`."""
    plan = sorted((due.at, due.path, due.group) for due in dues)
    arguments = ("open", port, "--accept", accept, "--most", most)
    groups: dict[str, Felt] = {}
    for group, label, milliseconds in json.loads(_run(arguments, core, json.dumps(plan))):
        felt = groups.setdefault(group, Felt())
        for one in (felt, felt.answers.setdefault(label, Felt())):
            one.times.append(milliseconds)
            one.labels[label] += 1
    for felt in groups.values():
        for one in (felt, *felt.answers.values()):
            one.times.sort()
    return groups


def flat_out(port: int, accept: str, seconds: float, core: int | None = None) -> tuple[int, float]:
    """Answers that ``/page`` gave within ``seconds``, and the seconds that they took in all."""
    arguments = ("closed", port, "--accept", accept, "--seconds", seconds)
    count, took = json.loads(_run(arguments, core))
    return count, took


def _run(arguments: Iterable[object], core: int | None, said: str = "") -> str:
    """What a load generator prints. It is another process, on another core."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.kit.load", *map(str, arguments)],
        input=said, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT,
        preexec_fn=None if core is None else lambda: settle(core),
    )  # fmt: skip
    return done.stdout


class _Lost(Exception):
    """A connection that ended, or whose answer cannot be read."""


class _Connection:
    """One HTTP/1.1 connection. Answers carry Content-Length, as those of a stored page do."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.asked: tuple[float, str] = (0.0, "")
        self.label, self.closing = "", False
        self._left, self._head = -1, b""

    def ask(self, path: str, accept: str) -> None:
        self._left, self._head = -1, b""
        encoding = f"Accept-Encoding: {accept}\r\n" if accept else ""
        fields = f"Host: {HOST}\r\nUser-Agent: bench\r\nAccept: text/html\r\n{encoding}"
        try:
            self.socket.sendall(f"GET {path} HTTP/1.1\r\n{fields}\r\n".encode())
        except OSError as error:
            raise _Lost from error

    def read(self) -> bool:
        """Take what has come; true when the answer is whole."""
        try:
            data = self.socket.recv(1 << 18)
        except OSError as error:
            raise _Lost from error
        if not data:
            raise _Lost
        if self._left >= 0:
            self._left -= len(data)
            return self._left == 0
        self._head += data
        head, end, body = self._head.partition(b"\r\n\r\n")
        if not end:
            return False
        self._left = self._understand(head.decode("latin-1")) - len(body)
        return self._left == 0

    def _understand(self, head: str) -> int:
        """Take label and Content-Length from the head of an answer."""
        first, *others = head.split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in others)
        self.label = fields.get("x-isg-cache", first.split(" ")[1])
        self.closing = fields.get("connection") == "close"
        if "content-length" not in fields:
            raise _Lost
        return int(fields["content-length"])


def _closed(port: int, accept: str, seconds: float) -> tuple[int, float]:
    count, selector = 0, selectors.DefaultSelector()
    started = time.perf_counter()
    for _ in range(CLOSED):
        connection = _Connection(port)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.ask("/page", accept)
    while (now := time.perf_counter()) < started + seconds:
        for key, _ in selector.select(1.0):
            if key.data.read():
                count += 1
                key.data.ask("/page", accept)
    return count, now - started


class _Open:
    """The open loop: what is due, free connections, and those that wait for an answer."""

    def __init__(self, port: int, accept: str, most: int) -> None:
        self._port, self._accept, self._most = port, accept, most
        self._selector = selectors.SelectSelector()
        self._free: list[_Connection] = []
        self._count = 0
        self.results: list[tuple[str, str, float]] = []

    def run(self, plan: deque[tuple[float, str, str]]) -> None:
        began = time.perf_counter() + LEAD
        while plan or self._selector.get_map():
            now = time.perf_counter() - began
            while plan and plan[0][0] <= now and (self._free or self._count < self._most):
                self._send(*plan.popleft(), began)
            room = self._free or self._count < self._most
            wait = plan[0][0] - now if plan and room else 1.0
            for connection in self._readable(max(wait, 0.0)):
                self._receive(connection, began)
            self._give_up(time.perf_counter() - began - PATIENCE, began)

    def _readable(self, wait: float) -> Iterator[_Connection]:
        if not self._selector.get_map():
            time.sleep(wait)
            return
        for key, _ in self._selector.select(wait):
            yield key.data

    def _send(self, at: float, path: str, group: str, began: float) -> None:
        try:
            if self._free:
                connection = self._free.pop()
            else:
                connection = _Connection(self._port)
                self._count += 1
            connection.asked = at, group
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.ask(path, self._accept)
        except OSError:
            self.results.append((group, "lost", self._since(at, began)))
        except _Lost:
            self._end(connection, "lost", began)

    def _receive(self, connection: _Connection, began: float) -> None:
        try:
            if not connection.read():
                return
        except _Lost:
            self._end(connection, "lost", began)
            return
        if connection.closing:
            self._end(connection, connection.label, began)
            return
        self._tell(connection, connection.label, began)
        self._selector.unregister(connection.socket)
        self._free.append(connection)

    def _give_up(self, before: float, began: float) -> None:
        if before > 0:
            waiting = [key.data for key in self._selector.get_map().values()]
            for connection in waiting:
                if connection.asked[0] < before:
                    self._end(connection, "lost", began)

    def _end(self, connection: _Connection, label: str, began: float) -> None:
        self._tell(connection, label, began)
        self._selector.unregister(connection.socket)
        connection.socket.close()
        self._count -= 1

    def _tell(self, connection: _Connection, label: str, began: float) -> None:
        at, group = connection.asked
        self.results.append((group, label, self._since(at, began)))

    @staticmethod
    def _since(at: float, began: float) -> float:
        """Milliseconds."""
        return 1_000 * (time.perf_counter() - began - at)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.kit.load", description=__doc__)
    parser.add_argument("loop", choices=("open", "closed"), help="open reads its plan from stdin")
    parser.add_argument("port", type=int)
    parser.add_argument("--accept", default="", help="Accept-Encoding")
    parser.add_argument("--seconds", type=float, default=1.0, help="of the closed loop")
    parser.add_argument("--most", type=int, default=MOST, help="connections of the open loop")
    chosen = parser.parse_args()
    if chosen.loop == "closed":
        print(json.dumps(_closed(chosen.port, chosen.accept, chosen.seconds)))
        return
    opened = _Open(chosen.port, chosen.accept, chosen.most)
    opened.run(deque((at, path, group) for at, path, group in json.load(sys.stdin)))
    print(json.dumps(opened.results))


if __name__ == "__main__":
    main()
