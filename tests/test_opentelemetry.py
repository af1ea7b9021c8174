"""`isgware.opentelemetry.Observer`: what a collector is sent."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from isgware import ISG, Policy, hole, holes, page, revalidate
from isgware.flask import ISG as FlaskISG
from isgware.opentelemetry import Observer
from tests.promises.kit import Clock, Manual


@Request.application
def app(request: Request) -> Response:
    if request.path == "/posts/broken":
        raise LookupError("no such post")
    return Response("page", mimetype="text/html")


@pytest.fixture
def exported() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exported: InMemorySpanExporter) -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exported))
    return provider


@pytest.fixture
def isg(provider: TracerProvider) -> Iterator[ISG]:
    isg = ISG(
        app, store="memory:", clock=Clock(), enabled=True, observer=Observer(provider),
        routes={"/posts/<id>": Policy(revalidate=60)}, base_url="http://localhost",
    )  # fmt: skip
    yield isg
    isg.close(0)


def spans(isg: ISG | FlaskISG, exported: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    isg.close()
    return {span.name: span for span in exported.get_finished_spans()}


def test_a_render_is_a_span_below_that_of_its_visitor(
    isg: ISG, provider: TracerProvider, exported: InMemorySpanExporter
) -> None:
    with provider.get_tracer("server").start_as_current_span("request"):
        Client(isg).get("/posts/1?token=secret")
    found = spans(isg, exported)
    render, request = found["isgware.render"], found["request"]
    assert dict(render.attributes or {}) == {
        "isgware.route": "/posts/<id>",
        "isgware.outcome": "rendered",
        "isgware.by": "visitor",
        "isgware.unchanged": False,
        "isgware.size": 4,
        "url.path": "/posts/1",
        "http.response.status_code": 200,
    }
    assert render.parent is not None
    assert render.parent.span_id == request.get_span_context().span_id
    assert render.start_time is not None
    assert render.end_time is not None
    assert render.end_time > render.start_time
    assert dict(request.attributes or {}) == {
        "isgware.route": "/posts/<id>",
        "isgware.result": "miss",
    }


def test_what_the_view_does_lies_below_its_render(
    provider: TracerProvider, exported: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spans of a database, say; of the view, of a body that comes later, and of a hole."""
    monkeypatch.setattr(holes, "registered", {})
    tracer = provider.get_tracer("database")
    app = Flask("shop")

    @app.get("/posts/<int:id>")
    @revalidate(60)
    def post(id: int) -> Any:
        def body() -> Iterator[str]:
            with tracer.start_as_current_span("body"):
                yield page.hole("basket")

        with tracer.start_as_current_span("view"):
            return Response(body(), mimetype="text/html")

    @hole("basket")
    def basket() -> str:
        with tracer.start_as_current_span("hole"):
            return "basket"

    later = Manual()
    isg = FlaskISG(
        app, store="memory:", enabled=True, observer=Observer(provider), executor=later
    )  # fmt: skip
    with tracer.start_as_current_span("request"):
        assert Client(app).get("/posts/1").text == "basket"
    found = spans(isg, exported)
    of = {name: span.context.span_id for name, span in found.items() if span.context}
    above = {name: span.parent.span_id for name, span in found.items() if span.parent is not None}
    render = of["isgware.render"]
    assert above == {"isgware.render": of["request"]} | dict.fromkeys(
        ("view", "body", "hole"), render
    )


def test_an_observer_that_fails_breaks_no_render(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def __call__(self, event: Any) -> None: ...

        def span(self, path: str) -> Any:
            raise ValueError(path)

    isg = ISG(app, store="memory:", enabled=True, observer=Broken(),
              routes={"/posts/<id>": Policy(revalidate=60)})  # fmt: skip
    assert [Client(isg).get(f"/posts/{id}").text for id in (1, 2)] == ["page", "page"]
    assert caplog.text.count("This is logged once") == 1
    isg.close(0)


def test_hits_and_their_reasons_are_attributes_of_their_requests(
    isg: ISG, provider: TracerProvider, exported: InMemorySpanExporter
) -> None:
    client = Client(isg)
    client.get("/posts/1")
    for name, headers in (("plain", {}), ("known", {"Authorization": "Basic x"})):
        with provider.get_tracer("server").start_as_current_span(name):
            client.get("/posts/1", headers=headers)
    found = spans(isg, exported)
    assert dict(found["plain"].attributes or {})["isgware.result"] == "hit"
    assert dict(found["known"].attributes or {}) == {
        "isgware.route": "/posts/<id>",
        "isgware.result": "bypass",
        "isgware.reason": "authorization",
    }


def test_a_render_that_fails_is_an_error_with_a_trace_of_its_own(
    isg: ISG, exported: InMemorySpanExporter
) -> None:
    with pytest.raises(LookupError):
        Client(isg).get("/posts/broken")
    render = spans(isg, exported)["isgware.render"]
    assert render.parent is None
    assert render.status.status_code is StatusCode.ERROR
    assert "no such post" in (render.status.description or "")


def test_without_the_api_the_error_names_the_extra() -> None:
    script = "import sys; sys.modules['opentelemetry'] = None; import isgware.opentelemetry"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "ConfigurationError" in done.stderr
    assert "pip install 'isgware[otel]'" in done.stderr
