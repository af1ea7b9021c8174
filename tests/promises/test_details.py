"""Section 7, detail by detail; and plain HTTP: conditional requests, HEAD, Cache-Control."""

from __future__ import annotations

from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from isgware import (
    ConfigurationError,
    InvalidPath,
    PageInfo,
    Policy,
    RegenerationError,
    page,
    revalidate,
)
from tests.promises.kit import MARK, Gate, Later, Site, eventually, html, visit

ROUTES = {"/<path:x>": Policy(revalidate=60, expire=600, tags=["t"])}


PRECEDENCE = [
    ("view", 30), ("decorator", 40), ("routes", 50), ("response", 70), ("default", 80),
]  # fmt: skip


@pytest.mark.parametrize("first", range(len(PRECEDENCE)), ids=[name for name, _ in PRECEDENCE])
def test_precedence_view_decorator_routes_response_default(wrap, later, first):
    said = dict(PRECEDENCE[first:])

    def view(environ):
        if "view" in said:
            page.revalidate = said["view"]
        headers = [("Cache-Control", f"s-maxage={said['response']}")] if "response" in said else []
        return html("p", *headers)

    if "decorator" in said:
        view = revalidate(said["decorator"])(view)
    options = {}
    if "routes" in said:
        options["routes"] = {"/p": Policy(revalidate=said["routes"])}
    if "default" in said:
        options["revalidate"] = said["default"]
    isg = wrap(Site({"/p": lambda environ: view(environ)}), **options)
    for _ in range(2):
        visit(isg, "/p")
        later.run()
    assert visit(isg, "/p").get("Cache-Status") == f"isgware; hit; ttl={PRECEDENCE[first][1]}"


def test_what_a_view_says_while_it_renders(wrap, clock, later, site):
    def view(environ):
        page.tag("author:7", "author:8")
        page.revalidate, page.expire = 30, 90
        return html(str(page.prerendering))

    site.views["/p"] = view
    isg = wrap(site, routes={"/p": Policy(revalidate=60, tags=["t"])})
    assert visit(isg, "/p").text == "True"
    [info] = isg.pages()
    assert (info.tags, info.ttl) == (("t", "author:7", "author:8"), 30)
    isg.revalidate_tag("author:8")
    assert visit(isg, "/p").cache == "STALE"
    clock.tick(90)
    assert visit(isg, "/p").cache == "REVALIDATED"
    assert visit(isg, "/p", headers={"Authorization": "x"}).text == "False"


def test_tags_are_filled_from_the_url(wrap, site):
    isg = wrap(site, routes={"/posts/<int:id>": Policy(revalidate=60, tags=["posts", "post:{id}"])})
    visit(isg, "/posts/1")
    visit(isg, "/posts/2")
    isg.purge_tag("post:1")
    assert [visit(isg, f"/posts/{n}").cache for n in (1, 2)] == ["REVALIDATED", "HIT"]
    isg.purge_tag("nobody", "posts")
    assert [visit(isg, f"/posts/{n}").cache for n in (1, 2)] == ["REVALIDATED", "REVALIDATED"]


def test_a_tag_that_its_route_cannot_fill_is_an_error_at_once(wrap, site):
    with pytest.raises(ConfigurationError, match="slug"):
        wrap(site, routes={"/posts/<int:id>": Policy(tags=["post:{slug}"])})


def test_a_page_made_under_another_policy_counts_as_stale(wrap, later, site, tmp_path):
    store = f"file:{tmp_path}"
    visit(wrap(site, routes={"/p": Policy(revalidate=3600)}, store=store), "/p")
    changed = wrap(site, routes={"/p": Policy(revalidate=60)}, store=store)
    assert visit(changed, "/p").cache == "STALE"
    later.run()
    assert visit(changed, "/p").get("Cache-Status") == "isgware; hit; ttl=60"


