"""The routes of an app as a build sees them, with what wide patterns of ``routes=`` catch."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

import isgware.flask
from isgware import Policy, revalidate
from isgware.build.build_report import RouteReport
from isgware.build.inventory import inventory


@pytest.fixture
def app() -> Flask:
    app = Flask("site", static_folder=None)
    app.add_url_rule("/login", "login", lambda: "a form")
    app.add_url_rule("/posts/<slug>", "post", revalidate(5)(lambda slug: slug))
    app.add_url_rule("/pages/<name>", "name", lambda name: name)
    app.add_url_rule("/send", "send", lambda: "sent", methods=["POST"])
    return app


def lines(app: Flask, routes: dict[str, Policy], **options: Any) -> dict[str, RouteReport]:
    core = isgware.flask.ISG(app, store="memory:", routes=routes, enabled=True, **options).core
    return {
        known.line.rule: known.line
        for known in inventory(core.runtime.site, core.runtime.engine.planner.routes)
    }


def test_a_route_that_a_wide_pattern_catches_names_it(app: Flask) -> None:
    found = lines(app, {"/<path:page>": Policy(revalidate=600)})
    login = found["/login"]
    assert (login.kind, login.revalidate, login.pattern) == ("static", 600.0, "/<path:page>")
    name = found["/pages/<name>"]
    assert (name.kind, name.revalidate) == ("dynamic", 600.0)
    assert name.reason.startswith("caught by /<path:page> of routes=; takes arguments")
    assert found["/send"].reason == "answers POST only"
    assert found["/<path:page>"].pattern == ""


def test_the_decorator_goes_before_the_pattern(app: Flask) -> None:
    post = lines(app, {"/<path:page>": Policy(revalidate=600)})["/posts/<slug>"]
    assert (post.revalidate, post.pattern) == (5.0, "/<path:page>")


def test_a_pattern_that_catches_some_urls_of_a_route_is_named(app: Flask) -> None:
    found = lines(app, {"/pages/<int:number>": Policy(revalidate=600)})
    name = found["/pages/<name>"]
    assert (name.kind, name.revalidate) == ("dynamic", None)
    assert name.reason == "some of its URLs are caught by /pages/<int:number> of routes="
    assert found["/pages/<int:number>"].revalidate == 600.0


def test_a_pattern_that_was_written_for_a_route_shares_its_line(app: Flask) -> None:
    found = lines(app, {"/pages/<title>": Policy(revalidate=600)})
    assert (found["/pages/<name>"].revalidate, found["/pages/<name>"].pattern) == (600.0, "")
    assert "/pages/<title>" not in found


def test_a_pattern_with_paths_declares_no_more_than_those(app: Flask) -> None:
    wide = Policy(revalidate=600, paths=["/about"], fallback="not-found")
    found = lines(app, {"/<path:page>": wide})
    assert found["/login"].kind == "dynamic"
    assert "whose paths= list the URLs that exist" in found["/login"].reason
    assert found["/<path:page>"].kind == "prerendered"


def test_what_is_caught_is_built_once_and_the_paths_of_the_pattern_on_its_own_line(
    app: Flask,
) -> None:
    app.add_url_rule("/<path:page>", "page", lambda page: page)
    isg = isgware.flask.ISG(
        app, store="memory:", enabled=True, base_url="https://example.com",
        routes={"/<path:page>": Policy(revalidate=600, paths=["/about", "/contact"])},
    )  # fmt: skip
    report = isg.prerender()
    isg.close(0)
    assert report.ok
    built = {line.rule: line.rendered for line in report.routes if line.rendered}
    assert built == {"/login": 1, "/<path:page>": 2}
