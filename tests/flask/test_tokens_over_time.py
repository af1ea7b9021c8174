"""Tokens of stored pages over time: the first, second and hundredth copy, after the key was changed
and after the session has ended, are taken and refused as those of the bare app."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import flask
from flask import Flask, session
from flask.testing import FlaskClient
from flask_wtf import CSRFProtect
from freezegun import freeze_time

import isgware.flask
from isgware import revalidate

from .backends import SetUp, backend, redis  # noqa: F401  (fixtures)
from .test_csrf import TOKEN

COPIES = (1, 2, 100)


def site(set_up: SetUp) -> Flask:
    app = Flask("comments")
    app.config.update(SECRET_KEY="not a secret", PERMANENT_SESSION_LIFETIME=600)
    set_up(app)
    CSRFProtect(app)

    @app.before_request
    def lasts() -> None:
        session.permanent = True

    @app.get("/page")
    @revalidate(100_000)
    def page() -> str:
        return flask.render_template_string("<input name=csrf_token value='{{ csrf_token() }}'>")

    app.post("/comment", endpoint="comment")(lambda: "done")
    return app


def token(client: FlaskClient) -> str:
    return TOKEN.findall(client.get("/page").text)[0]


def posted(client: FlaskClient, sent: str) -> int:
    return client.post("/comment", data={"csrf_token": sent}).status_code


def what_becomes_of_tokens(app: Flask, now: Any) -> Iterator[object]:
    clients = {}
    for number in range(1, max(COPIES) + 1):
        client = app.test_client()
        found = token(client)
        if number in COPIES:
            clients[client] = found
    for client, own in clients.items():
        yield [posted(client, sent) for sent in clients.values()]
        yield posted(client, own[:-9] + ("A" if own[-9] != "A" else "B") + own[-8:])
    app.config["SECRET_KEY_FALLBACKS"] = [app.secret_key]
    app.secret_key = "another key"
    for client, own in clients.items():
        yield posted(client, own)
        yield posted(client, token(client))
    app.config["SECRET_KEY_FALLBACKS"] = []
    for client in clients:
        clients[client] = token(client)
        yield posted(client, clients[client])
    now.tick(601)
    for client, own in clients.items():
        yield posted(client, own)
        renewed = token(client)
        yield renewed != own, posted(client, renewed), posted(client, own)
    app.secret_key = "a third key"
    for client in clients:
        yield posted(client, token(client))


def test_p12_tokens_are_taken_and_refused_as_by_the_bare_app(backend: SetUp) -> None:  # noqa: F811
    bare, wrapped = site(backend), site(backend)
    isgware.flask.ISG(wrapped, store="memory:", enabled=True)
    told = []
    for app in (bare, wrapped):
        with freeze_time("2026-01-01 12:00:00") as now:
            told.append(list(what_becomes_of_tokens(app, now)))
            last = app.test_client().get("/page")
    assert told[1] == told[0]
    assert told[1][0] == [200, 400, 400]
    assert last.headers["X-ISG-Cache"] == "HIT"
