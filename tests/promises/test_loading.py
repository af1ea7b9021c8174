"""``fallback="loading"``: who gets the loading page, and that the promise it makes is kept."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import pytest

from isgware import ISG, ConfigurationError, Policy
from isgware.backends.memory import MemoryBackend
from isgware.serving.passthrough import visitor_of
from tests.promises.kit import (
    MARK,
    Gate,
    Inline,
    Later,
    Reply,
    Site,
    environ_of,
    eventually,
    html,
    just_after_a_look,
    together,
    visit,
)

LOADING = Policy(revalidate=60, expire=3000, fallback="loading")
ROUTES = {"/<path:x>": LOADING}
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
OPENS = {"Accept": "text/html,*/*;q=0.8", "User-Agent": FIREFOX}


def open_(isg: Any, path: str = "/p", query: str = "", **headers: str) -> Reply:
    """As a browser opens a page."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return visit(isg, path, query, headers={**OPENS, **named})


def key_in(reply: Reply) -> str:
    return reply.text.partition('data-isg-key="')[2].partition('"')[0]


def poll(isg: Any, key: str, path: str = "/p", **headers: str) -> str:
    """What the script of a loading page hears; it must not be kept, and comes at once."""
    reply = visit(isg, path, method="HEAD", headers={"Accept": "*/*", "X-ISG-Poll": key, **headers})
    if not reply.get("X-ISG-Poll"):
        return reply.cache
    assert (reply.get("Cache-Control"), reply.body) == ("no-store", b"")
    return reply.get("X-ISG-Poll")


# What it is.


def test_the_first_visitor_gets_the_loading_page_and_the_next_the_page(wrap, later, site):
    isg = wrap(site, routes=ROUTES)
    first = open_(isg)
    assert (first.code, first.cache, first.detail) == (200, "LOADING", "loading")
    assert site.seen == []
    later.run()
    second = open_(isg)
    assert (second.cache, second.text) == ("HIT", "/p #1")


def test_the_loading_page_is_nobodys_to_keep(wrap, site):
    reply = open_(wrap(site, routes=ROUTES), If_None_Match="*", If_Modified_Since="now")
    assert reply.code == 200
    assert reply.get("Cache-Control") == "no-store"
    assert reply.get("X-Robots-Tag") == "noindex"
    assert reply.get("Content-Type") == "text/html; charset=utf-8"
    assert reply.get("Content-Length") == str(len(reply.body))
    assert reply.get("Cache-Status") == "isgware; fwd=uri-miss; detail=loading"
    names = {name.lower() for name, _ in reply.headers}
    assert not names & {"etag", "last-modified", "age", "set-cookie"}


def test_the_render_starts_with_the_page(wrap, site):
    gate = Gate()
    site.views["/p"] = lambda environ: (gate.pass_through(), html("slow"))[1]
    isg = wrap(site, routes=ROUTES, executor=None)
    assert open_(isg).cache == "LOADING"
    gate.wait()  # nobody came to ask for it again
    gate.open.set()
    assert eventually(lambda: open_(isg).cache == "HIT")


def test_a_promised_render_goes_before_what_nobody_waits_for(wrap, clock, site):
    isg = wrap(site, executor=None, workers=1, routes={
        "/old/<x>": Policy(revalidate=60, expire=3000), "/new": LOADING,
    })  # fmt: skip
    for number in range(3):
        visit(isg, f"/old/{number}")
    clock.tick(61)
    gate = Gate()
    site.views["/old/0"] = lambda environ: (gate.pass_through(), html("0"))[1]
    for number in range(3):
        visit(isg, f"/old/{number}")
    gate.wait()
    assert open_(isg, "/new").cache == "LOADING"
    site.seen.clear()
    gate.open.set()
    eventually(lambda: len(site.seen) == 3)
    assert site.seen[0]["PATH_INFO"] == "/new"


def test_a_loading_page_writes_nothing_to_the_store(wrap, site, monkeypatch):
    isg = wrap(site, routes=ROUTES)
    written = []
    for name in ("put", "write_note", "drop_note", "acquire", "publish", "invalidate"):
        monkeypatch.setattr(MemoryBackend, name, lambda *a, name=name, **k: written.append(name))
    assert open_(isg).cache == "LOADING"
    assert written == []


