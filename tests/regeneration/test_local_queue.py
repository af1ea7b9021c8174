"""`isgware.regeneration.local_queue.Line`: the most wanted first, and never more than a limit."""

from __future__ import annotations

import pytest

from isgware.regeneration.local_queue import _MOST, RenderQueue, Work
from tests.regeneration.jobs import nothing


def work(key: str) -> Work:
    return Work(key, nothing)


def line_of(priority: dict[str, int], limit: int = 10) -> RenderQueue:
    """A line in which each key was asked for so often since it waits."""
    queue = RenderQueue(limit)
    for key, count in priority.items():
        assert queue.add(work(key)) is None
        for _ in range(count - 1):
            queue.count_request(key)
    return queue


def order(queue: RenderQueue) -> str:
    return "".join(queue.pop().key for _ in range(len(queue)))


def test_first_come_first_served_among_those_who_are_wanted_as_much() -> None:
    assert order(line_of({"a": 1, "b": 1, "c": 1})) == "abc"


def test_the_most_wanted_go_first() -> None:
    assert order(line_of({"a": 1, "b": 3, "c": 2, "d": 3})) == "bdca"


def test_urgent_work_goes_before_what_is_wanted_in_its_own_order() -> None:
    queue = line_of({"a": 5})
    for key in "xy":
        queue.add(work(key), urgent=True)
    assert queue.urgent
    assert order(queue) == "xya"
    assert not queue.urgent


def test_what_waits_becomes_urgent_when_somebody_waits_for_it() -> None:
    queue = line_of({"a": 5, "b": 1})
    queue.count_request("b", urgent=True)
    assert len(queue) == 2
    assert order(queue) == "ba"


def test_urgent_work_that_is_asked_for_again_stays_what_it_is() -> None:
    queue = line_of({"a": 2})
    queue.add(work("x"), urgent=True)
    queue.count_request("x")
    assert order(queue) == "xa"


def test_what_was_taken_begins_anew() -> None:
    queue = line_of({"a": 5, "b": 2})
    assert queue.pop().key == "a"
    queue.add(work("a"))
    assert order(queue) == "ba"


def test_wants_count_up_to_a_limit() -> None:
    queue = line_of({"a": _MOST, "b": _MOST})
    queue.count_request("b")
    assert (max(queue._levels), order(queue)) == (_MOST, "ab")


def test_nothing_is_left_of_what_was_taken() -> None:
    queue = line_of({"a": 3, "b": 1})
    order(queue)
    assert ("a" in queue, len(queue), queue._levels, queue._priorities) == (False, 0, {}, {})


# At the limit.


def test_a_newcomer_has_no_place_among_those_who_are_wanted_as_much() -> None:
    queue, late = line_of({"a": 1, "b": 1}, limit=2), work("c")
    assert queue.add(late) is late
    assert order(queue) == "ab"


def test_one_that_is_wanted_more_takes_the_place_of_the_least_wanted() -> None:
    """Of several that are wanted as little, of the one that waited longest for it."""
    queue = line_of({"a": 3, "b": 1, "c": 1}, limit=3)
    again = [queue.add(work("d")) for _ in range(2)]
    assert [lost.key if lost else None for lost in again] == ["d", "b"]
    assert order(queue) == "adc"


def test_one_that_lost_its_place_is_still_known_to_be_wanted() -> None:
    queue = line_of({"a": 2, "b": 3}, limit=2)
    asked = [queue.add(work(key)) for key in "cccaa"]
    assert [lost.key if lost else None for lost in asked] == ["c", "c", "a", "a", "b"]
    assert order(queue) == "ac"


def test_what_is_remembered_of_those_without_a_place_is_bounded() -> None:
    queue = line_of({"a": 1, "b": 1}, limit=2)
    for number in range(1_000):
        queue.add(work(str(number)))
    assert list(queue._turned_away) == ["998", "999"]


def test_urgent_work_has_a_place_whatever_waits() -> None:
    queue = line_of({"a": 1}, limit=1)
    assert queue.add(work("x"), urgent=True) is None
    assert queue.add(work("b")) is not None
    assert order(queue) == "xa"


def test_where_all_that_waits_is_urgent_nothing_loses_its_place_to_what_is_not() -> None:
    queue, late = RenderQueue(1), work("a")
    queue.add(work("x"), urgent=True)
    assert [queue.add(late) for _ in range(3)] == [late] * 3


@pytest.mark.parametrize(
    ("key", "left"), [("b", "xca"), ("x", "cba"), ("gone", "xcb")], ids=["b", "urgent", "gone"]
)
def test_what_will_not_be_done_goes_or_the_least_wanted_in_its_stead(key: str, left: str) -> None:
    queue = line_of({"a": 1, "b": 2, "c": 3})
    queue.add(work("x"), urgent=True)
    queue.discard(key)
    assert order(queue) == left


def test_a_cleared_line_remembers_nothing() -> None:
    queue = line_of({"a": 1}, limit=1)
    queue.add(work("b"))
    queue.add(work("x"), urgent=True)
    queue.clear()
    assert (len(queue), queue.urgent, len(queue._turned_away)) == (0, False, 0)
