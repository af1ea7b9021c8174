"""``cache_control="full"`` around Flask and Django, as they say things in HTTP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, make_response, request, session

from isgware import page
from isgware.flask import ISG
from tests.promises.conftest import django_project as django_project
from tests.promises.kit import Clock, visit

OPTIONS: dict[str, Any] = {"store": "memory:", "cache_control": "full"}


@pytest.fixture
def flask_app(tmp_path: Path) -> Flask:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "a.txt").write_text("0123456789" * 100)
    app = Flask(__name__, static_folder=str(tmp_path / "static"))
    app.secret_key = "s"
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 60
    app.calls = 0  # type: ignore[attr-defined]

    @app.after_request
    def count(response: Any) -> Any:
        app.calls += 1  # type: ignore[attr-defined]
        return response

    @app.get("/said")
    def said() -> Any:
        response = make_response(request.headers.get("Accept-Language", "none"))
        response.cache_control.max_age = 60
        response.vary.add("Accept-Language")
        return response

    @app.get("/session")
    def who() -> Any:
        response = make_response(session.get("name", "nobody"))
        response.cache_control.max_age = 60
        return response

    @app.get("/streamed")
    def streamed() -> Any:
        response = app.response_class(part for part in ("a", "b"))
        response.cache_control.max_age = 60
        return response

    @app.get("/tagged")
    def tagged() -> Any:
        page.tag("news")
        response = make_response("news")
        response.cache_control.max_age = 60
        return response

    return app


def test_files_of_flask(flask_app: Flask) -> None:
    isg = ISG(flask_app, **OPTIONS)
    first = visit(flask_app.wsgi_app, "/static/a.txt")
    again = visit(flask_app.wsgi_app, "/static/a.txt")
    assert (first.cache, again.cache, first.body) == ("MISS", "HIT", again.body)
    assert again.get("ETag") == first.get("ETag")
    part = visit(flask_app.wsgi_app, "/static/a.txt", headers={"Range": "bytes=5-6"})
    assert (part.status, part.text) == ("206 Partial Content", "56")
    known = {"If-None-Match": again.get("ETag")}
    assert visit(flask_app.wsgi_app, "/static/a.txt", headers=known).code == 304
    assert flask_app.calls == 1  # type: ignore[attr-defined]
    isg.close(0)


def test_a_stale_file_is_validated(flask_app: Flask) -> None:
    clock = Clock()
    isg = ISG(flask_app, clock=clock, **OPTIONS)
    visit(flask_app.wsgi_app, "/static/a.txt")
    clock.tick(61)
    reply = visit(flask_app.wsgi_app, "/static/a.txt")
    assert (reply.cache, reply.detail, len(reply.body)) == ("REVALIDATED", "not-modified", 1000)
    assert visit(flask_app.wsgi_app, "/static/a.txt").cache == "HIT"
    isg.close(0)


def test_languages_sessions_and_streams_of_flask(flask_app: Flask) -> None:
    isg = ISG(flask_app, **OPTIONS)
    app = flask_app.wsgi_app
    for language in ("en", "de"):
        headers = {"Accept-Language": language}
        assert visit(app, "/said", headers=headers).cache == "MISS"
        reply = visit(app, "/said", headers=headers)
        assert (reply.cache, reply.text) == ("HIT", language)
    cookie = {"Cookie": "session=eyJuYW1lIjoiQWRhIn0.x"}
    assert visit(app, "/session", headers=cookie).cache == ""
    assert visit(app, "/session").cache == "MISS"
    assert visit(app, "/session").cache == "HIT"
    assert visit(app, "/session", headers=cookie).cache == ""
    assert [visit(app, "/streamed").cache for _ in range(2)] == ["MISS", "HIT"]
    assert [visit(app, "/tagged").cache for _ in range(2)] == ["MISS", "HIT"]
    isg.purge_tag("news")
    assert visit(app, "/tagged").cache == "REVALIDATED"
    isg.close(0)


def test_conditions_and_csrf_of_django(django_project: Callable[..., Any]) -> None:
    from django.http import HttpResponse
    from django.middleware.csrf import get_token
    from django.urls import path
    from django.views.decorators.cache import cache_control

    calls: list[str] = []

    @cache_control(max_age=60)
    def said(request: Any) -> HttpResponse:
        calls.append(request.path)
        return HttpResponse("said")

    @cache_control(max_age=60)
    def form(request: Any) -> HttpResponse:
        return HttpResponse(get_token(request))

    clock = Clock()
    isg = django_project(
        [path("said", said), path("form", form)],
        MIDDLEWARE=[
            "django.middleware.http.ConditionalGetMiddleware",
            "django.middleware.gzip.GZipMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
        ],
        ISGWARE=OPTIONS, clock=clock,
    )  # fmt: skip
    assert [visit(isg, "/said").cache for _ in range(2)] == ["MISS", "HIT"]
    clock.tick(61)
    assert (visit(isg, "/said").detail, len(calls)) == ("not-modified", 2)
    assert visit(isg, "/said").cache == "HIT"
    tokens = {visit(isg, "/form").text for _ in range(3)}
    assert len(tokens) == 3
    isg.close(0)
