"""A page of which a tag cannot be made: a purge by its other tags must not miss it, and a visitor
must not see an error. So it is not stored, and that is said."""

from __future__ import annotations

import pytest
from flask import Flask, request
from werkzeug.wrappers import Response

from isgware import ISG, Policy, page, revalidate
from isgware.flask import ISG as FlaskISG
from tests.promises.kit import html, visit

LONG = "x" * 300


@pytest.fixture
def flask_app(clock, later):
    app = Flask("site")
    yield app
    app.extensions["isgware"].close(0)


@pytest.mark.parametrize("slug", [LONG, "a\u2028b"], ids=["long", "unprintable"])
def test_a_url_that_makes_no_tag_is_not_stored(flask_app, slug):
    runs = []

    @flask_app.get("/posts/<slug>")
    @revalidate(60, tags=["posts", "post:{slug}"])
    def post(slug):
        runs.append(slug)
        return f"<p>{len(runs)}</p>"

    isg = FlaskISG(flask_app, store="memory:")
    path = f"/posts/{slug}".encode().decode("latin-1")
    first, second = visit(flask_app, path), visit(flask_app, path)
    assert (first.cache, first.detail) == (second.cache, second.detail) == ("BYPASS", "odd-tag")
    assert (first.text, second.text) == ("<p>1</p>", "<p>2</p>"), "each their own, one run each"
    assert list(isg.pages()) == []
    assert "odd-tag" in str(isg.why(f"/posts/{slug}" if slug == LONG else "/posts/" + LONG))


@pytest.mark.parametrize(
    "tags", [lambda slug: ["posts", slug * 300], lambda slug: ["posts", 7], lambda slug: 1 / 0]
)
def test_a_callable_that_makes_no_tag_keeps_its_page_out_of_the_store(flask_app, tags, caplog):
    flask_app.get("/posts/<slug>")(revalidate(60, tags=tags)(lambda slug: "<p>a</p>"))
    FlaskISG(flask_app, store="memory:")
    answers = [visit(flask_app, "/posts/a") for _ in range(3)]
    assert {(a.code, a.cache, a.detail) for a in answers} == {(200, "BYPASS", "odd-tag")}
    assert caplog.text.count("Such pages are not stored") == 1


@pytest.mark.parametrize("tag", ["", "a\n", LONG], ids=["empty", "newline", "long"])
def test_what_a_client_makes_of_a_tag_is_no_error(wrap, site, tag):
    def view(environ):
        page.tag("posts", environ["QUERY_STRING"] and tag)
        return html("a" if environ["QUERY_STRING"] else "fine")

    site.views["/p"] = view
    isg = wrap(site, routes={"/p": Policy(revalidate=60)})
    assert visit(isg, "/p", "good=1" if not tag else "").cache in ("MISS", "BYPASS")
    first, second = visit(isg, "/p", "bad=1"), visit(isg, "/p", "bad=1")
    assert (first.code, first.text, first.cache) == (200, "a", "BYPASS")
    assert first.detail == second.detail == "odd-tag"


def test_a_tag_of_a_decorator_that_was_only_met(wrap):
    """Under the plain ISG: its arguments are known only while the view runs."""

    @revalidate(60, tags=["posts", "post:{slug}"])
    def post(slug):
        return Response(f"<p>{slug[:3]}</p>")

    def app(environ, start_response):
        return post(slug=environ["PATH_INFO"][1:])(environ, start_response)

    isg = wrap(app)
    assert [visit(isg, "/" + LONG).cache for _ in range(2)] == ["BYPASS"] * 2
    assert list(isg.pages()) == []


def test_arguments_that_came_by_position_fill_tags(wrap, later):
    @revalidate(60, tags=["post:{slug}"])
    def post(slug):
        return Response(slug)

    def app(environ, start_response):
        return post(environ["PATH_INFO"][1:])(environ, start_response)

    isg = wrap(app)
    visit(isg, "/a")
    later.run()
    assert [info.tags for info in isg.pages()] == [("post:a",)]
    assert visit(isg, "/a").cache == "HIT"
    isg.purge_tag("post:a")
    assert visit(isg, "/a").cache == "REVALIDATED"


def test_arguments_that_a_framework_takes_from_the_view_fill_tags(flask_app):
    @flask_app.url_value_preprocessor
    def take(endpoint, values):
        values.pop("language", None)

    @flask_app.get("/<language>/<slug>")
    @revalidate(60, tags=["{language}:{slug}"])
    def post(slug):
        return slug + request.path

    isg = FlaskISG(flask_app, store="memory:")
    assert visit(flask_app, "/en/a").cache == "MISS"
    assert [info.tags for info in isg.pages()] == [("en:a",)]


def test_a_decorator_that_was_met_takes_the_arguments_of_its_view(wrap):
    """Those of the pattern that declares its route may have other names."""

    @revalidate(60, tags=["post:{slug}"])
    def post(slug):
        return Response(slug)

    def app(environ, start_response):
        return post(slug=environ["PATH_INFO"][3:])(environ, start_response)

    isg: ISG = wrap(app, routes={"/p/<name>": Policy(revalidate=5)})
    assert [visit(isg, "/p/a").cache for _ in range(2)] == ["MISS", "HIT"]
    isg.purge_path("/p/a")
    assert [visit(isg, "/p/a").cache for _ in range(2)] == ["REVALIDATED", "HIT"]
    assert [info.tags for info in isg.pages()] == [("post:a",)]
