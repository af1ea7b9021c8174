"""The failure table: what a visitor gets, and what becomes of the stored page."""

from __future__ import annotations

from itertools import pairwise

import pytest

from isgware import Policy, RegenerationError, page
from tests.promises.faults import FaultyBackend
from tests.promises.kit import MARK, Site, environ_of, forget, html, visit

ROUTES = {"/<path:x>": Policy(revalidate=60, expire=600)}


def broken(environ):
    raise LookupError("boom")


def endless_and_private(environ):
    page.no_store()
    return "200 OK", [("Content-Type", "text/event-stream")], b"data: 1\n\n"


#: Renders that fail: the old page stays.
BAD = {
    "raises": broken,
    "500-private": lambda environ: html("no", ("Cache-Control", "private"), status="500 Broken"),
    "429-cookie": lambda environ: html("no", ("Set-Cookie", "a=b"), status="429 Slow Down"),
    "500": lambda environ: html("no", status="500 Broken"),
    "503": lambda environ: html("no", status="503 Away"),
    "empty": lambda environ: html(""),
    "204": lambda environ: html("", status="204 No Content"),
    "206": lambda environ: html("n", status="206 Partial Content"),
    "304": lambda environ: html("", status="304 Not Modified"),
    "400": lambda environ: html("no", status="400 Bad Request"),
    "429": lambda environ: html("no", status="429 Slow Down"),
    "too-big": lambda environ: html("x" * 20_000),
    "stream": lambda environ: ("200 OK", [("Content-Type", "text/event-stream")], b"data: 1\n\n"),
    "short": lambda environ: html("no", ("Content-Length", "99")),
    "long": lambda environ: html("no", ("Content-Length", "1")),
    "other-origin": lambda environ: html(
        "", ("Location", "https://site.test/p"), status="301 Moved"
    ),
    "itself": lambda environ: html("", ("Location", "/p"), status="302 Found"),
    "bad-status": lambda environ: html("no", status="200"[:2]),
    "bad-header": lambda environ: html("no", ("X-Odd", "a\0b")),
}
#: Renders that say, whatever else is wrong with them, that the page is not for everybody.
NOT_FOR_EVERYBODY = {
    "set-cookie": lambda environ: html("no", ("Set-Cookie", "a=b")),
    "private": lambda environ: html("no", ("Cache-Control", "private")),
    "no-store": lambda environ: html("no", ("Cache-Control", "no-store")),
    "vary-star": lambda environ: html("no", ("Vary", "*")),
    **{
        f"status-{code}": lambda environ, code=code: html("no", status=f"{code} No")
        for code in (401, 402, 403, 407, 451)
    },
    "404-no-store": lambda environ: (page.no_store(), html("no", status="404 Not Found"))[1],
    "302-cookie": lambda environ: html(
        "no", ("Set-Cookie", "a=b"), ("Location", "/login"), status="302 Found"
    ),
    "no-store-said": lambda environ: (page.no_store(), html("no"))[1],
    "revalidate-0-said": lambda environ: (setattr(page, "revalidate", 0), html("no"))[1],
    "revalidate-0-and-empty": lambda environ: (setattr(page, "revalidate", 0), html(""))[1],
    "private-and-too-big": lambda environ: html("no" * 10_000, ("Cache-Control", "private")),
    "private-and-bad-header": lambda environ: html(
        "no", ("Cache-Control", "private"), ("X-Odd", "a\0b")
    ),
    "no-store-and-odd-tag": lambda environ: (page.no_store(), page.tag(""), html("no"))[2],
    "no-store-and-streaming": endless_and_private,
}


@pytest.fixture
def old(wrap, site):
    """An ISG whose page /p is stored, as "/p #1"."""
    isg = wrap(site, routes=ROUTES, max_page=10_000)
    visit(isg, "/p")
    return isg


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_background_render_keeps_the_old_page(old, clock, later, site, bad):
    site.views["/p"] = BAD[bad]
    clock.tick(61)
    assert (visit(old, "/p").text, visit(old, "/p").cache) == ("/p #1", "STALE")
    later.run()
    reply = visit(old, "/p")
    assert (reply.text, reply.cache, reply.detail) == ("/p #1", "STALE", "regeneration-failed")
    clock.tick(1.2)
    del site.views["/p"]
    visit(old, "/p")
    later.run()
    assert visit(old, "/p").cache == "HIT"


