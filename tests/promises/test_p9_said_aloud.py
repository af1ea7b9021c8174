"""P9: every response says what happened and why; a page that cannot be stored says why, too."""

from __future__ import annotations

import gzip

import pytest

from isgware import Policy
from tests.promises.kit import html, visit

ROUTES = {"/<path:x>": Policy(revalidate=60, expire=600)}


def said(reply) -> tuple[str, str, str]:
    return reply.cache, reply.get("Cache-Status"), reply.get("Age")


def test_p9_the_life_of_a_page_in_headers(wrap, clock, later, site):
    isg = wrap(site, routes=ROUTES)
    assert said(visit(isg, "/p")) == ("MISS", "isgware; fwd=uri-miss; stored; ttl=60", "0")
    assert said(visit(isg, "/p")) == ("HIT", "isgware; hit; ttl=60", "0")
    clock.tick(19)
    assert said(visit(isg, "/p")) == ("HIT", "isgware; hit; ttl=41", "19")
    assert said(visit(isg, "/p")) == ("HIT", "isgware; hit; ttl=41", "19")
    clock.tick(40.9)
    assert said(visit(isg, "/p")) == ("HIT", "isgware; hit; ttl=1", "59")
    clock.tick(0.1)
    assert said(visit(isg, "/p"))[::2] == ("STALE", "60")
    clock.tick(40)
    assert said(visit(isg, "/p")) == ("STALE", "isgware; fwd=stale; ttl=-40", "100")
    later.run()
    assert said(visit(isg, "/p")) == ("HIT", "isgware; hit; ttl=60", "0")
    isg.purge_path("/p")
    assert said(visit(isg, "/p")) == (
        "REVALIDATED", "isgware; fwd=stale; stored; ttl=60; detail=purged", "0"
    )  # fmt: skip
    clock.tick(600)
    assert said(visit(isg, "/p")) == (
        "REVALIDATED", "isgware; fwd=stale; stored; ttl=60; detail=expired", "0"
    )  # fmt: skip


def test_p9_a_page_without_a_lifetime_says_none(wrap, clock, site):
    isg = wrap(site, routes={"/p": Policy(revalidate=False)})
    visit(isg, "/p")
    clock.tick(10_000)
    assert said(visit(isg, "/p")) == ("HIT", "isgware; hit", "10000")


BYPASSES = {
    "revalidate-0": (Policy(revalidate=0), {}, {}),
    "bypass-cookie": (Policy(revalidate=60, bypass=["vip"]), {"headers": {"Cookie": "vip=1"}}, {}),
    "bypass": (Policy(revalidate=60, bypass=lambda request: True), {}, {}),
    "authorization": (Policy(revalidate=60), {"headers": {"Authorization": "Basic x"}}, {}),
    "post": (Policy(revalidate=60), {"method": "POST"}, {}),
    "untrusted-host": (
        Policy(revalidate=60),
        {"host": "evil.test"},
        {"trusted_hosts": ["site.test"]},
    ),
    "odd-host": (Policy(revalidate=60), {"host": "a,b"}, {}),
    "odd-header": (Policy(revalidate=60, vary=["X-A"]), {"headers": {"X-A": "x" * 2000}}, {}),
    "odd-cookie": (
        Policy(revalidate=60, vary=["cookie:a"]),
        {"headers": {"Cookie": "a=" + "x" * 2000}},
        {},
    ),
}


@pytest.mark.parametrize("detail", BYPASSES)
def test_p9_a_bypass_says_why(wrap, site, detail):
    policy, request, options = BYPASSES[detail]
    isg = wrap(site, routes={"/p": policy}, **options)
    reply = visit(isg, "/p", **request)
    forward = "method" if detail == "post" else "bypass"
    assert said(reply) == ("BYPASS", f"isgware; fwd={forward}; detail={detail}", "")


UNSTORABLE = {
    "set-cookie": [("Set-Cookie", "a=b")],
    "private": [("Cache-Control", "private")],
    "no-store": [("Cache-Control", "no-store")],
    "vary-star": [("Vary", "*")],
    "vary-too-wide": [("Vary", ", ".join(f"X-{n}" for n in range(20)))],
    "bad-header": [("X-Odd", "a\nb")],
    "streaming": [("Content-Type", "text/event-stream")],
    "too-big": [("X-Big", "1")],
}


@pytest.mark.parametrize("reason", UNSTORABLE)
def test_p9_a_declared_page_that_cannot_be_stored_says_so_and_the_log_once_per_route(
    wrap, clock, site, reason, caplog
):
    def view(environ):
        status, headers, body = html("x" * (2000 if reason == "too-big" else 1))
        return status, [*headers[1:], *UNSTORABLE[reason]], body

    site.views["*"] = view
    isg = wrap(site, routes=ROUTES, max_page=1000)
    for number in range(3):
        reply = visit(isg, f"/{number}")
        assert (reply.cache, reply.detail) == ("BYPASS", reason)
        clock.tick(100)
        assert visit(isg, f"/{number}").detail == reason
    told = [record for record in caplog.records if "cannot be stored" in record.getMessage()]
    assert len(told) == 1
    message = told[0].getMessage()
    assert reason in message
    assert "/<path:x>" in message
    assert message.rstrip().endswith("."), "it names a remedy"


