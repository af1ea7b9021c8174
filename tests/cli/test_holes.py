"""What the command line says of pages with holes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from click.testing import CliRunner
from flask import Flask, session

import isgware.flask
from isgware import hole, holes, page, revalidate
from isgware.cli import main as cli
from isgware.cli.commands import commands

TARGET = "shop_of_the_test:app"


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    before = dict(holes.registered)
    app = Flask("shop")
    app.secret_key = "not a secret"

    @hole("basket")
    def basket() -> str:
        return f"<b>{session.get('items', 0)}</b>"

    @app.get("/both")
    @revalidate(60)
    def both() -> str:
        return page.hole("basket") + page.hole("basket", client=True)

    @app.get("/plain")
    @revalidate(60)
    def plain() -> str:
        return "nobody's"

    @app.get("/<name>")
    @revalidate(60, paths=[])
    def own(name: str) -> str:
        return f"<p>{page.hole('basket', client=True)}{name}</p>"

    @app.post("/fill")
    def fill() -> str:
        session["items"] = 2
        return ""

    module = ModuleType("shop_of_the_test")
    module.app = app  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    isg = isgware.flask.ISG(
        app, store=f"file:{tmp_path}/pages", enabled=True, base_url="http://localhost",
        backend_timeout=30,
    )  # fmt: skip
    yield app
    isg.close(0)
    holes.registered.clear()
    holes.registered.update(before)


@pytest.fixture
def run(app: Flask) -> Any:
    group = commands("isgware", cli.subject, [click.Argument(["target"])])

    def run(command: str, *more: str) -> str:
        result = CliRunner().invoke(group, [command, TARGET, *more])
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


def cookie(app: Flask) -> str:
    visitor = app.test_client()
    visitor.post("/fill")
    found = visitor.get_cookie("session")
    assert found is not None
    return f"session={found.value}"


def line(text: str, begin: str) -> str:
    return next(line for line in text.splitlines() if line.strip().startswith(begin))


def test_why_names_the_holes_that_a_visitor_gets_filled(app: Flask, run: Any) -> None:
    for path in ("/both", "/card"):
        app.test_client().get(path)
    ann = cookie(app)
    assert "holes" not in run("why", "/both").split("reads")[0].split("\n  filled with")[0]
    both = line(run("why", "/both", "--cookie", ann), "holes ")
    assert both.split(maxsplit=1)[1] == "basket, basket (in the browser)"
    card = run("why", "/card", "--cookie", ann)
    assert card.startswith("HIT: GET")
    assert line(card, "holes ").split(maxsplit=1)[1] == "basket (in the browser)"
    stranger = json.loads(run("why", "/card", "--cookie", "_ga=1", "--output", "json"))
    assert (stranger["outcome"], stranger["holes"]) == ("HIT", [])


def test_show_lists_holes_and_what_they_read(app: Flask, run: Any) -> None:
    app.test_client().get("/both")
    text = run("show", "/both")
    assert line(text, "filled with").split(maxsplit=2)[2] == "hole 'basket' (1)"
    assert line(text, "in browsers").split(maxsplit=2)[2] == "hole 'basket' (1)"
    assert "in holes: the session key 'items' (" in text
    assert "in holes of browsers: the session key 'items' (" in text
    (found,) = json.loads(run("show", "/both", "--output", "json"))
    assert found["client_holes"] == ["hole 'basket' (1)"]


def test_routes_and_the_build_table_name_holes(app: Flask, run: Any) -> None:
    built = run("build", "--jobs", "1")
    assert line(built, "○ /both").endswith("holes: basket, basket (in the browser)")
    assert "holes" not in line(built, "○ /plain")
    app.test_client().get("/card")
    routes = run("routes")
    assert line(routes, "○ /both").endswith("holes: basket, basket (in the browser)")
    assert line(routes, "● /<name>").endswith("holes: basket (in the browser)")
    assert "holes" not in line(routes, "○ /plain")
    found = {each["rule"]: each["holes"] for each in json.loads(run("routes", "--output", "json"))}
    assert found["/both"] == ["basket", "basket (in the browser)"]
    assert found["/plain"] == []
