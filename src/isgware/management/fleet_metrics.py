"""The fleet's counts and the state of the store, in Prometheus' text format.

The counts come from the store, so it does not matter which process answers. Needs the extra
``metrics`` (prometheus-client), which is imported on use.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, Final

from ..backends.breaker import Breaker
from ..core import series
from ..errors import BackendUnavailable
from ..regeneration.handoff import queue_of
from ..runtime import Runtime
from ..settings import Settings
from ..storage.catalogue import Catalogue
from .fleet_counts import Totals, totals_of

#: Seconds for which the numbers of pages and their bytes are not counted again.
_PAGES_FOR: Final = 60.0
#: Name, explanation and labels of each counter, by the kind of its series.
_COUNTERS: Final = {
    series.REQUESTS: (
        "isgware_requests", "Requests, by what visitors got.", ("route", "result", "reason"),
    ),
    series.RENDERS: ("isgware_renders", "Renders, by what became of them.", ("route", "outcome")),
    series.UNCHANGED: (
        "isgware_unchanged_renders", "Renders whose page was as the one before.", ("route",),
    ),
}  # fmt: skip


class FleetMetrics:
    """The metrics of a store's fleet. Without a ``runtime``, as of a store without its app, what
    waits is what waits for workers."""

    def __init__(
        self, catalogue: Catalogue, store: Breaker, runtime: Runtime | None = None
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._runtime = runtime
        self._now = time.time if runtime is None else runtime.now
        self._pages: tuple[float, Counter[str], int] | None = None

    def text(self) -> bytes:
        """All metrics. Where the store is out of reach, that and nothing that only it knows: a
        counter does not go down."""
        from prometheus_client import CollectorRegistry, generate_latest

        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return bytes(generate_latest(registry))

    def collect(self) -> Iterator[Any]:
        """What prometheus-client asks a collector for."""
        from prometheus_client.core import GaugeMetricFamily

        store = self._store
        store.retry()
        if self._runtime is not None:
            self._runtime.counts.flush_quietly()
        found: list[Any] = []
        try:
            found += _counters(totals_of(store, self._now()))
        except BackendUnavailable:  # or it keeps no counts
            pass
        try:
            found += self._gauges()
        except BackendUnavailable:
            pass
        up = store.open_since is None
        yield GaugeMetricFamily("isgware_store_up", "Whether the store answers.", value=float(up))
        yield from found

    def _gauges(self) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily

        states, size = self._page_counts()
        pages = GaugeMetricFamily("isgware_pages", "Stored pages, by state.", labels=["state"])
        for state in sorted(states):
            pages.add_metric([state], states[state])
        yield pages
        yield GaugeMetricFamily("isgware_store_bytes", "Bytes of all stored pages.", value=size)
        yield GaugeMetricFamily(
            "isgware_regenerations_waiting",
            "Regenerations that wait, for workers or in the process that answers.",
            value=self._waiting(),
        )

    def _page_counts(self) -> tuple[Counter[str], int]:
        """Pages by state, and their bytes, of all builds; looked at once a minute at most."""
        now = time.monotonic()
        if self._pages is None or now - self._pages[0] >= _PAGES_FOR:
            states, size = Counter({"fresh": 0, "stale": 0, "expired": 0, "failing": 0}), 0
            for info in self._catalogue.pages(builds=True):
                states[info.state] += 1
                size += info.size
            self._pages = now, states, size
        return self._pages[1:]

    def _waiting(self) -> int:
        runtime = self._runtime
        settings, here = Settings(build_id=self._catalogue.build_id), 0
        if runtime is not None:
            settings, here = runtime.settings, runtime.engine.background.pool.waiting
        try:
            return here + queue_of(settings, self._store, self._now).waiting()
        except BackendUnavailable:  # it keeps no jobs
            return here


def _counters(totals: Totals) -> Iterator[Any]:
    from prometheus_client.core import CounterMetricFamily

    for kind, (name, said, labels) in _COUNTERS.items():
        family = CounterMetricFamily(name, said, labels=labels)
        for (of, *values), amount in sorted(totals.items()):
            if of == kind and len(values) == len(labels):
                family.add_metric(values, amount)
        yield family
    invalidations = CounterMetricFamily(
        "isgware_invalidations", "Revalidations and purges that were asked for.", labels=["kind"]
    )
    kinds: Counter[str] = Counter()
    for (of, *values), amount in totals.items():
        if of == series.INVALIDATIONS and values:
            kinds[values[-1]] += amount  # type: ignore[assignment]
    for said in sorted(kinds):
        invalidations.add_metric([said], kinds[said])
    yield invalidations
    saved = sum(amount for (of, *_), amount in totals.items() if of == series.SAVED)
    yield CounterMetricFamily(
        "isgware_saved_seconds",
        "Renders that pages from the store made needless, times what such a render takes.",
        value=saved,
    )
    yield _histogram(totals)


def _histogram(totals: Totals) -> Any:
    from prometheus_client.core import HistogramMetricFamily

    buckets: dict[str, dict[str, float]] = defaultdict(dict)
    for (kind, *labels), amount in totals.items():
        if kind == series.RENDER_BUCKET and len(labels) == 2:
            buckets[labels[0]][labels[1]] = amount
    family = HistogramMetricFamily(
        "isgware_render_seconds", "How long renders took.", labels=["route"]
    )
    for route in sorted(buckets):
        below, cumulated = 0.0, []
        for bound in (*map(str, series.BOUNDS), "+Inf"):
            below += buckets[route].get(bound, 0.0)
            cumulated.append((bound, below))
        seconds = totals.get((series.RENDER_SECONDS, route), 0.0)
        family.add_metric([route], cumulated, sum_value=seconds)
    return family
