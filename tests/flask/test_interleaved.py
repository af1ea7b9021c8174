"""The oracle of P11: visitors with different sessions, on all pages in random order, get what the
bare app gives them. ``ISGWARE_LONG=1`` runs it for longer."""

from __future__ import annotations

import os
import random

import flask
import pytest
from flask import request, session
from flask_login import LoginManager, current_user, login_user, logout_user

from tests.promises.kit import visit

from .test_reads_decide import BACKENDS, Jar, Site, User

STEPS = 20_000 if os.environ.get("ISGWARE_LONG") else 400
PAGES = ("/plain", "/name", "/whole", "/theme", "/user", "/stream", "/flashes", "/counts", "/raw")
CHANGES = (
    "/set?name=Ann", "/set?name=Bob", "/set?basket=1", "/forget", "/login/ann", "/login/bob",
    "/out", "/flash",
)  # fmt: skip


def site_of(backend: str) -> Site:
    site = Site(backend)
    manager = LoginManager(site.app)
    manager.user_loader(User)
    app = site.app
    app.post("/login/<name>", endpoint="/login/<name>")(lambda name: str(login_user(User(name))))
    app.post("/out", endpoint="/out")(lambda: str(logout_user()))
    app.post("/flash", endpoint="/flash")(lambda: str(flask.flash("saved")))
    show = flask.render_template_string
    site.page("/plain", lambda: show("plain"))
    site.page("/name", lambda: show("{{ session.name }}"))
    # Flask-Login keeps its books in every session that a template meets, a basket's as well; pages
    # from the store do not.
    site.page("/whole", lambda: str(sorted(set(session) - {"_fresh"})))
    site.page("/theme", lambda: request.cookies.get("theme", "light"))
    site.page("/user", lambda: show("{{ current_user.id or 'nobody' }}"))
    site.page(
        "/stream",
        lambda: flask.stream_with_context(session.get(key, "-") for key in ("name", "basket")),
    )
    site.page("/flashes", lambda: show("{{ get_flashed_messages() }}"))
    site.page("/raw", lambda: str("theme" in request.headers.get("Cookie", "")))

    def counts() -> str:
        session["visits"] = session.get("visits", 0) + 1
        return str(session["visits"])

    site.page("/counts", counts)
    assert current_user is not None
    return site


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", [1, 2])
def test_p11_visitors_get_what_the_bare_app_gives_them(backend: str, seed: int) -> None:
    chosen = random.Random(seed)
    wrapped, bare = site_of(backend), site_of(backend)
    bare.app.wsgi_app = bare.isg.core.application  # type: ignore[method-assign]
    pairs = [(Jar(wrapped), Jar(bare)) for _ in range(5)]
    hits = 0
    for _ in range(STEPS):
        pair = chosen.choice(pairs)
        if chosen.random() < 0.15:
            where = chosen.choice(CHANGES)
            for jar in pair:
                jar.visit(where, "POST")
        elif chosen.random() < 0.03:
            for jar in pair:
                jar.cookies["theme"] = "dark"
        else:
            where = chosen.choice(PAGES)
            got, expected = (jar.visit(where) for jar in pair)
            assert (where, got.text) == (where, expected.text)
            hits += got.cache in ("HIT", "STALE")
        if chosen.random() < 0.02:
            wrapped.clock.tick(61)
            wrapped.later.run()
    assert hits > STEPS / 5
    assert visit(wrapped.app, "/plain").cache in ("HIT", "STALE")