def test_p9_what_the_app_says_of_itself_in_these_headers_is_replaced(wrap, site):
    site.views["/p"] = lambda environ: html(
        "x",
        ("Age", "77"),
        ("X-ISG-Cache", "evil"),
        ("Cache-Status", "evil"),
        ("Date", "yesterday"),
        ("Connection", "X-Private, close"),
        ("X-Private", "1"),
        ("Keep-Alive", "1"),
        ("Proxy-Authenticate", "x"),
        ("Trailer", "x"),
        ("Upgrade", "x"),
        ("X-Kept", "1"),
    )
    isg = wrap(site, routes=ROUTES)
    for _ in range(2):
        reply = visit(isg, "/p")
        assert {name.lower() for name, _ in reply.headers} == {
            "content-type", "x-kept", "cache-control", "etag", "content-length", "age",
            "x-isg-cache", "cache-status", "x-accel-expires",
        }  # fmt: skip
        assert reply.get("Age") == "0"
        assert "evil" not in reply.get("Cache-Status")


CACHE_CONTROL = [
    (
        Policy(revalidate=60, expire=600),
        "public, max-age=0, s-maxage=60, stale-while-revalidate=540",
    ),
    (Policy(revalidate=60), "public, max-age=0, s-maxage=60, stale-while-revalidate=31535940"),
    (Policy(revalidate=False), "public, max-age=0, s-maxage=60, stale-while-revalidate=31535940"),
    (Policy(revalidate=60, bypass=["vip"]), "private, max-age=0, must-revalidate"),
    (Policy(revalidate=60, bypass=lambda request: False), "private, max-age=0, must-revalidate"),
    (Policy(revalidate=60, vary=["cookie:cur"]), "private, max-age=0, must-revalidate"),
]


@pytest.mark.parametrize(("policy", "expected"), CACHE_CONTROL)
def test_p9_cache_control_says_what_caches_in_front_may_do(wrap, site, policy, expected):
    isg = wrap(site, routes={"/p": policy})
    for _ in range(2):
        assert visit(isg, "/p").get("Cache-Control") == expected


def test_p9_cache_control_of_pages_that_vary_by_cookie_is_private(wrap, site):
    site.views["/p"] = lambda environ: html("x", ("Vary", "Cookie"))
    isg = wrap(site, routes=ROUTES)
    for _ in range(2):
        assert visit(isg, "/p").get("Cache-Control") == "private, max-age=0, must-revalidate"


@pytest.mark.parametrize("own", ["max-age=5", "public", "no-cache", "s-maxage=9, must-revalidate"])
def test_p9_the_views_own_cache_control_stands(wrap, site, own):
    site.views["/p"] = lambda environ: html("x", ("Cache-Control", own))
    isg = wrap(site, routes=ROUTES)
    for _ in range(2):
        assert visit(isg, "/p").get("Cache-Control") == own


def test_p9_downstream_sets_the_window_of_pages_without_a_lifetime(wrap, site):
    isg = wrap(site, routes={"/p": Policy(revalidate=False)}, downstream=5)
    assert "s-maxage=5," in visit(isg, "/p").get("Cache-Control")


def test_p9_a_page_stale_before_its_time_does_not_claim_to_be_fresh_downstream(wrap, site):
    isg = wrap(site, routes={"/p": Policy(revalidate=60, tags=["t"])})
    visit(isg, "/p")
    isg.revalidate_tag("t")
    reply = visit(isg, "/p")
    assert reply.cache == "STALE"
    assert "s-maxage=0" in reply.get("Cache-Control")


