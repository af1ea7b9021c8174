"""PEP 3333 towards the server and towards the app: every way in which an app may answer."""

from __future__ import annotations

import gc
import sys
import warnings
from wsgiref.validate import validator

import pytest
from werkzeug.middleware.lint import LintMiddleware

from isgware import Policy
from tests.promises.kit import MARK, Site, call, environ_of, html, visit

ROUTES = {"/<path:x>": Policy(revalidate=60, expire=600)}
HEADERS = [("Content-Type", "text/plain")]


class Body:
    """An iterable that counts how often it was closed."""

    def __init__(self, chunks, fails: BaseException | None = None) -> None:
        self.chunks, self.fails, self.closed, self.read = chunks, fails, 0, 0

    def __iter__(self):
        for chunk in self.chunks:
            self.read += 1
            yield chunk
        if self.fails is not None:
            raise self.fails

    def close(self) -> None:
        self.closed += 1


def generator_app(environ, start_response):
    start_response("200 OK", HEADERS)
    yield b"one "
    yield b""
    yield b"two"


def lazy_app(environ, start_response):
    yield b""
    start_response("200 OK", HEADERS)
    yield b"one two"


def write_app(environ, start_response):
    write = start_response("200 OK", HEADERS)
    write(b"one ")
    return [b"two"]


def late_write_app(environ, start_response):
    write = start_response("200 OK", HEADERS)

    def chunks():
        write(b"one ")
        yield b"two"

    return chunks()


def tuple_app(environ, start_response):
    start_response("200 OK", HEADERS)
    return (b"one ", b"two")


def changed_mind_app(environ, start_response):
    start_response("200 OK", [("X-Wrong", "1")])
    try:
        raise LookupError
    except LookupError:
        start_response("200 OK", HEADERS, sys.exc_info())
    return [b"one two"]


APPS = [generator_app, lazy_app, write_app, late_write_app, tuple_app, changed_mind_app]


@pytest.mark.parametrize("app", APPS, ids=lambda app: app.__name__)
def test_every_way_to_answer_is_captured_whole(wrap, app):
    isg = wrap(app, routes=ROUTES)
    for label in ("MISS", "HIT"):
        reply = visit(isg, "/p")
        assert (reply.text, reply.cache) == ("one two", label)
        assert reply.get("Content-Length") == "7"
        assert reply.get("X-Wrong") == ""


@pytest.mark.parametrize("app", APPS, ids=lambda app: app.__name__)
def test_every_way_to_answer_passes_unharmed_when_it_is_not_declared(wrap, later, app):
    isg = wrap(app, revalidate=60)
    assert visit(isg, "/p").text == "one two"
    later.run()
    assert visit(isg, "/p").text == "one two"


def answering(body, status="200 OK", headers=HEADERS):
    def app(environ, start_response):
        app.seen.append(environ)
        start_response(status, list(headers))
        return body

    app.seen = []
    return app


ENDS = {
    "whole": ({}, HEADERS, "200 OK"),
    "breaks-off": ({"fails": LookupError("broken")}, HEADERS, "200 OK"),
    "not-storable": ({}, [("Set-Cookie", "a=b")], "200 OK"),
    "error": ({}, HEADERS, "500 Broken"),
    "stream": ({}, [("Content-Type", "text/event-stream")], "200 OK"),
    "too-big": ({"chunks": [b"x" * 600] * 5}, HEADERS, "200 OK"),
    "short": ({}, [("Content-Length", "999")], "200 OK"),
}


@pytest.mark.parametrize("end", ENDS)
def test_close_is_called_exactly_once_on_every_path(wrap, later, clock, end):
    bodies = []
    fields, headers, status = ENDS[end]

    def app(environ, start_response):
        bodies.append(Body(**{"chunks": [b"a", b"b"], **fields}))
        start_response(status, list(headers))
        return bodies[-1]

    for options in (
        {"routes": ROUTES},
        {"revalidate": 60},
        {"routes": ROUTES, "enabled": "report"},
    ):
        isg = wrap(app, max_page=1000, **options)
        for seconds in (0, 1, 61):
            clock.tick(seconds)
            try:
                visit(isg, "/p")
            except LookupError:
                pass
            later.run()
    assert bodies
    assert [body.closed for body in bodies] == [1] * len(bodies)


def test_a_close_that_raises_costs_the_page_and_nothing_else(wrap, clock, later):
    class Rude(Body):
        def close(self):
            super().close()
            raise LookupError("close")

    isg = wrap(Site(), routes=ROUTES)
    visit(isg, "/p")
    isg.application.views["/p"] = lambda environ: html("x")
    isg.runtime.engine.renderer.producer._application = answering(Rude([b"x"]))
    clock.tick(61)
    visit(isg, "/p")
    later.run()
    assert visit(isg, "/p").text == "/p #1"


