"""P2: a visitor gets a stored page or the app's answer to their own request; never another's."""

from __future__ import annotations

import pytest

from isgware import Policy, page, revalidate
from tests.promises.kit import MARK, Gate, Later, html, together, visit

ANY = {"/<path:p>": Policy(revalidate=60)}


def told(*headers, status="200 OK"):
    """A view that says who asks, with these headers."""
    return lambda environ: html(
        "for " + environ.get("HTTP_COOKIE", "nobody"), *headers, status=status
    )


REFUSALS = {
    "set-cookie": [("Set-Cookie", "sid=1")],
    "set-cookie-cased": [("SET-COOKIE", "sid=1")],
    "private": [("Cache-Control", "private")],
    "private-cased": [("cache-control", "PRIVATE, max-age=9")],
    "private-padded": [("Cache-Control", " ,, private ,")],
    "private-field": [("Cache-Control", 'private="x-a, x-b"')],
    "private-quoted": [("Cache-Control", 'foo="a,b", private')],
    "private-after-nonsense": [("Cache-Control", 'x="open, private')],
    "private-second-line": [("Cache-Control", "public"), ("Cache-Control", "private")],
    "no-store": [("Cache-Control", "max-age=60, no-store")],
    "no-store-argument": [("Cache-Control", "no-store=1")],
    "targeted": [("ISG-Cache-Control", "no-store")],
    "cdn": [("CDN-Cache-Control", "private")],
    "vary-star": [("Vary", "*")],
    "vary-star-padded": [("Vary", "Accept, * ")],
    "vary-star-second-line": [("Vary", "Accept"), ("vary", "*")],
    "header-splitting": [("X-Odd", "a\r\nSet-Cookie: sid=1")],
    "header-nul": [("X-Odd", "a\0b")],
    "header-name": [("X Odd", "a")],
}


@pytest.mark.parametrize("headers", REFUSALS.values(), ids=list(REFUSALS))
@pytest.mark.parametrize(
    "options", [{"routes": ANY}, {"revalidate": 60}], ids=["declared", "undeclared"]
)
def test_p2_what_may_not_be_stored_is_everyones_own(wrap, later, site, headers, options):
    site.views["/p"] = told(*headers)
    isg = wrap(site, **options)
    for who in ("a=1", "b=2", "a=1"):
        reply = visit(isg, "/p", headers={"Cookie": who})
        assert reply.text == f"for {who}"
        assert reply.cache in ("BYPASS", "")
        later.run()
    assert visit(isg, "/p").text == "for nobody"
    assert list(isg.pages()) == []


def test_p2_the_refused_page_is_remembered_so_that_nobody_queues_for_it(wrap, clock, site):
    site.views["/p"] = told(("Set-Cookie", "sid=1"))
    isg = wrap(site, routes=ANY, dynamic_time=30)
    visits = [visit(isg, "/p") for _ in range(5)]
    assert [reply.detail for reply in visits] == ["set-cookie"] * 5
    assert (site.rendered("/p"), site.own("/p")) == (1, 5)
    clock.tick(31)
    visit(isg, "/p")
    assert site.rendered("/p") == 2


@pytest.mark.parametrize(
    "status",
    [
        "201 Created",
        "204 No Content",
        "206 Partial Content",
        "304 Not Modified",
        "400 Bad Request",
        "401 Unauthorized",
        "403 Forbidden",
        "405 No",
        "429 Too Many Requests",
        "100 Continue",
        "299 X",
        "2000 X",
        "abc",
    ],
)
def test_p2_odd_statuses_are_never_stored(wrap, site, status):
    site.views["/p"] = told(status=status)
    isg = wrap(site, routes=ANY)
    for who in ("a=1", "b=2"):
        reply = visit(isg, "/p", headers={"Cookie": who})
        assert (reply.text, reply.status) == (f"for {who}", status)
    assert list(isg.pages()) == []


