"""Lifetimes, and clocks that step."""

from __future__ import annotations

from isgware import Policy
from tests.promises.kit import visit

ROUTES = {"/<path:x>": Policy(revalidate=60, expire=600, tags=["t"])}


def test_expire_counts_from_the_render_as_revalidate_does(wrap, clock, site):
    isg = wrap(site, routes=ROUTES)
    visit(isg, "/p")
    for seconds, label in ((59.9, "HIT"), (0.2, "STALE"), (539.8, "STALE"), (0.2, "REVALIDATED")):
        clock.tick(seconds)
        assert visit(isg, "/p").cache == label


def test_a_declared_route_for_which_nobody_says_revalidate_is_kept_until_told(wrap, clock, site):
    isg = wrap(site, routes={"/p": Policy(tags=["t"])})
    visit(isg, "/p")
    clock.tick(31_000_000)
    assert visit(isg, "/p").cache == "HIT"
    isg.revalidate_tag("t")
    assert visit(isg, "/p").cache == "STALE"


def test_clocks_that_step_are_survived(wrap, clock, later, site):
    isg = wrap(site, routes={"/p": Policy(revalidate=60)})
    visit(isg, "/p")
    clock.tick(-3600)
    reply = visit(isg, "/p")
    assert reply.cache == "STALE"
    assert reply.get("Age") == "0"
    later.run()
    assert visit(isg, "/p").cache == "HIT"
    clock.tick(3600 + 61)
    assert visit(isg, "/p").cache == "STALE"
    later.run()
    assert visit(isg, "/p").cache == "HIT"


def test_a_clock_put_back_does_not_prolong_a_back_off(wrap, clock, later, site):
    old = wrap(site, routes=ROUTES)
    visit(old, "/p")
    site.views["/p"] = lambda environ: 1 / 0
    clock.tick(61)
    visit(old, "/p")
    later.run()
    clock.tick(-100_000)
    del site.views["/p"]
    visit(old, "/p")
    later.run()
    assert visit(old, "/p").cache == "HIT"
