"""P12 with Flask-WTF: each visitor gets the stored page with a token of their own session."""

from __future__ import annotations

import re

import flask
import pytest
from cachelib import SimpleCache
from flask import Flask, session
from flask_session import Session
from flask_wtf import CSRFProtect, FlaskForm
from flask_wtf.csrf import generate_csrf
from freezegun import freeze_time
from wtforms import StringField

import isgware.flask
from isgware import revalidate

TOKEN = re.compile(r"[\w-]{50,}\.[\w-]{5,}\.[\w-]{20,}")
FIELDS = (
    """<form>{{ form.hidden_tag() }}</form><meta name=t content="{{ csrf_token() }}">
<script>const token = "{{ csrf_token() }}"</script>"""
    + "<p>text that makes a page of it</p>\n" * 60
)


class Comment(FlaskForm):
    text = StringField()


class Keyed(Comment):
    class Meta:
        csrf_secret = "a key of its own"


def site(template=FIELDS, form=Comment, backend="cookie", **config):
    app = Flask("comments")
    app.config.update(SECRET_KEY="not a secret", **config)
    if backend == "server":
        app.config.update(SESSION_TYPE="cachelib", SESSION_CACHELIB=SimpleCache())
        Session(app)
    CSRFProtect(app)

    @app.get("/page")
    @revalidate(60)
    def page():
        return flask.render_template_string(template, form=form())

    @app.post("/comment")
    def comment():
        return "done"

    @app.post("/theme")
    def theme():
        session["theme"] = "dark"
        return "set"

    isgware.flask.ISG(app, store="memory:", enabled=True)
    return app


def tokens(reply):
    return TOKEN.findall(reply.text)


def post(client, token, path="/comment"):
    return client.post(path, data={"csrf_token": token}).status_code


def label(reply):
    return reply.headers["X-ISG-Cache"]


@pytest.mark.parametrize("backend", ["cookie", "server"])
def test_every_visitors_form_works_and_nobody_elses(backend):
    app = site(backend=backend)
    visitors = [app.test_client() for _ in range(3)]
    replies = [visitor.get("/page") for visitor in visitors]
    assert [label(reply) for reply in replies] == ["MISS", "HIT", "HIT"]
    for visitor, reply in zip(visitors, replies, strict=True):
        assert len(tokens(reply)) == 3
        assert len(set(tokens(reply))) == 1
        for other, theirs in zip(visitors, replies, strict=True):
            assert post(visitor, tokens(theirs)[0]) == (200 if other is visitor else 400)
        again = visitor.get("/page")
        assert label(again) == "HIT"
        assert post(visitor, tokens(again)[0]) == 200
    assert replies[1].headers["Cache-Control"] == "private, no-cache"
    assert "Cookie" in replies[1].headers["Vary"]


def test_the_hundredth_copy_is_as_good_as_the_first():
    app, seen = site(), set()
    for _ in range(100):
        visitor = app.test_client()
        reply = visitor.get("/page")
        seen.add(tokens(reply)[0])
    assert len(seen) == 100
    assert post(visitor, tokens(reply)[0]) == 200


def test_what_else_is_in_the_session_stays_there():
    app = site()
    visitor = app.test_client()
    first = visitor.get("/page")
    assert post(visitor, tokens(first)[0], "/theme") == 200
    reply = visitor.get("/page")
    assert label(reply) == "HIT"
    assert post(visitor, tokens(reply)[0]) == 200
    with visitor.session_transaction() as kept:
        assert set(kept) == {"csrf_token", "theme"}


def test_a_token_expires_and_the_next_copy_has_another():
    app = site()
    with freeze_time("2026-01-01 12:00:00") as now:
        visitor = app.test_client()
        old = visitor.get("/page")
        now.tick(3_601)
        assert post(visitor, tokens(old)[0]) == 400
        new = visitor.get("/page")
        assert label(new) == "STALE"
        assert post(visitor, tokens(new)[0]) == 200


def test_a_new_key_ends_old_sessions_not_the_stored_page():
    app = site()
    visitor = app.test_client()
    old = visitor.get("/page")
    app.secret_key = "another"
    new = visitor.get("/page")
    assert label(new) == "HIT"
    assert post(visitor, tokens(old)[0]) == 400
    assert post(visitor, tokens(new)[0]) == 200


@pytest.mark.parametrize("cookie", ["<script>", "a.b.c", "", "x" * 5_000])
def test_a_tossed_session_cookie_is_as_flask_takes_it(cookie):
    app = site()
    app.test_client().get("/page")
    visitor = app.test_client(use_cookies=False)
    reply = visitor.get("/page", headers={"Cookie": f"session={cookie}"})
    assert label(reply) == "HIT"
    assert len(tokens(reply)) == 3
    assert "session=" in reply.headers["Set-Cookie"]