def test_p2_view_that_varies_by_cookie_is_shared_among_the_anonymous_only(wrap, clock, later, site):
    site.views["/p"] = told(("Vary", "Cookie"))
    isg = wrap(site, routes=ANY)
    me = {"Cookie": "sessionid=me"}
    assert visit(isg, "/p", headers=me).text == "for sessionid=me"
    for _ in range(2):
        reply = visit(isg, "/p", headers=me)
        assert (reply.text, reply.detail) == ("for sessionid=me", "cookie")
        assert visit(isg, "/p").text == "for nobody"
        clock.tick(1)
    clock.tick(61)
    assert visit(isg, "/p", headers=me).text == "for sessionid=me"
    assert visit(isg, "/p").cache == "STALE"
    later.run()
    assert visit(isg, "/p").cache == "HIT"
    assert visit(isg, "/p", headers=me).text == "for sessionid=me"
    clock.tick(10**9)  # past expire
    assert visit(isg, "/p", headers=me).text == "for sessionid=me"
    assert visit(isg, "/p").text == "for nobody"


@pytest.mark.parametrize(
    "cookie",
    [
        "_ga=GA1",
        "_ga_ABC=1; _gid=2",
        "__utmz=1",
        "OptanonConsent=x",
        "_pk_id.1.ab=1;_hjSession=2",
        "cookieconsent_status=allow",
        ";",
        "",
    ],
)
def test_p2_analytics_and_consent_cookies_make_nobody_personal(wrap, site, cookie):
    site.views["/p"] = told(("Vary", "Cookie"))
    isg = wrap(site, routes=ANY)
    visit(isg, "/p")
    reply = visit(isg, "/p", headers={"Cookie": cookie})
    assert (reply.text, reply.cache) == ("for nobody", "HIT")


@pytest.mark.parametrize(
    "cookie",
    [
        "sid=1",
        "_ga=1; sid=2",
        "_gax",
        "x_ga=1",
        "csrftoken=1",
        "=odd; sid=1",
        "sid",
        " sid = 1",
        "_ga=1;sid=2",
        "a\x80=1",
    ],
)
def test_p2_every_other_cookie_makes_somebody(wrap, site, cookie):
    site.views["/p"] = told(("Vary", "accept-language , COOKIE"))
    isg = wrap(site, routes=ANY)
    for _ in range(2):
        visit(isg, "/p")
        assert visit(isg, "/p", headers={"Cookie": cookie}).text == f"for {cookie}"


def test_p2_the_policy_names_the_cookies_that_count(wrap, site):
    site.views["/p"] = told(("Vary", "Cookie"))
    isg = wrap(site, routes={"/p": Policy(revalidate=60, cookies=["sess*"])})
    visit(isg, "/p")
    assert visit(isg, "/p", headers={"Cookie": "cart=1"}).text == "for nobody"
    assert visit(isg, "/p", headers={"Cookie": "cart=1; session=2"}).cache == "BYPASS"


def test_p2_a_keyed_cookie_does_not_hide_the_other_cookies_of_a_page_that_varies(wrap, site):
    site.views["/p"] = told(("Vary", "Cookie"))
    isg = wrap(site, routes={"/p": Policy(revalidate=60, vary=["cookie:cur"])})
    for _ in range(2):
        assert visit(isg, "/p", headers={"Cookie": "cur=EUR"}).text == "for cur=EUR"
        assert visit(isg, "/p", headers={"Cookie": "cur=USD"}).text == "for cur=USD"
        reply = visit(isg, "/p", headers={"Cookie": "cur=EUR; session=me"})
        assert reply.text == "for cur=EUR; session=me"


def test_p2_a_body_that_depends_on_a_cookie_without_saying_so_is_never_a_visitors(
    wrap, later, site
):
    site.views["/p"] = told()
    for isg in (wrap(site, routes=ANY), wrap(site, revalidate=60)):
        visit(isg, "/p", headers={"Cookie": "sid=me"})
        later.run()
        assert visit(isg, "/p").text == "for nobody"


@pytest.mark.parametrize(
    "credential",
    [
        {"HTTP_AUTHORIZATION": "Basic YTpi"},
        {"REMOTE_USER": "eve"},
        {"AUTH_TYPE": "Basic"},
        {"SSL_CLIENT_S_DN": "CN=eve"},
        {"SSL_CLIENT_UNHEARD_OF": "eve"},
    ],
    ids=lambda c: next(iter(c)),
)
@pytest.mark.parametrize(
    "options", [{"routes": ANY}, {"revalidate": 60}], ids=["declared", "undeclared"]
)
def test_p2_credentials_bypass_both_ways(wrap, later, site, credential, options):
    isg = wrap(site, **options)
    visit(isg, "/p", **credential)
    later.run()
    assert (site.rendered("/p"), site.own("/p")) == (0, 1)
    visit(isg, "/p")
    later.run()
    visit(isg, "/p")
    asked = site.own("/p")
    assert visit(isg, "/p", **credential).cache in ("BYPASS", "")
    assert site.own("/p") == asked + 1


