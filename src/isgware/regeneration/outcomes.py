"""What renders came to, and what follows: back-off after a failure, pages that may not be stored.

Failures of pages that exist are also noted in the backend, so that a page that fails is not tried
by each process in turn, and so that people can see it; what became of a render behind a loading
page, since its visitor may come back to another process. For people only, why a page of a declared
route was not stored at all is noted too: once for each route, so that the notes stay few.
"""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from ..core.stored_page import Entry
from ..errors import BackendUnavailable
from ..rendering.producer import Failed, Outcome, Refused, Rendered
from ..routing.learned_routes import NOTHING_LEARNED
from ..routing.planner import Planner, Target
from ..storage.notes import NOTED, Failure, noted_failure
from ..storage.page_store import PageStore
from .backoff import Failures

log: Final = logging.getLogger("isgware")
#: Seconds for which a render that another process has begun is not asked for again.
_ELSEWHERE: Final = 0.05
_MAX_DYNAMIC: Final = 8_192
#: So many refusals of a route's pages in a row, and for so many seconds no other is tried.
_STREAK: Final = 32
_PAUSE: Final = 1.0
#: Seconds for which people can see why a page of a route was not stored.
_TOLD: Final = 86_400.0


class Outcomes:
    """``dynamic_time``: seconds a page that was refused is remembered as not storable."""

    def __init__(
        self,
        planner: Planner,
        page_store: PageStore,
        failures: Failures,
        dynamic_time: float,
        now: Callable[[], float],
    ) -> None:
        self._planner = planner
        self._page_store = page_store
        self.failures = failures
        self._dynamic_time = dynamic_time
        self._now = now
        self._dynamic: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._replanned: dict[str, float] = {}
        self._told: dict[str, tuple[str, float]] = {}  # by declared route
        self._passed_over: OrderedDict[str, None] = OrderedDict()
        self._streaks: dict[str, tuple[int, str, float]] = {}  # of refusals, by declared route

    def refusal(self, key: str, route: str = "") -> str:
        """Why a page was found not storable a while ago; empty if it was not.

        Where all that was tried of a ``route`` for a while was refused, its other pages are not
        tried either, but for one a second: each try costs the app a render more than no cache
        would, and a flood of invented URLs would double its work. It must not keep real pages out
        of the store, though, so those that somebody asks for again are tried.
        """
        reason, until = self._dynamic.get(key, ("", 0.0))
        now = self._now()
        if now < until:
            return reason
        if key in self._passed_over:
            return ""
        count, reason, at = self._streaks.get(route, (0, "", 0.0))
        return reason if count >= _STREAK and abs(now - at) < _PAUSE else ""

    def pass_over(self, key: str, route: str) -> None:
        """A visitor got the app's own answer. If that was for what became of other pages of the
        ``route``, this one is tried when it is asked for again."""
        if self.refusal(key, route) and not self.refusal(key):
            self._passed_over[key] = None
            while len(self._passed_over) > _MAX_DYNAMIC:
                self._passed_over.popitem(last=False)

    def fails(self, key: str) -> bool:
        """Whether the last render of this page failed, as far as this process knows."""
        failure = self.failures.get(key)
        return failure is not None and failure.count > 0

    def elsewhere(self, key: str) -> bool:
        """Whether another process was rendering this page when it was last looked at."""
        failure = self.failures.get(key)
        return failure is not None and not failure.count

    def disappointed(self, key: str) -> bool:
        """Whether some process has tried a page that is not there, and none came of it."""
        self.fails_elsewhere(key, 0.0)
        if self.fails(key):
            return True
        if not self.refusal(key):
            reason = self._noted_dynamic(key)
            if reason:
                self._dynamic[key] = (reason, self._now() + self._dynamic_time)
        return bool(self.refusal(key))

    def due(self, key: str) -> bool:
        """Whether a page may be tried (again) now."""
        return self.failures.due(key, self._now())

    def settle(self, target: Target, outcome: Outcome, replaces: Entry | None) -> None:
        """Remember what a render came to. ``replaces`` is the page that it was to replace."""
        self._passed_over.pop(target.key, None)
        if isinstance(outcome, Rendered):
            self._dynamic.pop(target.key, None)
            self._streaks.pop(target.route, None)
            self._forget_failure(target.key)
        elif isinstance(outcome, Failed):
            self.failed(target, outcome.reason, replaces, unproven=not outcome.proven)
            if replaces is None:
                token = "render-failed" if outcome.proven else "clean-room-failed"
                self._tell(target, token, outcome.reason)
                if not outcome.proven:
                    self._count(target, token)
        elif isinstance(outcome, Refused):
            self._refused(target, outcome, replaces)

    def _refused(self, target: Target, outcome: Refused, replaces: Entry | None) -> None:
        reason = outcome.reason
        if outcome.replan and not outcome.withdraws and self._replan(target.key):
            return
        if replaces is not None and target.declared and not outcome.withdraws:
            self.failed(target, reason, replaces)
            return
        self._dynamic[target.key] = (reason, self._now() + self._dynamic_time)
        self._dynamic.move_to_end(target.key)
        while len(self._dynamic) > _MAX_DYNAMIC:
            self._dynamic.popitem(last=False)
        self._tell(target, reason, "")
        if target.policy.fallback == "loading":
            self._note_dynamic(target.key, reason)
        if replaces is None:
            self._count(target, reason)
        else:
            self._withdraw(target)

    def _replan(self, key: str) -> bool:
        """Whether a page may be planned anew, since its route is declared otherwise than was known.
        One for which that is so time and again may not."""
        now, last = self._now(), self._replanned.get(key, float("-inf"))
        if len(self._replanned) >= _MAX_DYNAMIC:
            self._replanned.clear()
        self._replanned[key] = now
        return not abs(now - last) < self._dynamic_time

    def _withdraw(self, target: Target) -> None:
        """A page that was everybody's says that it is not, or one that nobody declared that it may
        not be stored."""
        log.info("%s is withdrawn.", target.request.url)
        self._forget_failure(target.key)
        self._page_store.withdraw(target.key)
        if not target.declared:
            self._planner.learn(target.base, NOTHING_LEARNED, announce=True)

    def _forget_failure(self, key: str) -> None:
        failure = self.failures.clear(key)
        if failure and failure.count:
            self._note(key, None)

    def _count(self, target: Target, reason: str) -> None:
        if target.declared:
            count = self._streaks.get(target.route, (0, "", 0.0))[0]
            self._streaks[target.route] = count + 1, reason, self._now()

    def failed(
        self, target: Target, reason: str, replaces: Entry | None, *, unproven: bool = False
    ) -> None:
        """Count a failure, and let none try again before its back-off is over."""
        lifetime = replaces.revalidate if replaces else None
        failure = self.failures.add(target.key, self._now(), reason, lifetime, unproven)
        # Where a loading page was shown, its script and its reload may come to any process.
        if replaces is not None or target.policy.fallback == "loading":
            self._note(target.key, failure)

    def rendering_elsewhere(self, key: str) -> None:
        """Another process renders this page: look for the result soon, not with every visit."""
        self.failures.put(key, Failure(0, self._now() + _ELSEWHERE, ""))

    def fails_elsewhere(self, key: str, rendered_at: float) -> bool:
        """Whether another process has tried in vain since, and its back-off still lasts."""
        failure = noted_failure(self._page_store.backend, key, self._now(), rendered_at)
        known = self.failures.get(key)
        if failure is None or (known and known.count >= failure.count):
            return False
        self.failures.put(key, failure)
        return not self.due(key)

    def _tell(self, target: Target, reason: str, error: str) -> None:
        """Let every process, a command line's too, see why a declared route is not kept."""
        backend, now = self._page_store.backend, self._now()
        known, until = self._told.get(target.route, ("", 0.0))
        if not target.declared or (known == reason and now < until):
            return
        self._told[target.route] = reason, now + self._dynamic_time
        note = [reason, error[:500], now, target.key, target.request.url]
        try:
            backend.write_note("r:" + target.route, json.dumps(note).encode(), _TOLD, now)
        except BackendUnavailable as error_:
            log.debug("A refusal is known to this process only: %s", error_)

    def _note(self, key: str, failure: Failure | None) -> None:
        backend, now = self._page_store.backend, self._now()
        try:
            if failure is None:
                backend.drop_note("f:" + key)
            else:
                note = [failure.count, failure.until, failure.error[:500], now]
                backend.write_note("f:" + key, json.dumps(note).encode(), NOTED, now)
        except BackendUnavailable as error:
            log.debug("A failure is known to this process only: %s", error)

    def _note_dynamic(self, key: str, reason: str) -> None:
        try:
            now = self._now()
            self._page_store.backend.write_note(
                "d:" + key, reason.encode(), self._dynamic_time, now
            )
        except BackendUnavailable as error:
            log.debug("A refusal is known to this process only: %s", error)

    def _noted_dynamic(self, key: str) -> str:
        try:
            note = self._page_store.backend.read_note("d:" + key, self._now())
            return (note or b"").decode("ascii", "replace")
        except BackendUnavailable:
            return ""
