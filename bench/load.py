"""Makes load for `bench.versus` on one port of loopback: ``python -m bench.load KIND PORT …``.

Connections are kept alive. In the *closed* loop each asks again as soon as it has its answer: how
many answers there are. In the *open* loop requests arrive at a steady rate whatever the server
does, and a latency is counted from the moment at which its request was meant to arrive, so that a
server that stalls is not spared the requests it kept from being sent.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from collections import deque

CONNECTIONS = 16


class Connection:
    """One HTTP/1.1 connection. Answers carry Content-Length, as those of a stored page do."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = 0.0
        self._left = -1
        self._head = b""

    def ask(self, request: bytes, due: float) -> None:
        self.due, self._left, self._head = due, -1, b""
        self.socket.sendall(request)

    def read(self) -> bool:
        """Take what has come; true when the answer is whole."""
        data = self.socket.recv(1 << 18)
        if not data:
            raise SystemExit("The server closed a connection.")
        if self._left < 0:
            self._head += data
            head, end, body = self._head.partition(b"\r\n\r\n")
            if not end:
                return False
            if not head.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"The server answered {head[:80]!r}.")
            length = head.lower().partition(b"content-length:")[2].partition(b"\r")[0]
            if not length.strip():
                raise SystemExit("The server did not say how long its answer is.")
            self._left = int(length) - len(body)
        else:
            self._left -= len(data)
        return self._left == 0


def request_for(accept: str) -> bytes:
    fields = ["Host: 127.0.0.1", "User-Agent: bench", "Accept: text/html"]
    if accept:
        fields.append(f"Accept-Encoding: {accept}")
    return ("GET /page HTTP/1.1\r\n" + "\r\n".join(fields) + "\r\n\r\n").encode()


def _connected(port: int) -> tuple[selectors.BaseSelector, list[Connection]]:
    selector, connections = selectors.DefaultSelector(), []
    for _ in range(CONNECTIONS):
        connection = Connection(port)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connections.append(connection)
    return selector, connections


def closed(port: int, accept: str, seconds: float) -> tuple[int, float]:
    """Answers within ``seconds``, and the seconds that they took in all."""
    request, count = request_for(accept), 0
    selector, connections = _connected(port)
    started = time.perf_counter()
    for connection in connections:
        connection.ask(request, 0.0)
    while (now := time.perf_counter()) < started + seconds:
        for key, _ in selector.select(1.0):
            if key.data.read():
                count += 1
                key.data.ask(request, 0.0)
    return count, now - started


def opened(port: int, accept: str, seconds: float, rate: float) -> list[float]:
    """Latencies in seconds, one for each of ``rate * seconds`` requests."""
    request, latencies = request_for(accept), []
    selector, connections = _connected(port)
    free, started, sent, total = deque(connections), time.perf_counter(), 0, int(rate * seconds)
    while len(latencies) < total:
        now = time.perf_counter()
        while free and sent < total and (due := started + sent / rate) <= now:
            free.popleft().ask(request, due)
            sent += 1
        wait = started + sent / rate - now if free and sent < total else 1.0
        for key, _ in selector.select(max(wait, 0.0)):
            if key.data.read():
                latencies.append(time.perf_counter() - key.data.due)
                free.append(key.data)
    return latencies


def main() -> None:
    kind, port, accept, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
    if kind == "closed":
        print(json.dumps(closed(port, accept, seconds)))
    else:
        print(json.dumps(opened(port, accept, seconds, float(sys.argv[5]))))


if __name__ == "__main__":
    main()
