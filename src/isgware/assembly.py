"""What an engine is put together from. Nothing starts here, and nothing is opened."""

from __future__ import annotations

import random
from collections.abc import Callable

from .aftermath import Aftermath
from .backends.breaker import Breaker
from .drafts import Drafts
from .engine import Engine
from .handover import JobExecutor, handover_of
from .housekeeping import Housekeeper
from .memory import Memory
from .planner import Planner
from .pool import Pool
from .produce import Producer
from .regenerate import Failures, Flights
from .render import WSGIApp
from .settings import Settings
from .shelf import Shelf
from .site import Site
from .stores import shared


def engine_of(
    application: WSGIApp, settings: Settings, site: Site, store: Breaker, memory: Memory,
    drafts: Drafts | None, now: Callable[[], float],
) -> Engine:  # fmt: skip
    """The engine of one ISG. Its housekeeper gives up hung renders; further chores are its
    owner's to add."""
    shelf = Shelf(store, memory, now, settings.offline_time)
    planner = Planner(settings, site, shelf, now, drafts)
    housekeeper = Housekeeper(
        settings.probe_interval,
        settings.lease_time,
        settings.render_timeout,
        lambda lease: store.renew(lease, settings.lease_time, now()),
    )
    pool = Pool(
        settings.workers,
        settings.queue_size,
        settings.render_timeout,
        settings.drain_time,
        # One that carries jobs elsewhere is not for what has to be done here.
        None if isinstance(settings.executor, JobExecutor) else settings.executor,
    )
    store.on_open = housekeeper.start
    handover = handover_of(settings, store, now, shared=shared(store.backend))
    housekeeper.chores += [pool.give_up_hung, handover.pass_on_wants]
    return Engine(
        settings,
        planner,
        shelf,
        Producer(application, settings, planner, shelf, now),
        Flights(settings.max_waiters),
        pool,
        Aftermath(planner, shelf, Failures(random.random), settings.dynamic_time, now),
        housekeeper,
        now,
        handover,
    )
