"""P10: what is not declared passes byte for byte, and one switch turns isgware off."""

from __future__ import annotations

import pytest

import isgware.flask
from isgware import Policy, page, revalidate
from tests.promises.kit import Clock, Manual, Site, call, environ_of, html, visit


class Strange:
    """An iterable with ideas of its own; servers recognise such objects."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks, self.closed = chunks, 0

    def __iter__(self):
        return iter(self.chunks)

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"routes": {"/other": Policy(revalidate=60)}},
        {"revalidate": 60},
        {"cache_control": "ignore"},
        {"enabled": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_p10_undeclared_answers_are_the_very_objects_of_the_app(wrap, options, method):
    told, seen = [], []
    body = Strange(b"a", b"", b"b")

    def app(environ, start_response):
        seen.append(environ)
        told.append(start_response("201 Created", headers))
        return body

    headers = [
        ("Content-Type", "text/plain"),
        ("X-Odd", "caf\xe9"),
        ("X-Odd", "twice"),
        ("x-low", ""),
    ]
    isg = wrap(app, **options)
    for _ in range(3):
        given, environ = [], environ_of("/p", method=method)
        before, write = dict(environ), object()

        def start_response(status, headers, exc_info=None, given=given, write=write):
            given.append((status, headers, exc_info))
            return write

        assert isg(environ, start_response) is body
        assert seen[-1] is environ
        assert environ == before
        assert given == [("201 Created", headers, None)]
        assert given[0][1] is headers
        assert told[-1] is write
    assert body.closed == 0


def test_p10_file_wrappers_reach_the_server(wrap):
    wrapper = Strange(b"file")

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "image/png")])
        return environ["wsgi.file_wrapper"](None)

    isg = wrap(app)
    environ = environ_of("/p", **{"wsgi.file_wrapper": lambda file, size=0: wrapper})
    assert isg(environ, lambda *told: None) is wrapper


def test_p10_exc_info_reaches_the_server_of_an_own_answer(wrap):
    import sys

    def app(environ, start_response):
        try:
            raise LookupError("late")
        except LookupError:
            start_response("500 Broken", [("Content-Type", "text/plain")], sys.exc_info())
        return [b"broken"]

    for options in ({}, {"routes": {"/p": Policy(revalidate=0)}}):
        given = []
        wrap(app, **options)(environ_of("/p"), lambda *told, given=given: given.append(told))
        assert given[0][2][0] is LookupError


def test_p10_an_app_that_raises_raises_for_itself(wrap):
    def app(environ, start_response):
        raise LookupError("mine")

    for options in ({}, {"revalidate": 60}, {"routes": {"/p": Policy(revalidate=60)}}):
        isg = wrap(app, **options)
        for _ in range(2):
            with pytest.raises(LookupError, match="mine") as caught:
                visit(isg, "/p")
            assert caught.value.__context__ is None


def test_p10_without_the_middleware_decorators_and_page_do_nothing():
    def view(name):
        page.tag("t", "")
        page.no_store()
        page.revalidate = 5
        page.expire = 10
        return f"hello {name} {page.prerendering} {page.revalidate} {page.expire}"

    assert revalidate(60)(view)("ann") == "hello ann False None None"
    assert revalidate(60)(view).__name__ == "view"

    class View:
        def dispatch_request(self):
            return "class"

    assert revalidate(60)(View) is View
    assert View().dispatch_request() == "class"


def test_p10_a_decorated_coroutine_stays_one():
    import asyncio
    import inspect

    async def view(name):
        return name

    decorated = revalidate(60)(view)
    assert inspect.iscoroutinefunction(decorated)
    assert asyncio.run(decorated("ann")) == "ann"


def test_p10_the_switch_turns_everything_off(wrap, site):
    isg = wrap(
        site, routes={"/p": Policy(revalidate=60)}, enabled=False, base_url="http://site.test"
    )
    for number in (1, 2):
        reply = visit(isg, "/p")
        assert (reply.text, reply.cache) == (f"/p #{number}", "")
    isg.purge_path("/p")
    isg.revalidate_tag("t")
    isg.purge_all()
    assert isg.regenerate("/p") is None
    assert list(isg.pages()) == []


@pytest.mark.parametrize("value", ["0", "false", "off"])
def test_p10_the_environment_can_turn_it_off(wrap, site, monkeypatch, value):
    monkeypatch.setenv("ISGWARE_ENABLED", value)
    assert visit(wrap(site, routes={"/p": Policy(revalidate=60)}), "/p").cache == ""


def test_p10_report_mode_stores_nothing_and_says_what_would_have_been(wrap, later, site, caplog):
    caplog.set_level("INFO", "isgware")
    site.views.update(
        {
            "/same": lambda environ: html("same"),
            "/differs": lambda environ: html(environ.get("HTTP_COOKIE", "nobody")),
            "/refused": lambda environ: html("x", ("Set-Cookie", "a=b")),
            "/failed": lambda environ: html("ok") if "isgware.render" not in environ else 1 / 0,
        }
    )
    routes = {path: Policy(revalidate=60) for path in site.views}
    isg = wrap(site, routes=routes, enabled="report")
    for _ in range(3):
        for path in site.views:
            reply = visit(isg, path, headers={"Cookie": "sid=me"})
            assert (reply.cache, reply.detail) == ("BYPASS", "report")
            assert site.own(path)
        assert visit(isg, "/differs", headers={"Cookie": "sid=me"}).text == "sid=me"
        later.run()
    assert isg.report == {"same": 1, "differs": 1, "refused": 1, "failed": 1}
    assert list(isg.pages()) == []
    for path, versions in (("/same", "equal"), ("/differs", "differs"), ("/refused", "set-cookie"),
                        ("/failed", "ZeroDivisionError")):  # fmt: skip
        assert any(path in record.getMessage() and versions in record.getMessage()
                   for record in caplog.records), path  # fmt: skip


def test_p10_report_mode_counts_what_only_revalidate_would_store(wrap, later, site):
    isg = wrap(site, revalidate=60, enabled="report")
    site.views["/p"] = lambda environ: html("p")
    reply = visit(isg, "/p")
    assert reply.cache == ""
    later.run()
    assert isg.report["same"] == 1
    assert list(isg.pages()) == []


def test_p10_report_mode_closes_what_the_app_returned(wrap, later):
    bodies = []

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        bodies.append(Strange(b"a", b"b"))
        return bodies[-1]

    isg = wrap(app, routes={"/p": Policy(revalidate=60)}, enabled="report")
    assert visit(isg, "/p").body == b"ab"
    chunks = isg(environ_of("/p"), lambda *told: None)
    chunks.close()  # a client that went away
    later.run()
    assert [body.closed for body in bodies] == [1] * len(bodies)


flask = pytest.importorskip("flask")


def flask_app(**config):
    app = flask.Flask("modes")
    app.config.update(config)
    renders = []

    @app.get("/p")
    @revalidate(60)
    def view():
        renders.append(page.prerendering)
        return f"render {len(renders)}"

    isgware.flask.ISG(app, store="memory:", clock=Clock(), executor=Manual())
    return app, renders


def test_p10_off_under_flasks_testing():
    app, renders = flask_app(TESTING=True)
    assert [visit(app, "/p").cache for _ in range(2)] == ["", ""]
    assert renders == [False, False]


def test_p10_testing_may_be_said_after_the_extension_was_made():
    app, renders = flask_app()
    app.testing = True
    visit(app, "/p")
    assert renders == [False]


def test_p10_debug_renders_each_visit_and_shows_headers_and_reasons():
    app, renders = flask_app()
    app.debug = True
    for number in (1, 2):
        reply = visit(app, "/p")
        assert (reply.text, reply.cache, reply.detail) == (f"render {number}", "MISS", "debug")
        assert reply.get("Cache-Control") == "no-store"
    assert renders == [True, True]
    assert list(app.extensions["isgware"].pages()) == []


def test_p10_said_aloud_it_is_on_in_debug_and_testing():
    app, _ = flask_app(TESTING=True, DEBUG=True, ISGWARE_ENABLED=True)
    assert [visit(app, "/p").cache for _ in range(2)] == ["MISS", "HIT"]


def test_p10_off_under_djangos_test_runner(django_project):
    from django.core import mail
    from django.http import HttpResponse
    from django.urls import path

    site = [path("p", revalidate(60)(lambda request: HttpResponse("p")))]
    mail.outbox = []
    try:
        assert visit(django_project(site, clock=Clock()), "/p").cache == ""
        isg = django_project(site, clock=Clock(), ISGWARE={"store": "memory:", "enabled": True})
        assert visit(isg, "/p").cache == "MISS"
    finally:
        del mail.outbox
    assert visit(django_project(site, clock=Clock()), "/p").cache == "MISS"


def test_p10_django_debug_renders_each_visit(django_project):
    from django.http import HttpResponse
    from django.urls import path

    site = [path("p", revalidate(60)(lambda request: HttpResponse("p")))]
    isg = django_project(site, clock=Clock(), DEBUG=True)
    assert [visit(isg, "/p").detail for _ in range(2)] == ["debug", "debug"]


def test_p10_nothing_starts_and_nothing_is_opened_at_construction(tmp_path):
    import threading

    before = set(threading.enumerate())
    isg = isgware.ISG(
        Site(), store=f"file:{tmp_path / 'store'}", routes={"/p": Policy(revalidate=60)}
    )
    assert set(threading.enumerate()) <= before
    assert list(tmp_path.iterdir()) == []
    call(isg, environ_of("/undeclared"))
    isg.close()
