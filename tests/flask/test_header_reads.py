"""Headers that a page varies by as soon as its render has looked at them (Flask)."""

from __future__ import annotations

from typing import Any

import pytest
from flask import request, session

import isgware.flask
from isgware import revalidate
from isgware.core.cache_key import Request
from isgware.flask.recorder import install
from isgware.recording import COOKIES, Recording
from isgware.render_context import Rendering
from isgware.rendering.clean_room import render
from isgware.testing import ManualExecutor

from .kit import app_of, names


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(lambda: request.headers.get("Origin"), ("origin",), id="headers"),
        pytest.param(lambda: request.headers.getlist("Origin"), ("origin",), id="lines"),
        pytest.param(lambda: request.environ.get("HTTP_ORIGIN"), ("origin",), id="environ"),
        pytest.param(lambda: session.get("x"), (), id="the session"),
        pytest.param(lambda: request.headers.get("Accept"), (), id="another header"),
    ],
)
def test_a_look_at_origin_is_told_and_reads_no_cookie(look: Any, expected: Any) -> None:
    app = app_of()
    app.get("/")(lambda: str(look()))
    install(app)
    rendering = Rendering(True, recording=Recording())
    render(app.wsgi_app, Request("http", "localhost", "", "/"), rendering, 1 << 20)
    assert rendering.headers_read == expected
    assert rendering.recording is not None
    assert names(rendering.recording, COOKIES) == set()


@pytest.mark.parametrize(
    "look",
    [
        pytest.param(lambda: request.headers.get("Origin"), id="origin"),
        pytest.param(lambda: request.accept_languages.best_match(["en", "de"]), id="language"),
        pytest.param(lambda: session.get("user"), id="another visitor's session"),
    ],
)
def test_report_mode_takes_no_visitors_own_headers_for_a_difference(look: Any) -> None:
    app, later = app_of(), ManualExecutor()

    @app.get("/")
    @revalidate(60)
    def shown() -> str:
        return f"for {look()}"

    @app.post("/login")
    def login() -> str:
        session["user"] = "ann"
        return ""

    isg = isgware.flask.ISG(app, store="memory:", enabled="report", executor=later)
    for origin, language in (("https://a.test", "de"), ("https://b.test", "en"), ("", "fr")):
        visitor = app.test_client()
        visitor.post("/login")
        for who in (visitor, app.test_client()):
            told = who.get("/", headers={"Origin": origin, "Accept-Language": language})
            assert told.text.startswith("for ")  # the comparison comes after the whole answer
            assert told.headers["X-ISG-Cache"] == "BYPASS"
            later.run_all()
    assert isg.report["same"] >= 1
    assert isg.report["differs"] == 0
