"""`Observer`: spans of renders, and attributes of decisions, for OpenTelemetry.

``ISG(app, observer=Observer())`` with the extra ``otel``. Spans go to the tracer provider of the
process, or to ``tracer_provider``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
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

#: Where the context of a render has its span.
_RENDER: Final = "isgware.render"


class Observer:
    """A render becomes a span ``isgware.render``. It is the current one while the app runs, so that
    spans which the app's own instrumentation makes (of its database, say) lie below it. It lies
    below the span that is current where it was begun: that of the request for which a visitor
    waits; a background render has a trace of its own. It has the attributes ``isgware.route``,
    ``isgware.outcome``, ``isgware.reason``, ``isgware.by``, ``isgware.unchanged``,
    ``isgware.size``, ``url.path`` and ``http.response.status_code``; a failed one has the status
    ``ERROR``.

    A decision is attributes of the span that is current while the visitor is served, as the
    instrumentation of a server or framework makes it: ``isgware.route``, ``isgware.result`` and
    ``isgware.reason``. Queries of URLs are in none of them: they may hold secrets.
    """

    def __init__(self, tracer_provider: trace.TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer("isgware", VERSION, tracer_provider)

    @contextmanager
    def span(self, path: str) -> Iterator[Callable[[], object]]:
        """Around a render. Gives what makes its span the current one in another context: the app
        runs in an empty one."""
        span = self._tracer.start_span(
            "isgware.render", kind=SpanKind.INTERNAL, attributes={"url.path": path}
        )
        within = context.set_value(_RENDER, span, trace.set_span_in_context(span))
        token = context.attach(within)
        try:
            yield partial(context.attach, within)
        finally:
            context.detach(token)
            span.end()

    def capture(self, event: Event) -> None:
        """By the thread of the request or render, at once: only there its span is current."""
        if isinstance(event, RenderEvent):
            rendered = context.get_value(_RENDER)
            if isinstance(rendered, trace.Span):
                rendered.set_attributes(_rendered(event))
                if event.outcome == "failed":
                    rendered.set_status(Status(StatusCode.ERROR, event.reason))
            return
        span = trace.get_current_span()
        if span.is_recording():
            span.set_attributes(_decided(event))

    def __call__(self, event: Event, captured: None = None) -> None:
        """All is said already."""


def _decided(event: DecisionEvent) -> dict[str, str]:
    found = {"isgware.route": event.route, "isgware.result": event.result}
    return {**found, "isgware.reason": event.reason} if event.reason else found


def _rendered(event: RenderEvent) -> dict[str, Any]:
    found: dict[str, Any] = {
        "isgware.route": event.route,
        "isgware.outcome": event.outcome,
        "isgware.by": event.by,
        "isgware.unchanged": event.unchanged,
        "isgware.size": event.size,
    }
    if event.reason:
        found["isgware.reason"] = event.reason
    if event.status:
        found["http.response.status_code"] = event.status
    return found
