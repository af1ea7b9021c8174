"""``fallback="not-found"``: what ``paths`` does not list is a 404 that costs no render."""

from __future__ import annotations

import itertools
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from isgware import Policy, connect, page, revalidate
from isgware.flask import ISG as FlaskISG
from isgware.serving import listed_paths as listing
from tests.promises.kit import Gate, Inline, Later, Reply, eventually, html, visit


class Posts:
    """What a site's ``paths`` gives, and how often it was asked."""

    def __init__(self, *slugs: str) -> None:
        self.slugs = list(slugs)
        self.asked = 0
        self.error: Exception | None = None

    def __call__(self) -> Any:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return [f"/posts/{slug}" for slug in self.slugs]


@pytest.fixture
def posts() -> Posts:
    return Posts("one", "two")


@pytest.fixture
def routes(posts: Posts) -> dict[str, Policy]:
    policy = Policy(revalidate=60, expire=3000, fallback="not-found", paths=posts)
    return {"/posts/<slug>": policy}


def missing(reply: Reply) -> bool:
    return (reply.code, reply.cache, reply.detail) == (404, "BYPASS", "not-listed")


# Any WSGI app.


def test_what_is_listed_is_rendered_and_what_is_not_is_a_404_without_the_app(wrap, site, routes):
    isg = wrap(site, routes=routes)
    assert visit(isg, "/posts/one").cache == "MISS"
    assert visit(isg, "/posts/one").cache == "HIT"
    reply = visit(isg, "/posts/three")
    assert missing(reply)
    assert "Not Found" in reply.text
    assert reply.get("Content-Length") == str(len(reply.body))
    assert site.asked("/posts/three") == []


def test_head_has_no_body(wrap, site, routes):
    reply = visit(wrap(site, routes=routes), "/posts/three", method="HEAD")
    assert missing(reply)
    assert reply.body == b""


def test_nothing_is_stored_for_it(wrap, site, routes):
    isg = wrap(site, routes=routes)
    for number in range(50):
        assert missing(visit(isg, f"/posts/x{number}"))
    assert list(isg.pages()) == []


def test_the_list_is_read_once_while_it_is_fresh(wrap, site, routes, posts, clock):
    isg = wrap(site, routes=routes)
    for path in ("/posts/one", "/posts/three", "/posts/four"):
        visit(isg, path)
        clock.tick(10)
    assert posts.asked == 1


def test_an_old_list_is_used_while_it_is_read_again_behind(wrap, site, routes, posts, clock, later):
    isg = wrap(site, routes=routes)
    visit(isg, "/posts/three")
    posts.slugs.append("three")
    clock.tick(61)
    assert missing(visit(isg, "/posts/three"))
    assert (posts.asked, len(later.jobs)) == (1, 1)
    later.run()
    assert visit(isg, "/posts/three").cache == "MISS"


def test_after_a_publication_the_list_is_read_again_at_once(wrap, site, routes, posts):
    isg = wrap(site, routes=routes)
    assert missing(visit(isg, "/posts/three"))
    posts.slugs.append("three")
    isg.purge_tag("posts")
    assert visit(isg, "/posts/three").cache == "MISS"
    assert missing(visit(isg, "/posts/four"))
    assert posts.asked == 2


def test_a_list_that_is_slow_to_read_is_read_behind_all_the_same(
    wrap, site, routes, posts, clock, later
):
    answer = posts.__call__

    class Slow(Posts):
        def __call__(self) -> Any:
            clock.tick(5)
            return answer()

    policy = Policy(revalidate=False, fallback="not-found", paths=Slow())
    isg = wrap(site, routes={"/posts/<slug>": policy})
    assert missing(visit(isg, "/posts/three"))
    posts.slugs.append("three")
    isg.purge_tag("posts")
    clock.tick(40)  # ten times what it takes is left between two readings
    assert visit(isg, "/posts/three").cache == "MISS"
    assert later.jobs == []
    clock.tick(10)
    assert visit(isg, "/posts/four").cache == "MISS"
    assert later.run() == 1
    assert missing(visit(isg, "/posts/five"))


