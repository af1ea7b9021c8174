"""Sockets with one time limit for a whole answer.

A socket's own timeout applies to each piece that arrives. A page that arrives slowly, each piece in
time, would delay its visitor for as long as there are pieces.
"""

from __future__ import annotations

import time
from typing import Any


class Deadline:
    """Wraps ``sock``: everything received after a send takes ``timeout`` seconds at most. A caller
    that sets a timeout of its own, such as one that waits for a message, starts a new deadline."""

    def __init__(self, sock: Any, timeout: float) -> None:
        self._sock = sock
        self._timeout = timeout
        self._own: float | None = timeout
        self._end = time.monotonic() + timeout

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def settimeout(self, timeout: float | None) -> None:
        self._own = timeout
        self._end = time.monotonic() + self._timeout
        self._sock.settimeout(timeout)

    def sendall(self, data: Any) -> None:
        if self._own == self._timeout:
            self._end = time.monotonic() + self._timeout
            self._sock.settimeout(self._timeout)
        self._sock.sendall(data)

    def recv(self, *arguments: Any) -> Any:
        self._wait_no_longer()
        return self._sock.recv(*arguments)

    def recv_into(self, *arguments: Any) -> Any:
        self._wait_no_longer()
        return self._sock.recv_into(*arguments)

    def _wait_no_longer(self) -> None:
        if self._own == self._timeout:
            left = self._end - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self._sock.settimeout(left)
