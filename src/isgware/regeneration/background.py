"""Background renders: which page is queued, delegated, rendered or given up."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from ..core.freshness import State
from ..core.render_log import BACKGROUND, WORKER
from ..errors import BackendUnavailable
from ..rendering.result import Elsewhere, Outcome, Rendered
from ..routing.planner import Planner, Target
from ..storage.process_cache import Page
from .handoff import Handoff
from .local_queue import Work
from .page_renderer import PageRenderer
from .render_threads import Pool
from .single_flight import Flight

log: Final = logging.getLogger("isgware")


class Background:
    """``pool``: the threads of this process; ``handoff``: the way to a worker."""

    def __init__(
        self, renderer: PageRenderer, planner: Planner, pool: Pool, handoff: Handoff
    ) -> None:
        self.renderer = renderer
        self.pool = pool
        self.handoff = handoff
        self._planner = planner
        self._page_store = renderer.page_store
        self._outcomes = renderer.outcomes

    def schedule(self, target: Target, *, urgent: bool = False) -> bool:
        """Queue a render of the page, or with ``urgent`` put it first. Returns at once; False if
        the queue is full."""
        key = target.key
        if self.pool.count_request(key):
            return not urgent or self.pool.submit(self.work(target), urgent=True)
        if key in self.renderer.flights or not self._outcomes.due(key):
            self.handoff.count_request(key)
            return True
        self.renderer.maintenance.start()
        return self.pool.submit(self.work(target), urgent=urgent)

    def awaited(self, key: str) -> bool:
        """Whether a stale page is being regenerated, so that it may be served as before. If its job
        is still queued, the request is counted. Takes no lock."""
        if self.pool.count_request(key) or key in self.renderer.flights:
            return True
        if not self._outcomes.elsewhere(key) or self._outcomes.due(key):
            return False
        self.handoff.count_request(key)
        return True

    def work(self, target: Target, done: Callable[[Outcome | None], None] | None = None) -> Work:
        """The job that regenerates a page. ``done`` is called with the outcome of the render, or
        ``None`` if there was none; with it, the render takes place in this process."""
        started: list[Flight] = []
        target = replace(target, by=BACKGROUND if done is None else WORKER)

        def run() -> None:
            outcome = self._regenerate(target, started, elsewhere=done is None)
            if done is not None:
                done(outcome)

        return Work(target.key, run, give_up=lambda: self._give_up(target, started))

    def under_way(self, key: str) -> bool:
        """Whether this process renders a page, or is about to. A job of the pool may not have
        joined its flight yet, and may not have left the pool when the flight ends."""
        return self.pool.has(key) or key in self.renderer.flights

    def _regenerate(
        self, target: Target, started: list[Flight], *, elsewhere: bool
    ) -> Outcome | None:
        self._page_store.begin()
        self._page_store.sync()
        page, state = self.renderer.look_again(target)
        known, arrival = page, self._page_store.mirror.counter
        since = page.entry.rendered_at if page is not None else 0.0
        if state is State.FRESH and not target.declared:
            self._planner.learned_route(target.base, again=True)  # may be learned elsewhere
        if state is State.FRESH or self._outcomes.fails_elsewhere(target.key, since):
            return None
        if elsewhere and page is not None and self._delegate(target, page):
            return None
        names = (*target.names, *(page.names if page else ()))
        flight, leads = self.renderer.join(target, names, arrival)
        if not leads:
            return None
        started.append(flight)
        outcome: Outcome = Elsewhere()
        try:
            lease = self._page_store.acquire(target.key, self.renderer.settings.lease_time, names)
            if lease is None:
                self._outcomes.rendering_elsewhere(target.key)
                return None
            page, state = self.renderer.look_again(target)
            if page is not None and self.renderer.accepts(target, page, state, known, arrival):
                self._page_store.release(lease)
                outcome = Rendered(page, found=True)
                return None
            if elsewhere:
                self.handoff.job_was_lost(target.key)
            outcome = self.renderer.produce(target, lease, flight)
        except BackendUnavailable:
            outcome = self.renderer.produce(target, None, flight)
        except BaseException as error:  # SystemExit, a greenlet's timeout: no visitor to give it to
            old = page.entry if page is not None else None
            self._outcomes.failed(target, f"{type(error).__name__}: {error}", old)
            raise
        finally:
            self.renderer.flights.land(flight, outcome)
        return outcome

    def _delegate(self, target: Target, page: Page) -> bool:
        """Delegate the render of a page to another process, if there is one. A page that is not
        stored yet is rendered here at once: its visitors may be waiting."""
        failure = self._outcomes.failures.get(target.key)
        delegated = self.handoff.delegate(target, page.entry, failure)
        if delegated:
            self._outcomes.rendering_elsewhere(target.key)
        return delegated

    def _give_up(self, target: Target, started: list[Flight]) -> None:
        """A render hangs: its key counts as failed, and others may try."""
        log.error("Rendering %s took too long and was given up.", target.request.url)
        page = self._page_store.memory.get(target.key)
        self._outcomes.failed(target, "the render took too long", page.entry if page else None)
        if page is None:
            self._outcomes.gave_up(target)
        for flight in started:
            self.renderer.maintenance.end(flight.lease)
            self.renderer.flights.land(flight, Elsewhere())
