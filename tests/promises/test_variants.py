"""Variants of pages of a plain WSGI app, by what a function says of its visitor."""

from __future__ import annotations

from isgware import Policy
from isgware.core.cache_key import cookie_pairs

from .kit import html, visit


def test_p1_a_plain_app_is_asked_with_the_visitors_environ(wrap, site, later, clock):
    asked = []

    def tier(environ):
        asked.append(environ["PATH_INFO"])
        return dict(cookie_pairs(environ.get("HTTP_COOKIE"))).get("tier", "free")

    isg = wrap(site, routes={"/p": Policy(revalidate=60, vary=["user:tier"])})
    says = isg.variant("tier")(tier)
    site.views["/p"] = lambda environ: html(f"{says(environ)} {environ.get('HTTP_COOKIE')}")

    def got(cookie=""):
        reply = visit(isg, "/p", headers={"Cookie": cookie} if cookie else {})
        return reply.cache, reply.text

    assert [got("tier=gold"), got("tier=gold; a=1"), got(), got("a=1")] == [
        ("MISS", "gold None"), ("HIT", "gold None"), ("MISS", "free None"), ("MISS", "free None"),
    ]  # fmt: skip
    clock.tick(61)
    assert got("tier=gold") == ("STALE", "gold None")
    later.run()
    assert got("tier=gold") == ("HIT", "gold None")
    assert set(asked) == {"/p"}
