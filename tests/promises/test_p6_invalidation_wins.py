"""P6: a render that began before an invalidation never counts as fresh after it."""

from __future__ import annotations

import pytest

from isgware import Policy, RegenerationError, page
from isgware.backends.base import Limits
from isgware.backends.memory import MemoryBackend
from isgware.backends.sqlite.backend import SQLiteBackend
from isgware.management.route_pages import invalidate_route
from tests.promises.kit import MARK, Gate, Later, eventually, html, visit

ROUTES = {"/<path:x>": Policy(revalidate=60, expire=600, tags=["t"])}
PURGES = {
    "path": lambda isg: isg.purge_path("/slow"),
    "below": lambda isg: isg.purge_path("/*"),
    "tag": lambda isg: isg.purge_tag("t"),
    "late-tag": lambda isg: isg.purge_tag("late"),
    "all": lambda isg: isg.purge_all(),
    "route": lambda isg: invalidate_route(isg.runtime, "/<path:x>", hard=True),
    "url": lambda isg: isg.purge_path("/slow?"),
    "post": lambda isg: visit(isg, "/slow", method="POST"),
}


class Slow:
    """A page whose render begins with the value of that moment, and ends when it is let go."""

    def __init__(self, site) -> None:
        self.value, self.gates = "old", [Gate(), Gate(), Gate()]
        self.renders = 0
        site.views["/slow"] = self

    def __call__(self, environ):
        if MARK not in environ:
            return html("own " + self.value)
        value, number = self.value, self.renders
        self.renders += 1
        page.tag("late")
        self.gates[number].pass_through()
        return html(value)


@pytest.fixture
def slow(site) -> Slow:
    return Slow(site)


@pytest.fixture(params=["memory", "file"])
def store(request, tmp_path) -> str:
    return "memory:" if request.param == "memory" else f"file:{tmp_path}"


@pytest.mark.parametrize("purge", PURGES.values(), ids=list(PURGES))
def test_p6_a_purge_during_a_render_wins(wrap, site, slow, store, purge):
    """The visitor who came before it may have the old render; the one after it may not, and does
    not wait for it either."""
    isg = wrap(site, routes=ROUTES, store=store)
    leader = Later(lambda: visit(isg, "/slow"))
    slow.gates[0].wait()
    waiter = Later(lambda: visit(isg, "/slow"))
    eventually(lambda: isg.runtime.engine.renderer.flights.waiting == 1)
    slow.value = "new"
    purge(isg)
    after = Later(lambda: visit(isg, "/slow"))
    if purge is not PURGES["late-tag"]:
        slow.gates[1].wait()  # a render of its own, while the old one is still under way
        slow.gates[1].open.set()
        assert after.result().text == "new"
    slow.gates[0].open.set()
    slow.gates[1].open.set()
    assert leader.result().text in ("old", "new")
    assert waiter.result().text in ("old", "new")
    assert after.result().text == "new"
    assert (visit(isg, "/slow").text, visit(isg, "/slow").cache) == ("new", "HIT")


@pytest.mark.parametrize("purge", PURGES.values(), ids=list(PURGES))
def test_p6_a_purge_during_a_background_render_wins(wrap, clock, site, slow, store, purge):
    isg = wrap(site, routes=ROUTES, store=store, executor=None)
    slow.gates[0].open.set()
    visit(isg, "/slow")
    clock.tick(61)
    slow.value = "middle"
    assert visit(isg, "/slow").cache == "STALE"
    slow.gates[1].wait()
    slow.value = "new"
    purge(isg)
    after = Later(lambda: visit(isg, "/slow"))
    slow.gates[2].wait()
    slow.gates[2].open.set()
    assert after.result().text == "new"
    slow.gates[1].open.set()  # the older render finishes last
    eventually(lambda: not isg.runtime.engine.background.pool._running)
    assert (visit(isg, "/slow").text, visit(isg, "/slow").cache) == ("new", "HIT")


@pytest.mark.parametrize("name", ["path", "tag", "late-tag"])
def test_p6_a_soft_revalidation_during_a_render_makes_its_page_stale(
    wrap, later, site, slow, store, name
):
    isg = wrap(site, routes=ROUTES, store=store)
    leader = Later(lambda: visit(isg, "/slow"))
    slow.gates[0].wait()
    slow.value = "new"
    if name == "path":
        isg.revalidate_path("/slow")
    else:
        isg.revalidate_tag("t" if name == "tag" else "late")
    slow.gates[0].open.set()
    assert leader.result().text == "old"
    slow.gates[1].open.set()
    reply = visit(isg, "/slow")
    assert reply.text == "new" or reply.cache == "STALE"
    later.run()
    assert (visit(isg, "/slow").text, visit(isg, "/slow").cache) == ("new", "HIT")


