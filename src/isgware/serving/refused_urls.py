"""Request lines whose visitors get the app's own answer, since pages of their route are refused.

For such routes `isgware.regeneration.refused_routes` skips the look into the store. Routing the URL
for each visit would then be the largest cost, so the answer is cached here.
"""

from __future__ import annotations

import time
from typing import Final

from ..regeneration.refused_routes import RefusedRoutes
from ..storage.counting import Cell
from ..storage.process_cache import Raw, worth_remembering
from .answer import Answer

_SECONDS: Final = 5.0
_MAX_LINES: Final = 8_192


class RefusedURLs:
    """Bounded: at the limit the table is cleared."""

    def __init__(self, routes: RefusedRoutes) -> None:
        self._routes = routes
        self._known: dict[Raw, tuple[Answer, float, int, Cell]] = {}

    def find(self, raw: Raw) -> tuple[Answer, Cell] | None:
        """The answer to the last visitor of this request line, if nothing has changed since, and
        the counter of such visits."""
        known = self._known.get(raw)
        if known is None or known[2] != self._routes.epoch or known[1] < time.monotonic():
            return None
        self._routes.passed(known[0].refused)
        return known[0], known[3]

    def remember(self, raw: Raw, answer: Answer, cell: Cell) -> None:
        if not answer.skipped or not worth_remembering(raw):
            return
        if len(self._known) >= _MAX_LINES:
            self._known.clear()
        self._known[raw] = answer, time.monotonic() + _SECONDS, self._routes.epoch, cell

    def clear(self) -> None:
        self._known.clear()
