"""`Observer`: spans of renders, and attributes of decisions, for OpenTelemetry.

``ISG(app, observer=Observer())`` with the extra ``otel``. Spans go to the tracer provider of the
process, or to ``tracer_provider``.
"""

from __future__ import annotations

from typing import Any, Final

from .errors import ConfigurationError
from .events import DecisionEvent, Event, RenderEvent
from .version import VERSION

try:
    from opentelemetry import context, trace
    from opentelemetry.trace import SpanKind, Status, StatusCode
except ImportError as missing:
    raise ConfigurationError(
        "isgware.opentelemetry needs opentelemetry-api: pip install 'isgware[otel]'"
    ) from missing

#: Nanoseconds of a second: OpenTelemetry's times are whole numbers of them.
_SECOND: Final = 1_000_000_000


class Observer:
    """A render becomes a span ``isgware.render``, of the time that it took, below the span that was
    current where it ran: that of the request for which a visitor waits; a background render has a
    trace of its own. It has the attributes ``isgware.route``, ``isgware.outcome``,
    ``isgware.reason``, ``isgware.unchanged``, ``isgware.size``, ``url.path`` and
    ``http.response.status_code``; a failed one has the status ``ERROR``.

    A decision is attributes of the span that is current while the visitor is served, as the
    instrumentation of a server or framework makes it: ``isgware.route``, ``isgware.result`` and
    ``isgware.reason``. Queries of URLs are in none of them: they may hold secrets.
    """

    def __init__(self, tracer_provider: trace.TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer("isgware", VERSION, tracer_provider)

    def capture(self, event: Event) -> Any:
        """By the thread of the request or render, at once: only there its span is current."""
        if isinstance(event, RenderEvent):
            return context.get_current()
        span = trace.get_current_span()
        if span.is_recording():
            span.set_attributes(_decided(event))
        return None

    def __call__(self, event: Event, captured: Any = None) -> None:
        if not isinstance(event, RenderEvent):
            return
        span = self._tracer.start_span(
            "isgware.render",
            context=captured,
            kind=SpanKind.INTERNAL,
            attributes=_rendered(event),
            start_time=int(event.at * _SECOND),
        )
        if event.outcome == "failed":
            span.set_status(Status(StatusCode.ERROR, event.reason))
        span.end(int((event.at + event.seconds) * _SECOND))


def _decided(event: DecisionEvent) -> dict[str, str]:
    found = {"isgware.route": event.route, "isgware.result": event.result}
    return {**found, "isgware.reason": event.reason} if event.reason else found


def _rendered(event: RenderEvent) -> dict[str, Any]:
    found: dict[str, Any] = {
        "isgware.route": event.route,
        "isgware.outcome": event.outcome,
        "isgware.unchanged": event.unchanged,
        "isgware.size": event.size,
        "url.path": event.path,
    }
    if event.reason:
        found["isgware.reason"] = event.reason
    if event.status:
        found["http.response.status_code"] = event.status
    return found
