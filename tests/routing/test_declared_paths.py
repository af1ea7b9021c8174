"""What ``paths=`` of a route lists, and what is said about items that are no paths."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, current_app

import isgware.flask
from isgware import ISG, ConfigurationError, Policy
from isgware.flask import FlaskSite
from isgware.render_context import Rendering, current
from isgware.routing.declared_paths import Paths, Unusable
from isgware.routing.framework import Routes, Site


@pytest.fixture
def app() -> Flask:
    app = Flask("shop")
    app.add_url_rule("/", endpoint="home", view_func=lambda: "home")
    app.add_url_rule("/posts/<slug>", endpoint="post", view_func=lambda slug: slug)
    app.add_url_rule("/<int:year>/<int:month>", endpoint="month", view_func=lambda **_: "")
    return app


@pytest.fixture
def paths(app: Flask) -> Paths:
    return Paths(FlaskSite(app), Routes({"/pages/<int:number>": Policy(revalidate=1)}))


def listed(paths: Paths, items: Any, route: str = "post") -> list[Any]:
    return list(paths.listed(route, Policy(revalidate=60, paths=items)))


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        (["/posts/a", "/posts/b?page=2"], ["/posts/a", "/posts/b?page=2"]),
        ([{"slug": "a"}, {"slug": "ü b"}], ["/posts/a", "/posts/%C3%BC%20b"]),
        (lambda: ({"slug": slug} for slug in "ab"), ["/posts/a", "/posts/b"]),
        ([{"slug": "a", "page": 2}], ["/posts/a?page=2"]),
        ([], []),
        (None, []),
    ],
    ids=["paths", "arguments", "generator", "further arguments", "empty", "none"],
)
def test_paths_and_url_arguments(paths: Paths, items: Any, expected: list[str]) -> None:
    assert listed(paths, items) == expected


def test_a_pattern_of_the_option_routes_is_built_too(paths: Paths) -> None:
    assert listed(paths, [{"number": 7}], "/pages/<int:number>") == ["/pages/7"]


@pytest.mark.parametrize(
    ("item", "shown", "reason"),
    [
        ("https://example.com/a", "https://example.com/a", "an absolute URL; give its path alone"),
        ("//example.com/a", "//example.com/a", "an absolute URL; give its path alone"),
        ("posts/a", "posts/a", "is not a local path"),
        ("/posts/../b", "/posts/../b", "is not a plain path"),
        (7, "7", "int is neither a path nor a dict of URL arguments"),
        ({"number": 1}, "{'number': 1}", "No URL of 'post' takes {'number': 1}"),
        ({"slug": "a/b"}, "/posts/a/b", ""),
    ],
    ids=["absolute", "no scheme", "relative", "dots", "number", "arguments", "slash"],
)
def test_what_is_no_path_is_named_and_the_rest_goes_on(
    paths: Paths, item: Any, shown: str, reason: str
) -> None:
    first, *rest = listed(paths, [item, "/posts/b"])
    assert rest == ["/posts/b"]
    if reason:
        assert (first.item, reason in first.reason) == (shown, True), first


def test_an_error_midway_ends_the_list_and_is_its_last_line(paths: Paths) -> None:
    def slugs() -> Iterator[str]:
        yield "/posts/a"
        raise LookupError("the database is asleep")

    assert listed(paths, slugs) == ["/posts/a", Unusable("", "LookupError: the database is asleep")]


def test_an_error_at_once_and_something_else_than_an_iterable(paths: Paths) -> None:
    def broken() -> list[str]:
        raise LookupError("no")

    assert listed(paths, broken) == [Unusable("", "LookupError: no")]
    (found,) = listed(paths, lambda: "/posts/a")
    assert found.reason == "TypeError: paths= gave str, which is no iterable of paths"


def test_what_would_end_the_program_ends_the_list(paths: Paths) -> None:
    """Code of a script that was made ``paths``, say; a view may do the same."""

    def slugs() -> Iterator[str]:
        yield "/posts/a"
        sys.exit("no data")

    assert listed(paths, slugs) == ["/posts/a", Unusable("", "SystemExit: no data")]
    assert listed(paths, lambda: sys.exit(3)) == [Unusable("", "SystemExit: 3")]


def test_paths_are_asked_for_one_by_one(paths: Paths) -> None:
    asked = []

    def slugs() -> Iterator[dict[str, int]]:
        for number in range(1_000_000):
            asked.append(number)
            yield {"slug": number}

    found = paths.listed("post", Policy(paths=slugs))
    assert [next(found), next(found)] == ["/posts/0", "/posts/1"]
    assert asked == [0, 1]


def test_an_iterator_serves_once_and_says_so(paths: Paths) -> None:
    policy = Policy(paths=iter(["/posts/a"]))
    assert list(paths.listed("post", policy)) == ["/posts/a"]
    (found,) = paths.listed("post", policy)
    assert isinstance(found, Unusable)
    assert "used up" in found.reason


def test_paths_run_in_the_app_s_context_and_in_nobody_s_request(app: Flask, paths: Paths) -> None:
    seen = []

    def slugs() -> Iterator[str]:
        seen.append((current_app.name, current.get()))
        yield "/posts/a"

    with app.test_request_context("/"):
        token = current.set(Rendering(True))
        try:
            found = paths.listed("post", Policy(paths=slugs))
            other = paths.listed("post", Policy(paths=["/posts/b"]))
            assert [next(found), next(other)] == ["/posts/a", "/posts/b"]
            assert (list(found), list(other)) == ([], [])
        finally:
            current.reset(token)
    assert seen == [("shop", None)]


def test_url_defaults_of_flask_count(app: Flask, paths: Paths) -> None:
    @app.url_defaults
    def this_month(endpoint: str, values: dict[str, Any]) -> None:
        values.setdefault("month", 7)

    assert listed(paths, [{"year": 2026}], "month") == ["/2026/7"]


def test_the_plain_path_of_a_route_without_arguments(paths: Paths) -> None:
    assert paths.plain("home") == ["/"]
    (found,) = paths.plain("post")
    assert isinstance(found, Unusable)


def test_flask_s_routes_and_where_it_is_mounted(app: Flask) -> None:
    app.add_url_rule("/old", "old", lambda: "", redirect_to="/")
    app.add_url_rule("/<kind>/first", "first", lambda **_: "", defaults={"page": 1})
    app.config["APPLICATION_ROOT"] = "/shop"
    site = FlaskSite(app)
    found = {route.rule: (route.name, set(route.arguments)) for route in site.routes()}
    assert found["/posts/<slug>"] == ("post", {"slug"})
    assert found["/<kind>/first"] == ("first", {"kind"})
    assert "/old" not in found
    assert site.script_name == "/shop"


def test_a_plain_app_has_no_routes_but_the_option_s() -> None:
    site, routes = Site(), Routes({"/a": Policy(), "/b/<x>": Policy()})
    assert list(site.routes()) == []
    assert [(r.name, set(r.arguments)) for r in routes.routes()] == [
        ("/a", set()),
        ("/b/<x>", {"x"}),
    ]
    with pytest.raises(LookupError):
        site.urls("/a", {})


def test_the_planner_knows_the_paths(app: Flask) -> None:
    isg = isgware.flask.ISG(app, store="memory:")
    assert isg.core.runtime.engine.planner.paths.plain("home") == ["/"]
    plain = ISG(app, store="memory:", routes={"/a/<x>": Policy()})
    assert list(plain.runtime.engine.planner.paths.listed("/a/<x>", Policy(paths=[{"x": 1}]))) == [
        "/a/1"
    ]
    with pytest.raises(ConfigurationError):
        Policy(paths="/a")
