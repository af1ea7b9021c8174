"""Headers that a page varies by as soon as its render has looked at them (Flask)."""

from __future__ import annotations

from typing import Any

import pytest
from flask import request, session

from isgware.core.cache_key import Request
from isgware.flask.recorder import install
from isgware.recording import COOKIES, Recording
from isgware.render_context import Rendering
from isgware.rendering.clean_room import render

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
