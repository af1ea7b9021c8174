"""Renders a batch of pages and stores it in one transaction.

A batch goes through the same steps as a single page: plan, lease, clean-room render, store. The
difference is that each step with the store is one transaction for the whole batch, where the store
has transactions: which pages are fresh, the leases, and the pages together with the announcement
that they replace others. So a build that is killed leaves whole batches.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..backends.base import Lease, Row
from ..core.cache_key import Request, Visitor, cgi_name
from ..core.freshness import State
from ..core.hole_places import hole_names
from ..core.local_path import local_path
from ..core.stored_page import Entry
from ..errors import BackendUnavailable, ISGError
from ..policy import Policy
from ..rendering.result import Failed, Outcome, Refused
from ..rendering.result import Made as Page
from ..routing.declared_paths import last_line
from ..routing.planner import Plan, Target
from ..serving.engine import Engine
from ..storage.catalogue import row_state
from ..storage.process_cache import key_name
from .build_report import Made

#: Seconds for which a batch waits for a store that is out of reach, and between two attempts.
PATIENCE: Final = 10.0
_PAUSE: Final = 0.1
#: Reasons for which a page that was declared is not stored, but which nobody can have meant.
_MISTAKES: Final = frozenset({
    "redirect-to-other-origin", "redirect-to-itself", "bad-header", "untrusted-host",
    "bypass-failed",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Origin:
    """Where pages are rendered for: scheme, host with port, and what the app is mounted under."""

    scheme: str
    host: str
    script: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """Paths of one source (its number in the report). ``explicit``: somebody named them, so that
    what is not declared is rendered too; ``lenient``: what is not declared, or not there any more,
    is nobody's fault. ``overtake``: do not wait for whoever renders the same page."""

    source: int
    paths: tuple[str, ...]
    explicit: bool = False
    lenient: bool = False
    overtake: bool = False


_Visitors = dict[tuple[str, Origin], Visitor]


@dataclass(slots=True)
class _Job:
    target: Target
    path: str
    row: Row | None = None
    lease: Lease | None = None
    old: Entry | None = None
    began: int = 0
    nonce: str = ""
    page: Page | None = None