def test_memory_belongs_to_one_instance(wrap, site):
    one, two = wrap(site, routes=ROUTES), wrap(site, routes=ROUTES)
    visit(one, "/p")
    assert visit(two, "/p").cache == "MISS"


@pytest.mark.parametrize(
    "path",
    [
        "p",
        "",
        "//evil",
        "http://evil.test/p",
        "/a/../b",
        "/a\r\nb",
        "/a\\b",
        "/%0d",
        "/%2e%2e/x",
        "/%ff",
        None,
        b"/p",
        "/\0",
    ],
)
@pytest.mark.parametrize("verb", ["purge_path", "revalidate_path", "regenerate"])
def test_a_path_that_is_not_local_is_refused(wrap, site, verb, path):
    isg = wrap(site, routes=ROUTES)
    with pytest.raises(InvalidPath):
        getattr(isg, verb)(path)


@pytest.mark.parametrize("tags", [[""], ["a\nb"], ["x" * 257], [7], []], ids=repr)
@pytest.mark.parametrize("verb", ["purge_tag", "revalidate_tag"])
def test_a_tag_that_is_none_is_refused(wrap, site, verb, tags):
    with pytest.raises(ConfigurationError):
        getattr(wrap(site, routes=ROUTES), verb)(*tags)


def test_regenerate_returns_what_is_then_stored(wrap, clock, site):
    isg = wrap(site, routes=ROUTES, executor=None, base_url="https://www.test")
    info = isg.regenerate("/p")
    assert type(info) is PageInfo
    assert (info.path, info.url, info.state) == ("/p", "https://www.test/p", "fresh")
    assert (visit(isg, "/p").text, visit(isg, "/p").cache) == ("/p #1", "HIT")
    assert [entry.path for entry in isg.pages()] == ["/p"]


def test_regenerate_knows_its_host_from_a_stored_page(wrap, site):
    isg = wrap(site, routes=ROUTES, executor=None)
    visit(isg, "/p", host="other.test")
    assert isg.regenerate("/p").url == "http://other.test/p"
    with pytest.raises(ConfigurationError, match="base_url"):
        isg.regenerate("/unknown")


def test_regenerate_of_what_is_never_stored_says_why(wrap, site):
    site.views["/s"] = lambda environ: html("x", ("Set-Cookie", "a=b"))
    isg = wrap(
        site, routes={"/n": Policy(revalidate=0), **ROUTES}, executor=None, base_url="http://x.test"
    )
    for path, reason in (("/n", "revalidate-0"), ("/s", "set-cookie")):
        with pytest.raises(RegenerationError, match=reason):
            isg.regenerate(path)


def test_regenerate_from_within_its_own_render_is_refused_not_hung(wrap, site):
    caught = []

    def view(environ):
        try:
            isg.regenerate("/p")
        except RegenerationError as error:
            caught.append(error)
        return html("p")

    site.views["/p"] = view
    isg = wrap(site, routes=ROUTES, executor=None)
    Later(lambda: visit(isg, "/p")).result(60)
    assert len(caught) == 1


class Recording(Executor):
    def __init__(self) -> None:
        self.jobs = []

    def submit(self, fn, /, *args, **kwargs):
        from concurrent.futures import Future

        self.jobs.append((fn, args))
        return Future()


def test_executor_takes_any_executor_and_a_process_pool_is_refused(wrap, clock, site):
    with ThreadPoolExecutor(2) as pool:
        isg = wrap(site, routes=ROUTES, executor=pool)
        visit(isg, "/p")
        clock.tick(61)
        visit(isg, "/p")
        eventually(lambda: visit(isg, "/p").cache == "HIT")
    clock.tick(61)
    reply = visit(isg, "/p")  # the executor is shut down
    assert (reply.cache, reply.detail) == ("STALE", "regeneration-dropped")
    with ProcessPoolExecutor(1) as processes, pytest.raises(ConfigurationError, match="executor"):
        wrap(site, executor=processes)
    with pytest.raises(ConfigurationError, match="executor"):
        wrap(site, executor=object())


