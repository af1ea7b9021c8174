"""P7: very many pages that go stale at once. What there is of each thing is counted."""

from __future__ import annotations

import pytest

from isgware import Policy
from tests.promises.kit import visit

PAGES = 1_000
ROUTES = {"/<path:x>": Policy(revalidate=60, expire=3000)}


@pytest.fixture
def burst(wrap, site):
    """A thousand pages and a hot one; the thousand were declared stale, and each was visited."""

    def make(queue_size: int):
        isg = wrap(site, routes=ROUTES, queue_size=queue_size)
        for number in range(PAGES):
            visit(isg, f"/burst/{number}")
        isg.revalidate_path("/burst/*")
        for _ in range(2):
            visit(isg, "/hot")
        site.seen.clear()
        replies = [visit(isg, f"/burst/{number}") for number in range(PAGES)]
        assert {reply.cache for reply in replies} == {"STALE"}
        return isg

    return make


def test_p7_a_burst_of_stale_pages_keeps_no_hit_waiting(burst, site):
    isg = burst(PAGES)
    assert [visit(isg, "/hot").cache for _ in range(3)] == ["HIT"] * 3
    assert site.seen == []


def test_p7_a_burst_is_rendered_once_and_leaves_nothing_behind(burst, site, later):
    isg = burst(PAGES)
    for number in range(PAGES):
        assert visit(isg, f"/burst/{number}").cache == "STALE"
    assert isg.runtime.engine.background.pool.waiting == PAGES
    assert later.run() == PAGES
    paths = [environ["PATH_INFO"] for environ in site.seen]
    assert (len(paths), len(set(paths))) == (PAGES, PAGES)
    assert isg.runtime.engine.background.pool.busy == 0
    assert visit(isg, "/burst/7").cache == "HIT"


def test_p7_a_burst_takes_no_more_than_its_places(burst, site, later):
    """What has no place is remembered for as many pages, and asked for with their next visit."""
    isg = burst(100)
    for number in range(PAGES):
        visit(isg, f"/burst/{number}")
    pool = isg.runtime.engine.background.pool
    assert (pool.waiting, len(pool._queue._turned_away)) == (100, 100)
    assert len(pool._requested) <= pool._requested.maxlen
    assert later.run() == 100
    assert len({environ["PATH_INFO"] for environ in site.seen}) == 100
