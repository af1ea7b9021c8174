"""A visitor's own request to the app, and where the response to it lies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from ..backends.read_ahead import ReadAhead
from ..core.cache_key import Request
from ..render_context import Rendering

#: Of what may be in a Vary, the hit path looks for these itself.
_LOOKED_FOR: Final = frozenset({"cookie", "authorization"})
#: Invalidation counter and nonce of the store's table when a request was passed on.
Began = tuple[int, str]


@dataclass(slots=True)
class Exchange:
    """One request to the app: what was invalidated before it, what its view said, when it was
    asked, and the read ahead that its visit is."""

    began: Began
    rendering: Rendering
    requested: float = 0.0  # wall-clock seconds
    read_ahead: ReadAhead = field(default_factory=ReadAhead)

    @property
    def order(self) -> int:
        """Of two responses the one to the later request counts (RFC 9111, section 4), whichever
        came first: microseconds, by the clock of whoever asked."""
        return int(self.requested * 1e6)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the response to a request lies, if there is one. ``key`` is empty if the request has
    something personal by which responses of this URL vary: then it has no place."""

    request: Request
    key: str
    base: str
    nominated: tuple[str, ...]

    @property
    def url(self) -> str:
        return self.request.url

    @property
    def plain(self) -> bool:
        """Whether the request line alone names the response, for visitors without ``cookies``."""
        return bool(self.key) and _LOOKED_FOR.issuperset(self.nominated)

    def tells_apart(self, vary: Iterable[str]) -> bool:
        """Whether the key knows of every field in ``vary``."""
        return {"host", *self.nominated}.issuperset(vary)

    @property
    def cookies(self) -> bool:
        return "cookie" in self.nominated