# Who gets it.


@pytest.mark.parametrize(
    "headers",
    [
        {"Accept": "application/json"},
        {"Accept": "*/*"},
        {"Sec_Fetch_Dest": "empty"},
        {"Sec_Fetch_Mode": "cors"},
        {"X_Requested_With": "XMLHttpRequest"},
        {"Sec_Purpose": "prefetch"},
        {"User_Agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"},
    ],
    ids=lambda headers: " ".join(*headers.items()),
)
def test_whoever_does_not_open_the_page_in_a_browser_waits_for_it(wrap, site, headers):
    reply = open_(wrap(site, routes=ROUTES), **headers)
    assert (reply.cache, reply.text) == ("MISS", "/p #1")


def test_head_waits_and_is_the_page_s(wrap, site):
    reply = visit(wrap(site, routes=ROUTES), "/p", method="HEAD", headers=OPENS)
    assert (reply.cache, reply.get("Content-Length")) == ("MISS", "5")


def test_who_waits_joins_the_render_that_a_loading_page_promised(wrap, site):
    gate = Gate()
    site.views["/p"] = lambda environ: (gate.pass_through(), html("once"))[1]
    isg = wrap(site, routes=ROUTES, executor=None)
    open_(isg)
    gate.wait()
    bot = Later(lambda: visit(isg, "/p", headers={**OPENS, "User-Agent": "Googlebot/2.1"}))
    eventually(lambda: isg.runtime.engine.renderer.flights.waiting)
    gate.open.set()
    assert bot.result().text == "once"
    assert site.rendered("/p") == 1


@pytest.mark.parametrize(
    "given",
    [
        pytest.param("acme", id="pattern"),
        pytest.param(lambda request: "ACME" in request.headers["User-Agent"], id="callable"),
    ],
)
def test_is_bot_replaces_the_pattern(wrap, site, given):
    isg = wrap(site, routes=ROUTES, is_bot=given)
    assert open_(isg, "/a", User_Agent="ACME reader").cache == "MISS"
    assert open_(isg, "/b", User_Agent="Googlebot/2.1").cache == "LOADING"


def test_an_is_bot_that_raises_makes_visitors_wait_and_is_logged(wrap, site, caplog):
    isg = wrap(site, routes=ROUTES, is_bot=lambda request: 1 / 0)
    assert open_(isg).cache == "MISS"
    assert "is_bot= raised" in caplog.text


@pytest.mark.parametrize("given", ["(", 3], ids=["no pattern", "no text"])
def test_an_is_bot_that_cannot_be_used_is_refused(wrap, site, given):
    with pytest.raises(ConfigurationError, match="is_bot"):
        wrap(site, is_bot=given)


def test_only_pages_that_nobody_rendered_are_loading(wrap, clock, later, site):
    """A purge says that the next visitor waits; a stale or expired page has its own rules."""
    isg = wrap(site, routes=ROUTES)
    visit(isg, "/p")
    clock.tick(61)
    assert open_(isg).cache == "STALE"
    clock.tick(3000)
    assert open_(isg).cache == "REVALIDATED"
    isg.purge_path("/p")
    assert open_(isg).cache == "REVALIDATED"


def test_bypassing_visitors_get_their_own_answer(wrap, site):
    policy = Policy(revalidate=60, fallback="loading", bypass=["staff"])
    reply = open_(wrap(site, routes={"/p": policy}), Cookie="staff=1")
    assert (reply.cache, reply.detail) == ("BYPASS", "bypass-cookie")


@pytest.mark.parametrize("options", [{"enabled": "report"}, {"enabled": False}])
def test_where_nothing_is_stored_nobody_gets_it(wrap, site, options):
    assert open_(wrap(site, routes=ROUTES, **options)).text == "/p #1"


# What becomes of the promise.


def test_p5_many_visitors_are_one_render(wrap, site):
    isg = wrap(site, routes=ROUTES, executor=None)
    site.views["/p"] = lambda environ: html("one")
    replies = together(16, lambda number: open_(isg))
    assert {reply.cache for reply in replies} <= {"LOADING", "HIT"}
    eventually(lambda: open_(isg).cache == "HIT")
    assert site.rendered("/p") == 1


