"""`Runtime`: what one wrapped app consists of, put together in one place.

`isgware.wsgi.ISG` serves requests from it; what people and programs ask of a site (`management`,
`build`, `export`) takes a `Runtime`; modules below do not know it. Making it starts no thread and
opens nothing.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .after_fork import settling
from .backends import fork_safety as forks
from .backends.breaker import Breaker
from .regeneration.background import Background
from .regeneration.backoff import Failures
from .regeneration.handoff import JobExecutor, handoff_of
from .regeneration.maintenance import Maintenance
from .regeneration.outcomes import Outcomes
from .regeneration.page_renderer import PageRenderer
from .regeneration.render_threads import Pool
from .rendering.clean_room import WSGIApp
from .rendering.counted_renders import CountedProducer
from .routing.drafts import COOKIE, Drafts
from .routing.framework import Site
from .routing.planner import Planner
from .routing.variants import Variants
from .routing.visitor_check import VisitorCheck
from .serving.counted_answers import CountedAnswers
from .serving.delivery import Delivery
from .serving.engine import Engine
from .serving.hit_for_pass import HitForPass
from .serving.learning import Learner
from .serving.mode import Mode
from .serving.request_line import RequestLine
from .settings import Settings
from .storage.catalogue import Catalogue
from .storage.counting import Counts
from .storage.following import Telling
from .storage.observing import Observing
from .storage.open_store import open_store, shared
from .storage.page_store import PageStore
from .storage.process_cache import Memory

if TYPE_CHECKING:  # imported for ``cache_control="full"`` only
    from .shared_cache.cache import SharedCache


def _wall_clock() -> float:
    return time.time()


@dataclass(frozen=True, slots=True, eq=False)
class Runtime:
    """``now`` is the clock, in seconds since the epoch; ``store`` the backend behind its circuit
    breaker; ``mode`` tells whether isgware is ``on``, ``off``, in ``report`` or ``develop`` mode.
    ``shared_cache`` is there under ``cache_control="full"``."""

    application: WSGIApp
    settings: Settings
    site: Site
    now: Callable[[], float]
    store: Breaker
    memory: Memory
    engine: Engine
    catalogue: Catalogue
    learner: Learner
    delivery: Delivery
    shared_cache: SharedCache | None
    drafts: Drafts | None
    mode: Mode
    line: RequestLine
    process: Process
    variants: Variants
    passed: HitForPass
    counts: Counts
    observing: Observing
    answers: CountedAnswers

    @property
    def active(self) -> bool:
        """False when isgware is switched off, and operations do nothing."""
        return self.mode() != "off"

    def invalidate(self, names: list[str], *, hard: bool) -> None:
        """Raises `BackendUnavailable` if the store did not take it."""
        if self.active:
            self.store.retry()
            self.catalogue.invalidate(names, hard=hard)
            self.counts.invalidated("purge" if hard else "revalidate")

    def forget_cells(self) -> None:
        """Have visits counted anew: those who observe have come, or gone."""
        self.memory.unready()
        self.passed.clear()

    def close(self, timeout: float | None = None) -> None:
        """Stop regenerating, waiting ``timeout`` seconds at most for renders under way."""
        self.engine.background.pool.close(timeout)
        self.engine.renderer.maintenance.close()
        self.observing.close()
        self.counts.flush_quietly()
        self.store.close()


class Process:
    """The process that this runtime belongs to: a forked child makes its own locks and threads."""

    __slots__ = ("__weakref__", "_engine", "_memory", "_pid")

    def __init__(self, engine: Engine, memory: Memory) -> None:
        self._engine = engine
        self._memory = memory
        self._pid = os.getpid()
        forks.watch(self)

    def before_fork(self) -> None:
        """Nothing is open."""

    def after_fork(self, child: bool) -> None:
        """The first hit of each page is no plain one: else a child might serve what its parent has
        prepared for long, without the thread that tells its counts. Nobody else runs in it yet."""
        if child:
            for ready in self._memory.memo.values():
                ready.version = -1

    def settle(self) -> int:
        """Let go of what belongs to a parent process. Returns the id of this one."""
        pid = os.getpid()
        if self._pid != pid:
            with settling():
                if self._pid != pid:
                    self._memory.reset_lock()
                    self._engine.after_fork()
                    self._pid = pid  # last: from here on other threads look no further
        return pid


def runtime_of(application: WSGIApp, settings: Settings, site: Site) -> Runtime:
    """Raises `ConfigurationError` for a store that cannot be used."""
    now = settings.clock or _wall_clock
    store = open_store(settings)
    memory = Memory(settings.memory)
    drafts = Drafts(settings.secret, now) if settings.secret else None
    counts, observing = Counts(store, now), Observing(settings.observer)
    engine = engine_of(
        application, settings, site, store, memory, drafts, now, counts, observing
    )  # fmt: skip
    engine.renderer.maintenance.tasks += [
        store.probe, engine.page_store.maintain, counts.tell, Telling(store, observing).look,
    ]  # fmt: skip
    full = settings.cache_control == "full"
    line = _request_line(site, full=full, drafts=drafts is not None)
    variants = Variants(site, engine.visitors)
    engine.planner.variant_of = variants.value
    answers = CountedAnswers(counts, engine.planner.names, observing, now)
    delivery = Delivery(settings, engine.page_store, memory, line, now, answers)
    learner = Learner(engine, site)
    shared_cache = None
    if full:
        from .shared_cache.cache import SharedCache
        from .shared_cache.responses import ResponseStore

        responses = ResponseStore(engine, site, drafts)
        shared_cache = SharedCache(engine, learner, responses, application, delivery.send)
    runtime = Runtime(
        application=application,
        settings=settings,
        site=site,
        now=now,
        store=store,
        memory=memory,
        engine=engine,
        catalogue=Catalogue(engine.page_store, settings.build_id, now),
        learner=learner,
        delivery=delivery,
        shared_cache=shared_cache,
        drafts=drafts,
        mode=Mode(settings.enabled, site.mode),
        line=line,
        process=Process(engine, memory),
        variants=variants,
        passed=HitForPass(engine.outcomes.routes),
        counts=counts,
        observing=observing,
        answers=answers,
    )
    observing.on_change = runtime.forget_cells
    return runtime


def _request_line(site: Site, *, full: bool, drafts: bool) -> RequestLine:
    headers, cookies = site.origin_headers, site.bypass_cookies
    if drafts:
        cookies = (*cookies, COOKIE)
    if full:
        from .shared_cache.cache import REROUTED

        headers, cookies = (*headers, *REROUTED), (*cookies, *site.language_cookies)
    return RequestLine(headers, cookies)


def engine_of(
    application: WSGIApp, settings: Settings, site: Site, store: Breaker, memory: Memory,
    drafts: Drafts | None, now: Callable[[], float], counts: Counts, observing: Observing,
) -> Engine:  # fmt: skip
    """The engine of one ISG. Its maintenance gives up hung renders; its owner may add tasks."""
    page_store = PageStore(store, memory, now, settings.offline_time)
    page_store.history = settings.history
    if settings.dependencies:
        from .storage.dependencies import dependencies_of

        page_store.dependencies = dependencies_of(store, settings, now)
    planner = Planner(settings, site, page_store, now, drafts)
    maintenance = Maintenance(
        settings.probe_interval,
        settings.lease_time,
        settings.render_timeout,
        lambda lease: store.renew(lease, settings.lease_time, now()),
        page_store.release,
    )
    pool = Pool(
        settings.workers,
        settings.queue_size,
        settings.render_timeout,
        settings.drain_time,
        # One that carries jobs elsewhere is not for what has to be done here.
        None if isinstance(settings.executor, JobExecutor) else settings.executor,
    )
    store.on_open = maintenance.start
    handoff = handoff_of(settings, store, now, shared=shared(store.backend))
    maintenance.tasks += [pool.give_up_hung, handoff.send_demand]
    producer = CountedProducer(
        counts,
        observing,
        application,
        settings,
        planner,
        page_store,
        now,
        site.records,
        site.secret,
        site.linked_mount,
    )
    failures = Failures(random.random)
    outcomes = Outcomes(planner, page_store, failures, settings.dynamic_time, now)
    renderer = PageRenderer(settings, page_store, producer, outcomes, maintenance)
    background = Background(renderer, planner, pool, handoff)
    visitors = VisitorCheck(site, now)
    return Engine(settings, planner, background, visitors, now, site.has_url_map)
