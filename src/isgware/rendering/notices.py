"""Warnings about renders, each once for a route: what a developer should change, or know."""

from __future__ import annotations

import logging
from typing import Final

from ..core.freshness import names_of
from ..core.stored_page import Entry
from ..render_context import Rendering
from ..routing.planner import Target

log: Final = logging.getLogger("isgware")
#: So many are given in all: what a page reads may be named by what visitors send.
_MAX_GIVEN: Final = 8_192


class Notices:
    """Remembers what this process has warned of."""

    def __init__(self) -> None:
        self._given: set[tuple[str, str]] = set()

    def first(self, route: str, subject: str) -> bool:
        """Whether nothing was said about this subject for the route so far."""
        if (route, subject) in self._given or len(self._given) >= _MAX_GIVEN:
            return False
        self._given.add((route, subject))
        return True

    def own_invalidations(self, target: Target, entry: Entry, rendering: Rendering) -> None:
        """Warn of a page whose own render invalidates it."""
        own = names_of(entry.request.full_path, entry.request.query, entry.tags)
        names = rendering.invalidated.intersection(own)
        if names and self.first(target.route, "own-invalidation"):
            log.warning(
                "%s (%s) invalidates its own page while it renders (%s), so each visit renders it "
                "again. Invalidate where the data changes, such as in the POST or the task that "
                "changes it, or give what this view changes other tags than the page has.",
                target.route,
                target.request.url,
                ", ".join(sorted(names)),
            )

    def second_run(self, route: str) -> str:
        """What to add to the first failure of a route of which no page has been rendered yet."""
        if not self.first(route, "unproven"):
            return ""
        return (
            f" Until a page of this route ({route}) has been rendered, visitors get the app's own "
            "answer when a render fails: the view runs a second time for them, and its error is "
            "logged a second time."
        )
