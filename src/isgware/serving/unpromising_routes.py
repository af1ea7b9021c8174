"""Undeclared routes of which no answer has looked storable yet.

For each URL that nothing declares, the store may have a note that its pages are stored all the same
(`isgware.routing.learned_routes`). To read it costs more than all else that isgware does for such a
request. So after some answers of a route without anything to store, ever fewer of its requests are
looked up, until an answer looks storable or a note is found. Then all are, from then on. Each
process knows its own routes.
"""

from __future__ import annotations

from typing import Final

from ..regeneration.refused_routes import looks_up

#: At the limit the table is cleared.
_MAX_ROUTES: Final = 4_096
_PROMISING: Final = -1


class UnpromisingRoutes:
    """Read and written without a lock: a count that is lost does no harm."""

    __slots__ = ("_answers",)

    def __init__(self) -> None:
        self._answers: dict[str, int] = {}

    def skips(self, route: str) -> bool:
        """Whether this request of the route is not looked up."""
        answers = self._answers.get(route, 0)
        return not looks_up(answers)

    def answered(self, route: str) -> None:
        """An answer had nothing to store."""
        answers = self._answers.get(route, 0)
        if answers == _PROMISING:
            return
        if not answers and len(self._answers) >= _MAX_ROUTES:
            self._answers.clear()
        self._answers[route] = answers + 1

    def promising(self, route: str) -> None:
        """An answer looked storable, or the store has a note on one of the route's URLs."""
        self._answers[route] = _PROMISING