@pytest.mark.parametrize("bad", BAD)
def test_past_expire_one_tries_and_the_old_page_stands_in(old, clock, later, site, bad):
    site.views["/p"] = BAD[bad]
    clock.tick(601)
    renders = site.rendered("/p")
    for _ in range(3):
        reply = visit(old, "/p")
        assert (reply.text, reply.cache, reply.detail) == ("/p #1", "STALE", "stale-if-error")
        later.run()
    assert site.rendered("/p") == renders + 1
    del site.views["/p"]
    clock.tick(1.2)
    assert visit(old, "/p").cache == "REVALIDATED"


@pytest.mark.parametrize("said", NOT_FOR_EVERYBODY)
def test_a_background_render_that_is_not_for_everybody_withdraws_the_page(
    old, clock, later, site, said
):
    site.views["/p"] = NOT_FOR_EVERYBODY[said]
    clock.tick(61)
    assert (visit(old, "/p").text, visit(old, "/p").cache) == ("/p #1", "STALE")
    later.run()
    renders = site.rendered("/p")
    for number in range(3):
        reply = visit(old, "/p", headers={"Cookie": f"who={number}"})
        assert ("/p #1" in reply.text, reply.cache) == (False, "BYPASS")
        later.run()
    assert site.rendered("/p") == renders, "they got their own answers, and no other was made"
    assert list(old.pages()) == []
    clock.tick(61)
    del site.views["/p"]
    assert [visit(old, "/p").cache for _ in range(2)] == ["MISS", "HIT"]


@pytest.mark.parametrize("said", NOT_FOR_EVERYBODY)
def test_past_expire_a_page_that_is_not_for_everybody_does_not_stand_in(old, clock, site, said):
    site.views["/p"] = NOT_FOR_EVERYBODY[said]
    clock.tick(601)
    assert ("/p #1" in (reply := visit(old, "/p")).text, reply.cache) == (False, "BYPASS")
    assert list(old.pages()) == []


@pytest.mark.parametrize("said", ["private", "no-store-said"])
def test_a_withdrawal_ends_the_back_off_of_earlier_failures(old, clock, later, site, said):
    clock.tick(61)
    for bad in (broken, NOT_FOR_EVERYBODY[said]):
        site.views["/p"] = bad
        visit(old, "/p")
        later.run()
        clock.tick(1.2)
    assert visit(old, "/p").detail == ("private" if said == "private" else "no-store")
    assert len(old.runtime.engine.outcomes.failures) == 0


def test_regenerate_withdraws_what_is_not_for_everybody(wrap, site, clock):
    isg = wrap(site, routes=ROUTES, executor=None, base_url="http://site.test")
    visit(isg, "/p")
    site.views["/p"] = NOT_FOR_EVERYBODY["private"]
    with pytest.raises(RegenerationError, match=r"private.*withdrawn"):
        isg.regenerate("/p")
    assert (visit(isg, "/p").cache, list(isg.pages())) == ("BYPASS", [])


@pytest.mark.parametrize("bad", [*BAD, *NOT_FOR_EVERYBODY])
def test_a_purged_page_never_stands_in(old, clock, later, site, bad):
    site.views["/p"] = {**BAD, **NOT_FOR_EVERYBODY}[bad]
    old.purge_path("/p")
    for _ in range(3):
        if bad == "raises":
            with pytest.raises(LookupError):
                visit(old, "/p")
        else:
            assert "/p #1" not in visit(old, "/p").text
        clock.tick(61)


@pytest.mark.parametrize("bad", ["raises", "500", "empty"])
def test_back_off_is_one_second_doubling(old, clock, later, site, bad):
    site.views["/p"] = BAD[bad]
    clock.tick(61)
    moments = []
    start, renders = clock.now, site.rendered("/p")
    while clock.now < start + 70:
        visit(old, "/p")
        later.run()
        if site.rendered("/p") > renders:
            renders = site.rendered("/p")
            moments.append(clock.now - start)
        clock.tick(0.1)
    gaps = [round(b - a, 1) for a, b in pairwise(moments)]
    assert len(gaps) >= 5
    for gap, least in zip(gaps, [1, 2, 4, 8, 16], strict=False):
        assert least <= gap <= least * 1.1 + 0.2


