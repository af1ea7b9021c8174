"""`isgware.flask.matched`: the URL of a request is matched once, and Flask finds what it would."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, request, session
from werkzeug.routing import BaseConverter, Map, MapAdapter, Rule
from werkzeug.routing.matcher import StateMachineMatcher
from werkzeug.test import Client

from isgware import revalidate
from isgware.flask import ISG
from isgware.flask.matched import Matched, prepare

from .kit import app_of


@pytest.fixture
def matches(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths that were looked up in a URL map."""
    found: list[str] = []
    match = StateMachineMatcher.match

    def seen(matcher: StateMachineMatcher, domain: str, path: str, *rest: Any) -> Any:
        found.append(path)
        return match(matcher, domain, path, *rest)

    monkeypatch.setattr(StateMachineMatcher, "match", seen)
    return found


def wrapped(app: Flask) -> Client:
    @app.get("/own/<name>", endpoint="own")
    def own(name: str) -> str:
        session["name"] = name
        return f"own {name} by {request.endpoint}"

    ISG(app, store="memory:", enabled=True)
    return Client(app)


@pytest.mark.parametrize("declared", [False, True])
def test_a_request_that_is_passed_on_is_matched_once(matches: list[str], declared: bool) -> None:
    app = app_of()

    def view(number: int) -> str:
        session["n"] = number
        return f"{number} {request.url_rule} {request.view_args}"

    app.add_url_rule("/p/<int:number>", "p", revalidate(60)(view) if declared else view)
    client = wrapped(app)
    for number in range(40):  # the first ones are looked up, and tried
        client.get(f"/p/{number}")
    matches.clear()
    assert client.get("/p/91").text == "91 /p/<int:number> {'number': 91}"
    assert matches == ["/p/91"]


def test_converters_of_the_app_see_the_session(matches: list[str]) -> None:
    class Mine(BaseConverter):
        def to_python(self, value: str) -> str:
            from flask import has_request_context

            return f"{value} {has_request_context()}"

    app = app_of()
    app.url_map.converters["mine"] = Mine
    app.add_url_rule("/m/<mine:value>", "m", lambda value: value)
    client = wrapped(app)
    assert client.get("/m/a").text == "a True"
    assert client.get("/own/b").text == "own b by own"
    assert matches.count("/own/b") == 2


def test_middleware_may_change_the_path() -> None:
    app = app_of()
    inner: Any = app.wsgi_app

    def moves(environ: dict[str, Any], start_response: Any) -> Any:
        environ["PATH_INFO"] = environ["PATH_INFO"].replace("/old/", "/own/")
        return inner(environ, start_response)

    app.wsgi_app = moves  # type: ignore[method-assign]
    app.add_url_rule("/old/<name>", "old", lambda name: "never")
    assert wrapped(app).get("/old/x").text == "own x by own"


def test_methods_are_matched_by_flask() -> None:
    app = app_of()
    app.add_url_rule("/f/<name>", "put", lambda name: "put", methods=["PUT"])
    client = wrapped(app)
    assert client.put("/f/a").text == "put"
    assert client.post("/own/a").status_code == 405


def test_a_view_of_its_own_answers_head() -> None:
    app = app_of()
    app.add_url_rule("/f/<name>", "head", lambda name: ("", {"X-View": "head"}), methods=["HEAD"])
    app.add_url_rule("/f/<name>", "get", lambda name: ("", {"X-View": "get"}))
    client = wrapped(app)
    assert client.head("/f/a").headers["X-View"] == "head"
    assert client.get("/f/a").headers["X-View"] == "get"


def test_the_map_is_asked_for_other_urls() -> None:
    app = app_of()

    @app.get("/asks/<name>")
    def asks(name: str) -> str:
        from flask.globals import request_ctx

        adapter: Any = request_ctx.url_adapter
        return f"{adapter.match('/own/b')} {adapter.match()[1]}"

    client = wrapped(app)
    assert client.get("/asks/a").text == "('own', {'name': 'b'}) {'name': 'a'}"


@pytest.fixture
def known() -> Matched:
    adapter = Map([Rule("/p/<x>", endpoint="p")]).bind("localhost")
    return Matched("/p/a", "/p/a", adapter, adapter.match("/p/a", return_rule=True))


def prepared(known: Matched) -> MapAdapter:
    assert known.adapter is not None
    adapter = known.adapter.map.bind("localhost", path_info=known.text)
    prepare(adapter, known)
    return adapter


def test_a_match_is_flasks_to_change(known: Matched) -> None:
    adapter = prepared(known)
    rule, arguments = adapter.match(return_rule=True)
    arguments.clear()  # type: ignore[attr-defined]
    assert known.found == (rule, {"x": "a"})
    assert type(adapter) is MapAdapter


def test_the_first_question_may_be_another(known: Matched) -> None:
    assert prepared(known).match("/p/b") == ("p", {"x": "b"})
