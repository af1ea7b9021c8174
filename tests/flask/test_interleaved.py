"""The oracle of P11: visitors with different sessions, on all pages in random order, get what the
bare app gives them, wherever sessions lie. ``ISGWARE_LONG=1`` runs it for longer."""

from __future__ import annotations

import functools
import gzip
import os
import random
from pathlib import Path

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

from tests.promises.kit import Reply, forget, visit

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
    "/name": lambda: show("name: {{ session.name }}"),
    "/whole": lambda: str(sorted(set(session) - BOOKS)),
    "/theme": lambda: request.cookies.get("theme", "light"),
    "/user": lambda: show("{{ current_user.id or 'nobody' }}"),
    "/member": login_required(lambda: f"for {current_user.id}"),
    "/fresh": fresh_login_required(lambda: f"password of {current_user.id}"),
    "/sign-in": lambda: show("{{ get_flashed_messages() }} sign in"),
    "/stream": streamed,
    "/raw": lambda: str("theme" in request.headers.get("Cookie", "")),
    "/counts": counts,
    "/gone": lambda: flask.abort(404),
    "/moved": lambda: flask.redirect(f"/to-{session.get('name')}", 301),
    "/in-g": lambda: show("{{ g.name }} {{ g.get('user') }}"),
    "/cached": lambda: greeting(session.get("name")),
    "/form": lambda: show("<input name=csrf_token value='{{ csrf_token() }}'>"),
    "/member-form": lambda: show("{{ current_user.id }} {{ csrf_token() }}"),
    "/out-by-get": lambda: str(logout_user()),
}


def site_of(backend: SetUp, **options: object) -> Site:  # noqa: F811
    site = Site(backend, **options)
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
    app.register_error_handler(404, lambda _: (show("no page for {{ session.name }}"), 404))
    app.before_request(lambda: setattr(g, "name", session.get("name")) if in_g() else None)
    for path, view in VIEWS.items():
        site.page(path, view)
    site.isg.variant("role")(role)
    site.page("/by-name", lambda: show("for {{ session.name }}"), vary=["session:name"])
    site.page("/by-role", lambda: f"for {role()}, {session.get('name')}", vary=["user:role"])
    return site


def role() -> str:
    return "editor" if current_user.get_id() == "ann" else "reader"


def in_g() -> bool:
    return request.path == "/in-g"


def shown(reply: Reply) -> tuple[int, str, str]:
    return reply.code, reply.get("Location"), TOKEN.sub("a token", reply.text)


class Browser(Jar):
    """Asks as browsers do: now with what it has cached, now compressed, now for a part."""

    def __init__(self, site: Site, chosen: random.Random) -> None:
        super().__init__(site)
        self._chosen = chosen
        self._cached: dict[str, Reply] = {}

    def look(self, path: str) -> Reply:
        """The page as it is shown."""
        dice, kept = self._chosen.random(), self._cached.get(path)
        headers = {"Accept-Encoding": "gzip"} if dice > 0.8 else {}
        if kept is not None and dice > 0.4:
            headers["If-None-Match"] = kept.get("ETag")
        elif dice < 0.2:
            headers["Range"] = "bytes=0-"
        reply = self.visit(path, **headers)
        if reply.code == 304:
            assert kept is not None
            return Reply(kept.status, kept.headers, kept.body)
        if reply.code == 206:
            reply.status = "200 OK"
        if reply.get("Content-Encoding") == "gzip":
            reply.body = gzip.decompress(reply.body)
        if reply.get("ETag") and reply.code == 200:
            self._cached[path] = reply
        return reply


PAGES = [*VIEWS, "/by-name", "/by-role"]


@pytest.mark.parametrize("seed", range(5) if LONG else [1, 2])
def test_p11_visitors_get_what_the_bare_app_gives_them(
    backend: SetUp,  # noqa: F811
    seed: int,
    tmp_path: Path,
) -> None:
    chosen = random.Random(seed)
    stored = {"store": f"file:{tmp_path}/store", "backend_timeout": 30.0} if seed % 2 else {}
    wrapped, bare = site_of(backend, **stored), site_of(backend)
    bare.app.wsgi_app = bare.isg.core.application  # type: ignore[method-assign]
    pairs = [(Browser(wrapped, chosen), Jar(bare)) for _ in range(5)]
    hits, owners = 0, dict[str, int]()
    for step in range(STEPS):
        number = chosen.randrange(len(pairs))
        ours, theirs = pair = pairs[number]
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
            where = chosen.choice(PAGES)
            if chosen.random() < 0.1:
                heads = [jar.visit(where, "HEAD") for jar in pair]
                assert [head.body for head in heads] == [b"", b""]
                assert heads[0].code == heads[1].code
            got, expected = ours.look(where), theirs.visit(where)
            assert (step, where, *shown(got)) == (step, where, *shown(expected))
            hits += got.cache in ("HIT", "STALE")
        held = ours.cookies.get("session", ".")
        if "." not in held:  # the id of a session; one in a cookie is equal where its content is
            assert owners.setdefault(held, number) == number
        if chosen.random() < 0.02:
            wrapped.clock.tick(61)
            wrapped.later.run()
        if chosen.random() < 0.01 and stored:
            forget(wrapped.isg.core)
    assert hits > STEPS / 6
    assert visit(wrapped.app, "/plain").cache in ("HIT", "STALE")
    wrapped.isg.core.close(1)
