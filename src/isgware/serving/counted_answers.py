"""Counts what visitors get, by route, result and reason: everything but plain hits, which
`PreparedHit.cell` counts."""

from __future__ import annotations

from typing import Final

from ..core.cache_key import Visitor
from ..rendering.clean_room import StartResponse
from ..routing.planner import Planner
from ..storage.counting import Counts
from .answer import Answer
from .passthrough import HeaderList

UNDECLARED: Final = "undeclared"
#: Headers that the app itself may have set say nothing of ours.
_OURS: Final = "isgware;"
_FILLED: Final = {"hit": "filled", "stale": "filled"}


class CountedAnswers:
    """Counts answers of one app."""

    def __init__(self, counts: Counts, planner: Planner) -> None:
        self._counts = counts
        self._planner = planner
        self._undeclared = counts.cell(UNDECLARED, "pass")

    def passed(self) -> None:
        """The app answered for a URL that is nobody's page."""
        self._undeclared.value += 1

    def changing(self) -> None:
        """A request of an unsafe method went to the app."""
        self._counts.cell(UNDECLARED, "pass", "method").value += 1

    def answered(self, visitor: Visitor, answer: Answer) -> None:
        """The engine decided about this visitor's request."""
        route = self._route(visitor, answer)
        self._counts.cell(route, answer.label.lower(), answer.detail).value += 1

    def _route(self, visitor: Visitor, answer: Answer) -> str:
        if answer.page is not None:
            return answer.page.entry.route
        if answer.skipped:
            return answer.refused  # which is the route, and routing again would cost the most
        if answer.detail == "isgware-failed":
            return UNDECLARED
        match = self._planner.match(visitor)
        return match.route if match is not None else UNDECLARED

    def heard(
        self, route: str, start_response: StartResponse, *, filled: bool = False
    ) -> StartResponse:
        """A ``start_response`` that counts what the answer's own headers say of it. ``filled``: a
        stored page is a page that was filled."""
        counted = False

        def wrapped(status: str, headers: HeaderList, *exc_info: object) -> object:
            nonlocal counted
            if not counted:
                counted = True
                result, reason = told_by(headers)
                if filled:
                    result = _FILLED.get(result, result)
                self._counts.cell(route, result, reason).value += 1
            return start_response(status, headers, *exc_info)

        return wrapped  # type: ignore[return-value]


def told_by(headers: HeaderList) -> tuple[str, str]:
    """Result and reason of an answer."""
    result, reason = "pass", ""
    for name, value in headers:
        if name == "X-ISG-Cache":
            result = value.lower()
        elif name == "Cache-Status" and value.startswith(_OURS):
            reason = value.partition("; detail=")[2].strip('"')
    return result, reason
