"""Paths and hosts as users spell them: the verbs, mounts, redirects, what is listed."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, redirect, request
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.routing import Rule
from werkzeug.test import Client

from isgware import ISG, Policy, RegenerationError, connect, revalidate
from isgware.flask import ISG as FlaskISG
from tests.promises.kit import Inline, Manual, visit

SECRET = "correct horse battery"
VERBS = ["purge_path", "revalidate_path", "regenerate"]


class Prices:
    """A Flask site whose pages say a price."""

    def __init__(self, clock: Any, **options: Any) -> None:
        self.price = 1
        self.app = Flask("prices")
        self.later = Manual()
        given = {"store": "memory:", "enabled": True, "clock": clock, "executor": self.later}
        self.isg = FlaskISG(self.app, **{**given, **options})

        @self.app.get("/p/<name>/")
        @revalidate(3600)
        def product(name: str) -> str:
            return f"{request.script_root}{request.path} costs {self.price}"

        @self.app.post("/hook/<verb>/<path:path>")
        def hook(verb: str, path: str) -> str:
            return repr(getattr(self.isg, verb)(f"/{path}"))

    def mounted(self, at: str = "/shop") -> Client:
        return Client(DispatcherMiddleware(NotFound(), {at: self.app}))

    def raised(self) -> int:
        self.price += 1
        return self.price


@pytest.fixture
def prices(clock: Any) -> Any:
    made: list[Prices] = []

    def make(**options: Any) -> Prices:
        made.append(Prices(clock, **options))
        return made[-1]

    yield make
    for site in made:
        site.isg.close(0)


def shown(client: Client, later: Manual, path: str) -> str:
    """What visitors get when what waits behind this one is done."""
    client.get(path)
    later.run()
    return client.get(path).text


# Slashes.


@pytest.mark.parametrize("spelt", ["/p/a/", "/p/a", "/p/%61", "//p/a"[1:]])
@pytest.mark.parametrize("verb", VERBS)
def test_the_verbs_take_the_spelling_that_flask_redirects_from(prices, verb, spelt):
    site = prices(executor=None) if verb == "regenerate" else prices()
    client = Client(site.app)
    client.get("/p/a/")
    now = site.raised()
    getattr(site.isg, verb)(spelt)
    assert shown(client, site.later, "/p/a/") == f"/p/a/ costs {now}"


def test_a_query_goes_along(prices):
    site = prices()
    client = Client(site.app)
    for query in ("", "?a=1", "?a=2"):
        client.get("/p/a/" + query)
    site.isg.purge_path("/p/a?a=1&utm_source=x")
    found = [client.get("/p/a/" + query).headers["X-ISG-Cache"] for query in ("", "?a=1", "?a=2")]
    assert found == ["HIT", "REVALIDATED", "HIT"]


@pytest.mark.parametrize("verb", ["purge_path", "regenerate"])
def test_a_pattern_of_the_option_routes_says_what_the_app_does(wrap, site, verb):
    isg = wrap(site, routes={"/posts/<slug>/": Policy(revalidate=60)}, executor=Inline())
    visit(isg, "/posts/a/")
    getattr(isg, verb)("/posts/a")
    expected = "REVALIDATED" if verb == "purge_path" else "HIT"
    assert visit(isg, "/posts/a/").cache == expected
    assert site.rendered("/posts/a/") == 2


def test_a_redirect_to_another_host_is_no_spelling(clock):
    app = Flask("site", host_matching=True, static_host="a.test")
    isg = FlaskISG(app, store="memory:", clock=clock, base_url="http://a.test")
    app.get("/x/", host="a.test")(revalidate(60)(lambda: "x"))
    for name, where in (("old", "http://b.test/x/"), ("moved", "/x/")):
        app.url_map.add(Rule(f"/{name}", redirect_to=where, host="a.test", endpoint=name))
    assert isg.core.verbs.names("/old") == ["path:/old"]
    assert isg.core.verbs.names("/moved") == ["path:/moved", "path:/x/"]


# Mounts.


@pytest.mark.parametrize("spelt", ["p/a", "p/a/", "shop/p/a/", "shop/p/a"])
@pytest.mark.parametrize("verb", VERBS)
def test_the_verbs_take_paths_with_and_without_the_mount(prices, verb, spelt):
    site = prices(executor=None) if verb == "regenerate" else prices()
    client = site.mounted()
    client.get("/shop/p/a/")
    now = site.raised()
    assert client.post(f"/shop/hook/{verb}/{spelt}").status_code == 200
    assert shown(client, site.later, "/shop/p/a/") == f"/shop/p/a/ costs {now}"
    assert [info.path for info in site.isg.pages()] == ["/shop/p/a/"]


@pytest.mark.parametrize("mode", ["regenerate", "purge"])
def test_the_endpoint_takes_them_as_well(prices, mode):
    site = prices(secret=SECRET, executor=None)
    client = site.mounted()
    for spelt in ("/p/a", "/shop/p/a/"):
        client.get("/shop/p/a/")
        now = site.raised()
        form = {"path": spelt, "mode": mode, "secret": SECRET}
        answer = client.post(f"/shop/_isg/revalidate?secret={SECRET}", data=form)
        assert answer.status_code == 200, answer.text
        assert client.get("/shop/p/a/").text == f"/shop/p/a/ costs {now}"
    for own in ("/shop/_isg/draft", "/_isg/draft"):
        answer = client.post(f"/shop/_isg/revalidate?secret={SECRET}", data={"path": own})
        assert (answer.status_code, "itself" in answer.text) == (400, True)


def test_what_is_not_stored_is_rendered_where_visitors_reach_it(prices):
    site = prices(executor=None, base_url="http://shop.test")
    site.mounted().post("/shop/hook/regenerate/p/a")
    assert [info.url for info in site.isg.pages()] == ["http://shop.test/shop/p/a/"]


def test_an_app_that_says_its_root_needs_no_request(clock):
    app = Flask("shop")
    app.config["APPLICATION_ROOT"] = "/shop"
    isg = FlaskISG(app, store="memory:", clock=clock, base_url="http://shop.test")
    app.get("/p")(revalidate(60)(lambda: request.script_root))
    try:
        assert isg.regenerate("/p").path == "/shop/p"
        assert isg.regenerate("/shop/p").path == "/shop/p"
        assert len(list(isg.pages())) == 1
    finally:
        isg.close(0)


def test_of_two_mounts_the_one_with_the_page_is_meant(prices):
    site = prices(executor=None)
    client = Client(DispatcherMiddleware(site.app, {"/shop": site.app}))
    client.get("/p/a/")
    now = site.raised()
    client.post("/shop/hook/regenerate/p/a/")
    assert client.get("/p/a/").text == f"/p/a/ costs {now}"


def test_a_path_that_leads_nowhere_is_still_an_error(prices):
    site = prices(executor=None, base_url="http://shop.test")
    with pytest.raises(RegenerationError):
        site.isg.regenerate("/nowhere")


# What is listed.


ODD = ["why?", "100%", "100%25", "*", "a*", "ü", "a\u00a0b", "a#b", "a;b", "a+b", "a&b=c"]


@pytest.mark.parametrize("verb", ["purge_path", "revalidate_path"])
@pytest.mark.parametrize("with_app", [True, False], ids=["app", "connection"])
def test_what_is_listed_can_be_handed_back(wrap, site, tmp_path, verb, with_app):
    store = f"file:{tmp_path / 'store'}"
    policy = Policy(revalidate=False)
    isg = wrap(site, routes={"/b/<slug>": policy}, store=store, base_url="http://h.test")
    urls = ["/b/" + slug.encode().decode("latin-1") for slug in ODD]
    for url in urls:
        assert visit(isg, url).cache == "MISS"
    listed = [info.path for info in isg.pages()]
    assert len(listed) == len(ODD)
    assert {"/b/why%3F", "/b/100%25", "/b/%2A", "/b/ü", "/b/a#b"} <= set(listed)
    with connect(store) as connection:
        for path in listed:
            assert next(isg.pages(prefix=path)).path == path
            getattr(isg if with_app else connection, verb)(path)
    expected = "REVALIDATED" if verb == "purge_path" else "STALE"
    assert {visit(isg, url).cache for url in urls} == {expected}


def test_what_is_listed_can_be_regenerated(wrap, site):
    policy = Policy(revalidate=False)
    isg = wrap(site, routes={"/b/<slug>": policy}, base_url="http://h.test", executor=None)
    visit(isg, "/b/why?")
    assert isg.regenerate(next(isg.pages()).path).path == "/b/why%3F"
    assert site.rendered("/b/why?") == 2


# Hosts.


def hosts(isg: ISG, *names: str) -> list[str]:
    return [visit(isg, "/page", host=name).cache for name in names]


def test_one_origin_has_one_page(wrap, site):
    isg = wrap(site, routes={"/page": Policy(revalidate=60)})
    assert hosts(isg, "Site.Test:80", "site.test", "SITE.TEST", "site.test:80") == [
        "MISS", "HIT", "HIT", "HIT",
    ]  # fmt: skip
    assert hosts(isg, "site.test:8080", "site.test:443") == ["MISS", "MISS"]
    assert {info.url for info in isg.pages()} == {
        "http://site.test/page", "http://site.test:8080/page", "http://site.test:443/page",
    }  # fmt: skip


@pytest.mark.parametrize("host", ["site.test:80", "SITE.test"])
def test_regenerate_within_a_request_renews_the_page_of_the_origin(clock, host):
    app, count = Flask("site"), [0]
    isg = FlaskISG(app, store="memory:", clock=clock)

    @app.get("/page")
    @revalidate(3600)
    def page() -> str:
        count[0] += 1
        return str(count[0])

    app.post("/hook")(lambda: isg.regenerate("/page").url)
    client = Client(app)
    try:
        client.get("/page", base_url="http://site.test/")
        again = client.post("/hook", environ_overrides={"HTTP_HOST": host})
        assert again.text == "http://site.test/page"
        assert client.get("/page", base_url="http://site.test/").text == "2"
    finally:
        isg.close(0)


def test_ports_of_trusted_hosts(wrap, site):
    trusted = ["site.test", "localhost:5000"]
    isg = wrap(site, routes={"/page": Policy(revalidate=60)}, trusted_hosts=trusted)
    known = ("site.test", "SITE.test:80", "localhost:5000")
    assert hosts(isg, *known) == ["MISS", "HIT", "MISS"]
    assert hosts(isg, "site.test:8000", "localhost", "localhost:5001") == ["BYPASS"] * 3
    assert visit(isg, "/page", host="site.test:8000").detail == "untrusted-host"


@pytest.mark.parametrize("given", ["https://SITE.test:443", "https://site.test/"])
def test_base_url_may_be_spelt_otherwise(wrap, site, given):
    isg = wrap(site, routes={"/page": Policy(revalidate=60)}, base_url=given)
    assert visit(isg, "/page").cache == "MISS"
    assert [info.url for info in isg.pages()] == ["https://site.test/page"]


def test_the_shared_cache_keeps_what_was_asked_for_by_the_usual_spelling(wrap, site):
    site.views["/page"] = lambda environ: (
        "200 OK",
        [("Cache-Control", "max-age=60"), ("Content-Length", "1")],
        b"x",
    )
    isg = wrap(site, cache_control="full", trusted_hosts=["site.test"])
    assert hosts(isg, "SITE.test:80", "site.test") == ["", "MISS"]
    assert hosts(isg, "site.test", "SITE.test:80") == ["HIT", ""]
    assert hosts(isg, "site.test:81", "site.test:81") == ["", ""]


# Redirects and tracking.


@pytest.fixture
def moved(clock: Any) -> Any:
    app = Flask("site")
    isg = FlaskISG(app, store="memory:", clock=clock, enabled=True, executor=Manual())

    @app.get("/old")
    @revalidate(3600)
    def old() -> Any:
        query = request.query_string.decode()
        return redirect("/new" + ("?" + query if query else ""), 301)

    yield Client(app)
    isg.close(0)


def test_each_visitor_s_tracking_parameters_arrive(moved: Client) -> None:
    told = []
    for query in ("utm_source=a", "utm_source=a", "utm_source=b", "", "", "gclid=1"):
        answer = moved.get("/old?" + query)
        told.append((answer.headers["X-ISG-Cache"], answer.headers["Location"]))
    assert told == [
        ("MISS", "/new?utm_source=a"), ("HIT", "/new?utm_source=a"), ("HIT", "/new?utm_source=b"),
        ("HIT", "/new"), ("HIT", "/new"), ("HIT", "/new?gclid=1"),
    ]  # fmt: skip
    assert moved.head("/old?gclid=1").headers["Location"] == "/new?gclid=1"


def test_a_stale_redirect_too(moved: Client, clock: Any) -> None:
    moved.get("/old")
    clock.tick(4000)
    for _ in range(2):
        answer = moved.get("/old?utm_source=a")
        assert answer.headers["X-ISG-Cache"] == "STALE"
        assert answer.headers["Location"] == "/new?utm_source=a"
