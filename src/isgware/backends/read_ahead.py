"""What one visit or job has had of the store so far."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Copy:
    """What the store had under ``key``, if anything, when the mirror's counter was ``seen``."""

    key: str
    data: bytes | None
    seen: int


@dataclass(slots=True)
class ReadAhead:
    """``seconds``: how long its operations took, together. ``ahead``: a page that came along with
    something else, before anybody asked for it."""

    seconds: float = 0.0
    ahead: Copy | None = None

    def take(self, key: str) -> Copy | None:
        """What came along, if it is the page under ``key``. It is there for the first who asks:
        whoever looks later wants to know what the store has by then."""
        ahead, self.ahead = self.ahead, None
        return ahead if ahead is not None and ahead.key == key else None


#: The visit or job of this context.
current: Final[ContextVar[ReadAhead | None]] = ContextVar("isgware_errand", default=None)