def test_p6_a_waiter_who_came_after_a_soft_revalidation_does_not_take_the_old_render(
    wrap, site, slow
):
    isg = wrap(site, routes=ROUTES)
    leader = Later(lambda: visit(isg, "/slow"))
    slow.gates[0].wait()
    slow.value = "new"
    isg.revalidate_tag("t")
    after = Later(lambda: visit(isg, "/slow"))
    slow.gates[1].wait()
    slow.gates[1].open.set()
    slow.gates[0].open.set()
    assert after.result().text == "new"
    assert leader.result().text in ("old", "new")


def test_p6_the_older_of_two_renders_does_not_overwrite_the_newer_even_on_disk(
    wrap, site, slow, tmp_path
):
    store = f"file:{tmp_path}"
    isg = wrap(site, routes=ROUTES, store=store)
    old = Later(lambda: visit(isg, "/slow"))
    slow.gates[0].wait()
    slow.value = "new"
    isg.purge_path("/slow")
    new = Later(lambda: visit(isg, "/slow"))
    slow.gates[1].wait()
    slow.gates[1].open.set()
    new.result()
    slow.gates[0].open.set()
    old.result()
    restarted = wrap(site, routes=ROUTES, store=store)
    assert (visit(restarted, "/slow").text, visit(restarted, "/slow").cache) == ("new", "HIT")


def test_p6_purged_pages_are_never_served_even_when_renders_fail(wrap, clock, site):
    isg = wrap(site, routes=ROUTES)
    visit(isg, "/p")
    site.views["/p"] = lambda environ: html("boom", status="500 Broken")
    isg.purge_path("/p")
    for _ in range(3):
        assert visit(isg, "/p").text == "boom"
        clock.tick(1000)


def test_p6_invalidation_reaches_what_it_names_and_nothing_else(wrap, later, site):
    isg = wrap(site, routes={"/<path:x>": Policy(revalidate=60, query="all")})
    paths = [("/blog", ""), ("/blog/", ""), ("/blog/a", ""), ("/blog/a", "p=1"), ("/blogs", "")]

    def hits():
        found = [each for each in paths if visit(isg, *each).cache == "HIT"]
        later.run()
        return found

    hits()
    for verb in (isg.purge_path, isg.revalidate_path):
        verb("/blog/*")
        assert hits() == [("/blog", ""), ("/blogs", "")]
        verb("/blog/a")
        assert hits() == [("/blog", ""), ("/blog/", ""), ("/blogs", "")]
        verb("/blog/a?p=1")
        assert hits() == [each for each in paths if each[1] == ""]
        verb("/blog/a?")
        assert hits() == [each for each in paths if each != ("/blog/a", "")]
        verb("/%62log")
        assert hits() == paths[1:]
        assert hits() == paths


def test_p6_a_path_stands_for_all_its_variants(wrap, later, site):
    isg = wrap(site, routes={"/p": Policy(revalidate=60, vary=["X-A", "cookie:c"])})
    variants = [{}, {"query": "q=1"}, {"host": "other.test"}, {"headers": {"X-A": "1"}},
                {"headers": {"Cookie": "c=1"}}]  # fmt: skip
    for kwargs in variants:
        visit(isg, "/p", **kwargs)
    assert [visit(isg, "/p", **kwargs).cache for kwargs in variants] == ["HIT"] * 5
    isg.purge_path("/p")
    assert [visit(isg, "/p", **kwargs).cache for kwargs in variants] == ["REVALIDATED"] * 5


@pytest.mark.parametrize(
    ("query", "policy"), [("id=1&ref=x", ("id",)), ("ref=x", ())], ids=["some", "none"]
)
def test_p6_an_url_as_its_visitor_sees_it_purges_what_they_are_served(wrap, site, query, policy):
    isg = wrap(site, routes={"/p": Policy(revalidate=60, query=policy)})
    visit(isg, "/p", query)
    isg.purge_path(f"/p?{query}")
    assert visit(isg, "/p", query).cache == "REVALIDATED"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "post"])
@pytest.mark.parametrize(
    "status", ["200 OK", "204 No Content", "303 See Other", "400 Bad", "500 Bad"]
)
def test_p6_a_successful_unsafe_request_purges_its_own_url(wrap, site, method, status):
    site.views["/p"] = lambda environ: (
        html("page") if environ["REQUEST_METHOD"] == "GET" else html("", status=status)
    )
    isg = wrap(site, routes=ROUTES)
    visit(isg, "/p")
    visit(isg, "/p", method=method)
    assert visit(isg, "/p").cache == ("REVALIDATED" if status[0] in "23" else "HIT")


def test_p6_an_unsafe_request_elsewhere_writes_nothing(wrap, site, monkeypatch):
    isg = wrap(site, routes={"/p": Policy(revalidate=60)})
    version = list(isg.runtime.store.backend.version)
    visit(isg, "/undeclared", method="POST")
    assert list(isg.runtime.store.backend.version) == version


