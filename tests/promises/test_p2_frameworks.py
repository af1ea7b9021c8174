"""P2 with the sessions and users of Flask and Django."""

from __future__ import annotations

import pytest

import isgware.flask
from isgware import revalidate
from tests.promises.kit import Clock, Manual, call, environ_of, visit

flask = pytest.importorskip("flask")


def flask_app(**options):
    app = flask.Flask("sessions")
    app.secret_key = "not a secret"
    app.get("/page", endpoint="page")(
        revalidate(60)(lambda: "hello " + flask.session.get("user", "nobody"))
    )

    @app.get("/login/<name>")
    def login(name):
        flask.session["user"] = name
        return "in"

    later = Manual()
    isgware.flask.ISG(app, store="memory:", clock=Clock(), executor=later, **options)
    return app, later


def cookie_of(reply) -> dict[str, str]:
    return {"Cookie": reply.get("Set-Cookie").partition(";")[0]}


@pytest.mark.parametrize("debug", [False, True], ids=["production", "debug"])
def test_p2_a_flask_session_has_its_own_page_and_others_share_the_anonymous_one(debug):
    app, later = flask_app()
    app.debug = debug
    ann, bob = (cookie_of(visit(app, f"/login/{name}")) for name in ("ann", "bob"))
    for _ in range(2):
        assert visit(app, "/page", headers=ann).text == "hello ann"
        assert visit(app, "/page", headers=bob).text == "hello bob"
        assert visit(app, "/page").text == "hello nobody"
        assert visit(app, "/page", headers={"Cookie": "_ga=1"}).text == "hello nobody"
        later.run()
    assert visit(app, "/page").cache == ("MISS" if debug else "HIT")
    assert visit(app, "/page", headers=ann).detail == "cookie"


def test_p2_a_flask_session_written_on_an_undeclared_page_stays_its_owners():
    app, later = flask_app(revalidate=60)
    cookies = set()
    for name in ("ann", "ann", "bob"):
        reply = visit(app, f"/login/{name}")
        cookies.add(reply.get("Set-Cookie"))
        assert reply.cache == ""
        later.run()
    assert len(cookies) >= 2


def test_p2_flashed_messages_reach_the_one_they_are_for():
    app, _ = flask_app()
    app.get("/list", endpoint="list")(
        revalidate(60)(lambda: " ".join(["list", *flask.get_flashed_messages()]))
    )

    @app.post("/add")
    def add():
        flask.flash("added")
        return flask.redirect("/list")

    assert visit(app, "/list").text == "list"
    cookie = cookie_of(visit(app, "/add", method="POST"))
    assert visit(app, "/list", headers=cookie).text == "list added"
    assert visit(app, "/list").text == "list"


SESSIONS = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]


def django_site(django_project, clock, later, **options):
    from django.contrib.messages import get_messages
    from django.http import HttpResponse
    from django.middleware.csrf import get_token
    from django.urls import path

    def hello(request):
        return HttpResponse("hello " + request.session.get("user", "nobody"))

    def login(request, name):
        request.session["user"] = name
        return HttpResponse("in")

    def form(request):
        return HttpResponse("token " + get_token(request))

    def plain(request):
        return HttpResponse("plain")

    def told(request):
        return HttpResponse("; ".join(map(str, get_messages(request))))

    return django_project(
        [
            path("page", revalidate(60)(hello)),
            path("form", revalidate(60)(form)),
            path("plain", revalidate(60)(plain)),
            path("told", revalidate(60)(told)),
            path("login/<name>", login),
        ],
        MIDDLEWARE=SESSIONS, SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        MESSAGE_STORAGE="django.contrib.messages.storage.cookie.CookieStorage",
        clock=clock, executor=later, **options,
    )  # fmt: skip


def test_p2_a_django_session_has_its_own_page_and_others_share_the_anonymous_one(
    django_project, clock, later
):
    isg = django_site(django_project, clock, later)
    ann, bob = (cookie_of(visit(isg, f"/login/{name}")) for name in ("ann", "bob"))
    for _ in range(2):
        assert visit(isg, "/page", headers=ann).text == "hello ann"
        assert visit(isg, "/page", headers=bob).text == "hello bob"
        assert visit(isg, "/page").text == "hello nobody"
    assert visit(isg, "/page").cache == "HIT"


def test_p2_a_csrf_token_is_never_shared(django_project, clock, later):
    isg = django_site(django_project, clock, later)
    tokens = {visit(isg, "/form").text for _ in range(4)}
    assert len(tokens) == 4
    assert visit(isg, "/form").cache == "HIT"
    [page] = isg.pages()
    assert page.path == "/form"


def test_p2_visitors_with_pending_messages_get_their_own_answer(django_project, clock, later):
    isg = django_site(django_project, clock, later)
    for page in ("/told", "/plain"):
        visit(isg, page)
        assert visit(isg, page).cache == "HIT"
    for cookie in ("messages=x", "a=1; messages=x"):
        reply = call(isg, environ_of("/told", headers={"Cookie": cookie}))
        assert (reply.cache, reply.detail) == ("BYPASS", "cookie")
        assert visit(isg, "/plain", headers={"Cookie": cookie}).cache == "HIT"
    assert visit(isg, "/told", headers={"Cookie": "xmessages=1"}).cache == "HIT"
