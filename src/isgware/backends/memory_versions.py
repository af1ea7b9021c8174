"""Previous versions of pages, of a backend that lies in this process."""

from __future__ import annotations

from collections import OrderedDict

from .base import Before


class Versions:
    """By page, those first whose last version is the oldest. No lock: the backend has one."""

    def __init__(self) -> None:
        self._pages: OrderedDict[str, list[bytes]] = OrderedDict()
        self.bytes = 0

    def of(self, key: str) -> list[bytes]:
        """Newest first."""
        return list(self._pages.get(key, ()))

    def keep(self, key: str, before: Before) -> None:
        """Add a version, if there is a new one, and let go of the oldest."""
        versions = self._pages.pop(key, [])
        if before.data:
            versions.insert(0, before.data)
            self.bytes += len(before.data)
        self.bytes -= sum(map(len, versions[before.keep :]))
        if versions[: before.keep]:
            self._pages[key] = versions[: before.keep]

    def drop(self, key: str) -> None:
        self.bytes -= sum(map(len, self._pages.pop(key, ())))

    def shrink(self, limit: int) -> None:
        """Keep to so many bytes."""
        while self.bytes > max(limit, 0) and self._pages:
            self.drop(next(iter(self._pages)))
