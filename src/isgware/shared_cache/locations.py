"""A visitor's own request to the app, and where the response to it is stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from ..backends.read_ahead import ReadAhead
from ..core.cache_key import Request
from ..render_context import Rendering

#: Of the fields that a Vary may name, the hit path checks these itself.
_LOOKED_FOR: Final = frozenset({"cookie", "authorization"})
#: Invalidation counter and nonce of the store's table when a request was forwarded.
Began = tuple[int, str]


@dataclass(slots=True)
class Exchange:
    """One request to the app: the invalidations before it, what its view declared, when it was
    sent, and the read-ahead of its visit."""

    began: Began
    rendering: Rendering
    requested: float = 0.0  # wall-clock seconds
    read_ahead: ReadAhead = field(default_factory=ReadAhead)

    @property
    def order(self) -> int:
        """Of two responses the one to the later request counts (RFC 9111, section 4), whichever
        came first. Microseconds, by the clock of the process that asked."""
        return int(self.requested * 1e6)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the response to a request is stored. ``key`` is empty if the request has a personal
    field by which responses of this URL vary: then none is stored."""

    request: Request
    key: str
    base: str
    nominated: tuple[str, ...]

    @property
    def url(self) -> str:
        return self.request.url

    @property
    def plain(self) -> bool:
        """Whether the request line alone identifies the response, for visitors without
        ``cookies``."""
        return bool(self.key) and _LOOKED_FOR.issuperset(self.nominated)

    def tells_apart(self, vary: Iterable[str]) -> bool:
        """Whether the key includes all fields in ``vary``."""
        return {"host", *self.nominated}.issuperset(vary)

    @property
    def cookies(self) -> bool:
        return "cookie" in self.nominated
