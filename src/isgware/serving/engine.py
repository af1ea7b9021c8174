"""The orchestrator: asks for a plan, finds the page, decides, and has it rendered.

It gets everything else in its constructor. One visit goes through `visit`; one background
regeneration through `schedule` and `_regenerate`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ..backends.base import Lease
from ..backends.read_ahead import ReadAhead
from ..core.cache_key import Visitor
from ..core.decide import Action, Decision, Facts, decide
from ..core.freshness import State, accepts
from ..core.storable import personal_response
from ..errors import BackendUnavailable
from ..regeneration.handoff import Handoff
from ..regeneration.local_queue import Work
from ..regeneration.maintenance import Maintenance
from ..regeneration.outcomes import Outcomes
from ..regeneration.render_threads import Pool
from ..regeneration.single_flight import Flight, Flights
from ..rendering.clean_room import BrokenResponse
from ..rendering.producer import Elsewhere, Failed, Outcome, Producer, Refused, Rendered
from ..routing.planner import Plan, Planner, Target
from ..routing.visitor_check import VisitorCheck
from ..settings import Settings
from ..storage.page_store import PageStore, same_render
from ..storage.process_cache import Page
from .loading_page import Fallback, Reply

log: Final = logging.getLogger("isgware")


def _withdraws(outcome: Outcome) -> bool:
    return isinstance(outcome, Refused) and outcome.withdraws


@dataclass(frozen=True, slots=True)
class Answer:
    """What a visitor gets: a stored page, an error made for them, isgware's own ``reply``, or (all
    ``None``) the app's own answer. ``forward`` is RFC 9211's reason for having asked the app;
    ``version``: the store's version from before the page was judged; the page may be served again
    while it holds.
    ``judged``: who may have the page follows from its reads alone.
    ``holes``: those of the page are to be filled for this visitor.
    ``absent``: the page is known not to exist, so that there is no need to ask the view.
    ``refused``: the `Target.group` whose pages are not stored; ``skipped``: nor looked for, whoever
    asks.
    """

    label: str
    detail: str = ""
    page: Page | None = None
    failure: Failed | None = None
    forward: str = "bypass"
    collapsed: bool = False
    stored: bool = False
    cacheable_by_request_line: bool = False
    cookies: bool = False
    judged: bool = False
    holes: bool = False
    version: int = -1
    reply: Reply | None = None
    absent: bool = False
    refused: str = ""
    skipped: bool = False


class Engine:
    def __init__(
        self,
        settings: Settings,
        planner: Planner,
        page_store: PageStore,
        producer: Producer,
        flights: Flights,
        pool: Pool,
        outcomes: Outcomes,
        maintenance: Maintenance,
        now: Callable[[], float],
        handoff: Handoff,
        visitors: VisitorCheck,
    ) -> None:
        self.settings = settings
        self.planner = planner
        self.page_store = page_store
        self.producer = producer
        self.flights = flights
        self.pool = pool
        self.outcomes = outcomes
        self.maintenance = maintenance
        self.now = now
        self.handoff = handoff
        self.visitors = visitors
        self.fallback = Fallback(
            settings, planner, page_store, outcomes,
            under_way=self.under_way,
            start=lambda target: self.schedule(target, urgent=True),
            background=lambda name, work: pool.submit(Work(name, work)),
            now=now,
        )  # fmt: skip

    def visit(self, visitor: Visitor, read_ahead: ReadAhead | None = None) -> Answer | None:
        """What this GET or HEAD gets; ``None`` if its URL is not declared."""
        self.page_store.begin(read_ahead)
        try:
            return self._visit(visitor)
        finally:
            self.page_store.end()

    def _visit(self, visitor: Visitor) -> Answer | None:
        self.page_store.sync()
        version = self.page_store.settled
        arrival = self.page_store.mirror.counter
        deadline = time.monotonic() + self.settings.wait_time
        while True:
            plan = self.planner.plan(visitor, skips=self.outcomes.skips, serving=True)
            if plan is None:
                return None
            if plan.target is None:
                self.outcomes.routes.passed(plan.skipped)
                reason, group = plan.bypass, plan.skipped
                return Answer("BYPASS", reason, refused=group, skipped=plan.for_all)
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
        elif self.fallback.unlisted(target, state, decision):
            return Answer("BYPASS", "not-listed", forward="miss", absent=True)
        if decision.schedule and not self.schedule(target) and decision.label == "STALE":
            decision = replace(decision, detail="regeneration-dropped")
        if decision.action is Action.OWN:
            refused = target.group if facts.dynamic else ""
            self.outcomes.routes.passed(refused)
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
            # A page that was there can be stored, whatever others of its route were refused for.
            self.outcomes.refusal(
                target.key, target.group if page is None else "", target.policy.fingerprint
            ),
            failing,
            self.outcomes.due(target.key),
        )

    def _concerns(self, visitor: Visitor, target: Target, page: Page | None) -> bool:
        """Whether holes of the page are to be filled for this visitor."""
        return page is not None and self.visitors.concerned(visitor, target.policy, page.entry)

    def concerns(self, visitor: Visitor) -> bool:
        """Whether this URL has, may have, or is about to have a stored page."""
        self.page_store.sync()
        if self.planner.plan(visitor, again=True) is not None:
            return True
        target = self.planner.undeclared_target(visitor, frozenset(), None, {})
        return target is not None and self.under_way(target.key)

    def under_way(self, key: str) -> bool:
        """Whether this process renders a page, or is about to: work that the pool has begun may
        not have joined its flight yet, nor left the pool when that lands."""
        return self.pool.has(key) or key in self.flights

    def after_fork(self) -> None:
        """Locks and threads of the parent process are not ours."""
        self.flights = Flights(self.settings.max_waiters)
        self.fallback.after_fork()
        self.outcomes.failures.reset_lock()
        self.handoff.after_fork()

    # Foreground: a visitor waits.

    def _render_for(
        self, visitor: Visitor, target: Target, page: Page | None, state: State | None,
        decision: Decision, arrival: int, deadline: float,
    ) -> Answer | None:  # fmt: skip
        names = (*target.names, *(page.names if page else ()))
        flight, leads = self._join(target, names, arrival)
        if leads:
            outcome: Outcome | None = Elsewhere()
            try:
                outcome = self._lead(target, flight, names, arrival, deadline, page)
            finally:
                self.flights.land(flight, outcome)
        elif self.flights.wait(flight, deadline - time.monotonic()):
            outcome = flight.outcome
        else:
            outcome = None
        old = page if page is not None and state is State.EXPIRED else None
        if isinstance(outcome, Rendered):
            made = outcome.page
            if not self._acceptable(made, arrival):
                return None if time.monotonic() < deadline else Answer("BYPASS", "wait-timeout")
            learned = self.planner.relearned(target, made.entry) or outcome.learned
            if learned and self._key_now(visitor) != target.key:
                return None
            if outcome.found and time.monotonic() < deadline:
                return None  # it came as this visitor had just looked: a hit
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
            if isinstance(outcome.error, BrokenResponse):  # what the server makes of it
                return Answer("BYPASS", "broken-response", forward="miss")
            if visitor.headers.get("HTTP_COOKIE") or personal_response(outcome.response):
                return Answer("BYPASS", "render-failed", forward="miss")
            return Answer("BYPASS", "render-failed", failure=outcome, forward="miss")
        return Answer("BYPASS", "wait-timeout", forward="miss")

    def _join(self, target: Target, names: Sequence[str], arrival: int) -> tuple[Flight, bool]:
        mirror = self.page_store.mirror
        oldest = time.monotonic() - self.settings.render_timeout

        def joinable(flight: Flight) -> bool:
            return flight.started > oldest and accepts(
                flight.generation, flight.nonce, names, mirror, arrival
            )

        return self.flights.join(target.key, mirror.counter, mirror.nonce, joinable)

    def _acceptable(self, page: Page, arrival: int) -> bool:
        entry, mirror = page.entry, self.page_store.mirror
        return accepts(entry.generation, entry.nonce, page.names, mirror, arrival)

    def _lead(
        self, target: Target, flight: Flight, names: Sequence[str], arrival: int, deadline: float,
        known: Page | None,
    ) -> Outcome:  # fmt: skip
        """Render for everybody, unless another process does: then wait for its page."""
        pause = 0.0
        while True:
            try:
                lease = self.page_store.acquire(target.key, self.settings.lease_time, names)
            except BackendUnavailable:
                return self._produce(target, None, flight)
            page, state = self._look_again(target)
            if page is not None and self._takes(target, page, state, known, arrival):
                self.page_store.release(lease)
                return Rendered(page, found=not pause)
            if lease is not None:
                return self._produce(target, lease, flight)
            if time.monotonic() > deadline:
                return Elsewhere()
            pause = min(max(pause * 1.5, 0.005), 0.05)
            time.sleep(pause)
            self.page_store.begin()
            self.page_store.sync()

    def _takes(
        self, target: Target, page: Page, state: State | None, known: Page | None, arrival: int
    ) -> bool:
        """Whether a page of another process will do for who came at ``arrival`` and found the
        ``known`` one: it is fresh, or was rendered since. A render may take longer than its page
        stays fresh; were it not taken then, all who wait for it would render in turn."""
        if not self._acceptable(page, arrival):
            return False
        since = known is None or not same_render(page.entry, known.entry)
        return state is State.FRESH or (
            since and page.entry.fingerprint == target.policy.fingerprint
        )

    def _look_again(self, target: Target) -> tuple[Page | None, State | None]:
        return self.page_store.find(target.key, target.base, target.policy.fingerprint, again=True)

    # Background: nobody waits.

    def schedule(self, target: Target, *, urgent: bool = False) -> bool:
        """Have a page rendered soon, or next. Returns at once; False if that had to be refused."""
        key = target.key
        if self.pool.want(key):
            return not urgent or self.pool.submit(self.work(target), urgent=True)
        if key in self.flights or not self.outcomes.due(key):
            self.handoff.want(key)
            return True
        self.maintenance.start()
        return self.pool.submit(self.work(target), urgent=urgent)

    def awaited(self, key: str) -> bool:
        """Whether a stale page is being regenerated, so that it may be sent as before. If it
        waits, it is wanted once more. Takes no lock."""
        if self.pool.want(key) or key in self.flights:
            return True
        if not self.outcomes.elsewhere(key) or self.outcomes.due(key):
            return False
        self.handoff.want(key)
        return True

    def work(self, target: Target, done: Callable[[Outcome | None], None] | None = None) -> Work:
        """The regeneration of a page. With ``done``, which is told what came of the render or
        ``None`` if there was none, it takes place in this process and nowhere else."""
        started: list[Flight] = []

        def run() -> None:
            outcome = self._regenerate(target, started, elsewhere=done is None)
            if done is not None:
                done(outcome)

        return Work(target.key, run, give_up=lambda: self._give_up(target, started))

    def _regenerate(
        self, target: Target, started: list[Flight], *, elsewhere: bool
    ) -> Outcome | None:
        self.page_store.begin()
        self.page_store.sync()
        page, state = self._look_again(target)
        known, arrival = page, self.page_store.mirror.counter
        since = page.entry.rendered_at if page is not None else 0.0
        if state is State.FRESH and not target.declared:
            self.planner.learned_route(target.base, again=True)  # another process has learned it
        if state is State.FRESH or self.outcomes.fails_elsewhere(target.key, since):
            return None
        if elsewhere and page is not None and self._hand_over(target, page):
            return None
        names = (*target.names, *(page.names if page else ()))
        flight, leads = self._join(target, names, arrival)
        if not leads:
            return None
        started.append(flight)
        outcome: Outcome = Elsewhere()
        try:
            lease = self.page_store.acquire(target.key, self.settings.lease_time, names)
            if lease is None:
                self.outcomes.rendering_elsewhere(target.key)
                return None
            page, state = self._look_again(target)
            if page is not None and self._takes(target, page, state, known, arrival):
                self.page_store.release(lease)
                outcome = Rendered(page, found=True)
                return None
            if elsewhere:
                self.handoff.came_to_nothing(target.key)
            outcome = self._produce(target, lease, flight)
        except BackendUnavailable:
            outcome = self._produce(target, None, flight)
        except BaseException as error:  # SystemExit, a greenlet's timeout: no visitor to give it to
            old = page.entry if page is not None else None
            self.outcomes.failed(target, f"{type(error).__name__}: {error}", old)
            raise
        finally:
            self.flights.land(flight, outcome)
        return outcome

    def _hand_over(self, target: Target, page: Page) -> bool:
        """Have a page renewed outside of this process, if somebody is there to do so. One that
        is not stored yet is waited for, in a way, so it is rendered at once and here."""
        failure = self.outcomes.failures.get(target.key)
        handed = self.handoff.give(target, page.entry, failure)
        if handed:
            self.outcomes.rendering_elsewhere(target.key)
        return handed

    def _give_up(self, target: Target, started: list[Flight]) -> None:
        """A render hangs: its key counts as failed, and others may try."""
        log.error("Rendering %s took too long and was given up.", target.request.url)
        page = self.page_store.memory.get(target.key)
        self.outcomes.failed(target, "the render took too long", page.entry if page else None)
        if page is None:
            self.outcomes.gave_up(target)
        for flight in started:
            self.maintenance.end(flight.lease)
            self.flights.land(flight, Elsewhere())

    def _produce(self, target: Target, lease: Lease | None, flight: Flight) -> Outcome:
        """Render under ``lease``, and draw the consequences of what comes of it."""
        old, state = self.page_store.find(target.key, target.base, target.policy.fingerprint)
        replaces = old.entry if old is not None and state is not State.GONE else None
        order = old.entry.order + 1 if old is not None else 0
        if lease is not None:
            self.maintenance.hold(lease)
        flight.lease = lease
        try:
            outcome = self.producer.produce(
                target, lease.order if lease else order, replaces,
                wanted=lambda: not flight.landed.is_set(),
            )  # fmt: skip
        finally:
            self.maintenance.end(lease)
        if lease is None:
            self.page_store.stored_locally(target.key, target.base)
        self.outcomes.settle(target, outcome, replaces)
        return outcome