def test_a_hung_job_of_an_executor_is_given_up_too(wrap, clock, site):
    gate = Gate()
    site.views["/p"] = lambda environ: (
        (gate.pass_through() if len(site.asked("/p")) > 1 else None) or html("p")
    )
    with ThreadPoolExecutor(1) as pool:
        isg = wrap(site, routes=ROUTES, executor=pool, render_timeout=0.1, probe_interval=0.03)
        visit(isg, "/p")
        clock.tick(61)
        visit(isg, "/p")
        gate.wait()
        eventually(lambda: visit(isg, "/p").detail == "regeneration-failed")
        gate.open.set()


def test_purging_needs_no_page(wrap, site):
    isg = wrap(site, routes=ROUTES)
    isg.purge_path("/never")
    isg.revalidate_tag("never")
    isg.purge_all()


# Plain HTTP.


@pytest.mark.parametrize(
    "given", ['"{}"', 'W/"{}"', '"other", "{}"', '"a" , W/"{}","b"', "*", ' "{}" ']
)
def test_a_client_that_has_the_page_gets_304(wrap, clock, later, site, given):
    site.views["/p"] = lambda environ: html("x", ("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT"))
    isg = wrap(site, routes=ROUTES)
    etag = visit(isg, "/p").get("ETag").strip('"')
    headers = {"If-None-Match": given.format(etag)}
    for seconds, label in ((0, "HIT"), (61, "STALE"), (600, "REVALIDATED")):
        clock.tick(seconds)
        for method in ("GET", "HEAD"):
            reply = visit(isg, "/p", method=method, headers=headers)
            assert (reply.status, reply.body) == ("304 Not Modified", b"")
            assert reply.cache in (label, "HIT")
            names = {name.lower() for name, _ in reply.headers}
            assert {"etag", "cache-control", "age", "cache-status"} <= names
            assert not {"content-length", "content-type"} & names


@pytest.mark.parametrize("given", ['"other"', "", "nonsense", 'W/"', '"{}x"', "{}"])
def test_a_client_that_has_another_page_gets_the_page(wrap, site, given):
    isg = wrap(site, routes=ROUTES)
    etag = visit(isg, "/p").get("ETag").strip('"')
    reply = visit(isg, "/p", headers={"If-None-Match": given.format(etag)})
    assert (reply.status, reply.text) == ("200 OK", "/p #1")


def test_if_modified_since_counts_only_alone(wrap, site):
    site.views["/p"] = lambda environ: html("x", ("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT"))
    isg = wrap(site, routes=ROUTES)
    for since, other, code in (
        ("Mon, 01 Jan 2024 00:00:00 GMT", None, 304),
        ("Mon, 01 Jan 2024 00:00:00 GMT", '"x"', 200),
        ("Sun, 31 Dec 2023 23:59:59 GMT", None, 200),
        ("nonsense", None, 200),
    ):
        headers = {"If-Modified-Since": since, **({"If-None-Match": other} if other else {})}
        assert visit(isg, "/p", headers=headers).code == code


def test_the_etag_of_one_encoding_does_not_validate_another(wrap, site):
    site.views["/p"] = lambda environ: html("x" * 5000)
    isg = wrap(site, routes=ROUTES)
    etag = visit(isg, "/p", headers={"Accept-Encoding": "gzip"}).get("ETag")
    assert visit(isg, "/p", headers={"If-None-Match": etag}).code == 200
    assert visit(isg, "/p", headers={"If-None-Match": etag, "Accept-Encoding": "gzip"}).code == 304


