"""What one visit or job has read of the store so far."""

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
    """``seconds``: the total duration of its operations. ``ahead``: a page that was read together
    with something else, before it was needed."""

    seconds: float = 0.0
    ahead: Copy | None = None

    def take(self, key: str) -> Copy | None:
        """The page under ``key``, if it was read ahead. Returned once only: later callers need what
        the store has by then."""
        ahead, self.ahead = self.ahead, None
        return ahead if ahead is not None and ahead.key == key else None


#: The visit or job of this context.
current: Final[ContextVar[ReadAhead | None]] = ContextVar("isgware_errand", default=None)