def test_an_app_that_calls_start_response_twice_or_never_is_not_stored(wrap):
    def twice(environ, start_response):
        start_response("200 OK", HEADERS)
        start_response("200 OK", HEADERS)
        return [b"x"]

    def never(environ, start_response):
        return [b"x"]

    for app in (twice, never):
        isg = wrap(app, routes=ROUTES)
        environ = environ_of("/p")
        list(isg(environ, lambda *told: None))
        assert list(isg.pages()) == []


def test_event_streams_pass_through_unbuffered(wrap, later):
    body = Body([b"data: 1\n\n", b"data: 2\n\n"])
    app = answering(body, headers=[("Content-Type", "text/event-stream; charset=utf-8")])
    isg = wrap(app, routes=ROUTES)
    for _ in range(2):
        body.read = 0
        chunks = isg(environ_of("/events"), lambda *told: None)
        assert chunks is body
        assert body.read == 0
        assert next(iter(chunks)) == b"data: 1\n\n"
    assert sum(MARK in environ for environ in app.seen) == 1


def test_bodies_over_max_page_pass_through_unbuffered(wrap):
    body = Body([b"x" * 400] * 5)
    app = answering(body)
    isg = wrap(app, routes=ROUTES, max_page=1000)
    chunks = isg(environ_of("/p"), lambda *told: None)
    assert chunks is body
    assert body.read <= 3  # that much of the clean-room render was looked at
    assert b"".join(chunks) == b"x" * 2000


def test_a_body_of_exactly_max_page_is_stored(wrap):
    isg = wrap(answering([b"x" * 1000]), routes=ROUTES, max_page=1000)
    visit(isg, "/p")
    assert visit(isg, "/p").cache == "HIT"


def story(isg, clock, later, *, head: bool = True) -> None:
    """Every kind of answer."""
    requests = [
        {},
        {},
        {"method": "HEAD"},
        {"headers": {"If-None-Match": "*"}},
        {"method": "POST", "body": b"x"},
        {"headers": {"Accept-Encoding": "gzip"}},
        {"headers": {"Cookie": "sid=1"}},
        {"query": "a=1"},
        {"headers": {"Authorization": "Basic eDp5"}},
        {"method": "OPTIONS"},
        {"path": "/undeclared"},
        {"path": "/cookie"},
        {"path": "/stream"},
        {"path": "/gone"},
        {"path": "/moved"},
        {"path": "/error"},
    ]
    for seconds in (0, 1, 61, 601):
        clock.tick(seconds)
        for request in requests:
            if request.get("method") == "HEAD" and not head:
                continue
            request = {"path": "/p", **request}
            environ = environ_of(**request)
            if request.get("method") == "POST":
                environ["CONTENT_TYPE"] = "text/plain"
            reply = call(isg, environ)
            assert reply.code < 500 or request["path"] == "/error"
        later.run()


def strict_site() -> Site:
    def stream(environ):
        return "200 OK", [("Content-Type", "text/event-stream")], b"data: 1\n\n"

    return Site(
        {
            "/p": lambda environ: html(
                "x" * 3000, ("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
            ),
            "/cookie": lambda environ: html("x", ("Set-Cookie", "a=b")),
            "/stream": stream,
            "/gone": lambda environ: html("x", status="410 Gone"),
            "/moved": lambda environ: html(
                "x", ("Location", "http://site.test/p"), status="302 Found"
            ),
            "/error": lambda environ: html("x", status="500 Broken"),
        }
    )


OPTIONS = [
    {"routes": {"/<any(p,cookie,stream,gone,moved,error):x>": Policy(revalidate=60, expire=600)}},
    {"revalidate": 60},
    {"enabled": "report", "routes": ROUTES},
]


@pytest.mark.parametrize("options", OPTIONS, ids=["declared", "undeclared", "report"])
def test_wsgirefs_validator_holds_on_both_sides(wrap, clock, later, options, capsys):
    story(validator(wrap(validator(strict_site()), **options)), clock, later)
    gc.collect()
    assert "without being closed" not in capsys.readouterr().err


@pytest.mark.parametrize("options", OPTIONS, ids=["declared", "undeclared", "report"])
def test_werkzeugs_lint_holds_on_both_sides(wrap, clock, later, options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Lint counts the bytes of HEAD against its Content-Length, so HEAD is left to the other.
        story(
            LintMiddleware(wrap(LintMiddleware(strict_site()), **options)), clock, later, head=False
        )
