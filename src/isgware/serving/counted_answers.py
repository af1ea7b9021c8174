"""Counts answers by route, result and reason, and passes them to observers.

A prepared hit does the one addition to its `PreparedHit.cell`. While an observer is registered,
that is a `TellingCell`, so that hits have no extra cost without observers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ..core.cache_key import Visitor, decoded
from ..core.stored_page import Entry
from ..rendering.clean_room import StartResponse
from ..routing.route_names import RouteNames
from ..storage.counting import Cell, Counts
from ..storage.observing import Observing
from .answer import Answer
from .passthrough import Environ, HeaderList, visitor_of
from .prepared_hits import PreparedHit

#: What an X-ISG-Cache of ours begins with; the app may set the header itself.
_OURS: Final = "isgware;"
#: What visitors may get. ``filled`` and ``prefetch`` are stored pages, too.
RESULTS: Final = frozenset((
    "hit", "stale", "miss", "revalidated", "bypass", "loading", "filled", "prefetch", "pass",
))  # fmt: skip
_FILLED: Final = {"hit": "filled", "stale": "filled"}
#: Stored pages; fetched ahead, they are counted as ``prefetch``.
_STORED: Final = frozenset(("hit", "stale", "filled"))


class CountedAnswers:
    """Counts answers of one app."""

    def __init__(
        self, counts: Counts, names: RouteNames, observing: Observing, now: Callable[[], float]
    ) -> None:
        self._counts = counts
        self._names = names
        self._observing = observing
        self._now = now

    def passes(self, visitor: Visitor) -> Cell:
        """Counts further visits of a URL without a page: the app answers."""
        return self._cell(visitor, self._names.of(visitor), "pass")

    def page(self, visitor: Visitor, entry: Entry, result: str) -> Cell:
        """Counts visits like this one that a stored page answers, until an observer comes or
        goes."""
        route = self._names.of_page(entry.route, visitor)
        self._counts.takes(route, entry.render_seconds)
        return self._cell(visitor, route, result)

    def answers(self, visitor: Visitor, answer: Answer) -> Cell:
        """Counts visits like this one, as the engine has decided them."""
        if answer.page is not None:
            route = self._names.of_page(answer.page.entry.route, visitor)
        elif answer.skipped:  # the route is known: matching it again would be the largest cost
            route = self._names.of_page(answer.refused, visitor)
        else:
            route = self._names.of(visitor)
        result = _ahead(visitor.headers, answer.label.lower())
        return self._cell(visitor, route, result, answer.detail)

    def served(self, ready: PreparedHit, environ: Environ) -> Cell:
        """The cell of a request that is answered by what is ``ready``, but is no plain hit."""
        if "HTTP_SEC_PURPOSE" not in environ or _ahead(environ, "hit") == "hit":
            return ready.cell
        visitor, entry = visitor_of(environ), ready.page.entry
        if visitor is None:
            return ready.cell
        return self._cell(visitor, self._names.of_page(entry.route, visitor), "prefetch")

    def holes(self, there: Visitor, detail: str) -> Cell:
        """Counts what became of a browser's request for the holes of the page at ``there``."""
        return self._cell(there, self._names.of(there), "bypass", detail)

    def heard(
        self, visitor: Visitor, start_response: StartResponse, page: Entry | None = None
    ) -> StartResponse:
        """A ``start_response`` that counts an answer by its own headers. ``page``: the stored page
        that is filled for this visitor."""
        counted = False

        def wrapped(status: str, headers: HeaderList, *exc_info: object) -> object:
            nonlocal counted
            if not counted:
                counted = True
                result, reason = told_by(headers)
                if visitor.method not in ("GET", "HEAD"):
                    reason = "method"  # there are too many of them to tell apart
                if page is not None:
                    result = _FILLED.get(result, result)
                    route = self._names.of_page(page.route, visitor)
                else:
                    route = self._names.of(visitor)
                result = _ahead(visitor.headers, result)
                self._cell(visitor, route, result, reason).value += 1
            return start_response(status, headers, *exc_info)

        return wrapped  # type: ignore[return-value]

    def _cell(self, visitor: Visitor, route: str, result: str, reason: str = "") -> Cell:
        cell = self._counts.cell(route, result, reason)
        if not self._observing.active:
            return cell
        told = {
            "method": visitor.method,
            "scheme": visitor.scheme,
            "host": visitor.host,
            "path": decoded(visitor.script_name + visitor.path),
            "query": visitor.query,
            "route": route,
            "result": result,
            "reason": reason,
        }
        return TellingCell(cell, self._observing, told, self._now)


class TellingCell(Cell):
    """A cell that also notifies observers when its ``value`` is set: that is one more visit."""

    __slots__ = ("_cell", "_now", "_observing", "_told")

    def __init__(
        self, cell: Cell, observing: Observing, told: dict[str, Any], now: Callable[[], float]
    ) -> None:
        self._cell = cell
        self._observing = observing
        self._told = told
        self._now = now

    @property
    def value(self) -> int:
        return self._cell.value

    @value.setter
    def value(self, value: int) -> None:
        from ..events import DecisionEvent  # for those who have observers

        self._cell.value += 1
        self._observing.tell(DecisionEvent(at=self._now(), **self._told))


def _ahead(environ: Mapping[str, Any], result: str) -> str:
    """How a request is counted whose ``Sec-Purpose`` may say that a browser fetches the page before
    anybody has opened it (https://fetch.spec.whatwg.org/#sec-purpose-header)."""
    said = environ.get("HTTP_SEC_PURPOSE", "") if result in _STORED else ""
    return "prefetch" if said.lower().startswith("prefetch") else result


def told_by(headers: HeaderList) -> tuple[str, str]:
    """Result and reason of an answer. isgware's own headers come after the app's."""
    last = dict(headers)
    result, said = last.get("X-ISG-Cache", "").lower(), last.get("Cache-Status", "")
    reason = said.partition("; detail=")[2].strip('"') if said.startswith(_OURS) else ""
    return result if result in RESULTS else "pass", reason