@pytest.mark.parametrize("verb", ["purge_path", "revalidate_path", "purge_tag", "purge_all"])
def test_a_list_that_was_read_a_moment_ago_makes_no_404_after_a_publication(
    wrap, site, routes, posts, clock, verb
):
    take = posts.__call__

    def slow() -> Any:
        found = take()
        clock.tick(0.3)
        return found

    policy = Policy(revalidate=False, fallback="not-found", paths=slow)
    isg = wrap(site, routes={"/posts/<slug>": policy})
    assert missing(visit(isg, "/posts/typo"))
    posts.slugs.append("three")
    if verb == "purge_all":
        isg.purge_all()
    else:
        getattr(isg, verb)("/posts/three" if verb.endswith("path") else "posts")
    assert [visit(isg, "/posts/three").cache for _ in range(2)] == ["MISS", "HIT"]
    clock.tick(3)
    assert missing(visit(isg, "/posts/typo"))
    assert posts.asked == 2


def test_a_list_that_began_to_be_read_before_a_publication_makes_no_404(wrap, site, posts):
    gate = Gate()

    def slow() -> Any:
        found = posts()
        gate.pass_through()
        return found

    policy = Policy(revalidate=False, fallback="not-found", paths=slow)
    isg = wrap(site, routes={"/posts/<slug>": policy})
    reader = Later(lambda: visit(isg, "/posts/typo"))
    gate.wait()
    posts.slugs.append("three")
    isg.purge_path("/posts/three")
    visitor = Later(lambda: visit(isg, "/posts/three"))
    gate.open.set()
    assert visitor.result().cache == "MISS"
    assert missing(reader.result())


@pytest.mark.parametrize("other", ["process", "connection"])
def test_a_publication_elsewhere_makes_a_list_out_of_date(wrap, site, posts, tmp_path, other):
    policy = Policy(revalidate=False, fallback="not-found", paths=posts)
    store = f"file:{tmp_path / 'store'}"
    isg = wrap(site, routes={"/posts/<slug>": policy}, store=store)
    assert missing(visit(isg, "/posts/three"))
    posts.slugs.append("three")
    if other == "process":
        wrap(site, routes={"/posts/<slug>": policy}, store=store).purge_path("/posts/three")
    else:
        with connect(store) as connection:
            connection.purge_path("/posts/three")
    assert visit(isg, "/posts/three").cache == "MISS"


def test_a_list_that_cannot_be_read_after_a_publication_makes_no_404(
    wrap, site, routes, posts, clock
):
    isg = wrap(site, routes=routes)
    assert missing(visit(isg, "/posts/three"))
    posts.error = RuntimeError("the database is away")
    posts.slugs.append("three")
    isg.purge_path("/posts/three")
    assert visit(isg, "/posts/three").cache == "MISS"
    posts.error = None
    clock.tick(11)
    assert visit(isg, "/posts/four").cache == "MISS"  # and the list is read behind it


def test_without_a_time_the_list_is_kept_until_something_is_invalidated(
    wrap, site, posts, clock, later
):
    policy = Policy(revalidate=False, fallback="not-found", paths=posts)
    isg = wrap(site, routes={"/posts/<slug>": policy})
    visit(isg, "/posts/three")
    clock.tick(10_000_000)
    visit(isg, "/posts/three")
    assert (posts.asked, later.jobs) == (1, [])


def test_a_clock_that_is_put_back_has_the_list_read_again(wrap, site, routes, clock, later):
    isg = wrap(site, routes=routes)
    visit(isg, "/posts/three")
    clock.tick(-1000)
    visit(isg, "/posts/three")
    assert later.run() == 1


def test_who_is_somebody_gets_their_own_page_while_it_is_stored(wrap, site, routes, posts):
    site.views["/posts/one"] = lambda environ: html(
        environ.get("HTTP_COOKIE", "all"), ("Vary", "Cookie")
    )
    isg = wrap(site, routes=routes)
    visit(isg, "/posts/one")
    posts.slugs.remove("one")
    isg.runtime.engine.fallback.listings._lists.clear()
    assert visit(isg, "/posts/one", headers={"Cookie": "session=ada"}).text == "session=ada"
    isg.purge_path("/posts/one")
    assert missing(visit(isg, "/posts/one", headers={"Cookie": "session=ada"}))


