"""The page Overview: is it working, and what is wrong right now?"""

from __future__ import annotations

import time
from typing import Any

from ..errors import BackendUnavailable
from ..management.fleet_counts import Totals, summed, totals_of
from ..management.stats import process_counts, workers_and_jobs
from ..runtime import Runtime
from .attention import concerns
from .route_counts import route_totals
from .survey import Survey, Surveyor
from .traffic import Traffic, Watch


def overview(runtime: Runtime, surveyor: Surveyor, watch: Watch) -> dict[str, Any]:
    """Whatever the store does not tell is ``None``; that it is away is among the concerns."""
    store, now = runtime.store, runtime.now()
    runtime.counts.flush_quietly()
    survey: Survey | None = None
    traffic: Traffic | None = None
    totals: Totals = {}
    try:
        survey = surveyor()
    except BackendUnavailable:
        pass
    try:
        totals, traffic = totals_of(store, now), watch(now)
    except BackendUnavailable:  # or it keeps no counts
        pass
    fleet = summed(totals)
    routes = route_totals(totals)
    workers, jobs = workers_and_jobs(runtime.catalogue, store, runtime)
    open_for = None if store.open_since is None else time.monotonic() - store.open_since
    return {
        "traffic": traffic,
        "fleet": fleet,
        "survey": survey,
        "concerns": concerns(
            open_for, runtime.mode(), survey.failing if survey else [], routes, intervals(runtime)
        ),
        "store": {
            "backend": type(store.backend).__name__.removesuffix("Backend"),
            "circuit": "closed" if open_for is None else "open",
            "seconds": None if store.changed is None else time.monotonic() - store.changed,
            "trips": store.trips,
        },
        "workers": workers,
        "waiting": jobs,
        "process": process_counts(runtime),
    }


def intervals(runtime: Runtime) -> dict[str, float]:
    """``revalidate`` in seconds of the routes that have a fixed one."""
    from ..build.inventory import inventory
    from ..errors import ConfigurationError

    found = {}
    try:
        known = inventory(runtime.site, runtime.engine.planner.routes)
    except ConfigurationError:
        return {}
    for route in known:
        fixed = route.policy.revalidate if route.policy is not None else None
        if isinstance(fixed, int | float) and not isinstance(fixed, bool) and fixed:
            found[route.name] = float(fixed)
    return found
