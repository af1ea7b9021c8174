"""The part of `isgware.testing.BackendContract` about counts of the fleet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..backends.base import HOURS, KEPT, MINUTES, Counters, counts_between
from ..core.series import MAX_ROUTES, MAX_SERIES, SINCE, name_of
from .backend_suite import START, Suite

HITS = name_of("requests", "posts", "hit", "")
MISSES = name_of("requests", "posts", "miss", "")


def totals(backend: Counters) -> dict[str, float]:
    return {name: amount for _, name, amount in backend.counts(0, START) if name != SINCE}


def periods(backend: Counters, period: int, now: float = START) -> dict[float, float]:
    """The hits in each period."""
    return {start: amount for start, name, amount in backend.counts(period, now) if name == HITS}


class CountsSuite(Suite):
    """What a `Backend` that also has `Counters` keeps about counts. ISG does without."""

    @contextmanager
    def counters(self) -> Iterator[tuple[Counters, Counters]]:
        with self.two() as (one, other):
            assert isinstance(one, Counters)
            assert isinstance(other, Counters)
            yield one, other

    def test_counts_of_processes_add_up(self) -> None:
        with self.counters() as (one, other):
            assert one.counts(0, START) == []
            one.add_counts("a", 1, {HITS: 3, MISSES: 0.5}, START)
            other.add_counts("b", 1, {HITS: 4}, START)
            one.add_counts("a", 2, {HITS: 5}, START)
            for each in (one, other):
                assert totals(each) == {HITS: 12, MISSES: 0.5}

    def test_a_repeat_is_not_counted_twice(self) -> None:
        with self.counters() as (one, other):
            one.add_counts("a", 1, {HITS: 3}, START)
            one.add_counts("a", 2, {HITS: 3}, START)
            other.add_counts("a", 2, {HITS: 3}, START + 1)
            other.add_counts("a", 1, {HITS: 3}, START + 1)
            assert totals(one) == {HITS: 6}
            assert periods(one, MINUTES) == {START // 60 * 60: 6}

    def test_the_store_says_since_when_it_counts(self) -> None:
        with self.counters() as (one, other):
            one.add_counts("a", 1, {HITS: 1}, START)
            other.add_counts("b", 1, {HITS: 1}, START + 90)
            assert [amount for _, name, amount in one.counts(0, START) if name == SINCE] == [START]

    def test_some_periods_are_read_without_the_others(self) -> None:
        with self.counters() as (one, other):
            first = START // 60 * 60
            for number in range(5):
                one.add_counts("a", number + 1, {HITS: number + 1}, first + 60 * number)
            found = counts_between(other, MINUTES, first + 60, first + 180)
            assert [(at - first, amount) for at, _, amount in found] == [
                (60, 2),
                (120, 3),
                (180, 4),
            ]

    def test_minutes_and_hours_are_kept_for_their_time(self) -> None:
        with self.counters() as (one, _):
            minute, hour = START // MINUTES * MINUTES, START // HOURS * HOURS
            one.add_counts("a", 1, {HITS: 1}, START)
            one.add_counts("a", 2, {HITS: 2}, START + MINUTES)
            assert periods(one, MINUTES, START + MINUTES) == {minute: 1, minute + MINUTES: 2}
            later = START + KEPT[MINUTES] + 2 * MINUTES
            one.add_counts("a", 3, {HITS: 4}, later)
            assert periods(one, MINUTES, later) == {later // MINUTES * MINUTES: 4}
            assert sum(periods(one, HOURS, later).values()) == 7
            assert hour in periods(one, HOURS, later)
            last = START + KEPT[HOURS] + 2 * HOURS
            one.add_counts("a", 4, {HITS: 8}, last)
            assert hour not in periods(one, HOURS, last)
            assert totals(one) == {HITS: 15}

    def test_what_is_too_much_is_counted_as_other(self) -> None:
        with self.counters() as (one, _):
            many = {
                name_of("requests", f"route {number % 9}", "hit", f"reason {number}"): 1.0
                for number in range(MAX_SERIES + 5)
            }
            one.add_counts("a", 1, many, START)
            one.add_counts("a", 2, {HITS: 3, next(iter(many)): 1}, START)
            found = totals(one)
            assert len(found) <= MAX_SERIES + 1
            assert sum(found.values()) == MAX_SERIES + 9
            assert found[name_of("requests", "other", "hit", "other")] >= 8
            assert found[next(iter(many))] == 2

    def test_routes_that_are_too_many_are_counted_as_other(self) -> None:
        with self.counters() as (one, other):
            many = {name_of("renders", f"route {n:04}", "rendered"): 1.0 for n in range(MAX_ROUTES)}
            one.add_counts("a", 1, many, START)
            more = {name_of("renders", f"more {number}", "failed"): 1.0 for number in range(5)}
            other.add_counts("b", 1, {**more, **many, "of no route": 2.0}, START)
            found = totals(one)
            assert found.pop(name_of("renders", "other", "failed")) == 5
            assert found.pop("of no route") == 2
            assert found == dict.fromkeys(many, 2)