def test_who_looked_just_before_the_promised_page_was_there_gets_it_as_a_hit(
    wrap, later, site, monkeypatch
):
    isg = wrap(site, routes=ROUTES)
    assert open_(isg).cache == "LOADING"
    just_after_a_look(isg, monkeypatch, later.run)
    reply = open_(isg)
    assert (reply.cache, reply.text) == ("HIT", "/p #1")
    assert reply.get("Cache-Status").startswith("isgware; hit")
    assert site.rendered("/p") == 1


@pytest.mark.parametrize("ends", [False, True], ids=["under way", "done"])
def test_a_page_that_is_promised_to_two_visitors_at_once_is_no_page_that_was_tried(
    wrap, later, site, monkeypatch, ends
):
    isg = wrap(site, routes=ROUTES)
    fallback = isg.runtime.engine.fallback
    over = fallback._over

    def another_comes(key):
        monkeypatch.setattr(fallback, "_over", over)
        before = over(key)
        assert open_(isg).cache == "LOADING"
        if not ends:
            return over(key)
        later.run()
        return before

    monkeypatch.setattr(fallback, "_over", another_comes)
    assert open_(isg).cache == ("HIT" if ends else "LOADING")
    later.run()
    assert (open_(isg).cache, site.rendered("/p")) == ("HIT", 1)


def test_the_script_hears_how_the_render_goes(wrap, later, site):
    isg = wrap(site, routes=ROUTES)
    key = key_in(open_(isg))
    assert [poll(isg, key), poll(isg, key)] == ["rendering", "rendering"]
    later.run()
    assert poll(isg, key) == "HIT"
    assert site.rendered("/p") == 1
    assert site.own("/p") == 0


def test_the_script_hears_of_a_failure_and_the_retry_gets_the_error(wrap, later, site):
    site.views["/p"] = lambda environ: html("broken", status="500 Oops")
    isg = wrap(site, routes=ROUTES)
    key = key_in(open_(isg))
    later.run()
    assert poll(isg, key) == "failed"
    retry = open_(isg)
    assert (retry.code, retry.text, retry.cache) == (500, "broken", "BYPASS")


def test_who_comes_while_somebody_retries_waits_too(wrap, later, site):
    """Else a page that fails could go on saying that it is being made, to whoever reloads it."""
    isg = wrap(site, routes=ROUTES)
    visit(isg, "/proven")
    gate = Gate()
    site.views["/p"] = lambda environ: html("broken", status="500 Oops")
    key = key_in(open_(isg))
    later.run()
    site.views["/p"] = lambda environ: (gate.pass_through(), html("mended"))[1]
    one = Later(lambda: open_(isg))
    gate.wait()
    assert poll(isg, key) == "failed"
    other = Later(lambda: open_(isg))
    eventually(lambda: isg.runtime.engine.renderer.flights.waiting)
    gate.open.set()
    assert [one.result().text, other.result().text] == ["mended", "mended"]
    assert site.rendered("/p") == 2


