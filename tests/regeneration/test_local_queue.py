"""`isgware.regeneration.local_queue.Line`: the most wanted first, and never more than a limit."""

from __future__ import annotations

import pytest

from isgware.regeneration.local_queue import _MOST, Line, Work
from tests.regeneration.jobs import nothing


def work(key: str) -> Work:
    return Work(key, nothing)


def line_of(wants: dict[str, int], limit: int = 10) -> Line:
    """A line in which each key was asked for so often since it waits."""
    line = Line(limit)
    for key, count in wants.items():
        assert line.add(work(key)) is None
        for _ in range(count - 1):
            line.want(key)
    return line


def order(line: Line) -> str:
    return "".join(line.pop().key for _ in range(len(line)))


def test_first_come_first_served_among_those_who_are_wanted_as_much() -> None:
    assert order(line_of({"a": 1, "b": 1, "c": 1})) == "abc"


def test_the_most_wanted_go_first() -> None:
    assert order(line_of({"a": 1, "b": 3, "c": 2, "d": 3})) == "bdca"


def test_urgent_work_goes_before_what_is_wanted_in_its_own_order() -> None:
    line = line_of({"a": 5})
    for key in "xy":
        line.add(work(key), urgent=True)
    assert line.urgent
    assert order(line) == "xya"
    assert not line.urgent


def test_what_waits_becomes_urgent_when_somebody_waits_for_it() -> None:
    line = line_of({"a": 5, "b": 1})
    line.want("b", urgent=True)
    assert len(line) == 2
    assert order(line) == "ba"


def test_urgent_work_that_is_asked_for_again_stays_what_it_is() -> None:
    line = line_of({"a": 2})
    line.add(work("x"), urgent=True)
    line.want("x")
    assert order(line) == "xa"


def test_what_was_taken_begins_anew() -> None:
    line = line_of({"a": 5, "b": 2})
    assert line.pop().key == "a"
    line.add(work("a"))
    assert order(line) == "ba"


def test_wants_count_up_to_a_limit() -> None:
    line = line_of({"a": _MOST, "b": _MOST})
    line.want("b")
    assert (max(line._levels), order(line)) == (_MOST, "ab")


def test_nothing_is_left_of_what_was_taken() -> None:
    line = line_of({"a": 3, "b": 1})
    order(line)
    assert ("a" in line, len(line), line._levels, line._wants) == (False, 0, {}, {})


# At the limit.


def test_a_newcomer_has_no_place_among_those_who_are_wanted_as_much() -> None:
    line, late = line_of({"a": 1, "b": 1}, limit=2), work("c")
    assert line.add(late) is late
    assert order(line) == "ab"


def test_one_that_is_wanted_more_takes_the_place_of_the_least_wanted() -> None:
    """Of several that are wanted as little, of the one that waited longest for it."""
    line = line_of({"a": 3, "b": 1, "c": 1}, limit=3)
    again = [line.add(work("d")) for _ in range(2)]
    assert [lost.key if lost else None for lost in again] == ["d", "b"]
    assert order(line) == "adc"


def test_one_that_lost_its_place_is_still_known_to_be_wanted() -> None:
    line = line_of({"a": 2, "b": 3}, limit=2)
    asked = [line.add(work(key)) for key in "cccaa"]
    assert [lost.key if lost else None for lost in asked] == ["c", "c", "a", "a", "b"]
    assert order(line) == "ac"


def test_what_is_remembered_of_those_without_a_place_is_bounded() -> None:
    line = line_of({"a": 1, "b": 1}, limit=2)
    for number in range(1_000):
        line.add(work(str(number)))
    assert list(line._turned_away) == ["998", "999"]


def test_urgent_work_has_a_place_whatever_waits() -> None:
    line = line_of({"a": 1}, limit=1)
    assert line.add(work("x"), urgent=True) is None
    assert line.add(work("b")) is not None
    assert order(line) == "xa"


def test_where_all_that_waits_is_urgent_nothing_loses_its_place_to_what_is_not() -> None:
    line, late = Line(1), work("a")
    line.add(work("x"), urgent=True)
    assert [line.add(late) for _ in range(3)] == [late] * 3


@pytest.mark.parametrize(
    ("key", "left"), [("b", "xca"), ("x", "cba"), ("gone", "xcb")], ids=["b", "urgent", "gone"]
)
def test_what_will_not_be_done_goes_or_the_least_wanted_in_its_stead(key: str, left: str) -> None:
    line = line_of({"a": 1, "b": 2, "c": 3})
    line.add(work("x"), urgent=True)
    line.lose(key)
    assert order(line) == left


def test_a_cleared_line_remembers_nothing() -> None:
    line = line_of({"a": 1}, limit=1)
    line.add(work("b"))
    line.add(work("x"), urgent=True)
    line.clear()
    assert (len(line), line.urgent, len(line._turned_away)) == (0, False, 0)
