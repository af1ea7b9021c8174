"""Intervals that fit: each page finds how long it stays fresh."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from isgware import Adaptive, Policy, page, revalidate
from tests.promises.kit import (
    Clock,
    Later,
    Manual,
    Reply,
    Site,
    eventually,
    forget,
    html,
    visit,
)  # fmt: skip

FIT = Adaptive(10, 160)
ROUTES = {"/<path:x>": Policy(revalidate=FIT, expire=1_000, tags=["t"])}


class Page:
    """A page whose text the test says, and how long it stays fresh."""

    def __init__(self, wrap: Callable[..., Any], clock: Clock, later: Manual) -> None:
        self.site, self.clock, self.later, self.wrap = Site(), clock, later, wrap
        self.text: Any = "text"
        self.site.views["/p"] = self.view

    def view(self, environ: Any) -> Any:
        return html(self.text() if callable(self.text) else self.text)

    def start(self, **options: Any) -> None:
        self.isg = self.wrap(self.site, **{"routes": ROUTES, "backend_timeout": 30.0, **options})

    def visit(self) -> Reply:
        return visit(self.isg, "/p")

    def interval(self) -> float:
        """For how long the page is fresh now, as its headers say and as it is so."""
        said = self.visit().get("Cache-Control")
        return float(said.partition("s-maxage=")[2].partition(",")[0])

    def renewed(self) -> float:
        """The interval after the next render for which the time is up."""
        self.clock.tick(self.interval() + 0.1)
        assert self.visit().cache == "STALE"
        assert self.later.run() == 1
        return self.interval()


@pytest.fixture
def a_page(wrap: Callable[..., Any], clock: Clock, later: Manual) -> Page:
    return Page(wrap, clock, later)


@pytest.fixture(params=["memory", "file", "redis"])
def stored(request: pytest.FixtureRequest, a_page: Page, tmp_path: Path) -> Page:
    url = f"file:{tmp_path}" if request.param == "file" else "memory:"
    if request.param == "redis":
        url = request.getfixturevalue("redis_url")
    a_page.start(store=url)
    return a_page


def test_it_doubles_while_nothing_changes_and_is_halved_when_something_does(stored: Page) -> None:
    assert stored.interval() == 10
    assert [stored.renewed() for _ in range(5)] == [20, 40, 80, 160, 160]
    stored.text = "other"
    assert stored.renewed() == 80
    assert stored.renewed() == 160
    stored.text = lambda: str(stored.clock.now)  # another each time
    assert [stored.renewed() for _ in range(5)] == [80, 40, 20, 10, 10]


def test_it_is_stored_with_the_page(stored: Page) -> None:
    assert [stored.renewed(), stored.renewed()] == [20, 40]
    forget(stored.isg)
    assert stored.interval() == 40
    assert stored.renewed() == 80
    forget(stored.isg)
    assert stored.visit().cache == "HIT"
    stored.clock.tick(79)
    assert stored.visit().cache == "HIT"
    stored.clock.tick(2)
    assert stored.visit().cache == "STALE"


def test_another_process_goes_on_with_it(
    a_page: Page, wrap: Callable[..., Any], tmp_path: Path
) -> None:
    a_page.start(store=f"file:{tmp_path}")
    assert a_page.renewed() == 20
    a_page.start(store=f"file:{tmp_path}")
    assert a_page.interval() == 20
    assert a_page.renewed() == 40


def test_failed_and_refused_renders_change_nothing(a_page: Page, clock: Clock) -> None:
    a_page.start(
        routes={"/p": Policy(revalidate=FIT, accept=lambda old, new: b"no" not in new.body)}
    )
    assert a_page.renewed() == 20

    def fails() -> str:
        raise ValueError

    for text in (fails, "no"):
        a_page.text = text
        clock.tick(200)
        a_page.visit()
        a_page.later.run()
        assert a_page.visit().cache == "STALE"
        assert a_page.interval() == 20
    a_page.text = "text"
    clock.tick(500)
    a_page.visit()
    a_page.later.run()
    assert a_page.interval() == 40


def test_only_renders_for_which_the_time_was_up_count(a_page: Page, clock: Clock) -> None:
    a_page.start(base_url="http://site.test")
    assert a_page.renewed() == 20
    clock.tick(1)
    a_page.isg.revalidate_tag("t")
    a_page.visit()
    assert a_page.later.run() == 1
    assert a_page.interval() == 20
    a_page.text = "other"
    call = Later(lambda: a_page.isg.regenerate("/p"))
    eventually(a_page.later.run)
    call.result()
    assert a_page.interval() == 20


def test_a_page_that_was_purged_begins_anew(a_page: Page) -> None:
    a_page.start()
    assert [a_page.renewed(), a_page.renewed()] == [20, 40]
    a_page.isg.purge_path("/p")
    assert a_page.visit().cache == "REVALIDATED"
    assert a_page.interval() == 10


def test_other_bounds_hold_at_once(a_page: Page, tmp_path: Path) -> None:
    a_page.start(store=f"file:{tmp_path}")
    assert [a_page.renewed() for _ in range(3)] == [20, 40, 80]
    a_page.start(store=f"file:{tmp_path}", routes={"/p": Policy(revalidate=Adaptive(5, 30))})
    assert a_page.visit().cache == "STALE"  # another policy
    a_page.later.run()
    assert a_page.interval() == 30


def test_as_the_default_of_all_routes(a_page: Page) -> None:
    a_page.start(routes={}, revalidate=FIT)
    a_page.visit()
    a_page.later.run()
    assert a_page.interval() == 10
    assert a_page.renewed() == 20


def test_a_view_may_say_it(a_page: Page) -> None:
    def view(environ: Any) -> Any:
        page.revalidate = FIT
        return html("text")

    a_page.site.views["/p"] = view
    a_page.start(routes={"/p": Policy(revalidate=5)})
    assert a_page.interval() == 10
    assert a_page.renewed() == 20


def test_a_page_that_its_view_lets_expire_early_is_served_while_it_is_fresh(a_page: Page) -> None:
    def view(environ: Any) -> Any:
        page.expire = 12
        return html("text")

    a_page.site.views["/p"] = view
    a_page.start()
    assert a_page.renewed() == 20
    a_page.clock.tick(19)
    forget(a_page.isg)  # what is prepared is judged by its freshness alone
    assert a_page.visit().cache == "HIT"


def test_a_page_that_is_gone_has_no_interval(a_page: Page) -> None:
    a_page.start()
    assert [a_page.renewed(), a_page.renewed(), a_page.renewed()] == [20, 40, 80]
    a_page.site.views["/p"] = lambda environ: html("gone", status="404 Not Found")
    a_page.clock.tick(81)
    a_page.visit()
    a_page.later.run()
    assert (a_page.visit().code, a_page.visit().cache) == (404, "HIT")
    a_page.clock.tick(11)
    assert a_page.visit().cache == "STALE"


def test_a_view_that_says_its_own_cache_control_keeps_it(a_page: Page) -> None:
    said = ("Cache-Control", "public, max-age=0, s-maxage=7, stale-while-revalidate=1")
    a_page.site.views["/p"] = lambda environ: html("text", said)
    a_page.start()
    a_page.visit()
    a_page.clock.tick(11)
    a_page.visit()
    a_page.later.run()
    assert a_page.visit().get("Cache-Control") == said[1]
    a_page.clock.tick(19)
    assert a_page.visit().cache == "HIT"


def test_commands_show_the_bounds_and_what_the_page_has_come_to(a_page: Page) -> None:
    a_page.start()
    assert a_page.renewed() == 20
    why = a_page.isg.why("/p")
    assert why.interval == 20
    assert "revalidate=Adaptive(10, 160)" in why.policy
    assert "interval    20 s, adaptive" in str(why)


def test_django_settings_and_decorators_take_it(
    django_project: Callable[..., Any], clock: Clock, later: Manual
) -> None:
    from django.http import HttpResponse
    from django.urls import path

    def view(request: Any) -> HttpResponse:
        return HttpResponse("text")

    made = django_project(
        [path("p", revalidate(FIT)(view)), path("q", view)],
        ISGWARE={"store": "memory:", "revalidate": Adaptive(7, 70)},
        clock=clock, executor=later,
    )  # fmt: skip
    assert "s-maxage=10," in visit(made, "/p").get("Cache-Control")
    visit(made, "/q")
    later.run()
    assert "s-maxage=7," in visit(made, "/q").get("Cache-Control")
