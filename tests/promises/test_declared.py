"""Declared is what the code says now: neither what a store remembers, nor what a view happens to
call."""

from __future__ import annotations

from typing import Any

import pytest

from isgware import Policy, revalidate
from isgware.core.cache_key import Request
from isgware.policy import policy_of
from isgware.routing.learned_routes import LearnedRoute
from tests.promises.kit import MARK, forget, html, visit


@revalidate(3600, tags=["old"])
def decorated(text: str = "shared") -> str:
    return text


@revalidate(60, tags=["new"])
def otherwise() -> str:
    return "shared otherwise"


def again(isg: Any, later: Any, path: str = "/p", **given: Any) -> list[str]:
    """Labels of three visits, with the background done after each."""
    found = []
    for _ in range(3):
        found.append(visit(isg, path, **given).cache)
        later.run()
    return found


# Frameworks: the URL map, and nothing else.


@pytest.fixture
def flask_app(clock, later):
    flask = pytest.importorskip("flask")
    from isgware.flask import ISG

    app = flask.Flask(__name__)
    made = []

    def wrapped(**options):
        made.append(
            ISG(app, **{"store": "memory:", "clock": clock, "executor": later, "enabled": True,
                        **options})
        )  # fmt: skip
        return made[-1]

    yield app, wrapped
    for isg in made:
        isg.close(0)


def test_a_decorated_function_that_a_flask_view_calls_declares_nothing(flask_app, later):
    app, wrapped = flask_app
    app.add_url_rule("/p", view_func=lambda: decorated("for me"))
    isg = wrapped()
    assert again(isg, later) == ["", "", ""]
    assert list(isg.pages()) == []


def test_nor_does_what_an_older_version_learned_of_it(flask_app, later):
    app, wrapped = flask_app
    app.add_url_rule("/p", view_func=lambda: "mine")
    isg = wrapped(build_id="v1")
    planner, key = (
        isg.core.runtime.engine.planner,
        Request("http", "site.test", "", "/p").base_key("v1"),
    )
    planner.learn(key, LearnedRoute(fingerprint=policy_of(decorated).fingerprint), announce=True)
    assert again(isg, later) == ["", "", ""]


def test_nor_does_it_under_a_default_which_alone_says_for_how_long(flask_app, later, clock):
    app, wrapped = flask_app
    app.add_url_rule("/p", view_func=lambda: decorated())
    isg = wrapped(revalidate=20)
    assert again(isg, later) == ["BYPASS", "HIT", "HIT"]
    [info] = isg.pages()
    assert (info.tags, info.ttl) == ((), 20.0)


def test_nor_for_an_entry_of_routes_which_alone_says_what_holds(flask_app, later):
    app, wrapped = flask_app
    app.add_url_rule("/p", view_func=lambda: decorated())
    isg = wrapped(routes={"/p": Policy(revalidate=20, tags=["t"])})
    assert again(isg, later) == ["MISS", "HIT", "HIT"]
    [info] = isg.pages()
    assert (info.tags, info.ttl) == (("t",), 20.0)


def test_a_declared_view_may_call_another(flask_app, later):
    app, wrapped = flask_app
    app.before_request(lambda: decorated() and None)
    app.add_url_rule("/p", view_func=revalidate(30, tags=["own"])(lambda: decorated()))
    isg = wrapped()
    assert again(isg, later) == ["MISS", "HIT", "HIT"]
    [info] = isg.pages()
    assert (info.tags, info.ttl) == (("own",), 30.0)


@pytest.mark.parametrize("kind", ["flask", "django"])
def test_what_answers_in_place_of_a_declared_view_is_not_stored(
    flask_app, django_project, clock, later, caplog, kind
):
    stands_in = [True]
    if kind == "flask":
        app, wrapped = flask_app
        app.before_request(lambda: "come back later" if stands_in[0] else None)
        app.add_url_rule("/p", view_func=decorated)
        isg = wrapped()
    else:
        from django.http import HttpResponse
        from django.urls import path

        def instead(get_response):
            return lambda request: (
                HttpResponse("come back later") if stands_in[0] else get_response(request)
            )

        globals()["instead"] = instead
        view = revalidate(3600)(lambda request: HttpResponse("shared"))
        isg = django_project(
            [path("p", view)], MIDDLEWARE=[f"{__name__}.instead"], clock=clock, executor=later
        )
    reply = visit(isg, "/p")
    assert (reply.text, reply.cache) == ("come back later", "BYPASS")
    assert reply.detail == "decorator-not-run"
    assert "page.prerendering" in caplog.text
    stands_in[0] = False
    clock.tick(61)
    assert again(isg, later) == ["MISS", "HIT", "HIT"]
    stands_in[0] = True
    isg.revalidate_path("/p")
    visit(isg, "/p")
    later.run()
    reply = visit(isg, "/p")
    assert (reply.text, reply.cache) == ("shared", "STALE")
    assert reply.detail == "regeneration-failed"


