"""The paths that a build has already processed, in bounded memory: the hashes of the latest
ones.
"""

from __future__ import annotations

from array import array
from hashlib import blake2b
from typing import Final

#: Paths that are remembered for certain: half of the slots, of eight bytes each, at its largest
#: size.
REMEMBERED: Final = 1 << 21
_SMALLEST: Final = 1 << 10


class Seen:
    """A set of eight-byte hashes that grows up to a limit; beyond it new ones replace old ones, so
    that a duplicate is found only if the first is recent enough.

    Two different paths of ten million have the same hash with a probability of 3 in a million.
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._largest = 2 * remembered
        self._slots = array("Q", bytes(8 * min(_SMALLEST, self._largest)))
        self._used = 0

    def add(self, path: str) -> bool:
        """Remember ``path``. False if it was known."""
        found = _hash(path)
        if 2 * self._used >= len(self._slots) and len(self._slots) < self._largest:
            self._grow()
        return self._put(found)

    def __contains__(self, path: str) -> bool:
        found, slots = _hash(path), self._slots
        mask = len(slots) - 1
        for at in range(found, found + 64):
            here = slots[at & mask]
            if here == found or not here:
                return here == found
        return False

    def _put(self, number: int) -> bool:
        slots, mask = self._slots, len(self._slots) - 1
        at = number & mask
        for _ in range(64):  # in a table that is half full, no run is that long
            if slots[at] == number:
                return False
            if not slots[at]:
                slots[at] = number
                self._used += 1
                return True
            at = (at + 1) & mask
        slots[number & mask] = number
        return True

    def _grow(self) -> None:
        known, self._used = self._slots, 0
        self._slots = array("Q", bytes(16 * len(known)))
        for number in known:
            if number:
                self._put(number)


def _hash(path: str) -> int:
    digest = blake2b(path.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") or 1
