"""Counts wrong secrets, and how long the sender has to wait.

Counted in the store, so for all processes: by peer address, and overall. Nothing sleeps: from the
fifth wrong secret the answer is 429 with the seconds to wait. Forgotten a quarter of an hour after
the last one. While the store is unavailable, each process counts for itself.
"""

from __future__ import annotations

import ipaddress
import json
import math
import threading
from collections.abc import Callable
from typing import Final

from ..backends.breaker import Breaker
from ..errors import BackendUnavailable

#: Wrong secrets that are answered at once.
FREE: Final = 4
MAX_PAUSE: Final = 60
_FORGOTTEN: Final = 900.0
_OVERALL: Final = "overall"
#: Peers that a process counts by itself.
_MOST: Final = 1_000
Count = tuple[int, float]  # wrong secrets, and when the pause ends


class WrongGuesses:
    """``now`` is the clock, in seconds since the epoch."""

    def __init__(self, store: Breaker, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self._lock = threading.Lock()
        self._here: dict[str, Count] = {}

    def wrong(self, peer: str) -> int:
        """Count a wrong secret. Returns the seconds to wait; 0 for the first few."""
        with self._lock:
            return max(self._count(name) for name in (_OVERALL, _who(peer)))

    def _count(self, name: str) -> int:
        count = self._read(name)[0] + 1
        pause = 0 if count <= FREE else min(MAX_PAUSE, 2 ** min(count - FREE - 1, 10))
        self._write(name, (count, self._now() + pause))
        return pause

    def pause(self, peer: str) -> int:
        """The seconds that this peer has to wait before another try counts. Wrong secrets of others
        never lock out a client with the right one."""
        left = self._read(_who(peer))[1] - self._now()
        return math.ceil(left) if 0 < left <= MAX_PAUSE else 0

    def right(self, peer: str) -> None:
        """Forget the wrong secrets of a peer that has logged in."""
        with self._lock:
            for name in (_OVERALL, _who(peer)):
                self._here.pop(name, None)
                try:
                    self._store.drop_note("g:" + name)
                except BackendUnavailable:
                    pass

    def _read(self, name: str) -> Count:
        here = self._here.get(name, (0, 0.0))
        try:
            note = self._store.read_note("g:" + name, self._now())
            count, until = json.loads(note or b"null") or (0, 0.0)
            return max(here, (int(count), float(until)))
        except (BackendUnavailable, ValueError, TypeError, OverflowError):
            return here

    def _write(self, name: str, count: Count) -> None:
        try:
            note = json.dumps(count).encode()
            self._store.write_note("g:" + name, note, _FORGOTTEN, self._now())
            self._here.pop(name, None)
        except BackendUnavailable:
            if len(self._here) >= _MOST:
                self._here.clear()
            self._here[name] = count


def _who(peer: str) -> str:
    """The peer whose tries are counted together: for IPv6 the network of 64 bits, which is what one
    customer has."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return peer[:100]
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