class Hosts:
    """A middleware as Django documents it: another host has another URL map."""

    maps: dict[str, Any] = {}

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if request.get_host() in self.maps:
            request.urlconf = self.maps[request.get_host()]
        return self.get_response(request)


@pytest.fixture
def hosts(django_project, clock, later, monkeypatch):
    from django.http import HttpResponse
    from django.urls import path

    seen = []

    @revalidate(3600, tags=["home"])
    def home(request):
        return HttpResponse("home")

    @revalidate(3600, tags=["list"])
    def listed(request):
        return HttpResponse("list")

    def account(request):
        seen.append(MARK in request.META)
        return HttpResponse("account of " + request.headers.get("X-Key", "nobody"))

    api = type("urls", (), {"urlpatterns": [path("", account), path("list", listed)]})
    monkeypatch.setattr(Hosts, "maps", {"api.test": api})

    def make(**options):
        return django_project(
            [path("", home), path("only-here", home)], MIDDLEWARE=[f"{__name__}.Hosts"],
            clock=clock, executor=later, **options,
        )  # fmt: skip

    return make, seen, account


def test_the_url_map_in_force_declares(hosts, later):
    make, seen, _ = hosts
    isg = make()
    assert again(isg, later, "/", host="www.test") == ["MISS", "HIT", "HIT"]
    assert visit(isg, "/list", host="api.test").cache == ""
    isg.core.runtime.passed.clear()  # for some seconds it is known that this request passes
    assert again(isg, later, "/list", host="api.test") == ["MISS", "HIT", "HIT"]
    for key in ("ada", "bob"):
        reply = visit(isg, "/", host="api.test", headers={"X-Key": key})
        assert (reply.text, reply.cache) == (f"account of {key}", "")
    assert again(isg, later, "/only-here", host="api.test") == ["", "", ""]
    assert again(isg, later, "/list", host="www.test") == ["", "", ""]
    assert not any(seen), "what is not declared is not rendered in the clean room"
    assert {info.tags for info in isg.pages()} == {("home",), ("list",)}


def test_a_url_map_that_is_met_in_the_clean_room_first_stores_nothing(hosts, later):
    make, seen, _ = hosts
    isg = make()
    reply = visit(isg, "/", host="api.test", headers={"X-Key": "ada"})
    assert (reply.text, reply.cache) == ("account of ada", "")
    assert seen == [True, False]
    assert again(isg, later, "/list", host="api.test") == ["MISS", "HIT", "HIT"]
    assert again(isg, later, "/", host="www.test") == ["MISS", "HIT", "HIT"]


def test_a_page_of_a_url_map_that_is_not_in_force_any_more_is_withdrawn(
    hosts, later, monkeypatch, clock
):
    make, _, _ = hosts
    isg, maps = make(), Hosts.maps
    monkeypatch.setattr(Hosts, "maps", {})
    assert again(isg, later, "/", host="api.test") == ["MISS", "HIT", "HIT"]
    monkeypatch.setattr(Hosts, "maps", maps)
    clock.tick(3601)
    assert visit(isg, "/", host="api.test").cache == "STALE"
    later.run()
    reply = visit(isg, "/", host="api.test", headers={"X-Key": "ada"})
    assert (reply.text, reply.cache) == ("account of ada", "")
    assert list(isg.pages()) == []


# Plain WSGI: decorators are learned, and unlearned.


def shared(text: str = "shared"):
    return lambda environ: html(decorated(text))


def test_a_decorator_that_does_not_run_is_unlearned_everywhere(wrap, site, later, clock, tmp_path):
    one, two = (wrap(site, store=f"file:{tmp_path}", backend_timeout=30.0) for _ in range(2))
    site.views["/p"] = shared()
    assert again(one, later) == ["BYPASS", "HIT", "HIT"]
    assert again(two, later) == ["BYPASS", "HIT", "HIT"]
    site.views["/p"] = lambda environ: html("of " + environ.get("HTTP_COOKIE", "nobody"))
    clock.tick(3601)
    assert visit(one, "/p").cache == "STALE"
    later.run()
    for isg in (one, two):
        reply = visit(isg, "/p", headers={"Cookie": "ada"})
        assert (reply.text, reply.cache) == ("of ada", "")
    assert list(one.pages()) == []


