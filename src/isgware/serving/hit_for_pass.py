"""Hit-for-pass, as Varnish calls it: request lines whose visitors get the app's own answer.

For some seconds their requests go to the app without being routed, planned and looked up: either
nothing is known of an undeclared URL and its answer had nothing to store, or pages of its route are
refused (`isgware.regeneration.refused_routes`).
"""

from __future__ import annotations

from time import monotonic
from typing import Final, NamedTuple

from ..regeneration.refused_routes import RefusedRoutes
from ..storage.counting import Cell
from ..storage.process_cache import Raw, worth_remembering
from .answer import Answer

#: Seconds without a check.
_SECONDS: Final = 5.0
#: At the limit the table is cleared.
_MAX_PASSED: Final = 8_192


class Pass(NamedTuple):
    """``cell`` counts the visits. ``answer`` says why pages of the route are refused; ``None`` for
    a URL that is not declared."""

    cell: Cell
    until: float
    answer: Answer | None
    epoch: int


class HitForPass:
    """By request line. Read without a lock."""

    __slots__ = ("_known", "_routes")

    def __init__(self, routes: RefusedRoutes) -> None:
        self._routes = routes
        self._known: dict[Raw, Pass] = {}

    def __contains__(self, raw: Raw) -> bool:
        return self.find(raw) is not None

    def __len__(self) -> int:
        return len(self._known)

    def find(self, raw: Raw) -> Pass | None:
        """What is known of this request line, if nothing has changed since."""
        known = self._known.get(raw)
        if known is None or known.until < monotonic():
            return None
        if known.answer is not None and known.epoch != self._routes.epoch:
            return None
        return known

    def add(self, raw: Raw, cell: Cell, answer: Answer | None = None) -> None:
        """Remember an undeclared URL, or the ``answer`` to any visitor of a refused route."""
        if (answer is not None and not answer.skipped) or not worth_remembering(raw):
            return
        if len(self._known) >= _MAX_PASSED:
            self._known.clear()
        self._known[raw] = Pass(cell, monotonic() + _SECONDS, answer, self._routes.epoch)

    def clear(self) -> None:
        self._known.clear()
