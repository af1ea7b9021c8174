"""`isgware.regeneration.refused_routes`: when another page of a route is tried."""

from __future__ import annotations

import pytest

from isgware.regeneration import refused_routes
from isgware.regeneration.refused_routes import RefusedRoutes

NOW, ROUTE, POLICY = 1_000_000.0, "post", "fingerprint"


def refuse(routes: RefusedRoutes, count: int = 1, reason: str = "set-cookie") -> None:
    for number in range(count):
        routes.refuse(ROUTE, POLICY, f"page {number}", reason, NOW)


@pytest.fixture
def routes() -> RefusedRoutes:
    return RefusedRoutes()


def passing(routes: RefusedRoutes, visits: int) -> None:
    for _ in range(visits):
        routes.passed(ROUTE)


def test_a_route_of_which_nothing_is_known_is_tried(routes: RefusedRoutes) -> None:
    assert routes.pause(ROUTE, POLICY, NOW) == ""


@pytest.mark.parametrize(
    ("refusals", "visits", "seconds", "pauses"),
    [
        pytest.param(1, 0, 0, False, id="one page"),
        pytest.param(2, 0, 0, True, id="two pages"),
        pytest.param(2, 64, 1, False, id="visits and a second"),
        pytest.param(2, 63, 1, True, id="fewer visits"),
        pytest.param(2, 64, 0.9, True, id="less than a second"),
        pytest.param(3, 256, 1.9, True, id="the next pause is longer"),
        pytest.param(3, 256, 2, False, id="and has an end"),
        pytest.param(2, 0, 60, False, id="few visitors, a minute"),
        pytest.param(3, 0, 60, True, id="then longer"),
        pytest.param(3, 0, 120, False, id="two minutes"),
        pytest.param(40, 0, 3_599, True, id="less than an hour"),
        pytest.param(40, 0, 3_600, False, id="never longer than an hour"),
        pytest.param(2, 0, -60, False, id="a clock that was put back"),
    ],
)
def test_the_pauses(
    routes: RefusedRoutes, refusals: int, visits: int, seconds: float, pauses: bool
) -> None:
    refuse(routes, refusals)
    passing(routes, visits)
    assert routes.pause(ROUTE, POLICY, NOW + seconds) == ("set-cookie" if pauses else "")


def test_one_try_at_a_time(routes: RefusedRoutes) -> None:
    refuse(routes, 2)
    passing(routes, 64)
    assert not routes.pause(ROUTE, POLICY, NOW + 1)
    routes.trying(ROUTE, NOW + 1)
    assert routes.pause(ROUTE, POLICY, NOW + 1)


def test_another_policy_begins_anew(routes: RefusedRoutes) -> None:
    refuse(routes, 9)
    assert not routes.pause(ROUTE, "another", NOW)
    routes.refuse(ROUTE, "another", "page", "private", NOW)
    assert not routes.pause(ROUTE, "another", NOW)


def test_another_reason_begins_anew_once(routes: RefusedRoutes) -> None:
    refuse(routes, 9)
    refuse(routes, 1, "private")
    assert not routes.pause(ROUTE, POLICY, NOW + 60)
    refuse(routes, 1, "set-cookie")
    assert routes.pause(ROUTE, POLICY, NOW + 60)


def test_a_page_that_is_stored_ends_the_pause(routes: RefusedRoutes) -> None:
    refuse(routes, 9)
    routes.rendered(ROUTE, POLICY)
    assert not routes.pause(ROUTE, POLICY, NOW)
    refuse(routes, 31)
    assert not routes.pause(ROUTE, POLICY, NOW)
    refuse(routes)
    assert routes.pause(ROUTE, POLICY, NOW)


def test_what_has_no_end_is_never_tried_again(routes: RefusedRoutes) -> None:
    routes.refuse(ROUTE, POLICY, "page", "streaming", NOW, final=True)
    passing(routes, 1_000)
    assert routes.pause(ROUTE, POLICY, NOW + 1e6) == "streaming"
    assert not routes.hints_at_change(ROUTE, "streaming", cookies=False)


def test_the_store_is_looked_into_by_some_visits(routes: RefusedRoutes) -> None:
    refuse(routes, 9)
    looked = 0
    for _ in range(160):
        looked += not routes.skips(ROUTE, POLICY, NOW)
        routes.passed(ROUTE)
    assert looked == 16 + 4
    routes.found(ROUTE)
    passing(routes, 1)
    assert not routes.skips(ROUTE, POLICY, NOW)


@pytest.mark.parametrize(
    ("reason", "cookies", "heeded"),
    [
        ("set-cookie", False, True),
        ("set-cookie", True, False),  # it may have been set before
        ("private", True, True),
        ("status-403", True, True),
        ("too-big", False, False),  # the head of an answer does not show it
        ("clean-room-failed", False, False),
    ],
)
def test_which_answers_are_signs(
    routes: RefusedRoutes, reason: str, cookies: bool, heeded: bool
) -> None:
    refuse(routes, 2, reason)
    assert routes.hints_at_change(ROUTE, reason, cookies=cookies) is heeded


def test_signs_that_mislead_are_heeded_seldom(routes: RefusedRoutes) -> None:
    refuse(routes, 2)
    routes.tries_early(ROUTE, "page")
    assert routes.tried_early(ROUTE, "page")
    routes.refuse(ROUTE, POLICY, "page", "set-cookie", NOW)
    assert not routes.tried_early(ROUTE, "page")
    assert not routes.hints_at_change(ROUTE, "set-cookie", cookies=False)
    passing(routes, 64)
    assert routes.hints_at_change(ROUTE, "set-cookie", cookies=False)
    routes.rendered(ROUTE, POLICY)
    assert routes.hints_at_change(ROUTE, "set-cookie", cookies=False)


def test_routes_are_bounded(routes: RefusedRoutes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refused_routes, "_MAX_ROUTES", 3)
    for number in range(5):
        routes.refuse(f"route {number}", POLICY, "page", "private", NOW)
    assert [number for number in range(5) if routes.knows(f"route {number}")] == [2, 3, 4]