@pytest.mark.parametrize("status", ["404 Not Found", "302 Found"])
def test_whatever_a_render_answers_in_which_it_does_not_run(wrap, site, later, clock, status):
    isg = wrap(site)
    site.views["/p"] = shared()
    again(isg, later)
    site.views["/p"] = lambda environ: html("no", ("Location", "/q"), status=status)
    isg.purge_path("/p")
    reply = visit(isg, "/p")
    assert (reply.status, reply.cache) == (status, "")
    assert list(isg.pages()) == []


@pytest.mark.parametrize("status", ["500 Broken", "429 Slow Down"])
def test_a_failure_unlearns_nothing(wrap, site, later, clock, status):
    isg = wrap(site)
    site.views["/p"] = shared()
    again(isg, later)
    site.views["/p"] = lambda environ: html("no", status=status)
    clock.tick(3601)
    assert again(isg, later) == ["STALE", "STALE", "STALE"]
    del site.views["/p"]
    site.views["/p"] = shared("new")
    clock.tick(10)
    assert again(isg, later)[-1] == "HIT"


def test_a_decorator_that_runs_for_some_visitors_only_costs_no_render_each(wrap, site, later):
    def view(environ):
        return html("dashboard" if MARK in environ else decorated())

    isg = wrap(site)
    site.views["/p"] = view
    visit(isg, "/p")
    later.run()
    renders = site.rendered("/p")
    for _ in range(5):
        reply = visit(isg, "/p")
        assert (reply.text, reply.cache) == ("shared", "BYPASS")
        later.run()
    assert site.rendered("/p") == renders


def test_another_decorator_takes_the_place_of_the_first(wrap, site, later, clock):
    isg = wrap(site)
    site.views["/p"] = shared()
    again(isg, later)
    site.views["/p"] = lambda environ: html(otherwise())
    isg.purge_tag("old")
    assert again(isg, later) == ["REVALIDATED", "HIT", "HIT"]
    [info] = isg.pages()
    assert (info.tags, info.ttl) == (("new",), 60.0)


def test_decorators_that_take_turns_end_in_the_apps_own_answer(wrap, site, later):
    turn = []

    def view(environ):
        turn.append(1)
        return html(decorated() if len(turn) % 2 else otherwise())

    isg = wrap(site)
    site.views["/p"] = view
    visit(isg, "/p")
    later.run()
    isg.purge_all()
    renders = len(turn)
    assert visit(isg, "/p").cache in ("BYPASS", "REVALIDATED")
    assert len(turn) <= renders + 4


def test_an_entry_of_routes_stays_when_a_decorator_goes(wrap, site, later, clock):
    isg = wrap(site, routes={"/p": Policy(revalidate=20, tags=["t"])})
    site.views["/p"] = shared()
    assert again(isg, later) == ["MISS", "HIT", "HIT"]
    site.views["/p"] = lambda environ: html("undecorated")
    isg.purge_all()
    assert again(isg, later) == ["REVALIDATED", "HIT", "HIT"]
    [info] = isg.pages()
    assert (info.tags, info.ttl) == (("t",), 20.0)


@pytest.mark.parametrize("build_id", ["", "v1"])
def test_what_a_process_before_this_one_learned(wrap, site, later, tmp_path, build_id):
    """Without a build id it may have run other code. With one, it ran the same."""
    options = {"store": f"file:{tmp_path}", "backend_timeout": 30.0, "build_id": build_id}
    site.views["/p"] = shared()
    again(wrap(site, **options), later)
    renders = site.rendered("/p")
    isg = wrap(site, **options)
    assert again(isg, later) == ["HIT" if build_id else "BYPASS", "HIT", "HIT"]
    assert site.rendered("/p") == renders, "the page itself is still good"


@pytest.mark.parametrize("default", [None, 120, False])
def test_pages_of_a_default_that_is_gone_are_no_pages(wrap, site, later, tmp_path, default):
    options = {"store": f"file:{tmp_path}", "backend_timeout": 30.0}
    site.views["/said"] = lambda environ: html("s", ("Cache-Control", "s-maxage=60"))
    before = wrap(site, revalidate=60, **options)
    for path in ("/p", "/said"):
        assert again(before, later, path) == ["BYPASS", "HIT", "HIT"]
    isg = wrap(site, **options, **({} if default is None else {"revalidate": default}))
    reply = visit(isg, "/p")
    assert (reply.text, reply.cache) == ("/p #3", "" if default is None else "BYPASS")
    later.run()
    if default is not None:
        assert again(isg, later) == ["HIT"] * 3
        assert visit(isg, "/p").text == "/p #4", "rendered under the default that there is now"
    else:
        assert again(isg, later, "/said") == ["STALE", "HIT", "HIT"], "its own headers say so"
        forget(isg)
        assert again(isg, later) == ["", "", ""]