@pytest.mark.parametrize(("revalidate", "longest"), [(5, 5), (3600, 300), (False, 300)])
def test_back_off_ends_at_the_pages_own_lifetime_or_five_minutes(
    wrap, clock, later, site, revalidate, longest
):
    isg = wrap(site, routes={"/p": Policy(revalidate=revalidate, expire=10**6)})
    visit(isg, "/p")
    site.views["/p"] = broken
    isg.revalidate_path("/p")
    for _ in range(15):
        visit(isg, "/p")
        later.run()
        clock.tick(400)
    visit(isg, "/p")
    later.run()
    renders = site.rendered("/p")
    clock.tick(longest * 0.99)
    visit(isg, "/p")
    assert later.run() == 0
    clock.tick(longest * 0.12)
    visit(isg, "/p")
    later.run()
    assert site.rendered("/p") == renders + 1


def test_back_off_is_per_page(old, clock, later, site):
    visit(old, "/q")
    site.views["/p"] = broken
    clock.tick(61)
    visit(old, "/p")
    later.run()
    visit(old, "/q")
    later.run()
    assert visit(old, "/q").text == "/q #2"


def test_after_a_success_the_back_off_starts_anew(old, clock, later, site):
    for _ in range(2):
        site.views["/p"] = broken
        clock.tick(61)
        for seconds in (0, 1.2, 2.3):
            clock.tick(seconds)
            visit(old, "/p")
            later.run()
        del site.views["/p"]
        clock.tick(5)
        visit(old, "/p")
        later.run()
        assert visit(old, "/p").cache == "HIT"


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone"])
def test_unpublishing_replaces_the_page_across_restarts_too(
    wrap, clock, later, site, tmp_path, status
):
    store = f"file:{tmp_path}"
    isg = wrap(site, routes=ROUTES, store=store, backend_timeout=30.0)
    visit(isg, "/p")
    site.views["/p"] = lambda environ: html("gone", status=status)
    clock.tick(61)
    visit(isg, "/p")
    later.run()
    assert (visit(isg, "/p").status, visit(isg, "/p").cache) == (status, "HIT")
    restarted = wrap(Site({"/p": broken}), routes=ROUTES, store=store, backend_timeout=30.0)
    assert (visit(restarted, "/p").status, visit(restarted, "/p").cache) == (status, "HIT")
    clock.tick(400)  # long after it was fresh: the tombstone stands, the old page does not return
    for _ in range(2):
        assert visit(restarted, "/p").text == "gone"
        later.run()
    clock.tick(10)
    del site.views["/p"]
    visit(isg, "/p")
    later.run()
    assert visit(isg, "/p").code == 200


def test_a_first_404_is_kept_for_ten_seconds(wrap, clock, later, site):
    site.views["/p"] = lambda environ: html("no", status="404 Not Found")
    isg = wrap(site, routes=ROUTES)
    assert [visit(isg, "/p").cache for _ in range(2)] == ["MISS", "HIT"]
    clock.tick(9.9)
    assert visit(isg, "/p").cache == "HIT"
    clock.tick(0.2)
    del site.views["/p"]
    assert visit(isg, "/p").text == "/p #2"


def test_a_redirect_to_another_scheme_or_host_names_base_url(wrap, clock, later, site, caplog):
    site.views["*"] = lambda environ: (
        html("", ("Location", "https://www.site.test" + environ["PATH_INFO"]), status="301 Moved")
        if MARK in environ else html("own")
    )  # fmt: skip
    isg = wrap(site, routes=ROUTES)
    for _ in range(3):
        reply = visit(isg, "/p")
        assert (reply.text, reply.detail) == ("own", "redirect-to-other-origin")
    assert "base_url" in caplog.text
    assert list(isg.pages()) == []


