"""What the overview asks people to look at."""

from __future__ import annotations

import pytest

from isgware.dashboard.attention import concerns
from isgware.dashboard.route_counts import RouteTotals, route_totals
from isgware.dashboard.traffic import Minute, Traffic, Watch


def route(asked: int = 0, reason: str = "", **fields: int) -> RouteTotals:
    found = RouteTotals(requests=asked)
    if reason:
        found.reasons[reason] = asked
    found.unchanged = fields.get("unchanged", 0)
    found.renders["rendered"] = fields.get("renders", 0)
    return found


def told(**routes: RouteTotals) -> list[tuple[str, str]]:
    found = concerns(None, "on", [], routes, {"steady": 60.0})
    return [(concern.title, concern.route) for concern in found]


def test_all_is_well() -> None:
    assert told(post=route(asked=1_000)) == []


def test_a_store_that_is_away_comes_first() -> None:
    found = concerns(75.0, "report", [], {}, {})
    assert [concern.level for concern in found] == ["serious", "notable"]
    assert "75 s" in found[0].title


def test_routes_that_are_never_stored_are_named_with_the_reason() -> None:
    never = told(basket=route(50, "set-cookie"), rare=route(5, "set-cookie"))
    assert never == [("Never served from the store: set-cookie", "basket")]
    meant = told(admin=route(50, "bypass-cookie"), undeclared=route(50, "set-cookie"))
    assert meant == []


def test_a_longer_interval_is_suggested_where_renders_change_nothing() -> None:
    steady = {"steady": route(500, renders=100, unchanged=98), "busy": route(renders=100)}
    (concern,) = concerns(None, "on", [], steady, {"steady": 60.0})
    assert concern.route == "steady"
    assert "revalidate=60 could be 600; or leave it to Adaptive(60, 600)." in concern.text
    (other,) = concerns(None, "on", [], steady, {})
    assert "tags in its place" in other.text


def test_quantiles_lie_within_their_buckets() -> None:
    totals = route_totals(
        {
            ("render_bucket", "a", "0.1"): 50.0,
            ("render_bucket", "a", "0.25"): 50.0,
            ("render_bucket", "b", "+Inf"): 1.0,
            ("requests", "a", "hit", ""): 3.0,
            ("requests", "a", "bypass", "method"): 9.0,
        }
    )
    assert totals["a"].quantile(0.5) == 0.1
    assert totals["a"].quantile(0.95) == pytest.approx(0.235)
    assert totals["b"].quantile(0.5) == 0.0
    assert RouteTotals().quantile(0.5) is None
    assert (totals["a"].requests, totals["a"].hit_ratio) == (3, 1.0)


def test_the_plot_has_gaps_and_a_round_top() -> None:
    minutes = [Minute(0, 10, 5), Minute(60), Minute(120, 210, 210), Minute(180, 1, 0)]
    traffic = Traffic(minutes)
    assert traffic.lines() == ["M0 50.0L1 50.0", "M2.5 0.0L3.5 100.0"]
    assert traffic.top == 300
    assert Traffic([]).top == 4
    assert [(m.asked, m.served) for m in traffic.table(2)] == [(10, 5), (211, 210)]


def test_minutes_that_are_over_are_read_once_and_few_at_a_time() -> None:
    asked: list[tuple[float, float]] = []
    hit = '["requests","a","hit",""]'

    class Store:
        def counts_between(
            self, period: int, first: float, last: float
        ) -> list[tuple[float, str, float]]:
            asked.append((first, last))
            return [(at, hit, 2.0) for at in range(int(first), int(last) + 1, 60)]

    watch, now = Watch(Store()), 60_000.0  # type: ignore[arg-type]
    assert (watch(now).asked, len(asked)) == (240, 24)
    assert max(last - first for first, last in asked) == 240
    asked.clear()
    assert watch(now + 60).asked == 240
    assert asked == [(now - 120, now + 60)]