def test_the_apps_own_strong_etag_stands_and_a_weak_one_is_replaced(wrap, site):
    site.views["/strong"] = lambda environ: html("x", ("ETag", '"mine"'))
    site.views["/weak"] = lambda environ: html("x", ("ETag", 'W/"mine"'))
    isg = wrap(site, routes=ROUTES)
    assert visit(isg, "/strong").get("ETag") == '"mine"'
    assert visit(isg, "/weak").get("ETag") not in ('W/"mine"', "")


@pytest.mark.parametrize("first", ["GET", "HEAD"])
def test_head_is_answered_from_gets_page(wrap, clock, later, site, first):
    isg = wrap(site, routes=ROUTES)
    visit(isg, "/p", method=first)
    assert site.asked("/p")[0]["REQUEST_METHOD"] == "GET"
    for seconds in (0, 61):
        clock.tick(seconds)
        head, get = (visit(isg, "/p", method=method) for method in ("HEAD", "GET"))
        assert (head.body, get.text) == (b"", "/p #1")
        assert head.headers == get.headers


@pytest.mark.parametrize(
    ("headers", "status", "text"),
    [
        pytest.param({"Range": "bytes=0-1"}, "206 Partial Content", "/p", id="first bytes"),
        pytest.param({"Range": "bytes=-2"}, "206 Partial Content", "#1", id="last bytes"),
        pytest.param({"Range": "bytes=99-"}, "416 Range Not Satisfiable", "", id="beyond the end"),
        pytest.param({"If-Range": '"x"', "Range": "bytes=1-"}, "200 OK", "/p #1", id="If-Range"),
        pytest.param({"Range": "pages=1-"}, "200 OK", "/p #1", id="another unit"),
    ],
)
def test_a_part_of_a_page_may_be_asked_for_and_the_whole_is_stored(
    wrap, site, headers, status, text
):
    isg = wrap(site, routes=ROUTES)
    for _ in range(3):  # rendered for it, from the store, from what is made ready
        reply = visit(isg, "/p", headers=headers)
        assert (reply.status, reply.text) == (status, text)
        assert visit(isg, "/p").text == "/p #1"


CONTROLS = [
    ("shared", "s-maxage=30", 30),
    ("shared", "max-age=30", None),
    ("shared", "S-MaxAge=30", 30),
    ("shared", 's-maxage="30", max-age=5', 30),
    ("shared", "s-maxage=nonsense", None),
    ("shared", "s-maxage=0", None),
    ("shared", "s-maxage=30, s-maxage=99", 30),
    ("ignore", "s-maxage=30", None),
    ("shared", "s-maxage=-1", None),
    ("shared", "s-maxage=1e3", None),
]


@pytest.mark.parametrize(("mode", "said", "ttl"), CONTROLS)
def test_directives_for_shared_caches_make_an_undeclared_page_storable(
    wrap, later, site, mode, said, ttl
):
    site.views["/p"] = lambda environ: html("p", ("Cache-Control", said))
    isg = wrap(site, cache_control=mode)
    for _ in range(2):
        visit(isg, "/p")
        later.run()
    reply = visit(isg, "/p")
    assert (reply.cache, reply.get("Cache-Status")) == (
        ("HIT", f"isgware; hit; ttl={ttl}") if ttl else ("", "")
    )


def test_targeted_fields_go_before_cache_control(wrap, later, site):
    site.views["/p"] = lambda environ: html(
        "p", ("Cache-Control", "s-maxage=1"), ("CDN-Cache-Control", "max-age=2"),
        ("ISG-Cache-Control", "max-age=3"),
    )  # fmt: skip
    isg = wrap(site)
    visit(isg, "/p")
    later.run()
    assert visit(isg, "/p").get("Cache-Status") == "isgware; hit; ttl=3"


def test_environ_of_the_render_is_marked_by_an_object_no_client_can_send(wrap, site):
    isg = wrap(site, routes=ROUTES)
    visit(isg, "/p", headers={"Isgware.Render": "1", "isgware-render": "1"})
    assert not isinstance(site.seen[-1][MARK], str)
