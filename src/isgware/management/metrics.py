"""``GET MOUNT/metrics``: the fleet's counts and the state of the store, in Prometheus' text format.

The counts come from the store, so it does not matter which process answers. Needs the extra
``metrics`` (prometheus-client), which is imported with the first request.
"""

from __future__ import annotations

import hmac
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final

from ..core import series
from ..core.cache_key import Visitor
from ..errors import BackendUnavailable
from ..regeneration.handoff import queue_of
from ..rendering.clean_room import StartResponse
from ..runtime import Runtime
from .fleet_counts import Totals, totals_of
from .wrong_guesses import WrongGuesses

#: Seconds for which the numbers of pages and their bytes are not counted again.
_PAGES_FOR: Final = 60.0
_PLAIN: Final = "text/plain; charset=utf-8"
_MISSING: Final = b"Metrics need prometheus-client: pip install 'isgware[metrics]'\n"
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


class Metrics:
    """Answers the one URL. It is open to ``metrics_secret``, or else to ``secret``, as Bearer."""

    def __init__(self, runtime: Runtime, guesses: WrongGuesses) -> None:
        settings = runtime.settings
        self._guesses = guesses
        self.path = settings.mount + "/metrics"
        self._runtime = runtime
        secrets = (settings.secret, settings.metrics_secret)
        self._secrets = [secret.encode().strip() for secret in secrets if secret]
        self._pages: tuple[float, Counter[str], int] | None = None

    def __call__(self, visitor: Visitor, start_response: StartResponse) -> Iterable[bytes]:
        line, kind, body, more = self._reply(visitor)
        headers = [
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            *more,
        ]
        start_response(line, headers)
        return [] if visitor.method == "HEAD" else [body]

    def _reply(self, visitor: Visitor) -> tuple[str, str, bytes, list[tuple[str, str]]]:
        header = visitor.header("Authorization") or ""
        if not self._authorized(header):
            peer = str(visitor.headers.get("REMOTE_ADDR", ""))
            wait = self._guesses.wrong(peer) if header else 0
            if wait:
                pause = ("Retry-After", str(wait))
                return "429 Too Many Requests", _PLAIN, b"Invalid token\n", [pause]
            challenge = ("WWW-Authenticate", 'Bearer realm="isgware"')
            return "401 Unauthorized", _PLAIN, b"Invalid token\n", [challenge]
        if visitor.method not in ("GET", "HEAD"):
            return "405 Method Not Allowed", _PLAIN, b"Use GET\n", [("Allow", "GET, HEAD")]
        try:
            from prometheus_client import CONTENT_TYPE_LATEST
        except ImportError:
            return "501 Not Implemented", _PLAIN, _MISSING, []
        return "200 OK", CONTENT_TYPE_LATEST, self.text(), []

    def _authorized(self, header: str) -> bool:
        """Compared as bytes, each in constant time."""
        scheme, _, token = header.partition(" ")
        given = token.encode("latin-1", "replace").strip()
        known = [hmac.compare_digest(given, secret) for secret in self._secrets]
        return scheme.lower() == "bearer" and any(known)

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

        runtime = self._runtime
        runtime.store.retry()
        runtime.counts.flush_quietly()
        found: list[Any] = []
        try:
            found += _counters(totals_of(runtime.store, runtime.now()))
        except BackendUnavailable:  # or it keeps no counts
            pass
        try:
            found += self._gauges()
        except BackendUnavailable:
            pass
        up = runtime.store.open_since is None
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
            for info in self._runtime.catalogue.pages(builds=True):
                states[info.state] += 1
                size += info.size
            self._pages = now, states, size
        return self._pages[1:]

    def _waiting(self) -> int:
        runtime = self._runtime
        here = runtime.engine.background.pool.waiting
        try:
            return here + queue_of(runtime.settings, runtime.store, runtime.now).waiting()
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