def test_a_stored_page_is_served_although_the_list_lacks_it(wrap, site, routes, posts, clock):
    """What is stored has its own lifetime; purging it is what makes it go."""
    isg = wrap(site, routes=routes)
    visit(isg, "/posts/one")
    posts.slugs.remove("one")
    assert visit(isg, "/posts/one").cache == "HIT"
    clock.tick(61)
    assert visit(isg, "/posts/one").cache == "STALE"
    isg.purge_path("/posts/one")
    assert missing(visit(isg, "/posts/one"))


def test_what_is_regenerated_by_name_is_there(wrap, site, routes):
    isg = wrap(site, routes=routes, base_url="http://site.test", executor=None)
    assert missing(visit(isg, "/posts/new"))
    isg.regenerate("/posts/new")
    assert visit(isg, "/posts/new").cache == "HIT"


def test_query_and_encoding_do_not_make_a_page_unlisted(wrap, site):
    policy = Policy(revalidate=60, fallback="not-found", paths=["/posts/a%20b?page=2", "/posts/ü"])
    isg = wrap(site, routes={"/posts/<slug>": policy})
    for path in ("/posts/a b", "/posts/ü".encode().decode("latin-1")):
        assert visit(isg, path, "page=7").cache == "MISS"


def test_an_app_below_a_script_name_lists_its_own_paths(wrap, site):
    policy = Policy(revalidate=60, fallback="not-found", paths=["/posts/one", "/blog/posts/two"])
    isg = wrap(site, routes={"/posts/<slug>": policy})
    found = [visit(isg, f"/posts/{x}", SCRIPT_NAME="/blog").code for x in ("one", "two", "three")]
    assert found == [200, 200, 404]


def test_visitors_who_bypass_get_their_own_answer(wrap, site, posts):
    policy = Policy(revalidate=60, fallback="not-found", paths=posts, bypass=["staff"])
    isg = wrap(site, routes={"/posts/<slug>": policy})
    assert visit(isg, "/posts/draft", headers={"Cookie": "staff=1"}).code == 200


def test_in_report_mode_nothing_changes(wrap, site, routes):
    assert visit(wrap(site, routes=routes, enabled="report"), "/posts/three").code == 200


# When ``paths`` cannot be used.


def test_without_a_list_every_page_is_rendered_and_it_is_logged_once(
    wrap, site, routes, posts, clock, later, caplog
):
    posts.error = RuntimeError("the database is away")
    isg = wrap(site, routes=routes)
    assert visit(isg, "/posts/three").cache == "MISS"
    clock.tick(11)
    assert visit(isg, "/posts/four").cache == "MISS"
    later.run()
    assert posts.asked == 2
    assert caplog.text.count("the database is away") == 1
    posts.error = None
    clock.tick(11)
    visit(isg, "/posts/five")
    later.run()
    assert missing(visit(isg, "/posts/six"))


def test_an_old_list_stays_when_it_cannot_be_read_again(
    wrap, site, routes, posts, clock, later, caplog
):
    isg = wrap(site, routes=routes)
    assert missing(visit(isg, "/posts/three"))
    posts.error = RuntimeError("the database is away")
    clock.tick(61)
    visit(isg, "/posts/three")
    later.run()
    assert missing(visit(isg, "/posts/three"))
    assert visit(isg, "/posts/two").cache == "MISS"
    assert "the list stays as it was" in caplog.text


def test_what_is_no_path_is_named_in_the_log_and_passed_over(wrap, site, caplog):
    given = ["/posts/one", "https://elsewhere.test/x", 7]
    policy = Policy(revalidate=60, fallback="not-found", paths=given)
    isg = wrap(site, routes={"/posts/<slug>": policy})
    assert visit(isg, "/posts/one").cache == "MISS"
    assert missing(visit(isg, "/posts/two"))
    assert "2 items" in caplog.text
    assert "https://elsewhere.test/x" in caplog.text


def test_p7_a_list_that_is_too_long_is_none(wrap, site, monkeypatch, caplog):
    monkeypatch.setattr(listing, "MAX_LISTED", 100)
    read = []

    def endless() -> Any:
        number = 0
        while True:
            read.append(number)
            yield f"/posts/{number}"
            number += 1

    policy = Policy(revalidate=60, fallback="not-found", paths=endless)
    isg = wrap(site, routes={"/posts/<slug>": policy})
    assert visit(isg, "/posts/x").cache == "MISS"
    assert len(read) == 101
    assert "more than 100 paths" in caplog.text


