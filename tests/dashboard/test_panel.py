"""The panel in development: on whole pages, as their policy allows, never in production."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from flask import Flask, Response, make_response
from werkzeug.test import TestResponse

from isgware import revalidate
from isgware.flask import ISG

PAGE = "<!doctype html><html><body><h1>Hello</h1></body></html>"
PROBE = "<img src=x onerror=alert(1)>"
SHADOW = '<template shadowrootmode="open">'


def site(**options: object) -> Flask:
    app = Flask("site")
    app.debug = True
    ISG(app, **({"store": "memory:", "panel": True} | options))  # type: ignore[arg-type]

    @app.get("/")
    @revalidate(60, tags=["front"])
    def front() -> str:
        return PAGE

    @app.get("/keyed")
    @revalidate(60, tags=[PROBE], vary=["X-Probe"])
    def keyed() -> str:
        return PAGE

    @app.get("/basket")
    @revalidate(60)
    def basket() -> Response:
        answer = make_response(PAGE)
        answer.set_cookie("basket", "1")
        return answer

    @app.get("/own")
    def own() -> str:
        return PAGE

    @app.get("/part")
    def part() -> str:
        return "<p>only a part</p></body>"

    @app.get("/data")
    def data() -> dict[str, str]:
        return {"a": PAGE}

    @app.get("/stream")
    def stream() -> Iterator[str]:
        yield PAGE

    @app.get("/policy/<path:policy>")
    def policy(policy: str) -> Response:
        answer = make_response(PAGE)
        answer.headers["Content-Security-Policy"] = policy
        return answer

    @app.get("/fails")
    @revalidate(60)
    def fails() -> str:
        raise ValueError(PROBE)

    return app


@pytest.fixture
def get() -> Callable[..., TestResponse]:
    return site().test_client().get


def test_a_page_that_would_be_stored(get: Callable[..., TestResponse]) -> None:
    answer = get("/?utm_source=x")
    assert "would be stored" in answer.text
    assert "revalidate=60" in answer.text
    assert "utm_source=x" in answer.text
    assert re.sub(r"<div id=.*</div>", "", answer.text, flags=re.S) == PAGE
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    assert "ETag" not in answer.headers
    assert "<script" not in answer.text


def test_a_page_that_would_not_be_stored_says_why(get: Callable[..., TestResponse]) -> None:
    text = get("/basket").text
    assert "<b>not stored</b>: set-cookie" in text
    assert "Set cookies elsewhere" in text
    assert "not declared" in get("/own").text


@pytest.mark.parametrize("path", ["/part", "/data", "/stream"])
def test_what_is_no_whole_document_is_left_alone(
    get: Callable[..., TestResponse], path: str
) -> None:
    assert SHADOW not in get(path).text


def test_an_exception_of_the_view_is_the_server_s(get: Callable[..., TestResponse]) -> None:
    with pytest.raises(ValueError, match="img"):
        get("/fails")


@pytest.mark.parametrize(
    ("policy", "style"),
    [
        ("img-src 'self'", "<style>"),
        ("style-src 'unsafe-inline'", "<style>"),
        ("default-src 'self'", ""),
        ("default-src 'none'; style-src 'self' 'unsafe-inline'", "<style>"),
        ("style-src 'unsafe-inline'; style-src-elem 'self'", ""),
        ("style-src 'nonce-abc123'", '<style nonce="abc123">'),
        ("style-src 'unsafe-inline' 'sha256-abc='", ""),
        ("style-src 'unsafe-inline', default-src 'self'", ""),
    ],
)
def test_it_is_styled_as_the_page_s_policy_allows(
    get: Callable[..., TestResponse], policy: str, style: str
) -> None:
    answer = get(f"/policy/{policy}")
    assert SHADOW in answer.text
    assert re.findall("<style[^>]*>", answer.text) == ([style] if style else [])
    assert answer.headers["Content-Security-Policy"] == policy


def test_what_visitors_and_apps_write_is_text(get: Callable[..., TestResponse]) -> None:
    text = get("/keyed", headers={"X-Probe": PROBE}).text
    assert "<img" not in text
    assert text.count("&lt;img") == 2


@pytest.mark.parametrize("how", ["production", "switched on", "not asked for"])
def test_it_is_never_there_in_production(how: str) -> None:
    app = site(**{"switched on": {"enabled": True}, "not asked for": {"panel": False}}.get(how, {}))
    app.debug = how != "production"
    for path in ("/", "/own", "/"):
        assert app.test_client().get(path).text == PAGE


def test_head_and_conditional_requests_are_as_before(get: Callable[..., TestResponse]) -> None:
    client = site().test_client()
    assert client.head("/own").data == b""
    assert client.post("/own").status_code == 405