def test_p9_each_encoding_has_a_strong_etag_of_its_own_and_vary_says_so(wrap, site):
    site.views["/p"] = lambda environ: html("x" * 5000)
    isg = wrap(site, routes=ROUTES)
    etags = {}
    for _ in range(2):
        for encoding in ("br", "zstd", "gzip", "identity", "*;q=0"):
            reply = visit(isg, "/p", headers={"Accept-Encoding": encoding})
            assert reply.get("Vary") == "Accept-Encoding"
            assert reply.get("Content-Length") == str(len(reply.body))
            assert reply.get("ETag").startswith('"')
            etags[reply.get("Content-Encoding")] = reply.get("ETag")
    assert len(set(etags.values())) == len(etags) == 4
    assert (
        gzip.decompress(visit(isg, "/p", headers={"Accept-Encoding": "gzip"}).body) == b"x" * 5000
    )


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        ("gzip, br", "br"),
        ("gzip;q=1, br;q=0.5", "gzip"),
        ("br;q=0", ""),
        ("*", "br"),
        ("", ""),
        ("identity, *;q=0", ""),
        ("gzip;q=0, *", "br"),
        ("x-gzip", "gzip"),
        ("GZIP", "gzip"),
        ("gzip;q=nonsense", ""),
        ("deflate", ""),
        ("gzip;q=0.001", "gzip"),
        ("identity;q=1, gzip;q=0.9", ""),
    ],
)
def test_p9_the_encoding_is_the_best_that_is_accepted(wrap, site, accept, encoding):
    site.views["/p"] = lambda environ: html("x" * 5000)
    isg = wrap(site, routes=ROUTES)
    for _ in range(2):
        reply = visit(isg, "/p", headers={"Accept-Encoding": accept})
        assert reply.get("Content-Encoding") == encoding


@pytest.mark.parametrize("header", [("Cache-Control", "no-transform"), ("Content-Encoding", "gzip"),
                                    ("Content-Type", "image/png")], ids=lambda h: h[1])  # fmt: skip
def test_p9_what_should_not_be_compressed_is_sent_as_it_is(wrap, site, header):
    site.views["/p"] = lambda environ: (
        "200 OK",
        [("Content-Type", "text/html"), header][-2:] if header[0] != "Content-Type" else [header],
        b"x" * 5000,
    )
    isg = wrap(site, routes=ROUTES)
    reply = visit(isg, "/p", headers={"Accept-Encoding": "br"})
    assert reply.body == b"x" * 5000
    assert "Accept-Encoding" not in reply.get("Vary")


def test_p9_vary_is_what_the_page_depends_on(wrap, site):
    site.views["/p"] = lambda environ: html("x" * 5000, ("Vary", "x-b"), ("vary", "X-C , x-B"))
    isg = wrap(site, routes={"/p": Policy(revalidate=60, vary=["X-A"])})
    for _ in range(2):
        vary = visit(isg, "/p").get("Vary").split(", ")
        assert sorted(name.lower() for name in vary) == ["accept-encoding", "x-a", "x-b", "x-c"]


def test_p9_undeclared_routes_say_nothing(wrap, later, site):
    isg = wrap(site, routes={"/other": Policy(revalidate=60)})
    for _ in range(2):
        reply = visit(isg, "/p")
        assert [name for name, _ in reply.headers] == ["Content-Type"]
        later.run()


def test_p9_debug_logs_a_line_per_decision(wrap, site, caplog):
    caplog.set_level("INFO", "isgware")
    isg = wrap(site, routes={"/p": Policy(revalidate=60)}, debug=True)
    for path in ("/p", "/p", "/other"):
        visit(isg, path)
    lines = [record.getMessage() for record in caplog.records if record.name == "isgware"]
    assert len(lines) == 3
    for line, versions in zip(
        lines, (["MISS"], ["HIT", "key=", "age=0"], ["not declared"]), strict=True
    ):
        assert all(version in line for version in versions), line


def test_p9_a_failing_page_says_so_here_and_in_the_list(wrap, clock, later, site):
    isg = wrap(site, routes=ROUTES)
    visit(isg, "/p")
    site.views["/p"] = lambda environ: 1 / 0
    clock.tick(61)
    visit(isg, "/p")
    later.run()
    reply = visit(isg, "/p")
    assert (reply.cache, reply.detail) == ("STALE", "regeneration-failed")
    [info] = isg.pages()
    assert (info.state, info.failures) == ("failing", 1)
    assert "ZeroDivisionError" in info.last_error


def test_p9_pages_tell_all_about_themselves(wrap, clock, later, site):
    isg = wrap(site, routes={"/p": Policy(revalidate=60, tags=["t"], vary=["X-A"])}, build_id="b1")
    visit(isg, "/p", "q=1", headers={"X-A": "1"})
    clock.tick(5)
    [info] = isg.pages()
    assert (info.path, info.url, info.status, info.state) == (
        "/p", "http://site.test/p?q=1", 200, "fresh")  # fmt: skip
    assert (info.age, info.ttl, info.tags, info.rendered_at) == (5, 55, ("t",), clock.now - 5)
    assert (info.failures, info.last_error, info.build_id) == (0, "", "b1")
    assert info.size == len("/p #1")
    assert info.render_seconds >= 0
    assert info.variant == "x-a=1"
    for prefix, tag, found in (("/p", None, 1), ("/q", None, 0), (None, "t", 1), (None, "u", 0)):
        assert len(list(isg.pages(prefix, tag))) == found
    for state, seconds in (("stale", 60), ("expired", 4e7)):
        clock.tick(seconds)
        assert [info.state for info in isg.pages()] == [state]
    isg.purge_all()
    assert list(isg.pages()) == []
