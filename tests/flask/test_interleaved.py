"""The oracle of P11: visitors with different sessions, on all pages in random order, get what the
bare app gives them, wherever sessions lie. ``ISGWARE_LONG=1`` runs it for longer."""

from __future__ import annotations

import functools
import os
import random

import flask
import pytest
from flask import g, request, session
from flask_login import (
    LoginManager,
    current_user,
    fresh_login_required,
    login_required,
    login_user,
    logout_user,
)
from flask_wtf import CSRFProtect

from tests.promises.kit import Reply, visit

from .backends import SetUp, backend, redis  # noqa: F401  (fixtures)
from .test_csrf import TOKEN
from .test_reads_decide import Jar, Site, User

LONG = bool(os.environ.get("ISGWARE_LONG"))
STEPS = 20_000 if LONG else 250
CHANGES = (
    "/set?name=Ann", "/set?name=Bob", "/set?basket=1", "/forget", "/login/ann", "/login/bob",
    "/login/ann?remember=1", "/login/bob?remember=1", "/out", "/flash",
)  # fmt: skip
show = flask.render_template_string


@functools.cache
def greeting(name: str | None) -> str:
    return f"hello {name}"


def counts() -> str:
    session["visits"] = session.get("visits", 0) + 1
    return str(session["visits"])


def streamed() -> object:
    return flask.stream_with_context(session.get(key, "-") for key in ("name", "basket"))


#: Flask-Login and Flask-WTF keep books in every session that a template meets, and put back there
#: who is remembered. Pages from the store do not.
BOOKS = {"_fresh", "_user_id", "csrf_token"}
VIEWS = {
    "/plain": lambda: show("plain"),
    "/name": lambda: show("{{ session.name }}"),
    "/whole": lambda: str(sorted(set(session) - BOOKS)),
    "/theme": lambda: request.cookies.get("theme", "light"),
    "/user": lambda: show("{{ current_user.id or 'nobody' }}"),
    "/member": login_required(lambda: f"for {current_user.id}"),
    "/fresh": fresh_login_required(lambda: f"password of {current_user.id}"),
    "/sign-in": lambda: show("{{ get_flashed_messages() }} sign in"),
    "/stream": streamed,
    "/raw": lambda: str("theme" in request.headers.get("Cookie", "")),
    "/counts": counts,
    "/in-g": lambda: show("{{ g.name }} {{ g.get('user') }}"),
    "/cached": lambda: greeting(session.get("name")),
    "/form": lambda: show("<input name=csrf_token value='{{ csrf_token() }}'>"),
    "/member-form": lambda: show("{{ current_user.id }} {{ csrf_token() }}"),
    "/out-by-get": lambda: str(logout_user()),
}


def site_of(backend: SetUp) -> Site:  # noqa: F811
    site = Site(backend)
    manager = LoginManager(site.app)
    manager.user_loader(User)
    manager.login_view = manager.refresh_view = "/sign-in"
    CSRFProtect(site.app)
    site.app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    app = site.app

    def login(name: str) -> str:
        return str(login_user(User(name), remember="remember" in request.args))

    app.post("/login/<name>", endpoint="login")(login)
    app.post("/out", endpoint="out")(lambda: str(logout_user()))
    app.post("/flash", endpoint="flash")(lambda: str(flask.flash("saved")))
    app.before_request(lambda: setattr(g, "name", session.get("name")) if in_g() else None)
    for path, view in VIEWS.items():
        site.page(path, view)
    return site


def in_g() -> bool:
    return request.path == "/in-g"


def shown(reply: Reply) -> tuple[int, str, str]:
    return reply.code, reply.get("Location"), TOKEN.sub("a token", reply.text)


@pytest.mark.parametrize("seed", range(5) if LONG else [1, 2])
def test_p11_visitors_get_what_the_bare_app_gives_them(backend: SetUp, seed: int) -> None:  # noqa: F811
    chosen = random.Random(seed)
    wrapped, bare = site_of(backend), site_of(backend)
    bare.app.wsgi_app = bare.isg.core.application  # type: ignore[method-assign]
    pairs = [(Jar(wrapped), Jar(bare)) for _ in range(5)]
    hits = 0
    for step in range(STEPS):
        pair = chosen.choice(pairs)
        if chosen.random() < 0.15:
            where = chosen.choice(CHANGES)
            for jar in pair:
                jar.visit(where, "POST")
        elif chosen.random() < 0.05:
            lost = chosen.random() < 0.5
            for jar in pair:
                if lost:  # the browser was closed; who is remembered is logged in, not freshly
                    jar.cookies.pop("session", None)
                else:
                    jar.cookies["theme"] = "dark"
        else:
            where = chosen.choice(list(VIEWS))
            got, expected = (jar.visit(where) for jar in pair)
            assert (step, where, *shown(got)) == (step, where, *shown(expected))
            hits += got.cache in ("HIT", "STALE")
        if chosen.random() < 0.02:
            wrapped.clock.tick(61)
            wrapped.later.run()
    assert hits > STEPS / 6
    assert visit(wrapped.app, "/plain").cache in ("HIT", "STALE")