class Renderer:
    """Renders batches for ``origins``. ``stale``: only what is not fresh."""

    def __init__(self, engine: Engine, origins: Sequence[Origin], *, stale: bool) -> None:
        self._engine = engine
        self._page_store = engine.page_store
        self._origins = origins
        self._stale = stale

    def render(self, batch: Batch, beat: Callable[[], None] = lambda: None) -> list[Made]:
        """What became of each page. ``beat`` is called between pages: the build lives."""
        self._page_store.end()  # no visitor waits: the budget of a visit does not count
        self._page_store.sync()
        made: list[Made] = []
        jobs: dict[str, _Job] = {}
        visitors = self._foresee(batch.paths)
        for path in batch.paths:
            for found in self._targets(path, batch, visitors):
                if isinstance(found, Made):
                    made.append(found)
                elif found.target.key not in jobs:
                    jobs[found.target.key] = found
        try:
            made += self._make(list(jobs.values()), batch, beat)
        except BackendUnavailable as error:
            made += [_failed(job, str(error)) for job in jobs.values()]
        return made

    # Which pages a path stands for.

    def _foresee(self, paths: Sequence[str]) -> _Visitors:
        """Have the planner read what it needs to know of all pages in one operation."""
        visitors: _Visitors = {}
        for origin in self._origins:
            for path in paths:
                with contextlib.suppress(ISGError):  # said when its turn comes
                    visitors[path, origin] = visitor_for(path, origin)
            own = (visitors[path, at] for path, at in visitors if at is origin)
            self._engine.planner.foresee(own, (origin.scheme, origin.host))
        return visitors

    def _targets(self, path: str, batch: Batch, visitors: _Visitors) -> Iterator[_Job | Made]:
        for origin in self._origins:
            try:
                visitor = visitors.get((path, origin)) or visitor_for(path, origin)
                yield from self._planned(path, visitor, origin, batch)
            except ISGError as error:
                yield Made("failed", path, str(error))
                return

    def _planned(
        self, path: str, visitor: Visitor, origin: Origin, batch: Batch
    ) -> Iterator[_Job | Made]:
        planner, at = self._engine.planner, (origin.scheme, origin.host)
        plan = planner.plan(visitor, at)
        if plan is None and batch.explicit:
            target = planner.undeclared_target(visitor, frozenset(), None, {}, at)
            plan = Plan(target) if target is not None else None
        if plan is None:
            outcome = "dynamic" if batch.lenient else "failed"
            yield Made(outcome, path, "no declared route matches this path")
        elif plan.target is None or plan.bypass:
            outcome = "failed" if plan.bypass in _MISTAKES or plan.target is None else "dynamic"
            yield Made(outcome, path, plan.bypass)
        else:
            yield _Job(plan.target, path)
            for headers in variants(plan.target.policy, self._engine.planner.values):
                other = planner.plan(dataclasses.replace(visitor, headers=headers), at)
                if other is not None and other.target is not None and not other.bypass:
                    yield _Job(other.target, path)

    # Rendering them.

    def _make(self, jobs: list[_Job], batch: Batch, beat: Callable[[], None]) -> list[Made]:
        made: list[Made] = []
        self._patiently(lambda: self._look(jobs))
        if self._stale:
            known, jobs = jobs, []
            for job in known:
                if self._fresh(job):
                    made.append(Made("fresh", _page(job.target.request), route=job.target.route))
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
            # One kind of work after the other: to compress pages between their renders costs both
            # the processor's caches (measured: a third of the render).
            outcomes = [self._finished(each, beat) for each in outcomes]
            made += self._keep(leased, outcomes, batch)
        return made

    def _look(self, jobs: list[_Job]) -> None:
        """Find what the store has of them."""
        rows = self._page_store.rows_of([job.target.key for job in jobs])
        for job in jobs:
            job.row = rows.get(job.target.key)

    def _fresh(self, job: _Job) -> bool:
        row, now = job.row, self._engine.now()
        return (
            row is not None
            and row.fingerprint == job.target.policy.fingerprint
            and row_state(row, self._page_store.mirror, now) is State.FRESH
        )

    def _lease(self, jobs: list[_Job], overtake: bool) -> None:
        seconds = self._engine.settings.lease_time
        keys = [job.target.key for job in jobs]
        leases = self._page_store.acquire_all(keys, seconds, overtake=overtake)
        for job, lease in zip(jobs, leases, strict=True):
            job.lease = lease

    def _attempt(self, job: _Job) -> Outcome | Page:
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
        except BaseException as error:  # a view that calls sys.exit() ends its page, not the build
            return Failed(last_line(error), None, error)

    def _finished(self, outcome: Outcome | Page, beat: Callable[[], None]) -> Outcome | Page:
        beat()
        return (
            self._engine.renderer.producer.finish(outcome) if isinstance(outcome, Page) else outcome
        )

    def _read_old(self, job: _Job) -> None:
        target = job.target
        page, state = self._page_store.find(
            target.key, target.base, target.policy.fingerprint, again=True
        )
        if page is None:
            self._need_store()
        job.old = page.entry if page is not None and state is not State.GONE else None

    def _keep(
        self, jobs: list[_Job], outcomes: Sequence[Outcome | Page], batch: Batch
    ) -> list[Made]:
        """Store what was made, in one transaction, and give the leases back."""
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
            made = [_failed(job, str(error)) for job in jobs]
        finally:
            for job in jobs:
                if job.lease is not None:
                    self._engine.renderer.maintenance.let_go(job.lease)
        self._page_store.sync()
        return made

    def _settle(self, job: _Job, outcome: Outcome | Page, batch: Batch) -> Made:
        engine, target = self._engine, job.target
        if isinstance(outcome, Page):
            if outcome.entry.anonymous and (job.old is None or job.old.anonymous):
                return _of(outcome, batch.lenient)  # kept for a minute at most, so not worth it
            assert job.lease is not None
            kept = engine.renderer.producer.keep(
                target, outcome, job.lease.order, job.began, job.nonce
            )
            engine.outcomes.settle(target, kept, job.old)
            if not kept.stored:
                self._need_store()
                return _failed(job, "the store does not take this page")
            return _of(outcome, batch.lenient)
        engine.outcomes.settle(target, outcome, job.old)
        if isinstance(outcome, Failed):
            caught = outcome.error if outcome.response is not None else None
            return _failed(job, outcome.reason + (f", {last_line(caught)}" if caught else ""))
        assert isinstance(outcome, Refused)
        stays = job.old is not None and target.declared and not outcome.withdraws
        if outcome.reason in _MISTAKES or stays:
            return _failed(job, f"may not be stored: {outcome.reason}")
        return Made("dynamic", _page(target.request), outcome.reason, route=target.route)

    def _together(self, work: Callable[[], None], *, announces: bool = False) -> None:
        self._patiently(lambda: self._page_store.backend.together(work, announces=announces))

    def _need_store(self) -> None:
        """Raises `BackendUnavailable` if it is out of reach: what was not found may be there."""
        if self._page_store.backend.open_since is not None:
            raise BackendUnavailable("The store is out of reach.")

    def _patiently(self, work: Callable[[], None]) -> None:
        """Waits for a store that is slow or is being restarted, which a build can do, as no visitor
        waits for it."""
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


