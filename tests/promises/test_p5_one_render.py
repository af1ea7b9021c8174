"""P5: concurrent demand for one page is one render."""

from __future__ import annotations

import threading
import time

import pytest

from isgware import ISG, Policy
from tests.promises.kit import (
    MARK,
    Gate,
    Later,
    Site,
    eventually,
    html,
    just_after_a_look,
    together,
    visit,
)

ROUTES = {"/<x>": Policy(revalidate=60, expire=600)}


@pytest.fixture
def gate(site) -> Gate:
    """The gate that renders of /slow stand at; own answers do not."""
    gate = Gate()

    def view(environ):
        if MARK in environ:
            gate.pass_through()
        return html(f"{'clean' if MARK in environ else 'own'} {site.rendered('/slow')}")

    site.views["/slow"] = view
    return gate


def waiting(isg) -> int:
    return isg.runtime.engine.renderer.flights.waiting


def test_p5_fifty_visitors_of_a_cold_page_are_one_render(wrap, site, gate):
    isg = wrap(site, routes=ROUTES)
    visits = [Later(lambda: visit(isg, "/slow")) for _ in range(50)]
    eventually(lambda: waiting(isg) == 49)
    gate.open.set()
    replies = [each.result() for each in visits]
    assert {reply.text for reply in replies} == {"clean 1"}
    assert [reply.cache for reply in replies] == ["MISS"] * 50
    assert sum("collapsed" in reply.get("Cache-Status") for reply in replies) == 49
    assert (site.rendered("/slow"), site.own("/slow")) == (1, 0)


def test_p5_fifty_visitors_without_any_choreography(wrap, site):
    def view(environ):
        time.sleep(0.05)
        return html("page")

    site.views["/page"] = view
    isg = wrap(site, routes=ROUTES)
    together(50, lambda n: visit(isg, "/page"))
    assert site.rendered("/page") == 1


def test_p5_visitors_of_two_instances_of_one_store_are_one_render(wrap, site, gate, tmp_path):
    one, two = (wrap(site, routes=ROUTES, store=f"file:{tmp_path}") for _ in range(2))
    visits = [Later(lambda app=app: visit(app, "/slow")) for app in (one, two) for _ in range(10)]
    gate.wait()
    eventually(lambda: waiting(one) + waiting(two) == 18)
    gate.open.set()
    assert {each.result().text for each in visits} == {"clean 1"}
    assert (site.rendered("/slow"), site.own("/slow")) == (1, 0)


@pytest.mark.parametrize("state", ["cold", "expired", "purged"])
def test_p5_who_looked_just_before_the_page_was_there_gets_it_as_a_hit(
    wrap, clock, site, monkeypatch, state
):
    isg = wrap(site, routes=ROUTES)
    if state != "cold":
        visit(isg, "/p")
        isg.purge_path("/p") if state == "purged" else clock.tick(601)
    site.seen.clear()
    just_after_a_look(isg, monkeypatch, lambda: Later(lambda: visit(isg, "/p")).result())
    reply = visit(isg, "/p")
    assert (reply.cache, reply.get("Cache-Status")) == ("HIT", "isgware; hit; ttl=60")
    assert len(site.seen) == 1


def test_p5_fifty_visitors_past_expiry_are_one_render(wrap, clock, site, gate):
    isg = wrap(site, routes=ROUTES)
    gate.open.set()
    visit(isg, "/slow")
    gate.open.clear()
    clock.tick(601)
    visits = [Later(lambda: visit(isg, "/slow")) for _ in range(50)]
    eventually(lambda: waiting(isg) == 49)
    gate.open.set()
    assert {each.result().text for each in visits} == {"clean 2"}


def test_p5_a_stale_burst_is_one_render_and_nobody_waits(wrap, clock, site, gate):
    isg = wrap(site, routes=ROUTES, executor=None)
    gate.open.set()
    visit(isg, "/slow")
    gate.open.clear()
    clock.tick(61)
    replies = together(50, lambda n: visit(isg, "/slow"))
    assert {(reply.text, reply.cache) for reply in replies} == {("clean 1", "STALE")}
    gate.wait()
    assert {visit(isg, "/slow").cache for _ in range(20)} == {"STALE"}
    gate.open.set()
    eventually(lambda: visit(isg, "/slow").cache == "HIT")
    assert site.rendered("/slow") == 2


def test_p5_waiters_have_a_deadline_and_then_render_for_themselves(wrap, site, gate):
    isg = wrap(site, routes=ROUTES, wait_time=0.2)
    leader = Later(lambda: visit(isg, "/slow"))
    gate.wait()
    started = time.monotonic()
    reply = visit(isg, "/slow")
    assert (reply.text, reply.cache, reply.detail) == ("own 1", "BYPASS", "wait-timeout")
    assert time.monotonic() - started > 0.15  # and before the gate is open
    gate.open.set()
    assert leader.result().cache == "MISS"


