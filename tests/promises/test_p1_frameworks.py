"""P1 again, with the views of frameworks in the clean room."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings

import isgware.flask
from isgware import page, revalidate
from tests.promises.kit import Clock, Inline, call, environ_of, visit
from tests.promises.test_p1_clean_room import STRANGE, request

flask = pytest.importorskip("flask")


def told(environ):
    return json.dumps({name: value for name, value in environ.items() if isinstance(value, str)})


def flask_site(kind: str):
    """An ISG around a Flask app that echoes; its page is declared or not."""
    app = flask.Flask("echo")

    def view():
        environ = flask.request.environ
        if environ.get("HTTP_X_STATUS"):
            flask.abort(500)
        flask.g.seen = getattr(flask.g, "seen", 0) + 1
        assert flask.g.seen == 1
        return told(environ)

    app.get("/page", endpoint="page")(revalidate(60)(view) if kind == "declared" else view)
    clock = Clock()
    options = {} if kind == "declared" else {"revalidate": 60}
    isgware.flask.ISG(
        app, store="memory:", clock=clock, executor=Inline(), compress=False, **options
    )
    return app, clock


@pytest.fixture
def django_site(django_project):
    def make(kind: str):
        from django.http import HttpResponse, HttpResponseServerError
        from django.urls import path

        def view(request):
            if request.META.get("HTTP_X_STATUS"):
                return HttpResponseServerError()
            meta = {name: value for name, value in request.META.items() if "CSRF" not in name}
            return HttpResponse(told(meta))

        clock = Clock()
        options = {} if kind == "declared" else {"revalidate": 60}
        view = revalidate(60)(view) if kind == "declared" else view
        return django_project(
            [path("page", view)], clock=clock, executor=Inline(), compress=False, **options
        ), clock

    return make


def check(make, kind, strange) -> None:
    fresh, _ = make(kind)
    visit(fresh, "/page")
    clean = visit(fresh, "/page")
    assert clean.cache == "HIT"
    isg, clock = make(kind)
    call(isg, request(strange))
    replies = [visit(isg, "/page"), visit(isg, "/page")]
    clock.tick(61)
    replies += [visit(isg, "/page"), visit(isg, "/page")]
    for reply in replies:
        assert reply.code == 200
        own = reply.cache == "BYPASS"
        assert json.loads(reply.body)["REMOTE_ADDR"] == ("203.0.113.9" if own else "192.0.2.1")
        if not own:
            assert reply.body == clean.body
    assert replies[-1].cache == "HIT"
    for app in (fresh, isg):
        getattr(app, "extensions", {}).get("isgware", app).close(0)


@pytest.mark.parametrize("kind", ["declared", "undeclared"])
@settings(max_examples=25, deadline=None, database=None)
@given(strange=STRANGE)
def test_p1_no_request_changes_what_another_gets_from_flask(kind, strange):
    check(flask_site, kind, strange)


@pytest.mark.parametrize("kind", ["declared", "undeclared"])
@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(strange=STRANGE)
def test_p1_no_request_changes_what_another_gets_from_django(django_site, kind, strange):
    check(django_site, kind, strange)


def test_p1_a_render_finds_no_trace_of_the_request_that_set_it_off():
    """Contexts of the framework are not inherited, and ``page`` tells renders from visits."""
    app = flask.Flask("inner")
    seen = []

    @app.get("/page")
    @revalidate(60)
    def view():
        seen.append((flask.request.path, flask.request.cookies.get("sid"), page.prerendering))
        return "page"

    @app.get("/outer")
    def outer():
        isg.regenerate("/page")
        assert not page.prerendering
        return flask.request.path

    isg = isgware.flask.ISG(app, store="memory:", clock=Clock())
    assert visit(app, "/outer", headers={"Cookie": "sid=me"}).text == "/outer"
    assert seen == [("/page", None, True)]
    isg.close(1)


def test_p1_a_route_of_another_subdomain_is_another_route():
    app = flask.Flask("hosts", subdomain_matching=True)
    app.config["SERVER_NAME"] = "site.test"
    app.get("/page")(revalidate(60)(lambda: "main"))
    app.get("/page", subdomain="admin", endpoint="admin")(lambda: "admin")
    isgware.flask.ISG(app, store="memory:", clock=Clock(), executor=Inline())
    for _ in range(2):
        assert visit(app, "/page", host="admin.site.test").cache == ""
        assert visit(app, "/page", host="admin.site.test").text == "admin"
        assert visit(app, "/page").text == "main"
    assert visit(app, "/page").cache == "HIT"


def test_p1_django_takes_scheme_and_host_as_the_proxy_settings_say(django_project):
    from django.http import HttpResponse
    from django.urls import path

    view = revalidate(60)(lambda request: HttpResponse(request.build_absolute_uri()))
    isg = django_project(
        [path("page", view)], clock=Clock(), executor=Inline(),
        SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"), USE_X_FORWARDED_HOST=True,
        SECURE_SSL_REDIRECT=True, MIDDLEWARE=["django.middleware.security.SecurityMiddleware"],
    )  # fmt: skip
    proxied = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "www.example.com"}
    for expected in ("MISS", "HIT"):
        reply = visit(isg, "/page", headers=proxied)
        assert (reply.cache, reply.text) == (expected, "https://www.example.com/page")
    # Plain http is another page, and its redirect to the same URL is nobody's page.
    assert visit(isg, "/page", host="www.example.com").cache == "BYPASS"
    other = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "other.example.com"}
    assert visit(isg, "/page", headers=other).text == "https://other.example.com/page"
    assert visit(isg, "/page", headers=proxied).text == "https://www.example.com/page"


def test_p1_environ_of_the_server_is_not_changed():
    app, _ = flask_site("declared")
    environ = environ_of("/page")
    before = dict(environ)
    call(app, environ)
    assert environ == before
