"""What routes are called where they are counted."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from werkzeug.test import Client
from werkzeug.wrappers import Response

from isgware import ISG, Policy, flask, revalidate
from isgware.core.cache_key import Visitor
from isgware.core.series import REQUESTS, parts_of
from isgware.routing.framework import Routes, Site
from isgware.routing.route_names import RouteNames
from tests.promises.kit import Manual


def counted(isg: Any) -> dict[tuple[str, ...], int]:
    """Requests by route, result and reason."""
    runtime = isg.core.runtime
    runtime.counts.flush()
    found = {parts_of(name): int(amount) for _, name, amount in runtime.store.counts(0, 0.0)}
    return {parts[1:]: amount for parts, amount in found.items() if parts[0] == REQUESTS}


def app() -> Flask:
    app = Flask("shop")

    @app.get("/posts/<slug>")
    @revalidate(60)
    def post(slug: str) -> str:
        return slug

    @app.get("/about/")
    def about() -> str:
        return "about"

    @app.get("/listed")
    def listed() -> str:
        return "listed"

    @app.post("/posts/<slug>", endpoint="change")
    def change(slug: str) -> str:
        return "changed"

    return app


@pytest.mark.parametrize("control", ["shared", "full"])
def test_flasks_endpoints_count_declared_or_not(control: str) -> None:
    site = app()
    isg = flask.ISG(
        site, store="memory:", enabled=True, cache_control=control,
        routes={"/listed": Policy(revalidate=60)},
    )  # fmt: skip
    client = Client(site)
    for path in ("/posts/a", "/posts/a", "/about/", "/about/", "/about", "/listed", "/listed"):
        client.get(path)
    client.get("/nowhere")
    client.post("/posts/a")
    client.put("/about/")
    assert counted(isg) == {
        ("post", "miss", ""): 1,
        ("post", "hit", ""): 1,
        ("about", "pass", ""): 3,
        ("listed", "miss", ""): 1,
        ("listed", "hit", ""): 1,
        ("undeclared", "pass", ""): 1,
        ("change", "bypass", "method"): 1,
        ("about", "bypass" if control == "full" else "pass", "method"): 1,
    }
    isg.close(0)


def test_pages_that_nobody_declared_have_their_endpoints_too() -> None:
    site = app()
    later = Manual()
    isg = flask.ISG(site, store="memory:", enabled=True, revalidate=60, executor=later)
    client = Client(site)
    client.get("/about/")
    later.run()
    client.get("/about/")
    assert counted(isg) == {("about", "bypass", "learning"): 1, ("about", "hit", ""): 1}
    assert {route for route, *_ in counted(isg)} == {"about"}
    isg.close(0)


def test_without_a_url_map_a_route_is_its_pattern() -> None:
    isg = ISG(
        Response("page"), store="memory:", enabled=True,
        routes={"/posts/<id>": Policy(revalidate=60)},
    )  # fmt: skip
    client = Client(isg)
    for path in ("/posts/1", "/posts/2", "/else"):
        client.get(path)
    assert counted(isg) == {
        ("/posts/<id>", "miss", ""): 2,
        ("undeclared", "pass", ""): 1,
    }
    isg.close(0)


def test_a_view_whose_decorator_alone_declares_it_is_in_no_map() -> None:
    @revalidate(60)
    def view(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"page"]

    isg = ISG(view, store="memory:", enabled=True)
    for _ in range(2):
        Client(isg).get("/")
    assert {route for route, *_ in counted(isg)} == {"undeclared"}
    isg.close(0)


def test_a_converter_that_fails_is_no_visitors_error() -> None:
    isg = ISG(Response("page"), store="memory:", enabled=True)

    def fails(visitor: Any) -> str:
        raise LookupError("converter")

    isg.runtime.site.endpoint = fails  # type: ignore[method-assign]
    assert Client(isg).get("/").status_code == 200
    assert counted(isg) == {("undeclared", "pass", ""): 1}
    isg.close(0)


def test_names_of_the_one_url_map_end_with_it() -> None:
    """Django learns of a second one from an answer: what was found before may be wrong."""

    class Renamed(Site):
        name = "main"

        def endpoint(self, visitor: Visitor) -> str:
            return self.name

    site = Renamed()
    names = RouteNames(site, Routes({}))

    def found() -> str:
        return names.of(Visitor("GET", "http", "tenant.example", "", "/a", "", {}))

    assert found() == "main"
    site.name, site.several_maps = "tenant", True
    assert found() == "tenant"