def test_p7_an_endless_list_of_what_is_no_path_is_none(wrap, site, monkeypatch, caplog):
    monkeypatch.setattr(listing, "MAX_LISTED", 100)
    given = itertools.repeat(7, 10_000)
    policy = Policy(revalidate=60, fallback="not-found", paths=lambda: given)
    isg = wrap(site, routes={"/posts/<slug>": policy})
    assert visit(isg, "/posts/x").cache == "MISS"
    assert given.__length_hint__() == 10_000 - 101
    assert "more than 100 paths" in caplog.text


def test_many_visitors_read_one_list(wrap, site, posts):
    gate = Gate()

    def slow() -> Any:
        gate.pass_through()
        return posts()

    policy = Policy(revalidate=60, fallback="not-found", paths=slow)
    isg = wrap(site, routes={"/posts/<slug>": policy})
    visitors = [Later(lambda n=n: visit(isg, f"/posts/x{n}")) for n in range(4)]
    gate.wait()
    gate.open.set()
    assert all(missing(visitor.result()) for visitor in visitors)
    assert posts.asked == 1


def test_p4_nobody_waits_for_ever_for_a_list(wrap, site):
    gate = Gate()

    def hung() -> Any:
        gate.pass_through()
        return []

    policy = Policy(revalidate=60, fallback="not-found", paths=hung)
    isg = wrap(site, routes={"/posts/<slug>": policy}, wait_time=0.05)
    reader = Later(lambda: visit(isg, "/posts/a"))
    gate.wait()
    assert visit(isg, "/posts/b").cache == "MISS"
    gate.open.set()
    assert missing(reader.result())


def test_p4_once_a_list_took_too_long_nobody_waits_for_it(wrap, site, monkeypatch):
    gate = Gate()

    def hung() -> Any:
        gate.pass_through()
        return []

    policy = Policy(revalidate=60, fallback="not-found", paths=hung)
    isg = wrap(site, routes={"/posts/<slug>": policy}, wait_time=60)
    reader = Later(lambda: visit(isg, "/posts/a"))
    gate.wait()
    now = time.monotonic()
    monkeypatch.setattr(listing, "time", SimpleNamespace(monotonic=lambda: now + 61))
    visitor = Later(lambda: visit(isg, "/posts/b"))
    assert visitor.result(30).cache == "MISS"
    gate.open.set()
    assert missing(reader.result())


# The app's own 404.


@pytest.fixture
def flask_app(posts: Posts) -> Any:
    from flask import Flask, current_app

    app = Flask("posts")
    app.ran = []

    def paths() -> Any:
        assert current_app.name == "posts"  # url_for and the database need the app
        return [{"slug": slug} for slug in posts.slugs]

    @app.get("/posts/<slug>")
    @revalidate(60, fallback="not-found", paths=paths)
    def post(slug):
        app.ran.append(slug)
        return slug

    @app.errorhandler(404)
    def not_found(error):
        return f"Nothing here; prerendering: {page.prerendering}", 404

    return app


def test_flask_answers_with_its_own_404_page_and_does_not_run_the_view(flask_app, clock):
    isg = FlaskISG(flask_app, store="memory:", clock=clock, executor=Inline())
    try:
        reply = visit(isg, "/posts/three")
        assert missing(reply)
        assert reply.text == "Nothing here; prerendering: False"
        assert visit(isg, "/posts/one").cache == "MISS"
        assert flask_app.ran == ["one"]
    finally:
        isg.close(0)


def test_an_error_page_may_be_made_of_decorated_views(flask_app, clock):
    @revalidate(60)
    def menu():
        return "the menu"

    flask_app.register_error_handler(404, lambda error: (menu(), 404))
    isg = FlaskISG(flask_app, store="memory:", clock=clock, executor=Inline())
    try:
        reply = visit(isg, "/posts/three")
        assert (reply.code, reply.text) == (404, "the menu")
    finally:
        isg.close(0)


def test_flask_routes_that_have_no_decorator_do_not_run_either(flask_app, clock):
    @flask_app.get("/plain/<name>")
    def plain(name):
        flask_app.ran.append(name)
        return name

    policy = Policy(revalidate=60, fallback="not-found", paths=["/plain/a"])
    isg = FlaskISG(
        flask_app, store="memory:", clock=clock, executor=Inline(), routes={"/plain/<x>": policy}
    )
    try:
        assert missing(visit(isg, "/plain/b"))
        assert visit(isg, "/plain/a").text == "a"
        assert flask_app.ran == ["a"]
    finally:
        isg.close(0)