PATHS = [
    "/p",
    "/a;b",
    "/a=b",
    "/a,b",
    "/a'b",
    "/a(b)",
    "/a:b",
    "/a@b",
    "/a b",
    "/caf\xc3\xa9",
    "/a%b",
    "/a+b",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("spelling", ["little", "much", "lower", "query"])
def test_a_redirect_to_the_same_url_is_refused_however_it_is_spelled(wrap, site, path, spelling):
    from urllib.parse import quote

    def view(environ):
        raw = environ["PATH_INFO"].encode("latin-1")
        quoted = quote(raw, safe="/:@&+$,-_.!~*'()" if spelling == "little" else "/")
        location = "https://site.test" + (quoted.lower() if spelling == "lower" else quoted)
        if spelling == "query":
            location += "?" + environ["QUERY_STRING"].replace("%20", "+")
        return html("", ("Location", location), status="301 Moved")

    site.views["*"] = view
    isg = wrap(site, routes=ROUTES)
    assert visit(isg, path, "q=a%20b" if spelling == "query" else "").cache == "BYPASS"
    assert list(isg.pages()) == []


def test_other_redirects_are_stored(wrap, site):
    site.views["/p"] = lambda environ: html("", ("Location", "/p/"), status="308 Moved")
    isg = wrap(site, routes=ROUTES)
    assert [visit(isg, "/p").cache for _ in range(2)] == ["MISS", "HIT"]
    assert visit(isg, "/p").get("Location") == "/p/"


def test_accept_sees_both_pages_whole_and_its_word_counts(wrap, clock, later, site):
    seen = []

    def accept(old, new):
        seen.append((old, new))
        return b"good" in new.body

    bodies = iter([b"good one " * 100, b"bad", b"good two"])
    site.views["/p"] = lambda environ: html(next(bodies), ("X-Name", "value"))
    isg = wrap(site, routes={"/p": Policy(revalidate=60, accept=accept)})
    visit(isg, "/p")
    assert seen == []
    clock.tick(61)
    visit(isg, "/p")
    later.run()
    [(old, new)] = seen
    assert (old.status, old.body, old.headers["x-name"]) == (200, b"good one " * 100, "value")
    assert (new.status, new.body) == (200, b"bad")
    assert visit(isg, "/p").detail == "regeneration-failed"
    clock.tick(2)
    visit(isg, "/p")
    later.run()
    assert visit(isg, "/p").body == b"good two"


def test_accept_that_raises_refuses(wrap, clock, later, site, caplog):
    isg = wrap(site, routes={"/p": Policy(revalidate=60, accept=lambda old, new: new.nothing)})
    visit(isg, "/p")
    clock.tick(61)
    visit(isg, "/p")
    later.run()
    assert visit(isg, "/p").text == "/p #1"
    assert "accept=" in caplog.text


def test_an_empty_page_is_kept_where_nothing_was(wrap, site):
    site.views["/p"] = lambda environ: html("")
    isg = wrap(site, routes=ROUTES)
    assert [visit(isg, "/p").cache for _ in range(2)] == ["MISS", "HIT"]


@pytest.mark.parametrize("fails", [None, "write_note"], ids=["lost", "lost-and-not-taken"])
@pytest.mark.parametrize("first", ["fr", ""], ids=["who-sends-it", "who-does-not"])
def test_what_was_learned_may_be_forgotten_before_the_page_is(wrap, clock, later, first, fails):
    """Notes are bounded. Each page says once more by what it varies."""
    site, store = Site(), FaultyBackend()
    site.views["/p"] = lambda environ: html(environ.get("HTTP_X_A", "none"), ("Vary", "X-A"))
    isg = wrap(site, routes={"/p": Policy(revalidate=60)}, store=store)

    def look(value: str) -> str:
        reply = visit(isg, "/p", headers={"X-A": value} if value else {})
        assert reply.text == (value or "none")
        return reply.cache

    for value in ("fr", "en", ""):
        look(value)
    store.inner._notes.clear()
    store.fault = lambda operation: (None,) if operation == fails else None
    forget(isg)
    assert isg.why("/p", headers={"X-A": "fr"}).outcome == "HIT"
    store.inner._notes.clear()
    forget(isg)
    for value in (first, "fr", "en", "", "fr"):
        assert look(value) == "HIT"
    assert bool(store.inner._notes) == (fails is None)
    clock.tick(61)
    assert look("fr") == "STALE"
    later.run()
    assert look("fr") == "HIT"


def test_what_a_policy_of_before_varied_by_is_not_learned(wrap, later):
    store = FaultyBackend()
    site = Site({"/p": lambda environ: html("a page")})
    before = wrap(site, routes={"/p": Policy(revalidate=60, vary=["X-A"])}, store=store)
    assert visit(before, "/p").cache == "MISS"
    isg = wrap(site, routes={"/p": Policy(revalidate=60)}, store=store)
    assert visit(isg, "/p", headers={"X-A": "fr"}).cache == "STALE"
    later.run()
    assert visit(isg, "/p", headers={"X-A": "en"}).cache == "HIT"
    assert "X-A" not in visit(isg, "/p").get("Vary")


def test_a_header_that_the_page_varies_by_is_learned(wrap, clock, later, site, tmp_path):
    site.views["/p"] = lambda environ: html(environ.get("HTTP_X_A", "none"), ("Vary", "X-A"))
    store = f"file:{tmp_path}"
    options = {"routes": {"/p": Policy(revalidate=60)}, "store": store, "backend_timeout": 30.0}
    isg = wrap(site, **options)
    for _ in range(2):
        for value in ("fr", "en"):
            assert visit(isg, "/p", headers={"X-A": value}).text == value
        assert visit(isg, "/p").text == "none"
    restarted = wrap(site, **options)
    assert visit(restarted, "/p", headers={"X-A": "fr"}).cache == "HIT"
    clock.tick(61)
    assert visit(isg, "/p", headers={"X-A": "fr"}).cache == "STALE"
    later.run()
    assert (visit(isg, "/p", headers={"X-A": "fr"}).text, site.own("/p")) == ("fr", 0)


@pytest.mark.parametrize("name", ["Cookie", "Authorization", "Accept-Encoding", "Host"])
def test_what_has_rules_of_its_own_is_never_learned(wrap, site, name):
    site.views["/p"] = lambda environ: html(environ.get("HTTP_COOKIE", "nobody"), ("Vary", name))
    isg = wrap(site, routes={"/p": Policy(revalidate=60)})
    header = {name: "site.test" if name == "Host" else "_ga=1"}
    visit(isg, "/p")
    if name != "Authorization":
        assert (visit(isg, "/p", headers=header).cache, site.rendered("/p")) == ("HIT", 1)


def test_no_cache_on_an_undeclared_page_is_not_stored_and_on_a_declared_one_it_is(
    wrap, later, site
):
    site.views["/p"] = lambda environ: html("nonce", ("Cache-Control", "no-cache, s-maxage=60"))
    undeclared, declared = wrap(site, revalidate=60), wrap(site, routes=ROUTES)
    for _ in range(3):
        assert visit(undeclared, "/p").cache == ""
        later.run()
    assert [visit(declared, "/p").cache for _ in range(2)] == ["MISS", "HIT"]


def test_an_undeclared_page_that_says_it_may_not_be_stored_any_more_is_dropped(
    wrap, clock, later, site
):
    isg = wrap(site, revalidate=60)
    visit(isg, "/p")
    later.run()
    assert visit(isg, "/p").cache == "HIT"
    site.views["/p"] = lambda environ: html(
        environ.get("HTTP_COOKIE", "nobody"), ("Set-Cookie", "a=b")
    )
    clock.tick(61)
    assert visit(isg, "/p").cache == "STALE"
    later.run()
    for who in ("sid=1", "sid=2"):
        assert visit(isg, "/p", headers={"Cookie": who}).text == who
        later.run()
    assert list(isg.pages()) == []


def test_a_body_shorter_than_announced_is_what_the_server_makes_of_it(wrap, site):
    """The app's own answer goes through as it is; no exception of ours takes its place."""
    site.views["/short"] = lambda environ: html("abc", ("Content-Length", "10"))
    isg = wrap(site, routes=ROUTES)
    visit(isg, "/proves-the-route")
    for _ in range(3):
        reply = visit(isg, "/short")
        assert (reply.body, reply.get("Content-Length")) == (b"abc", "10")
    assert [info.path for info in isg.pages()] == ["/proves-the-route"]


def test_a_client_that_goes_away_leaves_a_whole_page_or_none(wrap, site):
    isg = wrap(site, routes=ROUTES)
    chunks = isg(environ_of("/p"), lambda *told: None)
    close = getattr(chunks, "close", None)
    if close:
        close()
    assert visit(isg, "/p").text in ("/p #1", "/p #2")
