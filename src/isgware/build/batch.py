"""Renders a batch of pages and stores it in one transaction.

A batch goes through the same steps as a single page: plan, lease, clean-room render, store. The
difference is that each step with the store is one transaction for the whole batch, if the store has
transactions: which pages are fresh, the leases, and the pages together with the announcement that
they replace others. So a build that is killed has stored whole batches.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from ..core.freshness import State
from ..errors import BackendUnavailable
from ..rendering.result import Failed, Outcome, Refused
from ..rendering.result import Made as Page
from ..routing.declared_paths import last_line
from ..serving.engine import Engine
from ..storage.catalogue import row_state
from ..storage.process_cache import key_name
from .build_report import Made
from .page_outcomes import failed, outcome_of, page_name
from .page_targets import MISTAKES, Batch, Job, Origin, Targets

#: Seconds for which a batch waits for an unavailable store, and between two tries.
PATIENCE: Final = 10.0
_PAUSE: Final = 0.1


class Renderer:
    """Renders batches for ``origins``. ``stale``: only pages that are not fresh."""

    def __init__(self, engine: Engine, origins: Sequence[Origin], *, stale: bool) -> None:
        self._engine = engine
        self._page_store = engine.page_store
        self._targets = Targets(engine.planner, origins)
        self._stale = stale

    def render(self, batch: Batch, beat: Callable[[], None] = lambda: None) -> list[Made]:
        """The result of each page. ``beat`` is called between pages, as a heartbeat."""
        self._page_store.end()  # no visitor waits: the time limit of a visit does not apply
        self._page_store.sync()
        made: list[Made] = []
        jobs: dict[str, Job] = {}
        visitors = self._targets.foresee(batch.paths)
        for path in batch.paths:
            for found in self._targets.of(path, batch, visitors):
                if isinstance(found, Made):
                    made.append(found)
                elif found.target.key not in jobs:
                    jobs[found.target.key] = found
        try:
            made += self._make(list(jobs.values()), batch, beat)
        except BackendUnavailable as error:
            made += [failed(job, str(error)) for job in jobs.values()]
        return made

    def _make(self, jobs: list[Job], batch: Batch, beat: Callable[[], None]) -> list[Made]:
        made: list[Made] = []
        self._patiently(lambda: self._look(jobs))
        if self._stale:
            known, jobs = jobs, []
            for job in known:
                if self._fresh(job):
                    made.append(
                        Made("fresh", page_name(job.target.request), route=job.target.route)
                    )
                else:
                    jobs.append(job)
        if not jobs:
            return made
        self._together(lambda: self._lease(jobs, batch.overtake or not self._stale))
        held = [job for job in jobs if job.lease is None]
        made += [Made("held", job.path) for job in held]
        leased = [job for job in jobs if job.lease is not None]
        outcomes: list[Outcome | Page] = []
        try:
            for job in leased:
                outcomes.append(self._attempt(job))
                beat()
        finally:
            # One kind of work after the other: compressing pages between their renders spoils the
            # processor's caches (measured: a third of the render).
            outcomes = [self._finished(each, beat) for each in outcomes]
            made += self._keep(leased, outcomes, batch)
        return made

    def _look(self, jobs: list[Job]) -> None:
        """Read the store's rows of them."""
        rows = self._page_store.rows_of([job.target.key for job in jobs])
        for job in jobs:
            job.row = rows.get(job.target.key)

    def _fresh(self, job: Job) -> bool:
        row, now = job.row, self._engine.now()
        return (
            row is not None
            and row.fingerprint == job.target.policy.fingerprint
            and row_state(row, self._page_store.mirror, now) is State.FRESH
        )

    def _lease(self, jobs: list[Job], overtake: bool) -> None:
        seconds = self._engine.settings.lease_time
        keys = [job.target.key for job in jobs]
        leases = self._page_store.acquire_all(keys, seconds, overtake=overtake)
        for job, lease in zip(jobs, leases, strict=True):
            job.lease = lease

    def _attempt(self, job: Job) -> Outcome | Page:
        engine, page_store, target = self._engine, self._page_store, job.target
        assert job.lease is not None
        engine.renderer.maintenance.hold(job.lease)
        page_store.sync()
        job.began, job.nonce = page_store.mirror.counter, page_store.mirror.nonce
        if job.row is not None:
            self._patiently(lambda: self._read_old(job))
        try:
            return engine.renderer.producer.attempt(target, job.old)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # sys.exit() in a view ends its page, not the build
            return Failed(last_line(error), None, error)

    def _finished(self, outcome: Outcome | Page, beat: Callable[[], None]) -> Outcome | Page:
        beat()
        return (
            self._engine.renderer.producer.finish(outcome) if isinstance(outcome, Page) else outcome
        )

    def _read_old(self, job: Job) -> None:
        target = job.target
        page, state = self._page_store.find(
            target.key, target.base, target.policy.fingerprint, again=True
        )
        if page is None:
            self._need_store()
        job.old = page.entry if page is not None and state is not State.GONE else None

    def _keep(
        self, jobs: list[Job], outcomes: Sequence[Outcome | Page], batch: Batch
    ) -> list[Made]:
        """Store the pages in one transaction, and release the leases."""
        made: list[Made] = []
        replaced = [
            key_name(job.target.key)
            for job, outcome in zip(jobs, outcomes, strict=False)
            if isinstance(outcome, Page) and job.old is not None
        ]
        withdrawn = any(isinstance(outcome, Refused) and outcome.withdraws for outcome in outcomes)

        def work() -> None:
            made.clear()
            for job, outcome in zip(jobs, outcomes, strict=False):
                made.append(self._settle(job, outcome, batch))
            for job in jobs:
                self._page_store.release(job.lease)
            if replaced:
                self._page_store.backend.publish(replaced)

        try:
            self._together(work, announces=bool(replaced) or withdrawn)
        except BackendUnavailable as error:
            made = [failed(job, str(error)) for job in jobs]
        finally:
            for job in jobs:
                if job.lease is not None:
                    self._engine.renderer.maintenance.let_go(job.lease)
        self._page_store.sync()
        return made

    def _settle(self, job: Job, outcome: Outcome | Page, batch: Batch) -> Made:
        engine, target = self._engine, job.target
        if isinstance(outcome, Page):
            if outcome.entry.anonymous and (job.old is None or job.old.anonymous):
                return outcome_of(
                    outcome, batch.lenient
                )  # kept for a minute at most, so not worth it
            assert job.lease is not None
            kept = engine.renderer.producer.keep(
                target, outcome, job.lease.order, job.began, job.nonce
            )
            engine.outcomes.settle(target, kept, job.old)
            if not kept.stored:
                self._need_store()
                return failed(job, "the store does not take this page")
            return outcome_of(outcome, batch.lenient)
        engine.outcomes.settle(target, outcome, job.old)
        if isinstance(outcome, Failed):
            caught = outcome.error if outcome.response is not None else None
            return failed(job, outcome.reason + (f", {last_line(caught)}" if caught else ""))
        assert isinstance(outcome, Refused)
        stays = job.old is not None and target.declared and not outcome.withdraws
        if outcome.reason in MISTAKES or stays:
            return failed(job, f"may not be stored: {outcome.reason}")
        return Made("dynamic", page_name(target.request), outcome.reason, route=target.route)

    def _together(self, work: Callable[[], None], *, announces: bool = False) -> None:
        self._patiently(lambda: self._page_store.backend.together(work, announces=announces))

    def _need_store(self) -> None:
        """Raises `BackendUnavailable` if it is unavailable: a missing page may be there."""
        if self._page_store.backend.open_since is not None:
            raise BackendUnavailable("The store is out of reach.")

    def _patiently(self, work: Callable[[], None]) -> None:
        """Wait for a store that is slow or is being restarted. A build can, as no visitor waits."""
        deadline, backend = time.monotonic() + PATIENCE, self._page_store.backend
        while True:
            try:
                backend.probe()
                work()
                return
            except BackendUnavailable:
                if backend.open_since is None or time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE)