def test_p5_the_deadline_holds_for_a_render_of_another_process(wrap, site, gate, tmp_path):
    one, two = (
        wrap(site, routes=ROUTES, store=f"file:{tmp_path}", wait_time=0.2) for _ in range(2)
    )
    leader = Later(lambda: visit(one, "/slow"))
    gate.wait()
    assert visit(two, "/slow").text == "own 1"
    gate.open.set()
    assert leader.result().text == "clean 1"
    assert visit(two, "/slow").text == "clean 1"


def test_p5_a_cold_page_that_throws_is_one_render_once_its_route_is_proven(wrap, site):
    gate = Gate()

    def view(environ):
        gate.pass_through()
        raise LookupError("boom")

    site.views["/boom"] = view
    isg = wrap(site, routes=ROUTES)
    visit(isg, "/good")
    visits = [Later(lambda: visit(isg, "/boom")) for _ in range(50)]
    eventually(lambda: waiting(isg) == 49)
    gate.open.set()
    for each in visits:
        with pytest.raises(LookupError, match="boom"):
            each.result()
    assert len(site.asked("/boom")) == 1


def test_p5_visitors_of_other_pages_do_not_wait(wrap, site, gate):
    isg = wrap(site, routes=ROUTES)
    slow = Later(lambda: visit(isg, "/slow"))
    gate.wait()
    assert visit(isg, "/other").cache == "MISS"
    gate.open.set()
    slow.result()


def test_p5_a_visitor_joins_the_render_in_the_background(wrap, clock, site, gate):
    """A decorated or expired page may be rendering already when its first visitor has to wait."""
    isg = wrap(site, routes=ROUTES, executor=None)
    gate.open.set()
    visit(isg, "/slow")
    gate.open.clear()
    clock.tick(61)
    visit(isg, "/slow")
    gate.reached.clear()
    gate.wait()
    clock.tick(600)
    visitor = Later(lambda: visit(isg, "/slow"))
    eventually(lambda: waiting(isg) == 1)
    gate.open.set()
    assert visitor.result().text == "clean 2"
    assert site.rendered("/slow") == 2


def test_p5_regenerations_run_side_by_side(wrap, clock, site, gate):
    """An idle thread is not counted twice."""
    isg = wrap(site, routes=ROUTES, executor=None, workers=4)
    gate.open.set()
    for path in ("/slow", "/page", "/warm"):
        visit(isg, path)
    gate.open.clear()
    gate.reached.clear()
    clock.tick(61)
    visit(isg, "/warm")
    eventually(lambda: visit(isg, "/warm").cache == "HIT")
    visit(isg, "/slow")
    visit(isg, "/page")
    eventually(lambda: visit(isg, "/page").cache == "HIT")
    gate.open.set()


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_p5_a_view_that_tries_to_end_its_thread_does_not_end_regeneration(error, clock):
    """``sys.exit()`` in a view, or gevent's Timeout, is no Exception."""
    site, calls = Site(), []

    def view(environ):
        calls.append(1)
        if len(calls) > 3:
            raise error
        return html("page")

    for path in ("/a", "/b", "/c"):
        site.views[path] = view
    isg = ISG(site, store="memory:", clock=clock, routes=ROUTES, workers=2)
    for path in ("/a", "/b", "/c", "/good"):
        visit(isg, path)
    clock.tick(61)
    for number, path in enumerate(("/a", "/b", "/c")):
        assert visit(isg, path).cache == "STALE"
        eventually(lambda number=number: len(calls) == 4 + number)
    visit(isg, "/good")
    eventually(lambda: visit(isg, "/good").cache == "HIT")
    assert eventually(lambda: visit(isg, "/a").detail == "regeneration-failed")
    isg.close(0.1)


def test_p5_a_lease_is_gone_soon_after_its_owner_died(wrap, clock, site, gate, tmp_path):
    dead, alive = (
        wrap(site, routes=ROUTES, store=f"file:{tmp_path}", lease_time=10) for _ in range(2)
    )
    dead.runtime.engine.renderer.maintenance.hold = lambda lease: (
        None
    )  # its process is gone: nobody renews
    Later(lambda: visit(dead, "/slow"))
    gate.wait()
    gate.reached.clear()
    visitor = Later(lambda: visit(alive, "/slow"))
    time.sleep(0.1)
    assert not visitor.done
    clock.tick(10.1)
    gate.wait()
    gate.open.set()
    assert visitor.result().cache == "MISS"


def test_p5_waiting_uses_no_more_than_a_thread_each(wrap, site, gate):
    isg = wrap(site, routes=ROUTES)
    before = threading.active_count()
    visits = [Later(lambda: visit(isg, "/slow")) for _ in range(10)]
    eventually(lambda: waiting(isg) == 9)
    assert threading.active_count() <= before + 11
    gate.open.set()
    [each.result() for each in visits]