def test_a_retry_that_works_is_the_page(wrap, clock, later, site):
    site.views["/p"] = lambda environ: html("broken", status="500 Oops")
    isg = wrap(site, routes=ROUTES)
    open_(isg)
    later.run()
    del site.views["/p"]
    clock.tick(5)
    assert open_(isg).cache == "MISS"


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (html("mine", ("Set-Cookie", "a=b")), "set-cookie"),
        (html("mine", ("Cache-Control", "private")), "private"),
        (html("", ("Location", "/p"), status="302 Found"), "redirect-to-itself"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_page_that_may_not_be_stored_is_the_app_s_own_answer(wrap, later, site, answer, detail):
    site.views["/p"] = lambda environ: answer
    isg = wrap(site, routes=ROUTES)
    key = key_in(open_(isg))
    later.run()
    assert poll(isg, key) == "ready"
    again = open_(isg)
    assert (again.cache, again.detail, again.status) == ("BYPASS", detail, answer[0])
    assert site.own("/p") == 1


def test_a_page_that_does_not_exist_is_its_404(wrap, later, site):
    site.views["/p"] = lambda environ: html("no such page", status="404 Not Found")
    isg = wrap(site, routes=ROUTES)
    open_(isg)
    later.run()
    reply = open_(isg)
    assert (reply.code, reply.text, reply.cache) == (404, "no such page", "HIT")


def test_a_page_that_was_made_and_not_kept_is_promised_once(wrap, later, site):
    """Nobody is sent from one loading page to the next for want of room in the store."""
    isg = wrap(site, routes=ROUTES)
    key = key_in(open_(isg))
    later.run()
    isg.runtime.engine.page_store.drop(key)
    assert poll(isg, key) == "ready"
    assert open_(isg).cache == "MISS"


def test_p2_a_personal_visitor_gets_their_own_page_next(wrap, later, site):
    def view(environ):
        return html(f"for {environ.get('HTTP_COOKIE', 'all')}", ("Vary", "Cookie"))

    site.views["/p"] = view
    isg = wrap(site, routes=ROUTES)
    assert open_(isg, Cookie="session=ada").cache == "LOADING"
    later.run()
    assert open_(isg, Cookie="session=ada").text == "for session=ada"
    assert open_(isg).text == "for all"


def test_a_page_that_turns_out_to_vary_is_promised_once_more_and_no_further(wrap, later, site):
    """The script's requests have another Accept than the navigation: its key is what counts."""
    site.views["/p"] = lambda environ: html(environ.get("HTTP_ACCEPT", "none"), ("Vary", "Accept"))
    isg = wrap(site, routes=ROUTES)
    first = key_in(open_(isg))
    later.run()
    assert poll(isg, first) == "ready"
    second = key_in(open_(isg))
    assert second != first
    assert poll(isg, second) == "rendering"
    later.run()
    assert poll(isg, second) == "ready"
    assert open_(isg).text == OPENS["Accept"]


# Processes that share a store.


@pytest.fixture
def pair(wrap, later, tmp_path: Path) -> Any:
    """Two processes' ISGs over one store. The second's background never runs."""

    def make(app: Any) -> tuple[ISG, ISG]:
        store = f"file:{tmp_path / 'pages'}"
        kit = type(later)
        return (
            wrap(app, store=store, routes=ROUTES),
            wrap(app, store=store, routes=ROUTES, executor=kit()),
        )

    return make


def test_another_process_knows_of_the_failure(pair, later, site):
    site.views["/p"] = lambda environ: html("broken", status="500 Oops")
    one, other = pair(site)
    key = key_in(open_(one))
    later.run()
    assert poll(other, key) == "failed"
    assert open_(other).text == "broken"


def test_another_process_knows_what_may_not_be_stored(pair, later, site):
    site.views["/p"] = lambda environ: html("mine", ("Set-Cookie", "a=b"))
    one, other = pair(site)
    key = key_in(open_(one))
    later.run()
    assert poll(other, key) == "ready"
    reply = open_(other)
    assert (reply.cache, reply.detail) == ("BYPASS", "set-cookie")


def test_a_render_that_another_process_does_is_waited_for(wrap, tmp_path, site):
    gate = Gate()
    site.views["/p"] = lambda environ: (gate.pass_through(), html("once"))[1]
    options = {"store": f"file:{tmp_path / 'pages'}", "routes": ROUTES, "executor": None}
    one, other = wrap(site, **options), wrap(site, **options)
    key = key_in(open_(one))
    gate.wait()
    for _ in range(3):
        assert poll(other, key) == "rendering"
        eventually(
            lambda: (
                key not in other.runtime.engine.renderer.flights
                and key not in other.runtime.engine.background.pool
            )
        )
        assert open_(other).cache == "LOADING"
        eventually(
            lambda: (
                key not in other.runtime.engine.renderer.flights
                and key not in other.runtime.engine.background.pool
            )
        )
    gate.open.set()
    eventually(lambda: poll(other, key) == "HIT")
    assert site.rendered("/p") == 1


def before_its_flight(isg, monkeypatch) -> Gate:
    """Where a job waits that has left the queue and has not joined its flight."""
    gate, look = Gate(), isg.runtime.engine.renderer.look_again

    def slowly(target):
        if threading.current_thread().name.startswith("isgware-"):
            gate.pass_through()
        return look(target)

    monkeypatch.setattr(isg.runtime.engine.renderer, "look_again", slowly)
    return gate


def test_who_comes_before_a_promised_render_has_begun_gets_the_loading_page_too(
    wrap, site, monkeypatch
):
    isg = wrap(site, routes=ROUTES, executor=None)
    gate = before_its_flight(isg, monkeypatch)
    first = open_(isg)
    gate.wait()
    assert (first.cache, open_(isg).cache) == ("LOADING", "LOADING")
    gate.open.set()
    eventually(lambda: open_(isg).cache == "HIT")
    assert site.rendered("/p") == 1


def test_p6_a_post_before_a_promised_render_has_begun_is_a_purge(wrap, site, monkeypatch):
    isg = wrap(site, executor=None, revalidate=60, routes={})
    gate = before_its_flight(isg, monkeypatch)
    visit(isg, "/p")
    gate.wait()
    assert isg.runtime.engine.concerns(visitor_of(environ_of("/p", method="POST")))
    gate.open.set()


# Limits.


def test_p7_garbage_cannot_flood_the_queue(wrap, later, site):
    isg = wrap(site, routes=ROUTES, loading_renders=3)
    replies = [open_(isg, f"/{number}").cache for number in range(10)]
    assert replies == ["LOADING"] * 3 + ["MISS"] * 7
    assert len(later.jobs) == 3
    later.run()
    assert open_(isg, "/new").cache == "LOADING"


def test_p7_the_limit_is_each_route_s(wrap, site):
    isg = wrap(site, routes={"/a/<x>": LOADING, "/b/<x>": LOADING}, loading_renders=1)
    assert [open_(isg, path).cache for path in ("/a/1", "/a/2", "/b/1")] == [
        "LOADING",
        "MISS",
        "LOADING",
    ]


def test_p7_a_closed_pool_makes_visitors_wait(wrap, site):
    isg = wrap(site, routes=ROUTES)
    isg.runtime.engine.background.pool.close(0)
    assert open_(isg).cache == "MISS"


def test_p7_what_is_remembered_of_promises_is_bounded(wrap, site, monkeypatch):
    monkeypatch.setattr("isgware.serving.loading_page._MAX_PROMISED", 5)
    isg = wrap(site, routes=ROUTES, executor=Inline())
    for number in range(20):
        assert open_(isg, f"/{number}").cache == "LOADING"
    assert len(isg.runtime.engine.fallback._promised) == 5


# What a client may make of the script's question.


@pytest.mark.parametrize("said", ["1", "x" * 40, "0" * 39, "0" * 41, "../" * 9])
def test_a_key_that_is_none_is_an_ordinary_header(wrap, site, said):
    reply = visit(wrap(site, routes=ROUTES), "/p", method="HEAD", headers={"X-ISG-Poll": said})
    assert reply.cache == "MISS"


def test_the_question_is_no_question_on_other_routes_and_methods(wrap, site):
    isg = wrap(site, routes={"/p": Policy(revalidate=60), "/l": LOADING})
    key = "0" * 40
    assert visit(isg, "/l", headers={"X-ISG-Poll": key}).cache == "MISS"
    assert visit(isg, "/p", method="HEAD", headers={"X-ISG-Poll": key}).cache == "MISS"
    plain = visit(isg, "/undeclared", method="HEAD", headers={"X-ISG-Poll": key})
    assert plain.cache == ""


def test_the_question_reaches_no_render(wrap, later, site):
    isg = wrap(site, routes=ROUTES)
    poll(isg, key_in(open_(isg)))
    later.run()
    assert [environ.get("HTTP_X_ISG_POLL") for environ in site.seen] == [None]
    assert all(MARK in environ for environ in site.seen)


# A page of one's own.


def test_a_route_s_own_loading_page_goes_before_the_site_s(wrap, site, tmp_path):
    file = tmp_path / "wait.html"
    file.write_text("<html><head></head><body>Für alle</body></html>", encoding="utf-8")
    own = Policy(revalidate=60, fallback="loading", loading_page="<body>Just this</body>")
    isg = wrap(site, routes={"/own": own, "/p": LOADING}, loading_page=file)
    assert "Für alle" in open_(isg, "/p").text
    reply = open_(isg, "/own")
    assert "Just this" in reply.text
    assert key_in(reply)
    assert reply.get("Content-Security-Policy") == ""  # it may load what it likes


def test_a_file_that_went_away_is_logged_and_replaced_by_the_built_in_page(
    wrap, site, tmp_path, caplog
):
    file = tmp_path / "wait.html"
    file.write_text("<p>Wait", encoding="utf-8")
    isg = wrap(site, routes=ROUTES, loading_page=str(file))
    file.unlink()
    assert "being made ready" in open_(isg).text
    assert str(file) in caplog.text


@pytest.mark.parametrize("given", ["no/such/file.html", 7], ids=["no file", "no text"])
def test_a_loading_page_that_cannot_be_had_is_refused_by_name(wrap, site, given):
    with pytest.raises(ConfigurationError, match=str(given)):
        wrap(site, loading_page=given)
    with pytest.raises(ConfigurationError, match=str(given)):
        Policy(loading_page=given)


def test_a_file_that_is_not_utf_8_is_refused(tmp_path):
    file = tmp_path / "wait.html"
    file.write_bytes(b"<p>\xff")
    with pytest.raises(ConfigurationError, match="utf-8"):
        Policy(loading_page=file)


def test_the_app_may_render_it_and_the_built_in_page_is_shown_until_it_has(wrap, later, site):
    site.views["/wait"] = lambda environ: html("<body>Of the app</body>")
    routes = {"/wait": Policy(revalidate=False), "/<path:x>": LOADING}
    isg = wrap(site, routes=routes, loading_page="app:/wait")
    assert "being made ready" in open_(isg, "/a").text
    later.run()
    reply = open_(isg, "/b")
    assert "Of the app" in reply.text
    assert key_in(reply)
    isg.purge_path("/wait")
    assert "being made ready" in open_(isg, "/c").text
    later.run()
    assert "Of the app" in open_(isg, "/d").text


def test_p1_the_app_s_loading_page_knows_nothing_of_the_visitor(wrap, later, site):
    site.views["/wait"] = lambda environ: html(f"<body>{environ.get('HTTP_COOKIE')}</body>")
    routes = {"/wait": Policy(revalidate=False, vary=["cookie:name"]), "/<path:x>": LOADING}
    isg = wrap(site, routes=routes, loading_page="app:/wait")
    open_(isg, "/a", Cookie="name=ada")
    later.run()
    assert "<body>None" in open_(isg, "/b", Cookie="name=ada").text


def test_a_page_of_the_app_that_is_not_kept_is_named_in_the_log(wrap, site, caplog):
    isg = wrap(site, routes={"/p": LOADING}, loading_page="app:/wait")
    with caplog.at_level(logging.ERROR):
        assert open_(isg).cache == "LOADING"
    assert "app:/wait" in caplog.text


# Said aloud.


def test_p9_why_foresees_it(wrap, later, site):
    isg = wrap(site, routes=ROUTES)
    said = isg.why("/p", host="site.test", headers=OPENS)
    assert (said.outcome, said.detail) == ("LOADING", "loading")
    assert "loading page" in str(said)
    assert later.jobs == []
    plain = isg.why("/p", host="site.test")
    assert plain.outcome == "MISS"
    assert "browsers" in plain.decided_by


def test_p9_why_knows_that_a_promise_is_not_given_twice(wrap, later, site):
    site.views["/p"] = lambda environ: html("broken", status="500 Oops")
    isg = wrap(site, routes=ROUTES)
    open_(isg)
    assert isg.why("/p", host="site.test", headers=OPENS).outcome == "LOADING"
    later.run()
    assert isg.why("/p", host="site.test", headers=OPENS).outcome == "BYPASS"


def test_p10_without_it_the_route_is_as_before(wrap, site):
    isg = wrap(site, routes={"/p": Policy(revalidate=60)})
    assert open_(isg).cache == "MISS"


def test_under_the_plain_isg_a_decorator_s_fallback_counts_once_it_is_known(wrap, later):
    from isgware import revalidate

    view = revalidate(60, fallback="loading")(lambda: b"page")
    site = Site()
    site.views["*"] = lambda environ: html(view())
    isg = wrap(site)
    assert open_(isg, "/p").detail == "learning"
    later.run()
    assert open_(isg, "/p").cache == "HIT"
