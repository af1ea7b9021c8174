"""P5 where a render takes longer than its page stays fresh, or expires: who waited takes it."""

from __future__ import annotations

import pytest
from cachelib import SimpleCache

from isgware import Policy
from tests.promises.faults import FaultyBackend
from tests.promises.kit import Gate, Later, Site, eventually, html, visit


@pytest.fixture(params=["file", "memory", "foreign", "redis"])
def store(request, tmp_path):
    """Options of processes that share a store."""
    if request.param == "redis":
        return {"store": request.getfixturevalue("redis_url")}
    if request.param == "foreign":
        return {"store": SimpleCache(), "coordinator": f"file:{tmp_path}"}
    return {"store": f"file:{tmp_path}" if request.param == "file" else FaultyBackend()}


class Processes:
    """Some that share a store, and a page that is fresh for a second and takes longer."""

    def __init__(self, wrap, store, **policy) -> None:
        self.site, self.gate = Site(), Gate()
        routes = {"/p": Policy(**{"revalidate": 1, **policy})}
        self.all = [wrap(self.site, routes=routes, backend_timeout=30.0, **store) for _ in range(3)]
        self.site.views["/p"] = self.view

    def view(self, environ):
        number = self.site.rendered("/p")
        self.gate.pass_through()
        return html(f"render {number}")

    def visits(self) -> list[Later]:
        """One renders, the others wait for it."""
        first = Later(lambda: visit(self.all[0], "/p"))
        self.gate.wait()
        polls = [_polls(isg) for isg in self.all[1:]]
        others = [Later(lambda isg=isg: visit(isg, "/p")) for isg in self.all[1:]]
        for polled in polls:
            eventually(lambda polled=polled: len(polled) > 1)
        return [first, *others]


def _polls(isg) -> list[int]:
    """Grows each time that this process asks for the lease."""
    asked: list[int] = []
    acquire = isg.runtime.engine.page_store.acquire

    def counted(*arguments, **options):
        asked.append(1)
        return acquire(*arguments, **options)

    isg.runtime.engine.page_store.acquire = counted
    return asked


@pytest.mark.parametrize("expire", [600, 1], ids=["stale", "expired"])
def test_p5_who_waited_takes_a_page_whose_time_is_up(wrap, clock, store, expire):
    processes = Processes(wrap, store, expire=expire)
    visits = processes.visits()
    clock.tick(1.2)
    processes.gate.open.set()
    assert {each.result().text for each in visits} == {"render 1"}
    assert processes.site.rendered("/p") == 1


def test_p5_who_comes_later_does_not_take_a_page_that_expired(wrap, clock, store):
    processes = Processes(wrap, store, expire=1)
    processes.gate.open.set()
    assert visit(processes.all[0], "/p").text == "render 1"
    clock.tick(1.2)
    assert visit(processes.all[1], "/p").text == "render 2"


def test_p6_a_page_that_was_purged_while_it_was_rendered_is_not_taken(wrap, clock, store):
    """It is stored just before who came after the purge has the lease."""
    processes = Processes(wrap, store)
    one, two, _ = processes.all
    first = Later(lambda: visit(one, "/p"))
    processes.gate.wait()
    two.purge_path("/p")
    acquire = two.runtime.engine.page_store.acquire

    def late(*arguments, **options):
        processes.gate.open.set()
        first.result()
        return acquire(*arguments, **options)

    two.runtime.engine.page_store.acquire = late
    assert visit(two, "/p").text == "render 2"


def test_p6_who_waited_does_not_take_a_page_of_another_policy(wrap, clock, store):
    """Its processes run an earlier release: what is in its key may not be what is in ours."""
    processes = Processes(wrap, store)
    routes = {"/p": Policy(revalidate=1, tags=["new"])}
    processes.all[1:] = [wrap(processes.site, routes=routes, backend_timeout=30.0, **store)]
    first, second = processes.visits()
    clock.tick(1.2)
    processes.gate.open.set()
    assert [first.result().text, second.result().text] == ["render 1", "render 2"]


def test_p5_a_job_takes_what_another_process_rendered_since_it_looked(wrap, clock, store, later):
    processes = Processes(wrap, store)
    processes.gate.open.set()
    one, two, _ = processes.all
    visit(one, "/p")
    clock.tick(2)
    visit(two, "/p")
    acquire = two.runtime.engine.page_store.acquire

    def overtaken(*arguments, **options):
        two.runtime.engine.page_store.acquire = acquire
        visit(one, "/p")
        later.jobs.append(later.jobs.pop(0))
        later.jobs[0][1]()
        clock.tick(1.2)  # that took longer than its page stays fresh
        return acquire(*arguments, **options)

    two.runtime.engine.page_store.acquire = overtaken
    later.jobs.pop(0)[1]()
    assert processes.site.rendered("/p") == 2


def test_p6_a_job_does_not_take_what_was_revalidated_while_it_was_rendered(
    wrap, clock, store, later
):
    processes = Processes(wrap, store, revalidate=60)
    processes.gate.open.set()
    one, two, _ = processes.all
    visit(one, "/p")
    one.revalidate_path("/p")
    visit(one, "/p")
    processes.gate = Gate()
    rendering = Later(later.jobs.pop(0)[1])
    processes.gate.wait()
    two.revalidate_path("/p")
    visit(two, "/p")
    acquire = two.runtime.engine.page_store.acquire

    def late(*arguments, **options):
        processes.gate.open.set()
        rendering.result()
        return acquire(*arguments, **options)

    two.runtime.engine.page_store.acquire = late
    later.jobs.pop(0)[1]()
    assert (visit(two, "/p").text, visit(two, "/p").cache) == ("render 3", "HIT")
