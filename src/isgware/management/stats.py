"""`statistics`: what a store holds, the state of its circuit breaker, and this process's
counters."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..backends.breaker import Breaker
from ..errors import BackendUnavailable
from ..regeneration.handoff import queue_of
from ..settings import Settings
from ..storage.catalogue import Catalogue
from .fleet_counts import Fleet, fleet_counts

if TYPE_CHECKING:
    from ..runtime import Runtime


@dataclass(frozen=True, kw_only=True, slots=True)
class Stats:
    """``error_pages`` are those of status 400 and above. ``circuit``: closed, or open while the
    store is unavailable (then the numbers are those counted before, see ``error``);
    ``circuit_seconds``: for how long, ``None`` for closed from the start; ``trips``: how often it
    opened. ``workers`` are those of the own build, ``jobs`` the regenerations that wait for them.
    ``process`` is ``None`` without an app. ``fleet`` has the counts of all processes, except their
    last seconds; ``None`` if the store keeps no counts, or is unavailable.
    """

    pages: int
    bytes: int
    error_pages: int
    states: dict[str, int]
    builds: dict[str, int]
    build_id: str
    backend: str
    circuit: str
    circuit_seconds: float | None
    trips: int
    workers: int = 0
    jobs: int = 0
    process: dict[str, Any] | None = None
    error: str = ""
    fleet: Fleet | None = None


def statistics(catalogue: Catalogue, breaker: Breaker, runtime: Runtime | None = None) -> Stats:
    """Reads each page of the store, of all builds."""
    states: Counter[str] = Counter({"fresh": 0, "stale": 0, "expired": 0, "failing": 0})
    builds: Counter[str] = Counter()
    size, errors, error = 0, 0, ""
    try:
        breaker.ping()  # its error is more specific than that of the second try
        for info in catalogue.pages(builds=True):
            states[info.state] += 1
            builds[info.build_id] += 1
            size += info.size
            errors += info.status >= 400
    except BackendUnavailable as found:
        error = str(found)
    workers, jobs = workers_and_jobs(catalogue, breaker, runtime)
    now = time.time if runtime is None else runtime.now
    if runtime is not None:
        runtime.counts.flush_quietly()
    return Stats(
        pages=builds.total(),
        bytes=size,
        error_pages=errors,
        states=dict(states),
        builds=dict(sorted(builds.items())),
        build_id=catalogue.build_id,
        backend=type(breaker.backend).__name__,
        circuit="closed" if breaker.open_since is None else "open",
        circuit_seconds=None if breaker.changed is None else time.monotonic() - breaker.changed,
        trips=breaker.trips,
        workers=workers,
        jobs=jobs,
        process=None if runtime is None else process_counts(runtime),
        error=error,
        fleet=fleet_counts(breaker, now()),
    )


def workers_and_jobs(
    catalogue: Catalogue, breaker: Breaker, runtime: Runtime | None
) -> tuple[int, int]:
    settings = runtime.settings if runtime is not None else Settings(build_id=catalogue.build_id)
    queue = queue_of(settings, breaker, runtime.engine.now if runtime is not None else time.time)
    try:
        return len(queue.workers()), queue.waiting()
    except BackendUnavailable:  # or it keeps no jobs
        return 0, 0


def process_counts(runtime: Runtime) -> dict[str, Any]:
    """What this process holds and does now."""
    engine, memory = runtime.engine, runtime.engine.page_store.memory
    return {
        "memory_pages": len(memory),
        "memory_bytes": memory.size,
        "regenerations_waiting": engine.background.pool.waiting,
        "backing_off": len(engine.outcomes.failures),
        "events_dropped": runtime.observing.dropped,
        "report": dict(runtime.learner.report),
    }
