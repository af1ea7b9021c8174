"""A socket's time is for the whole of an answer, however many pieces it comes in."""

from __future__ import annotations

from typing import Any

import pytest

from isgware.backends import deadline
from isgware.backends.deadline import Deadline
from isgware.testing import FakeClock


class Sock:
    """Takes half a second for each piece."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.timeout: float | None = None

    def settimeout(self, timeout: float | None) -> None:
        self.timeout = timeout

    def sendall(self, data: bytes) -> None:
        self.clock.advance(0.25)

    def recv(self, size: int) -> bytes:
        self.clock.advance(0.5)
        return b"piece"

    def recv_into(self, buffer: Any) -> int:
        self.clock.advance(0.5)
        return 5

    def fileno(self) -> int:
        return 7


@pytest.fixture
def sock(monkeypatch: pytest.MonkeyPatch) -> Sock:
    clock = FakeClock(0.0)
    monkeypatch.setattr(deadline.time, "monotonic", clock)
    return Sock(clock)


@pytest.mark.parametrize("how", [lambda it: it.recv(10), lambda it: it.recv_into(bytearray(10))])
def test_each_piece_has_what_the_others_left(sock: Sock, how: Any) -> None:
    it = Deadline(sock, 1.0)
    for _ in range(3):
        it.sendall(b"question")
        assert sock.timeout == 1.0
        how(it)
        assert sock.timeout == 0.75
        how(it)
        assert sock.timeout == 0.25
        with pytest.raises(TimeoutError):
            how(it)


def test_who_waits_for_news_sets_a_time_of_their_own(sock: Sock) -> None:
    it = Deadline(sock, 1.0)
    for timeout in (5.0, None, 0.0):
        it.settimeout(timeout)
        for _ in range(5):
            it.recv(10)
            assert sock.timeout == timeout
    it.settimeout(1.0)
    it.recv(10)
    assert sock.timeout == 1.0


def test_all_else_is_the_sockets_own(sock: Sock) -> None:
    assert Deadline(sock, 1.0).fileno() == 7
