"""`isgware.flask.header_reads` beside `isgware.flask.recorder`, in either order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import request, session

from isgware.core.cache_key import Request
from isgware.flask.header_reads import record_headers
from isgware.flask.recorder import install
from isgware.page import Rendering
from isgware.recording import COOKIES, Recording
from isgware.rendering.clean_room import render

from .kit import app_of, names

ORDERS: list[list[Callable[..., Any]]] = [[install, record_headers], [record_headers, install]]


@pytest.mark.parametrize("installs", ORDERS, ids=["after", "before"])
@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(lambda: request.headers.get("Origin"), ("origin",), id="headers"),
        pytest.param(lambda: request.environ.get("HTTP_ORIGIN"), ("origin",), id="environ"),
        pytest.param(lambda: session.get("x"), (), id="the session"),
        pytest.param(lambda: request.headers.get("Accept"), (), id="another header"),
    ],
)
def test_both_record_what_they_are_for(installs: Any, look: Any, expected: Any) -> None:
    app = app_of()
    app.get("/")(lambda: str(look()))
    for install_it in installs:
        install_it(app)
    rendering = Rendering(True, recording=Recording())
    render(app.wsgi_app, Request("http", "localhost", "", "/"), rendering, 1 << 20)
    assert rendering.headers_read == expected
    assert rendering.recording is not None
    assert names(rendering.recording, COOKIES) == set()
