"""URLs that had nothing to be learned from: they pass for some seconds without being looked at."""

from __future__ import annotations

import time
from typing import Final

from ..storage.process_cache import Raw, worth_remembering

#: Seconds for which such a URL passes.
_SECONDS: Final = 5.0
#: At the limit all are forgotten.
_MAX_PASSED: Final = 8_192


class PassedURLs:
    """By request line. Read without a lock."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until: dict[Raw, float] = {}

    def __contains__(self, raw: Raw) -> bool:
        return self._until.get(raw, 0.0) > time.monotonic()

    def __len__(self) -> int:
        return len(self._until)

    def add(self, raw: Raw) -> None:
        if not worth_remembering(raw):
            return
        if len(self._until) >= _MAX_PASSED:
            self._until.clear()
        self._until[raw] = time.monotonic() + _SECONDS