def test_p2_a_server_that_tells_of_certificates_in_its_own_words_is_understood(wrap, site):
    """nginx passes whatever it is told to, under any name, and empty for who has none."""
    isg = wrap(site, routes=ANY)
    for _ in range(3):
        visit(isg, "/p", SSL_CLIENT_UNHEARD_OF="")
    assert visit(isg, "/p", SSL_CLIENT_UNHEARD_OF="").cache == "HIT"
    assert visit(isg, "/p", SSL_CLIENT_UNHEARD_OF="eve").cache == "BYPASS"


def test_p2_credentials_that_are_first_told_while_a_page_is_made_ready_count(
    wrap, site, monkeypatch
):
    isg = wrap(site, routes={"/<name>": Policy(revalidate=60)})
    visit(isg, "/p")
    visit(isg, "/q")
    remember = isg.runtime.memory.remember

    def late(raw, ready):
        monkeypatch.undo()
        assert visit(isg, "/q", SSL_CLIENT_UNHEARD_OF="eve").cache == "BYPASS"
        remember(raw, ready)

    monkeypatch.setattr(isg.runtime.memory, "remember", late)
    visit(isg, "/p")
    assert visit(isg, "/p", SSL_CLIENT_UNHEARD_OF="eve").cache == "BYPASS"


def test_p2_a_one_shot_link_is_consumed_by_its_visitor(wrap, later, site):
    used = []

    def view(environ):
        used.append(MARK in environ)
        return html("welcome" if len(used) == 1 else "this link was used")

    site.views["/confirm/x"] = view
    isg = wrap(site, revalidate=60)
    assert visit(isg, "/confirm/x").text == "welcome"
    assert used == [False]
    later.run()
    assert visit(isg, "/confirm/x").text == "this link was used"


def test_p2_a_head_of_an_undeclared_page_renders_nothing_behind_it(wrap, later, site):
    """Link checkers send it; the GET is its visitor's."""
    isg = wrap(site, revalidate=60)
    assert visit(isg, "/confirm/x", method="HEAD").cache == ""
    assert (later.run(), site.rendered("/confirm/x")) == (0, 0)


def test_p2_nobody_renders_an_undeclared_page_before_its_visitor(wrap, clock, later, site):
    """Not after it expired, was purged or refused either."""
    isg = wrap(site, revalidate=60)
    visit(isg, "/p")
    later.run()
    for disturb in (lambda: clock.tick(4e7), isg.purge_all, lambda: isg.purge_path("/p")):
        disturb()
        reply = visit(isg, "/p")
        assert (reply.cache, MARK in site.seen[-1]) == ("BYPASS", False)
        later.run()
        assert visit(isg, "/p").cache == "HIT"


def test_p2_the_first_visitor_of_a_decorated_view_gets_their_own_answer(wrap, later):
    seen = []

    @revalidate(60)
    def view(environ):
        seen.append(page.prerendering)
        return environ.get("HTTP_COOKIE", "nobody").encode()

    def app(environ, start_response):
        body = view(environ)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [body]

    isg = wrap(app)
    first = visit(isg, "/p", headers={"Cookie": "sid=me"})
    assert (first.text, first.cache, first.detail) == ("sid=me", "BYPASS", "learning")
    later.run()
    second = visit(isg, "/p", headers={"Cookie": "sid=you"})
    assert (second.text, second.cache) == ("nobody", "HIT")
    assert seen == [False, True]


@pytest.mark.parametrize("status", ["302 Found", "303 See Other", "307 Temporary Redirect"])
def test_p2_temporary_redirects_are_shared_without_cookies_only(wrap, clock, site, status):
    site.views["/p"] = lambda environ: html(
        "x", ("Location", "/login?for=" + environ.get("HTTP_COOKIE", "nobody")), status=status
    )
    isg = wrap(site, routes={"/p": Policy(revalidate=3600)})
    assert visit(isg, "/p").get("Location") == "/login?for=nobody"
    assert visit(isg, "/p").cache == "HIT"
    assert "private" in visit(isg, "/p").get("Cache-Control")
    assert visit(isg, "/p", headers={"Cookie": "sid=1"}).get("Location") == "/login?for=sid=1"
    renders = site.rendered("/p")
    clock.tick(60)
    assert visit(isg, "/p").cache != "HIT"
    assert site.rendered("/p") == renders + 1


