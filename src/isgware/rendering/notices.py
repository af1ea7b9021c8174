"""What is logged about renders, most of it once per route: what a developer should change."""

from __future__ import annotations

import logging
from typing import Final

from ..core.freshness import names_of
from ..core.reads import told
from ..core.storable import Refusal, Response
from ..core.stored_page import Entry
from ..render_context import Rendering
from ..routing.planner import Target
from .remedies import REMEDIES
from .result import Failed, Refused

log: Final = logging.getLogger("isgware")
#: Most messages in all, since clients may control the names of what a page reads.
_MAX_GIVEN: Final = 8_192


class Notices:
    """Remembers what this process has logged, and which routes have worked."""

    def __init__(self) -> None:
        self._given: set[tuple[str, str]] = set()
        self._proven: set[str] = set()

    def works(self, route: str) -> None:
        """A page of the route was rendered."""
        self._proven.add(route)

    def first(self, route: str, subject: str) -> bool:
        """Whether nothing was logged about this subject for the route so far."""
        if (route, subject) in self._given or len(self._given) >= _MAX_GIVEN:
            return False
        self._given.add((route, subject))
        return True

    def failed(
        self,
        target: Target,
        reason: str,
        response: Response | None = None,
        error: BaseException | None = None,
    ) -> Failed:
        """Log a render that failed. ``error``: what the app raised."""
        proven = target.route in self._proven
        said = "" if proven else self._second_run(target.route)
        log.warning(
            "%s could not be rendered: %s.%s", target.request.url, reason, said, exc_info=error
        )
        return Failed(reason, response, error, proven)

    def refused(self, target: Target, refusal: Refusal) -> Refused:
        """Warn once of a declared page whose answer may not be stored."""
        reason, text = refusal.reason, refusal.text
        if target.declared and self.first(target.route, reason):
            log.warning(
                "%s (%s) is declared but cannot be stored: %s. %s",
                target.route,
                target.request.url,
                f"{reason}: {text}" if text else reason,
                REMEDIES.get(reason, ""),
            )
        return Refused(reason, refusal.withdraws, text)

    def shrunk(self, target: Target, old: Entry, new: Entry, limit: float) -> Refusal:
        """Warn each time a page is too short to replace the previous one."""
        text = f"{len(new.body):,} bytes in place of {len(old.body):,}"
        log.warning(
            "The new page of %s has %s, less than shrink_limit=%g allows; the old one stays. If "
            "it is meant to be so short, purge it, or call regenerate(%r, force=True).",
            target.request.url, text, limit, target.request.full_path,
        )  # fmt: skip
        return Refusal("shrunk", text)

    def reads(self, entry: Entry) -> None:
        """Log once for each route what its pages read, and where."""
        for name, where in told(entry.reads) if entry.reads else ():
            if self.first(entry.route, name):
                log.info("%s (%s) reads %s (%s).", entry.route, entry.request.url, name, where)

    def own_invalidations(self, target: Target, entry: Entry, rendering: Rendering) -> None:
        """Warn of a page whose own render invalidates it."""
        own = names_of(entry.request.full_path, entry.request.query, entry.tags, entry.route)
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

    def _second_run(self, route: str) -> str:
        """The text to add to the first failure of a route without a successful render."""
        if not self.first(route, "unproven"):
            return ""
        return (
            f" Until a page of this route ({route}) has been rendered, visitors get the app's own "
            "answer when a render fails: the view runs a second time for them, and its error is "
            "logged a second time."
        )
