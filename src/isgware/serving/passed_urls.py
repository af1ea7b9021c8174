"""URLs without anything to learn: for some seconds their requests go to the app without a check."""

from __future__ import annotations

import time
from typing import Final

from ..storage.counting import Cell
from ..storage.process_cache import Raw, worth_remembering

#: Seconds without a check.
_SECONDS: Final = 5.0
#: At the limit the table is cleared.
_MAX_PASSED: Final = 8_192


class PassedURLs:
    """By request line. Read without a lock."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[Raw, tuple[float, Cell]] = {}

    def __contains__(self, raw: Raw) -> bool:
        return self.find(raw) is not None

    def __len__(self) -> int:
        return len(self._known)

    def find(self, raw: Raw) -> Cell | None:
        """The counter of its visits, if the URL needs no check."""
        known = self._known.get(raw)
        return known[1] if known is not None and known[0] > time.monotonic() else None

    def add(self, raw: Raw, cell: Cell) -> None:
        if not worth_remembering(raw):
            return
        if len(self._known) >= _MAX_PASSED:
            self._known.clear()
        self._known[raw] = time.monotonic() + _SECONDS, cell

    def clear(self) -> None:
        self._known.clear()