def test_p2_errors_are_shared_by_those_who_waited_and_are_nobody(wrap, site):
    gate = Gate()

    def view(environ):
        if MARK in environ:
            gate.pass_through()
            return html("boom", status="500 Internal Server Error")
        return html("for " + environ.get("HTTP_COOKIE", "nobody"))

    site.views["/boom"] = view
    isg = wrap(site, routes=ANY)
    visit(isg, "/good")  # proves the route
    lead = Later(lambda: visit(isg, "/boom"))
    gate.wait()
    anonymous = [Later(lambda: visit(isg, "/boom")) for _ in range(4)]
    somebody = Later(lambda: visit(isg, "/boom", headers={"Cookie": "sid=me"}))
    gate.open.set()
    assert [each.result().text for each in (lead, *anonymous)] == ["boom"] * 5
    assert somebody.result().text == "for sid=me"
    assert (site.rendered("/boom"), site.own("/boom")) == (1, 1)


@pytest.mark.parametrize(
    "header",
    [
        ("Set-Cookie", "sid=1"),
        ("Cache-Control", "private"),
        ("Cache-Control", "no-store"),
        ("Vary", "*"),
    ],
    ids=lambda h: h[1],
)
def test_p2_an_error_that_is_somebodys_is_shared_by_nobody(wrap, site, header):
    site.views["/boom"] = lambda environ: html(
        "clean" if MARK in environ else "own", header, status="500 Internal Server Error"
    )
    isg = wrap(site, routes=ANY)
    visit(isg, "/good")
    assert visit(isg, "/boom").text == "own"


def test_p2_a_route_that_never_worked_in_the_clean_room_leaves_everyone_their_own(
    wrap, clock, site
):
    def view(environ):
        if MARK in environ:
            raise LookupError("no session")
        return html("for " + environ.get("HTTP_COOKIE", "nobody"))

    site.views["/p"] = view
    isg = wrap(site, routes={"/p": Policy(revalidate=60)})
    replies = together(10, lambda n: visit(isg, "/p", headers={"Cookie": f"n={n}"}))
    assert [reply.text for reply in replies] == [f"for n={n}" for n in range(10)]
    assert {reply.detail for reply in replies} == {"clean-room-failed"}
    assert site.rendered("/p") == 1
    clock.tick(1.2)
    assert visit(isg, "/p").text == "for nobody"
    assert site.rendered("/p") == 2


def test_p2_a_callable_bypass_of_one_view_is_not_anothers(wrap, later):
    """Two lambdas of one module have one name."""
    views = {
        "/a": revalidate(60, bypass=lambda request: "vip" in request.cookies)(lambda env: b"a"),
        "/b": revalidate(60, bypass=lambda request: False)(lambda env: b"b"),
    }

    def app(environ, start_response):
        body = views[environ["PATH_INFO"]](environ)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [body]

    isg = wrap(app)
    for path in ("/a", "/b"):
        visit(isg, path)
        later.run()
        assert visit(isg, path).cache == "HIT"
    assert visit(isg, "/a", headers={"Cookie": "vip=1"}).cache == "BYPASS"
    assert visit(isg, "/b", headers={"Cookie": "vip=1"}).cache == "HIT"


def test_p2_a_bypass_that_raises_bypasses(wrap, site, caplog):
    isg = wrap(site, routes={"/p": Policy(revalidate=60, bypass=lambda request: request.nothing)})
    assert visit(isg, "/p").cache == "BYPASS"
    assert "bypass=" in caplog.text


def test_p2_unsafe_methods_are_answered_by_the_app(wrap, site):
    site.views["/p"] = lambda environ: html(environ["REQUEST_METHOD"])
    isg = wrap(site, routes=ANY)
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get"):
        reply = visit(isg, "/p", method=method)
        assert reply.text == method
        assert reply.cache == ("MISS" if method == "GET" else "BYPASS")