def visitor_for(path: str, origin: Origin) -> Visitor:
    """A plain GET of a path that is, or is to be, below the script name."""
    text, query = local_path(path)
    tunnelled, script = text.encode().decode("latin-1"), origin.script
    if script and (tunnelled + "/").startswith(script + "/"):
        tunnelled = tunnelled[len(script) :]
    return Visitor("GET", origin.scheme, origin.host, script, tunnelled, query, {})


def variants(policy: Policy, values: Callable[[str], Iterable[str]]) -> Iterator[dict[str, Any]]:
    """The headers of a visitor for each combination of the values that ``vary`` names, or that
    the framework knows of a header; without any header is not among them."""
    named: list[tuple[str, tuple[str, ...]]] = []
    for name, given in policy.headers:
        named.append((name, tuple(given if given is not None else values(name))))
    cookies = [(name, given or ()) for name, given in policy.cookies_in_key]
    choices = [("", *each) for _, each in (*named, *cookies)]
    if math.prod(map(len, choices)) > _MAX_VARIANTS:
        return
    for chosen in itertools.islice(itertools.product(*choices), 1, None):
        headers: dict[str, Any] = {}
        for (name, _), value in zip(named, chosen, strict=False):
            if value:
                headers[cgi_name(name)] = value
        pairs = [
            f"{name}={value}"
            for (name, _), value in zip(cookies, chosen[len(named) :], strict=True)
            if value
        ]
        if pairs:
            headers["HTTP_COOKIE"] = "; ".join(pairs)
        yield headers


#: More variants of a page than the store keeps of one are not made.
_MAX_VARIANTS: Final = 50


def _of(page: Page, lenient: bool) -> Made:
    entry = page.entry
    url = _page(entry.request)
    if entry.anonymous:  # a temporary redirect, such as to a login form
        location = next((text for name, text in entry.headers if name.lower() == "location"), "")
        reason = f"redirects to {location} ({entry.code}), as a page behind a login does"
        return Made("dynamic", url, reason, route=entry.route)
    if entry.code >= 400:
        if lenient:
            return Made("dynamic", url, f"answered {entry.code}", route=entry.route)
        return Made("failed", url, f"answered {entry.status}", route=entry.route)
    compressed = min((len(data) for data in page.encodings.values()), default=len(entry.body))
    return Made(
        "rendered", url, "", entry.render_seconds, len(entry.body), compressed, entry.route,
        hole_names(entry.holes, entry.client_holes),
    )  # fmt: skip


def _failed(job: _Job, reason: str) -> Made:
    return Made("failed", _page(job.target.request), reason, route=job.target.route)


def _page(request: Request) -> str:
    """How a page is called: its URL, and which variant it is."""
    return f"{request.url} ({request.variant})" if request.variant else request.url
