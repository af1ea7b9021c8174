"""What follows from the result of a render: back-off after a failure, and memory of pages that may
not be stored.

Failures of pages that exist are also noted in the backend, so that a failing page is not tried by
each process in turn, and so that people can see them. So is the outcome of a render behind a
loading page, since its visitor may come back to another process. For display only, the reason why a
page of a declared route was not stored is noted, too: once for each route, so that there are few
notes.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from ..core.freshness import CLOCK_TOLERANCE
from ..core.stored_page import Entry
from ..errors import BackendUnavailable
from ..rendering.result import Failed, Outcome, Refused, Rendered
from ..routing.framework import Match
from ..routing.learned_routes import NOTHING_LEARNED
from ..routing.planner import Planner, Target
from ..storage.notes import NOTED, PAST, Failure, noted_failure
from ..storage.page_store import PageStore
from .backoff import Failures
from .refused_routes import RefusedRoutes

log: Final = logging.getLogger("isgware")
#: Seconds until a render that another process has begun is looked for again.
_ELSEWHERE: Final = 0.05
_MAX_DYNAMIC: Final = 8_192
#: How many times the duration is doubled for a page that is refused again.
_MAX_DOUBLED: Final = 6
#: Seconds for which the reason is kept why a page of a route was not stored.
_TOLD: Final = 86_400.0


class Outcomes:
    """``dynamic_time``: seconds for which a refused page is remembered as not storable; doubled
    with each refusal."""

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
        self._dynamic: OrderedDict[str, tuple[str, float, int]] = OrderedDict()
        self.routes = RefusedRoutes()
        self._replanned: dict[str, float] = {}
        self._recorded: dict[str, tuple[str, float]] = {}  # by declared route

    def refusal(self, key: str, route: str = "", fingerprint: str = "") -> str:
        """Why a page was found not storable recently; empty if it was not. With ``route``, also why
        no other page of that route is tried now: see `RefusedRoutes`."""
        if route and self.routes.tried_early(route, key):
            return ""
        reason, until, doubled = self._dynamic.get(key, ("", 0.0, 0))
        now = self._now()
        if self._lasts(until, now, doubled):
            return reason
        return self.routes.pause(route, fingerprint, now) if route else ""

    def _lasts(self, until: float, now: float, doubled: int = 0) -> bool:
        """An end beyond the longest duration was set before the clock was put back."""
        return now < until <= now + self._dynamic_time * 2.0**doubled + CLOCK_TOLERANCE

    def skips(self, match: Match) -> str:
        """Why the store is not even searched for the page of a declared route; empty if it is."""
        if match.policy.fallback != "blocking":
            return ""
        return self.routes.skips(match.route, match.policy.fingerprint, self._now())

    def tries(self, target: Target) -> None:
        """A missing page is about to be rendered."""
        self.routes.trying(target.group, self._now())

    def gave_up(self, target: Target) -> None:
        """The render of a missing page hung. If nothing declares the page, it is not tried again:
        it would block another thread."""
        if not target.declared:
            self._count(target, "streaming", final=True)

    def fails(self, key: str) -> bool:
        """Whether the last render of this page failed, as far as this process knows."""
        failure = self.failures.get(key)
        return failure is not None and failure.count > 0

    def elsewhere(self, key: str) -> bool:
        """Whether another process was rendering this page at the last look."""
        failure = self.failures.get(key)
        return failure is not None and not failure.count

    def failed_somewhere(self, key: str) -> bool:
        """Whether some process has tried to render a missing page, without success."""
        self.fails_elsewhere(key, 0.0)
        if self.fails(key):
            return True
        if not self.refusal(key):
            reason = self._noted_dynamic(key)
            if reason:
                self._dynamic[key] = (reason, self._now() + self._dynamic_time, 0)
        return bool(self.refusal(key))

    def due(self, key: str) -> bool:
        """Whether a page may be tried (again) now."""
        return self.failures.due(key, self._now())

    def settle(self, target: Target, outcome: Outcome, replaces: Entry | None) -> None:
        """Remember the result of a render. ``replaces`` is the page that it was to replace."""
        if isinstance(outcome, Rendered):
            self._dynamic.pop(target.key, None)
            if target.declared or self.routes.knows(target.group):
                self.routes.rendered(target.group, target.policy.fingerprint)
            self._forget_failure(target.key)
        elif isinstance(outcome, Failed):
            unproven, seconds = not outcome.proven, outcome.seconds
            self.failed(target, str(outcome), replaces, unproven=unproven, seconds=seconds)
            if replaces is None:
                token = "render-failed" if outcome.proven else "clean-room-failed"
                self._record_reason(target, token, str(outcome))
                if not outcome.proven:
                    self._count(target, token)
        elif isinstance(outcome, Refused):
            self._refused(target, outcome, replaces)

    def _refused(self, target: Target, outcome: Refused, replaces: Entry | None) -> None:
        reason = outcome.reason
        if outcome.replan and not outcome.withdraws and self._replan(target.key):
            return
        if replaces is not None and target.declared and not outcome.withdraws:
            text = f"{reason}: {outcome.text}" if outcome.text else reason
            self.failed(target, text, replaces, seconds=outcome.seconds)
            return
        known, _, doubled = self._dynamic.get(target.key, ("", 0.0, -1))
        doubled = min(doubled + 1, _MAX_DOUBLED) if known == reason else 0
        until = self._now() + self._dynamic_time * 2.0**doubled
        self._dynamic[target.key] = (reason, until, doubled)
        self._dynamic.move_to_end(target.key)
        while len(self._dynamic) > _MAX_DYNAMIC:
            self._dynamic.popitem(last=False)
        self._record_reason(target, reason, outcome.text)
        if target.policy.fallback == "loading":
            self._note_dynamic(target.key, reason)
        self._count(target, reason, final=reason == "streaming" and not target.declared)
        if replaces is not None:
            self._withdraw(target)

    def _replan(self, key: str) -> bool:
        """Whether to plan a page again, since its route is declared in another way than was known.
        Not if that happens repeatedly."""
        now, last = self._now(), self._replanned.get(key, float("-inf"))
        if len(self._replanned) >= _MAX_DYNAMIC:
            self._replanned.clear()
        self._replanned[key] = now
        return not abs(now - last) < self._dynamic_time

    def _withdraw(self, target: Target) -> None:
        """Withdraw a page whose new render is personal, or which nothing declares and which may not
        be stored."""
        log.info("%s is withdrawn.", target.request.url)
        self.failures.clear(target.key)
        self._note(target.key, None)
        self._page_store.withdraw(target.key)
        if not target.declared:
            self._planner.learn(target.base, NOTHING_LEARNED, announce=True)

    def _forget_failure(self, key: str) -> None:
        """It is over, and kept for people: see `storage.notes.last_failure`."""
        failure = self.failures.clear(key)
        if failure and failure.count:
            self._note(key, dataclasses.replace(failure, count=0, until=0.0), PAST)

    def _count(self, target: Target, reason: str, *, final: bool = False) -> None:
        fingerprint = target.policy.fingerprint
        self.routes.refuse(target.group, fingerprint, target.key, reason, self._now(), final=final)

    def failed(
        self, target: Target, reason: str, replaces: Entry | None, *, unproven: bool = False,
        seconds: float = 0.0,
    ) -> None:  # fmt: skip
        """Count a failure, and allow no other try before its back-off ends."""
        lifetime = replaces.revalidate if replaces else None
        failure = self.failures.add(
            target.key, self._now(), reason, lifetime, unproven, by=target.by, seconds=seconds
        )
        # After a loading page, its script and its reload may come to any process.
        if replaces is not None or target.policy.fallback == "loading":
            self._note(target.key, failure)

    def rendering_elsewhere(self, key: str) -> None:
        """Another process renders this page: look for the result soon, but not on each visit."""
        now = self._now()
        self.failures.put(key, Failure(0, now + _ELSEWHERE, "", at=now))

    def fails_elsewhere(self, key: str, rendered_at: float) -> bool:
        """Whether another process has failed since, and its back-off is not over."""
        failure = noted_failure(self._page_store.backend, key, self._now(), rendered_at)
        known = self.failures.get(key)
        if failure is None or (known and known.count >= failure.count):
            return False
        self.failures.put(key, failure)
        return not self.due(key)

    def _record_reason(self, target: Target, reason: str, error: str) -> None:
        """Note why a declared route is not stored, for all processes including the command line."""
        backend, now = self._page_store.backend, self._now()
        known, until = self._recorded.get(target.route, ("", 0.0))
        if not target.declared or (known == reason and self._lasts(until, now)):
            return
        self._recorded[target.route] = reason, now + self._dynamic_time
        note = [reason, error[:500], now, target.key, target.request.url]
        try:
            backend.write_note("r:" + target.route, json.dumps(note).encode(), _TOLD, now)
        except BackendUnavailable as error_:
            log.debug("A refusal is known to this process only: %s", error_)

    def _note(self, key: str, failure: Failure | None, seconds: float = NOTED) -> None:
        backend, now = self._page_store.backend, self._now()
        try:
            if failure is None:
                backend.drop_note("f:" + key)
            else:
                note = [
                    failure.count, failure.until, failure.error[:500], failure.at, failure.by,
                    round(failure.seconds, 6),
                ]  # fmt: skip
                backend.write_note("f:" + key, json.dumps(note).encode(), seconds, now)
        except BackendUnavailable as error:
            log.debug("A failure is known to this process only: %s", error)

    def _note_dynamic(self, key: str, reason: str) -> None:
        try:
            now = self._now()
            note = json.dumps([reason, now]).encode()
            self._page_store.backend.write_note("d:" + key, note, self._dynamic_time, now)
        except BackendUnavailable as error:
            log.debug("A refusal is known to this process only: %s", error)

    def _noted_dynamic(self, key: str) -> str:
        try:
            now = self._now()
            note = self._page_store.backend.read_note("d:" + key, now)
            reason, at = json.loads(note or b'["", 0]')
            return str(reason) if self._lasts(at + self._dynamic_time, now) else ""
        except (BackendUnavailable, ValueError, TypeError, OverflowError, RecursionError):
            return ""
