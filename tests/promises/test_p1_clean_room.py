"""P1: a stored page was rendered from a request that held only what its key covers.

The oracle is non-interference: an app that echoes everything it is told; a strange request, then a
plain one, then the page expires and is rendered again. Every plain request gets what the app says
to it in an ISG that nobody else has ever visited.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings

import isgware
from isgware import ISG, Policy, revalidate
from tests.promises.kit import MARK, Clock, Inline, call, environ_of, visit
from tests.promises.strange import STRANGE, echo, request


@revalidate(60)
def decorated_echo(environ, start_response):
    return echo(environ, start_response)


KINDS = {
    "routes": lambda **options: ISG(echo, routes={"/page": Policy(revalidate=60)}, **options),
    "decorated": lambda **options: ISG(lambda *request: decorated_echo(*request), **options),
    "undeclared": lambda **options: ISG(echo, revalidate=60, **options),
}


def make(kind: str) -> tuple[ISG, Clock]:
    clock = Clock()
    return KINDS[kind](store="memory:", clock=clock, executor=Inline(), compress=False), clock


def plain_visits(isg: ISG, clock: Clock) -> list:
    """Plain visits: first, second, after the page is stale, once it has been rendered again."""
    replies = [visit(isg, "/page"), visit(isg, "/page")]
    clock.tick(61)
    replies += [visit(isg, "/page"), visit(isg, "/page")]
    clock.tick(3e8)  # past expire, too
    return [*replies, visit(isg, "/page"), visit(isg, "/page")]


#: What the app itself says to the plain request, and in the clean room.
OWN = call(echo, environ_of("/page")).body
CLEAN = {
    kind: visit((pair := make(kind))[0], "/page") and visit(pair[0], "/page") for kind in KINDS
}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=100, deadline=None, database=None)
@given(strange=STRANGE)
def test_p1_no_request_changes_what_another_gets(kind, strange):
    isg, clock = make(kind)
    odd = call(isg, request(strange))
    if odd.cache not in ("BYPASS", "") and odd.body:
        assert set(json.loads(odd.body)) == set(json.loads(CLEAN[kind].body))
    for reply in plain_visits(isg, clock):
        assert reply.code == 200
        assert reply.body == (OWN if reply.cache == "BYPASS" else CLEAN[kind].body)
    assert visit(isg, "/page").body == CLEAN[kind].body
    isg.close(0)


@pytest.mark.parametrize("kind", KINDS)
def test_p1_the_clean_room_holds_the_url_and_constants(kind):
    """The whole environ, spelled out: whoever adds to it has to come here."""
    isg, _ = make(kind)
    visit(isg, "/page")
    told = json.loads(visit(isg, "/page", headers={"X-Foo": "1", "User-Agent": "me"}).body)
    assert told == {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/page",
        "QUERY_STRING": "",
        "SERVER_NAME": "site.test",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.1",
        "HTTP_HOST": "site.test",
        "HTTP_ACCEPT_ENCODING": "identity",
        "HTTP_USER_AGENT": f"isgware/{isgware.__version__}",
        "wsgi.url_scheme": "http",
        "body": "",
    }


def comparable(environ):
    return {
        name: value
        for name, value in environ.items()
        if name not in (MARK, "wsgi.input", "wsgi.errors")
    }


def test_p1_foreground_and_background_see_the_same_environ(wrap, clock, later, site):
    isg = wrap(site, routes={"/page": Policy(revalidate=60, vary=["X-Region", "cookie:cur"])})
    request = {"X-Region": "north", "Cookie": "sid=1; cur=EUR", "X-Foo": "1"}
    visit(isg, "/page", "a=1&utm_source=x", headers=request)
    clock.tick(61)
    assert visit(isg, "/page", "a=1&gclid=y", headers=request).cache == "STALE"
    later.run()
    clock.tick(10**9)
    visit(isg, "/page", "a=1", headers=request)
    isg.revalidate_path("/page")
    foreground, background, again = site.asked("/page")
    assert comparable(foreground) == comparable(background) == comparable(again)
    assert foreground["HTTP_X_REGION"] == "north"
    assert foreground["HTTP_COOKIE"] == "cur=EUR"
    assert foreground["QUERY_STRING"] == "a=1"
    assert type(foreground["wsgi.input"].read()) is bytes


def test_p1_each_render_has_an_environ_of_its_own(wrap, clock, site):
    """Frameworks write into it, and servers put sockets there."""
    isg = wrap(site, routes={"/page": Policy(revalidate=60)})
    environ = environ_of("/page", **{"gunicorn.socket": object(), "werkzeug.request": object()})
    call(isg, environ)
    [seen] = site.seen
    assert seen is not environ
    assert not {"gunicorn.socket", "werkzeug.request"} & set(seen)
    assert MARK not in environ


def test_p1_a_fat_get_leaves_its_body_outside(wrap):
    isg = wrap(echo, routes={"/page": Policy(revalidate=60)})
    reply = visit(isg, "/page", body=b"name=fat", CONTENT_TYPE="application/x-www-form-urlencoded")
    assert json.loads(reply.body)["body"] == ""
    assert "CONTENT_LENGTH" not in json.loads(reply.body)
    assert visit(isg, "/page").body == reply.body


@pytest.mark.parametrize(
    "query", ["utm_source=x", "utm_a=1&gclid=2", "fbclid=%00", "_ga=1", "utm_%73=1"]
)
def test_p1_tracking_parameters_are_neither_keyed_nor_shown(wrap, query):
    isg = wrap(echo, routes={"/page": Policy(revalidate=60)})
    assert json.loads(visit(isg, "/page", query).body)["QUERY_STRING"] == ""
    assert visit(isg, "/page").cache == "HIT"
    assert visit(isg, "/page", query).cache == "HIT"


@pytest.mark.parametrize(
    ("one", "other"),
    [("a=1", "a=1;b=2"), ("a=1&b=2", "b=2&a=1"), ("a=1&a=2", "a=2&a=1"), ("a=1%26b=2", "a=1&b=2"),
     ("a=1", "a=1&"), ("a=", "a"), ("a=1;utm_source=x", "a=1"), ("%61=1", "a=1"), ("A=1", "a=1")],
)  # fmt: skip
def test_p1_what_apps_may_tell_apart_has_keys_apart(wrap, one, other):
    isg = wrap(echo, routes={"/page": Policy(revalidate=60)})
    for query in (one, other, one, other):
        assert json.loads(visit(isg, "/page", query).body)["QUERY_STRING"] == query


@pytest.mark.parametrize(
    ("query", "kept"),
    [("id=1&x=2", "id=1"), ("x=2", ""), ("id=1&id=2", "id=1&id=2"), ("i%64=1", "i%64=1"),
     ("x=2&id=1;x=3", "id=1;x=3"), ("ID=1", ""), ("x=1&id", "id")],
)  # fmt: skip
def test_p1_parameters_that_are_not_listed_are_neither_keyed_nor_shown(wrap, query, kept):
    isg = wrap(echo, routes={"/page": Policy(revalidate=60, query=("id",))})
    assert json.loads(visit(isg, "/page", query).body)["QUERY_STRING"] == kept
    assert visit(isg, "/page", kept).cache == "HIT"


def test_p1_no_query_at_all(wrap):
    isg = wrap(echo, routes={"/page": Policy(revalidate=60, query=())})
    assert json.loads(visit(isg, "/page", "a=1").body)["QUERY_STRING"] == ""
    assert visit(isg, "/page", "b=2").cache == "HIT"


def test_p1_a_named_header_is_keyed_by_its_best_value(wrap):
    policy = Policy(revalidate=60, vary={"Accept-Language": ["en", "fr"]})
    isg = wrap(echo, routes={"/page": policy})
    for accepted, shown in (("fr-CH, fr;q=0.9, en;q=0.1", "fr"), ("fr", "fr"), ("de", None)):
        told = json.loads(visit(isg, "/page", headers={"Accept-Language": accepted}).body)
        assert told.get("HTTP_ACCEPT_LANGUAGE") == shown
    assert visit(isg, "/page", headers={"Accept-Language": "fr;q=0.2"}).cache == "HIT"
    assert visit(isg, "/page").cache == "HIT"


ODD_PATHS = [
    "//page",
    "/page//../x",
    "/./page",
    "/pa\rge",
    "/pa\nge",
    "/pa\0ge",
    "/pa\\ge",
    "/\xff",
    "",
    "http://evil.test/page",
    "/" + "a/" * 100,
    "/" + "x" * 9000,
]


@pytest.mark.parametrize("path", ODD_PATHS, ids=repr)
@pytest.mark.parametrize(
    "options",
    [{"routes": {"/<path:p>": Policy(revalidate=60)}}, {"revalidate": 60}],
    ids=["declared", "undeclared"],
)
def test_p1_odd_paths_get_the_apps_own_answer_each_time(wrap, later, site, path, options):
    isg = wrap(site, **options)
    for _ in range(3):
        assert visit(isg, path).cache in ("BYPASS", "")
        later.run()
    assert site.rendered(path) == 0
    assert list(isg.pages()) == []


@pytest.mark.parametrize("path", ["/\u20ac", "/\ud800"], ids=ascii)
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "options",
    [{"routes": {"/<path:p>": Policy(revalidate=60)}}, {"revalidate": 60}],
    ids=["declared", "undeclared"],
)
def test_p1_a_path_that_no_server_should_pass_is_no_error_of_ours(
    wrap, later, site, path, options, method
):
    isg = wrap(site, **options)
    assert visit(isg, path, method=method).code == 200


@pytest.mark.parametrize("host", ["a:80@evil", "a,evil", "", "evil test", "[::1", "a/b", "h\xff"])
def test_p1_odd_hosts_get_the_apps_own_answer_each_time(wrap, later, site, host):
    isg = wrap(site, routes={"/page": Policy(revalidate=60)})
    for _ in range(2):
        assert visit(isg, "/page", host=host).detail == "odd-host"
    assert site.rendered("/page") == 0


@pytest.mark.parametrize("host", ["evil.test", "site.test:81", "site.test.", "[::1]:81"])
def test_p1_a_host_is_part_of_the_key(wrap, host):
    isg = wrap(echo, routes={"/page": Policy(revalidate=60)})
    visit(isg, "/page", host=host)
    assert visit(isg, "/page").cache == "MISS"
    assert json.loads(visit(isg, "/page", host=host).body)["HTTP_HOST"] == host
    assert json.loads(visit(isg, "/page").body)["HTTP_HOST"] == "site.test"


def test_p1_base_url_replaces_every_host_in_key_and_render(wrap):
    isg = wrap(echo, routes={"/page": Policy(revalidate=60)}, base_url="https://www.example.com")
    told = json.loads(visit(isg, "/page", host="evil.test").body)
    assert (told["HTTP_HOST"], told["wsgi.url_scheme"]) == ("www.example.com", "https")
    assert visit(isg, "/page", host="site.test").cache == "HIT"


def test_p1_untrusted_hosts_are_not_kept(wrap, site):
    isg = wrap(site, routes={"/page": Policy(revalidate=60)}, trusted_hosts=["site.test"])
    assert visit(isg, "/page", host="evil.test").detail == "untrusted-host"
    assert site.rendered("/page") == 0
    assert visit(isg, "/page").cache == "MISS"


@pytest.mark.parametrize("name", ["Isgware-Render", "Isgware.Render", "X-ISG-Cache", "isgware"])
def test_p1_no_client_can_pass_for_a_render(wrap, site, name):
    isg = wrap(site, routes={"/page": Policy(revalidate=60)})
    visit(isg, "/page")
    assert visit(isg, "/page", headers={name: "1"}).cache == "HIT"
    assert visit(isg, "/other", headers={name: "1"}).cache == ""
    assert visit(isg, "/page", "a=1", headers={name: "1"}).cache == "MISS"


def test_p1_an_isg_in_the_clean_room_of_another_leaves_the_page_to_it(wrap, site):
    inner = wrap(site, routes={"/page": Policy(revalidate=60)})
    outer = wrap(inner, routes={"/page": Policy(revalidate=60)})
    assert [visit(outer, "/page").cache for _ in range(2)] == ["MISS", "HIT"]
    assert list(inner.pages()) == []
