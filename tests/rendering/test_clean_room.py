"""`clean_room.render` (P1): a WSGI server that keeps every rule of PEP 3333."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.validate import validator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.middleware.lint import LintMiddleware
from werkzeug.wrappers import Request as WerkzeugRequest

from isgware.core.cache_key import Request
from isgware.core.storable import Response
from isgware.render_context import Rendering, current
from isgware.rendering.clean_room import MARK, REMOTE_ADDR, WSGIApp, environ_for, render
from isgware.version import VERSION
from tests.core.making import examples, tokens

PLAIN = Request("http", "example.com", "", "/page", "a=1")
MAX_PAGE = 1000
#: The whole environ of a plain page, but for what is neither text nor constant.
ENVIRON = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/page",
    "QUERY_STRING": "a=1",
    "SERVER_NAME": "example.com",
    "SERVER_PORT": "80",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "192.0.2.1",
    "HTTP_HOST": "example.com",
    "HTTP_ACCEPT_ENCODING": "identity",
    "HTTP_USER_AGENT": f"isgware/{VERSION}",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}


def echo(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answers with the repr of its environ."""
    shown = {key: value for key, value in environ.items() if isinstance(value, str | tuple | bool)}
    body = repr(sorted(shown.items())).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def environ_of(request: Request) -> dict[str, Any]:
    return environ_for(request, Rendering(True))


# The environ.


def test_the_environ_holds_the_request_and_constants_only() -> None:
    environ = environ_of(PLAIN)
    assert {key: value for key, value in environ.items() if key in ENVIRON} == ENVIRON
    assert set(environ) - set(ENVIRON) == {"wsgi.input", "wsgi.errors", MARK}


def test_the_body_is_empty() -> None:
    assert environ_of(PLAIN)["wsgi.input"].read() == b""


def test_every_environ_is_made_anew() -> None:
    one, other = environ_of(PLAIN), environ_of(PLAIN)
    assert one is not other
    assert one["wsgi.input"] is not other["wsgi.input"]


def test_the_mark_of_a_clean_room_render_cannot_come_from_a_client() -> None:
    rendering = Rendering(True)
    assert environ_for(PLAIN, rendering)[MARK] is rendering
    assert not MARK.startswith("HTTP_")


@pytest.mark.parametrize(
    ("scheme", "host", "server"),
    [
        ("http", "example.com", ("example.com", "80")),
        ("https", "example.com", ("example.com", "443")),
        ("http", "example.com:8000", ("example.com", "8000")),
        ("http", "[::1]", ("[::1]", "80")),
        ("https", "[::1]:8443", ("[::1]", "8443")),
    ],
)
def test_server_name_and_port_are_those_of_the_host(
    scheme: str, host: str, server: tuple[str, str]
) -> None:
    environ = environ_of(Request(scheme, host, "", "/"))
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == server
    assert (environ["HTTP_HOST"], environ["wsgi.url_scheme"]) == (host, scheme)


def test_keyed_headers_and_cookies_are_shown() -> None:
    request = Request(
        "http", "h", "", "/", headers=(("accept-language", "fr"),), cookies=(("a", "1"), ("b", "2"))
    )
    environ = environ_of(request)
    assert (environ["HTTP_ACCEPT_LANGUAGE"], environ["HTTP_COOKIE"]) == ("fr", "a=1; b=2")


@examples
@given(
    headers=st.lists(
        st.tuples(st.text("abcdefgh-", min_size=1, max_size=5), tokens),
        max_size=3,
        unique_by=lambda pair: pair[0],
    ),
    cookies=st.lists(st.tuples(tokens, tokens), max_size=2),
    query=tokens,
)
def test_nothing_is_shown_that_is_not_in_the_key(
    headers: list[tuple[str, str]], cookies: list[tuple[str, str]], query: str
) -> None:
    request = Request("http", "h", "", "/", query, tuple(headers), tuple(cookies))
    extra = set(environ_of(request)) - set(environ_of(Request("http", "h", "", "/", query)))
    named = {"HTTP_" + name.upper().replace("-", "_") for name, _ in headers}
    assert extra <= named | ({"HTTP_COOKIE"} if cookies else set())


def test_the_app_sees_the_url_that_the_key_names() -> None:
    request = Request("https", "example.com:8443", "/app", "/caf\xc3\xa9 1", "q=%20")
    url = WerkzeugRequest(environ_of(request)).url
    assert url == "https://example.com:8443/app/café%201?q=%20"


# A server by the book.


def strict(app: WSGIApp) -> WSGIApp:
    return validator(app)  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize("inspect", [strict, LintMiddleware], ids=["wsgiref", "werkzeug"])
@pytest.mark.parametrize(
    "request_",
    [
        PLAIN,
        Request("https", "[::1]:8443", "/app", "", "", (("accept-language", "fr"),), (("a", "b"),)),
        Request("http", "example.com", "/app", "/caf\xc3\xa9"),
    ],
    ids=["plain", "everything", "UTF-8"],
)
def test_validators_find_nothing_wrong(
    inspect: Callable[[WSGIApp], WSGIApp], request_: Request
) -> None:
    response = render(inspect(echo), request_, Rendering(True), MAX_PAGE * 10)
    assert isinstance(response, Response)
    assert response.status == "200 OK"
    assert repr(("PATH_INFO", request_.path)).encode() in response.body


@pytest.mark.parametrize("inspect", [strict, LintMiddleware], ids=["wsgiref", "werkzeug"])
def test_validators_find_nothing_wrong_with_how_write_is_used(inspect: Any) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])(b"written")
        return [b" and returned"]

    response = render(inspect(app), PLAIN, Rendering(True), MAX_PAGE)
    assert isinstance(response, Response)
    assert response.body == b"written and returned"


@pytest.mark.parametrize("inspect", [strict, LintMiddleware], ids=["wsgiref", "werkzeug"])
def test_validators_find_nothing_wrong_with_how_a_large_body_is_left(inspect: Any) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (b"x" * 100 for _ in range(100))

    assert not isinstance(render(inspect(app), PLAIN, Rendering(True), MAX_PAGE), Response)


# Nothing of the visit during which it happens.

of_the_visitor: contextvars.ContextVar[str] = contextvars.ContextVar("visitor", default="nobody")


def telling_context(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    told = of_the_visitor.get()
    of_the_visitor.set("left by a render")
    return [told.encode()]


def test_the_app_finds_no_trace_of_the_request_in_progress() -> None:
    token = of_the_visitor.set("ann")
    try:
        response = render(telling_context, PLAIN, Rendering(True), MAX_PAGE)
        assert of_the_visitor.get() == "ann", "nor does it leave one"
    finally:
        of_the_visitor.reset(token)
    assert response == Response("200 OK", (), b"nobody")


def test_a_lazy_body_runs_in_the_clean_room_too() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        rendering = current.get()
        yield f"{rendering is not None and rendering.prerendering}".encode()

    token = current.set(Rendering(False))
    try:
        response = render(app, PLAIN, Rendering(True), MAX_PAGE)
    finally:
        current.reset(token)
    assert response == Response("200 OK", (), b"True")


def test_the_visitors_address_is_nobodys() -> None:
    assert environ_of(PLAIN)["REMOTE_ADDR"] == REMOTE_ADDR == "192.0.2.1"  # RFC 5737