def test_in_flask_s_debug_mode_the_list_counts_too(flask_app, clock):
    flask_app.debug = True
    isg = FlaskISG(flask_app, store="memory:", clock=clock, executor=Inline())
    try:
        assert missing(visit(isg, "/posts/three"))
        assert visit(isg, "/posts/one").text == "one"
    finally:
        isg.close(0)


def test_a_class_based_view_of_flask_is_not_run_either(clock, posts):
    flask = pytest.importorskip("flask")
    from flask.views import MethodView

    app = flask.Flask("views")

    @revalidate(60, fallback="not-found", paths=["/class/a"])
    class View(MethodView):
        def get(self, slug):
            raise AssertionError("the view ran")

    app.add_url_rule("/class/<slug>", view_func=View.as_view("view"))
    isg = FlaskISG(app, store="memory:", clock=clock, executor=Inline())
    try:
        assert missing(visit(isg, "/class/b"))
    finally:
        isg.close(0)


def test_django_answers_with_its_own_404_page_and_does_not_run_the_view(django_project, clock):
    from django.http import HttpResponse
    from django.urls import path

    ran = []

    @revalidate(60, fallback="not-found", paths=[{"slug": "one"}])
    def post(request, slug):
        ran.append(slug)
        return HttpResponse(slug)

    isg = django_project(
        [path("posts/<slug>", post, name="post")], clock=clock, executor=Inline(), TEMPLATES=[]
    )
    reply = visit(isg, "/posts/three")
    assert missing(reply)
    assert "not found" in reply.text.lower()
    assert visit(isg, "/posts/one").text == "one"
    assert ran == ["one"]


def test_under_the_plain_isg_a_decorated_view_s_app_never_sees_an_exception(wrap, later, posts):
    """A plain WSGI app would not know what to do with it: werkzeug's NotFound answers."""
    view = revalidate(60, fallback="not-found", paths=posts)(lambda: b"page")

    def app(environ, start_response):
        body = view()
        start_response("200 OK", [("Content-Type", "text/html")])
        return [body]

    isg = wrap(app)
    for path in ("/posts/one", "/posts/three"):
        assert visit(isg, path).detail == "learning"
    later.run()
    assert visit(isg, "/posts/one").cache == "HIT"
    isg.purge_all()
    assert visit(isg, "/posts/one").cache == "REVALIDATED"
    assert missing(visit(isg, "/posts/three"))


# Said aloud.


def test_p9_why_says_so(wrap, site, routes):
    isg = wrap(site, routes=routes)
    said = isg.why("/posts/three", host="site.test")
    assert (said.outcome, said.detail) == ("BYPASS", "not-listed")
    assert "paths=" in said.decided_by
    assert "404" in said.follows
    assert isg.why("/posts/one", host="site.test").outcome == "MISS"


def test_a_forked_process_reads_with_a_lock_of_its_own(wrap, site, routes):
    isg = wrap(site, routes=routes)
    lock = isg.runtime.engine.fallback.listings._locks.setdefault("/posts/<slug>", threading.Lock())
    lock.acquire()  # as a thread of the parent's held it
    isg.runtime.engine.after_fork()
    assert missing(visit(isg, "/posts/three"))
    lock.release()
    assert eventually(lambda: visit(isg, "/posts/one").cache == "HIT")


@pytest.mark.parametrize(
    ("given", "unlisted"),
    [
        pytest.param(["/posts/one"], "BYPASS", id="list"),
        pytest.param(lambda: iter(["/posts/one"]), "BYPASS", id="function"),
        pytest.param(iter(["/posts/one"]), "MISS", id="iterator that is used up then"),
    ],
)
def test_a_build_and_the_list_share_paths(wrap, site, caplog, given, unlisted):
    policy = Policy(revalidate=60, fallback="not-found", paths=given)
    isg = wrap(site, routes={"/posts/<slug>": policy})
    assert isg.prerender(base_url="http://site.test").rendered == 1
    assert visit(isg, "/posts/one").cache == "HIT"
    assert visit(isg, "/posts/two").cache == unlisted
    assert ("used up" in caplog.text) == (unlisted == "MISS")
