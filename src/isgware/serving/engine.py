"""One visit of a declared URL: plan it, find its page, decide, and serve or render.

`Engine.visit` reads from top to bottom; how a page is rendered is `isgware.regeneration`'s.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from ..backends.read_ahead import ReadAhead
from ..core.cache_key import Visitor
from ..core.decide import Action, Decision, Facts, decide
from ..core.freshness import State
from ..regeneration.background import Background
from ..regeneration.local_queue import Work
from ..rendering.clean_room import BrokenResponse
from ..rendering.result import Failed, Outcome, Refused, Rendered
from ..routing.planner import Plan, Planner, Target
from ..routing.visitor_check import VisitorCheck
from ..settings import Settings
from ..storage.process_cache import Page
from .answer import Answer
from .unpromising_routes import UnpromisingRoutes

if TYPE_CHECKING:
    from .loading_page import Fallback


class Engine:
    def __init__(
        self, settings: Settings, planner: Planner, background: Background,
        visitors: VisitorCheck, now: Callable[[], float], has_url_map: bool = False,
    ) -> None:  # fmt: skip
        self.settings = settings
        self.planner = planner
        self.background = background
        self.renderer = background.renderer
        self.page_store = self.renderer.page_store
        self.outcomes = self.renderer.outcomes
        self.visitors = visitors
        self.now = now
        self.unpromising = UnpromisingRoutes()
        #: Whether undeclared routes can be told apart. Responses to visitors' own requests are
        #: looked up by their URL in any case.
        self.learns_by_route = has_url_map and settings.cache_control != "full"

    @cached_property
    def fallback(self) -> Fallback:
        """Loading pages and lists of pages, for the routes that have them."""
        from .loading_page import Fallback

        background = self.background
        return Fallback(
            self.settings, self.planner, self.page_store, self.outcomes,
            under_way=background.under_way,
            start=lambda target: background.schedule(target, urgent=True),
            background=lambda name, work: background.pool.submit(Work(name, work)),
            now=self.now,
        )  # fmt: skip

    def visit(self, visitor: Visitor, read_ahead: ReadAhead | None = None) -> Answer | None:
        """The answer to this GET or HEAD; ``None`` if its URL is not declared."""
        match = self.planner.match(visitor)
        if match is not None and (reason := self.outcomes.skips(match)):
            own = self.planner.bypass(visitor, match.policy)
            for_all = not own and match.policy.bypass is None
            return Answer("BYPASS", own or reason, refused=match.route, skipped=for_all)
        if match is None and self.skips_undeclared(visitor):
            return None
        return self.looked_up(visitor, read_ahead)

    def looked_up(
        self, visitor: Visitor, read_ahead: ReadAhead | None = None, *, again: bool = False
    ) -> Answer | None:
        """As `visit`, but the store is asked even if nothing of the route has been storable yet:
        another process may have stored the page. ``again``: as for `LearnedRoutes.find`."""
        self.page_store.begin(read_ahead)
        try:
            return self._visit(visitor, again)
        finally:
            self.page_store.end()

    def skips_undeclared(self, visitor: Visitor) -> bool:
        """Whether this request of an undeclared route is not looked up."""
        return self.learns_by_route and self.unpromising.skips(self.planner.names.of(visitor))

    def _visit(self, visitor: Visitor, again: bool) -> Answer | None:
        self.page_store.sync()
        version = self.page_store.settled
        arrival = self.page_store.mirror.counter
        deadline = time.monotonic() + self.settings.wait_time
        while True:
            plan = self.planner.plan(visitor, serving=True, again=again)
            if plan is None:
                return None
            if plan.target is not None and not plan.target.declared:
                self.unpromising.promising(self.planner.names.of(visitor))
            if plan.target is None:
                return Answer("BYPASS", plan.bypass)
            answer = self._answer(visitor, plan, plan.target, arrival, deadline)
            if answer is not None:
                return (
                    replace(answer, version=version) if answer.cacheable_by_request_line else answer
                )

    def _answer(
        self, visitor: Visitor, plan: Plan, target: Target, arrival: int, deadline: float
    ) -> Answer | None:
        """``None``: something was learned meanwhile, so plan again."""
        if plan.bypass:
            return Answer("BYPASS", plan.bypass)
        page, state = self.page_store.find(target.key, target.base, target.policy.fingerprint)
        if page is not None:
            self.outcomes.routes.found(target.group)
            if self.planner.relearned(target, page.entry):
                return None
        facts = self.facts(visitor, plan, target, page, state)
        decision = decide(facts)
        if target.policy.fallback == "loading":
            reply = self.fallback.loading(visitor, target, state, decision)
            if reply is not None:
                return Answer("LOADING", "loading", reply=reply)
        elif target.policy.fallback != "blocking" and self.fallback.unlisted(
            target, state, decision
        ):
            return Answer("BYPASS", "not-listed", forward="miss", absent=True)
        if decision.schedule and not self.background.schedule(target) and decision.label == "STALE":
            decision = replace(decision, detail="regeneration-dropped")
        if decision.action is Action.OWN:
            refused = target.group if facts.dynamic else ""
            return Answer("BYPASS", decision.detail, refused=refused)
        if decision.action is Action.SERVE:
            return Answer(
                decision.label, decision.detail, page, forward="stale",
                cacheable_by_request_line=plan.cacheable_by_request_line, cookies=plan.cookies,
                judged=target.policy.cookies is None, holes=self._concerns(visitor, target, page),
            )  # fmt: skip
        if page is None:
            self.outcomes.tries(target)
        return self._render_for(visitor, target, page, state, decision, arrival, deadline)

    def facts(
        self, visitor: Visitor, plan: Plan, target: Target, page: Page | None, state: State | None
    ) -> Facts:
        """What is known about this visitor's page, for `decide`."""
        entry = page.entry if page else None
        found = self.visitors.personal(visitor, target.policy, entry, plan.vary_cookie)
        failure = self.outcomes.failures.get(target.key)
        failing = ""
        if failure is not None and state in (State.STALE, State.EXPIRED):
            failing = failure.error
        elif failure is not None and failure.unproven:
            failing = "clean-room-failed"
        return Facts(
            state,
            target.declared,
            found.detail if found else "",
            # A page that is stored can be stored, whatever other pages of its route were refused
            # for.
            self.outcomes.refusal(
                target.key, target.group if page is None else "", target.policy.fingerprint
            ),
            failing,
            self.outcomes.due(target.key),
        )

    def _concerns(self, visitor: Visitor, target: Target, page: Page | None) -> bool:
        """Whether to fill the holes of the page for this visitor."""
        return page is not None and self.visitors.concerned(visitor, target.policy, page.entry)

    def concerns(self, visitor: Visitor) -> bool:
        """Whether this URL has, may have, or is about to have a stored page."""
        self.page_store.sync()
        if self.planner.plan(visitor, again=True) is not None:
            return True
        target = self.planner.undeclared_target(visitor, frozenset(), None, {})
        return target is not None and self.background.under_way(target.key)

    def _render_for(
        self, visitor: Visitor, target: Target, page: Page | None, state: State | None,
        decision: Decision, arrival: int, deadline: float,
    ) -> Answer | None:  # fmt: skip
        outcome, leads = self.renderer.render(target, page, arrival, deadline)
        old = page if page is not None and state is State.EXPIRED else None
        if isinstance(outcome, Rendered):
            made = outcome.page
            if not self.renderer.acceptable(made, arrival, own=leads and not outcome.elsewhere):
                return None if time.monotonic() < deadline else Answer("BYPASS", "wait-timeout")
            learned = self.planner.relearned(target, made.entry) or outcome.learned
            if learned and self._key_now(visitor) != target.key:
                return None
            if outcome.found and time.monotonic() < deadline:
                return None  # a hit: it was stored right after this visitor looked
            if found := self.visitors.personal(visitor, target.policy, made.entry):
                return Answer("BYPASS", found.detail, forward="miss")
            forward = "stale" if decision.label == "REVALIDATED" else "uri-miss"
            return Answer(
                decision.label, decision.detail, made, forward=forward, collapsed=not leads,
                stored=outcome.stored, holes=self._concerns(visitor, target, made),
            )  # fmt: skip
        if isinstance(outcome, Refused) and outcome.replan and time.monotonic() < deadline:
            return None
        failed = isinstance(outcome, Failed | Refused) and not _withdraws(outcome)
        if old is not None and failed:
            holes = self._concerns(visitor, target, old)
            return Answer("STALE", "stale-if-error", old, forward="stale", holes=holes)
        return self._without_page(visitor, outcome)

    def _key_now(self, visitor: Visitor) -> str:
        plan = self.planner.plan(visitor, serving=True)
        return plan.target.key if plan is not None and plan.target is not None else ""

    def _without_page(self, visitor: Visitor, outcome: Outcome | None) -> Answer:
        if isinstance(outcome, Refused):
            return Answer("BYPASS", outcome.reason, forward="miss")
        if isinstance(outcome, Failed):
            if not outcome.proven:
                return Answer("BYPASS", "clean-room-failed", forward="miss")
            if isinstance(outcome.error, BrokenResponse):  # passed on to the server
                return Answer("BYPASS", "broken-response", forward="miss")
            if visitor.headers.get("HTTP_COOKIE") or outcome.personal:
                return Answer("BYPASS", "render-failed", forward="miss")
            return Answer("BYPASS", "render-failed", failure=outcome, forward="miss")
        return Answer("BYPASS", "wait-timeout", forward="miss")

    def after_fork(self) -> None:
        """Make new locks and threads: those of the parent process are not usable."""
        self.renderer.after_fork()
        if "fallback" in self.__dict__:
            self.fallback.after_fork()
        self.outcomes.failures.reset_lock()
        self.background.handoff.after_fork()


def _withdraws(outcome: Outcome) -> bool:
    return isinstance(outcome, Refused) and outcome.withdraws
