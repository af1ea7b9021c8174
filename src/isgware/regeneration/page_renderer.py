"""One render of a page at a time (P5): which caller renders, which waits, which takes another's
page.

Within a process callers share a `Flight`, among processes a lease in the store. `background`
renders where nobody waits.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..backends.base import Lease
from ..core.freshness import State, accepts
from ..errors import BackendUnavailable
from ..rendering.producer import Producer
from ..rendering.result import Elsewhere, Outcome, Rendered
from ..routing.planner import Target
from ..settings import Settings
from ..storage.page_store import PageStore
from ..storage.pending import same_render
from ..storage.process_cache import Page
from .maintenance import Maintenance
from .outcomes import Outcomes
from .single_flight import Flight, Flights


class PageRenderer:
    def __init__(
        self, settings: Settings, page_store: PageStore, producer: Producer, outcomes: Outcomes,
        maintenance: Maintenance,
    ) -> None:  # fmt: skip
        self.settings = settings
        self.page_store = page_store
        self.producer = producer
        self.outcomes = outcomes
        self.maintenance = maintenance
        self.flights = Flights(settings.max_waiters)

    def after_fork(self) -> None:
        """Make new locks: those of the parent process may be held."""
        self.flights = Flights(self.settings.max_waiters)

    def render(
        self, target: Target, page: Page | None, arrival: int, deadline: float
    ) -> tuple[Outcome | None, bool]:
        """Have a page rendered for a visitor who waits until ``deadline``. The visitor found
        ``page`` when the store's counter was ``arrival``. Returns the outcome, ``None`` if it took
        too long, and whether the render took place in this call."""
        names = (*target.names, *(page.names if page else ()))
        flight, leads = self.join(target, names, arrival, page)
        if leads:
            outcome: Outcome | None = Elsewhere()
            try:
                outcome = self._lead(target, flight, names, arrival, deadline, page)
            finally:
                self.flights.land(flight, outcome)
            return outcome, True
        waited = self.flights.wait(flight, deadline - time.monotonic())
        return (flight.outcome if waited else None), False

    def join(
        self, target: Target, names: Sequence[str], arrival: int, known: Page | None = None
    ) -> tuple[Flight, bool]:
        """``known``: the page that a render is to replace."""
        mirror = self.page_store.mirror
        oldest = time.monotonic() - self.settings.render_timeout

        def joinable(flight: Flight) -> bool:
            if known is not None and known.entry.depended is not None:
                if mirror.tellings.since(known.entry.depended, flight.generation) is not None:
                    return False
            return flight.started > oldest and accepts(
                flight.generation, flight.nonce, names, mirror, arrival
            )

        return self.flights.join(target.key, mirror.counter, mirror.nonce, joinable)

    def acceptable(self, page: Page, arrival: int, *, own: bool = False) -> bool:
        """Whether who came at ``arrival`` may have it. ``own``: it was rendered for them, since."""
        entry, mirror = page.entry, self.page_store.mirror
        if entry.depended is not None and not own:
            # What was written and is not known to the counter may have been before they came.
            if mirror.tellings.changed(entry.depended, entry.generation):
                return False
            if entry.depended.overdue(self.page_store.now()):
                return False  # as a replica had it that may have lagged
        return accepts(entry.generation, entry.nonce, page.names, mirror, arrival)

    def _lead(
        self, target: Target, flight: Flight, names: Sequence[str], arrival: int, deadline: float,
        known: Page | None,
    ) -> Outcome:  # fmt: skip
        """Render for all callers, unless another process does: then wait for its page."""
        pause = 0.0
        while True:
            try:
                lease = self.page_store.acquire(
                    target.key, self.settings.lease_time, names, known=known
                )
            except BackendUnavailable:
                return self.produce(target, None, flight)
            page, state = self.look_again(target)
            if page is not None and self.accepts(target, page, state, known, arrival):
                self.page_store.release(lease)
                return Rendered(page, found=not pause, elsewhere=True)
            if lease is not None:
                return self.produce(target, lease, flight)
            if time.monotonic() > deadline:
                return Elsewhere()
            pause = min(max(pause * 1.5, 0.005), 0.05)
            time.sleep(pause)
            self.page_store.begin()
            self.page_store.sync()

    def accepts(
        self, target: Target, page: Page, state: State | None, known: Page | None, arrival: int
    ) -> bool:
        """Whether a caller who came at ``arrival`` and found the ``known`` page may take another
        process's page: it is fresh, or was rendered since. A render may take longer than its page
        stays fresh; if the page were not taken then, all waiting callers would render in turn."""
        if not self.acceptable(page, arrival):
            return False
        since = known is None or not same_render(page.entry, known.entry)
        return state is State.FRESH or (
            since and page.entry.fingerprint == target.policy.fingerprint
        )

    def look_again(self, target: Target) -> tuple[Page | None, State | None]:
        return self.page_store.find(target.key, target.base, target.policy.fingerprint, again=True)

    def produce(self, target: Target, lease: Lease | None, flight: Flight) -> Outcome:
        """Render under ``lease``, and act on the result."""
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
