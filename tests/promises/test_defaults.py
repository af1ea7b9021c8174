"""``ISG(defaults=Policy(…))``: what declared routes do not say themselves."""

from __future__ import annotations

import flask
import pytest

import isgware.flask
from isgware import ISG, ConfigurationError, Policy, revalidate
from tests.promises.kit import Clock, Manual, visit


def app_of(**options):
    app = flask.Flask("defaults")
    look = lambda: flask.request.args.get("page", "1") + flask.request.args.get("x", "")  # noqa: E731
    app.get("/a", endpoint="a")(revalidate(60)(look))
    app.get("/b", endpoint="b")(revalidate(60, query=["page", "x"])(look))
    app.get("/c", endpoint="c")(lambda: "c")
    app.get("/t/<name>", endpoint="t")(revalidate(60, tags=["t:{name}"])(lambda name: name))
    isgware.flask.ISG(app, store="memory:", clock=Clock(), executor=Manual(), **options)
    return app


def test_defaults_are_for_routes_that_do_not_say_so_themselves():
    app = app_of(defaults=Policy(query=["page"]))
    assert [visit(app, "/a", f"page=2&x={n}").cache for n in range(2)] == ["MISS", "HIT"]
    assert [visit(app, "/b", f"page=2&x={n}").cache for n in range(2)] == ["MISS", "MISS"]


def test_defaults_declare_nothing():
    app = app_of(defaults=Policy(query=["page"], bypass=["vip"]))
    assert [visit(app, "/c").cache for _ in range(2)] == ["", ""]


def test_a_bypass_for_all_routes():
    app = app_of(defaults=Policy(bypass=["vip"]))
    visit(app, "/a")
    assert visit(app, "/a", headers={"Cookie": "vip=1"}).detail == "bypass-cookie"


def test_odd_tags_stay_odd():
    app = app_of(defaults=Policy(query=["page"]))
    assert [visit(app, "/t/" + "x" * 300).detail for _ in range(2)] == ["odd-tag"] * 2


def test_a_decorator_that_was_only_met_has_them_too():
    from werkzeug.wrappers import Request, Response

    @revalidate(60)
    def view(request):
        return Response(request.query_string)

    later = Manual()
    app = ISG(
        Request.application(view), store="memory:", clock=Clock(), executor=later,
        defaults=Policy(query=["page"]),
    )  # fmt: skip
    assert visit(app, "/", "page=1&x=1").detail == "learning"
    later.run()
    reply = visit(app, "/", "page=1&x=2")
    assert (reply.cache, reply.text) == ("HIT", "page=1")


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        (Policy(revalidate=60), "revalidate is said by each route"),
        (Policy(tags=["a"], query=()), "tags is said by each route"),
        (Policy(expire=60), "expire is said by each route"),
        ({"query": []}, "give a Policy"),
    ],
)
def test_other_fields_are_errors_that_say_so(given, remedy):
    with pytest.raises(ConfigurationError, match=remedy):
        ISG(lambda environ, start_response: [], defaults=given)


def test_what_one_policy_does_not_say_comes_from_the_next():
    app = app_of(routes={"/a": Policy(keep_vary=True)})
    assert "keep_vary=True" in str(app.extensions["isgware"].why("/a"))