def test_settings_of_flask_wtf_hold():
    app = site(WTF_CSRF_FIELD_NAME="mine", WTF_CSRF_SECRET_KEY="another")
    visitor = app.test_client()
    app.test_client().get("/page")
    reply = visitor.get("/page")
    assert label(reply) == "HIT"
    assert visitor.post("/comment", data={"mine": tokens(reply)[0]}).status_code == 200


def test_a_form_that_is_merely_built_is_no_token():
    app = site("no form here")
    replies = [app.test_client().get("/page") for _ in range(2)]
    assert [label(reply) for reply in replies] == ["MISS", "HIT"]
    assert "Set-Cookie" not in replies[1].headers
    assert "ETag" in replies[1].headers


@pytest.mark.parametrize(
    ("template", "form"),
    [
        pytest.param(FIELDS, Keyed, id="a key of its own"),
        pytest.param("{{ csrf_token()[:90] }}", Comment, id="cut"),
        pytest.param("{{ csrf_token() }} {{ csrf_token()[:60] }}", Comment, id="once more, cut"),
        pytest.param("{{ csrf_token() }} {{ session.csrf_token }}", Comment, id="what it is of"),
        pytest.param("<input name=csrf_token value=abcdef>", Comment, id="a stranger's"),
    ],
)
def test_a_token_that_is_not_found_keeps_the_page_out_of_the_store(template, form):
    app = site(template, form)
    for _ in range(2):
        reply = app.test_client().get("/page")
        assert label(reply) == "BYPASS"
    assert list(app.extensions["isgware"].pages()) == []


def test_no_token_of_a_clean_room_is_stored_or_served():
    app, made = site(), []
    app.before_request(
        lambda: made.append(generate_csrf()) if flask.request.path == "/page" else None
    )
    replies = [app.test_client().get("/page") for _ in range(3)]
    assert len(made) == 1
    assert not any(made[0] in reply.text for reply in replies)
    [page] = app.extensions["isgware"].core.runtime.memory._pages.pages.values()
    assert made[0].partition(".")[0] not in page.entry.body.decode()


def test_a_token_out_of_the_apps_own_cache_is_found_again():
    app, kept = site("{{ fragment() }}", form=str), {}
    app.add_template_global(
        lambda: kept.get("it") or kept.setdefault("it", f"<b>{generate_csrf()}</b>"), "fragment"
    )
    app.test_client().get("/page")
    app.extensions["isgware"].purge_path("/page")
    visitor, other = app.test_client(), app.test_client()
    for client, cache in ((visitor, "REVALIDATED"), (other, "HIT")):
        reply = client.get("/page")
        assert label(reply) == cache
        assert post(client, tokens(reply)[0]) == 200


@pytest.mark.parametrize("around", ["<b>{}</b>", '<meta name=t content="{}">', "let x='{}'"])
def test_a_visitors_token_out_of_the_apps_own_cache_reaches_nobody(around):
    app, kept = site("{{ fragment()|safe }}"), {}
    app.add_template_global(
        lambda: kept.get("it") or kept.setdefault("it", around.format(generate_csrf())), "fragment"
    )
    app.get("/first", endpoint="first")(lambda: flask.render_template_string("{{ fragment() }}"))
    victim = app.test_client()
    victim.get("/first")
    for _ in range(2):
        reply = app.test_client().get("/page")
        assert label(reply) == "BYPASS"
        assert "token-not-found" in reply.headers["Cache-Status"]
    assert list(app.extensions["isgware"].pages()) == []


def test_an_error_with_a_token_is_made_for_each_visitor():
    app, down = site("{{ csrf_token() }}"), []
    app.before_request(lambda: flask.abort(503) if down and flask.request.path == "/page" else None)
    app.register_error_handler(503, lambda error: (generate_csrf(), 503))
    app.test_client().get("/page")
    down.append(True)
    app.extensions["isgware"].purge_path("/page")
    for _ in range(2):
        visitor = app.test_client()
        reply = visitor.get("/page")
        assert reply.status_code == 503
        assert post(visitor, reply.text) == 200


def test_an_error_with_a_part_of_a_token_is_made_for_each_visitor():
    app, down = site("{{ csrf_token() }}"), []
    app.before_request(lambda: flask.abort(503) if down and flask.request.path == "/page" else None)
    app.register_error_handler(503, lambda error: (generate_csrf()[:20], 503))
    app.test_client().get("/page")
    down.append(True)
    app.extensions["isgware"].purge_path("/page")
    replies = [app.test_client().get("/page") for _ in range(2)]
    assert len({reply.text for reply in replies}) == 2