def test_p6_a_post_while_its_undeclared_page_is_learned_wins(wrap, clock, site, slow):
    isg = wrap(site, revalidate=60, executor=None)
    visit(isg, "/slow")
    slow.gates[0].wait()  # the clean-room render is under way
    slow.value = "new"
    assert visit(isg, "/slow", method="POST").cache == "BYPASS"
    slow.gates[0].open.set()
    slow.gates[1].open.set()
    eventually(lambda: not isg.runtime.engine.background.pool._running)
    assert visit(isg, "/slow").text in ("own new", "new")
    eventually(lambda: visit(isg, "/slow").cache == "HIT")
    assert visit(isg, "/slow").text == "new"


def test_p6_regenerate_renders_now_and_makes_the_other_variants_stale(wrap, clock, site):
    isg = wrap(site, routes={"/p": Policy(revalidate=60, vary=["X-A"])}, executor=None)
    visit(isg, "/p")
    visit(isg, "/p", headers={"X-A": "1"})
    visit(isg, "/p", "q=1")
    info = isg.regenerate("/p")
    assert (info.path, info.state, info.age) == ("/p", "fresh", 0)
    reply = visit(isg, "/p")
    assert (reply.text, reply.cache) == ("/p #4", "HIT")
    assert visit(isg, "/p", headers={"X-A": "1"}).cache == "STALE"
    assert visit(isg, "/p", "q=1").cache == "STALE"


@pytest.mark.parametrize("failure", ["raises", "500", "not-accepted", "empty"])
def test_p6_a_regeneration_that_fails_leaves_the_old_page_untouched_and_fresh(
    wrap, clock, site, failure
):
    views = {
        "raises": lambda environ: 1 / 0,
        "500": lambda environ: html("", status="500 Broken"),
        "not-accepted": lambda environ: html("bad"),
        "empty": lambda environ: html(""),
    }
    policy = Policy(revalidate=60, vary=["X-A"], accept=lambda old, new: new.body != b"bad")
    isg = wrap(site, routes={"/p": policy}, executor=None)
    visit(isg, "/p")
    visit(isg, "/p", headers={"X-A": "1"})
    site.views["/p"] = views[failure]
    with pytest.raises(RegenerationError, match="/p"):
        isg.regenerate("/p")
    assert (visit(isg, "/p").text, visit(isg, "/p").cache) == ("/p #1", "HIT")
    assert visit(isg, "/p", headers={"X-A": "1"}).cache == "HIT"


def test_p6_a_purge_during_regenerate_wins(wrap, site, slow):
    isg = wrap(site, routes=ROUTES, executor=None, base_url="http://site.test")
    slow.gates[0].open.set()
    visit(isg, "/slow")
    job = Later(lambda: isg.regenerate("/slow"))
    slow.gates[1].wait()
    slow.value = "new"
    isg.purge_tag("late")
    slow.gates[1].open.set()
    slow.gates[2].open.set()
    try:
        job.result()
    except RegenerationError:
        pass
    assert visit(isg, "/slow").text == "new"


def test_p6_a_regeneration_given_up_keeps_the_old_page_for_good(wrap, site, slow):
    isg = wrap(
        site, routes=ROUTES, executor=None, render_timeout=0.2, probe_interval=0.05, wait_time=0.2
    )
    slow.gates[0].open.set()
    visit(isg, "/slow")
    slow.value = "late"
    with pytest.raises(RegenerationError):
        isg.regenerate("/slow")
    slow.gates[1].open.set()
    eventually(lambda: not isg.runtime.engine.background.pool._running)
    assert visit(isg, "/slow").text == "old"


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_p6_a_purge_that_the_table_has_forgotten_still_wins_over_a_render_under_way(
    wrap, site, slow, tmp_path, kind
):
    """The row of the purge is dropped while the render lasts; the floor stands for it."""
    limits = Limits(names=10)
    backend = MemoryBackend(limits) if kind == "memory" else SQLiteBackend(tmp_path, limits)
    isg = wrap(site, routes=ROUTES, store=backend)
    leader = Later(lambda: visit(isg, "/slow"))
    slow.gates[0].wait()
    slow.value = "new"
    isg.purge_path("/slow")
    for number in range(30):
        isg.purge_tag(f"x{number}")
    after = Later(lambda: visit(isg, "/slow"))
    for gate in slow.gates[:0:-1]:
        gate.open.set()
    slow.gates[1].wait()
    slow.gates[0].open.set()
    assert after.result().text == "new"
    leader.result()
    assert visit(isg, "/slow").text == "new"


@pytest.mark.parametrize(
    "options", [{}, {"revalidate": 60}, {"cache_control": "full"}], ids=["shared", "all", "full"]
)
def test_p6_a_page_that_was_first_kept_during_a_write_is_purged_after_it(
    wrap, site, later, options
):
    value = ["old"]

    def view(environ):
        if environ["REQUEST_METHOD"] == "POST":
            visit(isg, "/p")
            later.run()
            assert visit(isg, "/p").cache == "HIT"
            value[0] = "new"
        return html(value[0], ("Cache-Control", "s-maxage=60"))

    site.views["/p"] = view
    isg = wrap(site, **options)
    visit(isg, "/p", method="POST")
    assert visit(isg, "/p").text == "new"
