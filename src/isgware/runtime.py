"""What an engine is put together from. Nothing starts here, and nothing is opened."""

from __future__ import annotations

import random
from collections.abc import Callable

from .backends.breaker import Breaker
from .regeneration.backoff import Failures
from .regeneration.handoff import JobExecutor, handoff_of
from .regeneration.maintenance import Maintenance
from .regeneration.outcomes import Outcomes
from .regeneration.render_threads import Pool
from .regeneration.single_flight import Flights
from .rendering.clean_room import WSGIApp
from .rendering.producer import Producer
from .routing.drafts import Drafts
from .routing.framework import Site
from .routing.planner import Planner
from .routing.visitor_check import VisitorCheck
from .serving.engine import Engine
from .settings import Settings
from .storage.open_store import shared
from .storage.page_store import PageStore
from .storage.process_cache import Memory


def engine_of(
    application: WSGIApp, settings: Settings, site: Site, store: Breaker, memory: Memory,
    drafts: Drafts | None, now: Callable[[], float],
) -> Engine:  # fmt: skip
    """The engine of one ISG. Its maintenance gives up hung renders; further chores are its
    owner's to add."""
    page_store = PageStore(store, memory, now, settings.offline_time)
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
    maintenance.tasks += [pool.give_up_hung, handoff.pass_on_wants]
    return Engine(
        settings,
        planner,
        page_store,
        Producer(application, settings, planner, page_store, now, site.records, site.secret),
        Flights(settings.max_waiters),
        pool,
        Outcomes(planner, page_store, Failures(random.random), settings.dynamic_time, now),
        maintenance,
        now,
        handoff,
        VisitorCheck(site, now),
    )
