"""`isgware.regeneration.handoff`: whether a worker or this process renders a job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from isgware.backends.breaker import Breaker
from isgware.backends.memory import MemoryBackend
from isgware.errors import BackendUnavailable, ConfigurationError
from isgware.policy import Policy
from isgware.regeneration.handoff import Handoff, Queue, handoff_of
from isgware.routing.planner import Target
from isgware.settings import Settings
from isgware.storage.notes import Failure
from isgware.testing import FakeClock, make_entry

PATIENCE = 5.0


class Carrier:
    def __init__(self) -> None:
        self.is_there = self.takes = True
        self.sent: list[str] = []

    def there(self) -> bool:
        return self.is_there

    def send(self, key: str, job: bytes) -> bool:
        self.sent.append(key)
        return self.takes

    def bind(self, isg: Any) -> None:
        pass


def target(key: str) -> Target:
    request = make_entry("/").request
    return Target(request, key, "", "", Policy(), True, (), frozenset(), ())


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1_000.0)


@pytest.fixture
def carrier() -> Carrier:
    return Carrier()


@pytest.fixture
def give(carrier: Carrier, clock: FakeClock) -> Callable[..., bool]:
    handoff = Handoff(carrier, PATIENCE, clock)

    def give(key: str = "a", order: int = 1, failures: int = 0) -> bool:
        failure = Failure(failures, 0.0, "") if failures else None
        return handoff.delegate(target(key), make_entry(order=order), failure)

    give.nothing = handoff.job_was_lost  # type: ignore[attr-defined]
    return give


def test_a_job_is_sent_once_for_each_page_and_failure(give: Any, carrier: Carrier) -> None:
    assert [give(), give(), give("b"), give("b")] == [True] * 4
    assert carrier.sent == ["a", "b"]
    assert [give(order=2), give(order=2), give(order=2, failures=1)] == [True] * 3
    assert carrier.sent == ["a", "b", "a", "a"]


def test_nothing_is_sent_where_nobody_is(give: Any, carrier: Carrier) -> None:
    carrier.is_there = False
    assert not give()
    assert carrier.sent == []


def test_what_is_not_taken_is_rendered_here(give: Any, carrier: Carrier) -> None:
    carrier.takes = False
    assert not give()
    carrier.takes = True
    assert give()


def test_a_job_that_is_not_done_in_time_is_rendered_here(give: Any, clock: FakeClock) -> None:
    assert give()
    clock.advance(PATIENCE - 0.1)
    assert give()
    clock.advance(0.1)
    assert not give()


def test_a_job_is_rendered_here_when_nobody_is_there_any_more(give: Any, carrier: Carrier) -> None:
    assert give()
    carrier.is_there = False
    assert not give()


def test_when_a_job_came_to_nothing_no_other_is_sent_for_a_while(
    give: Any, carrier: Carrier, clock: FakeClock
) -> None:
    give()
    clock.advance(PATIENCE)
    give.nothing("a")
    assert not give("b")
    assert carrier.sent == ["a"]
    clock.advance(6 * PATIENCE)
    assert give("b")


def test_a_job_that_was_done_is_not_held_against_a_later_one(
    give: Any, carrier: Carrier, clock: FakeClock
) -> None:
    give()
    clock.advance(100 * PATIENCE)
    carrier.is_there = False
    assert not give(order=2)
    give.nothing("a")
    carrier.is_there = True
    assert give(order=3)


def test_a_job_whose_worker_takes_leave_is_not_held_against_the_next(
    give: Any, carrier: Carrier
) -> None:
    give()
    carrier.is_there = False
    assert not give()
    give.nothing("a")
    carrier.is_there = True
    assert give()


def test_what_was_never_sent_pauses_nothing(give: Any) -> None:
    give.nothing("a")
    assert give()


def test_what_is_remembered_is_bounded(give: Any, carrier: Carrier) -> None:
    for number in range(5_000):
        give(str(number))
    give("0")
    give("4999")
    assert carrier.sent[5_000:] == ["0"]


# The queue in the store, and who empties it.


class Counting(MemoryBackend):
    down = False
    looks = 0

    def read_note(self, name: str, now: float) -> bytes | None:
        self.looks += 1
        if self.down:
            raise OSError("gone")
        return super().read_note(name, now)


@pytest.fixture
def backend() -> Counting:
    return Counting()


def taken(queue: Queue) -> bytes | None:
    job = queue.take()
    return None if job is None else job.data


@pytest.fixture
def queue(backend: Counting, clock: FakeClock) -> Queue:
    return Queue(Breaker(backend, 1.0), "", 3, 5.0, 10.0, clock, clock)


def test_a_worker_is_there_while_it_gives_signs_of_life(queue: Queue, clock: FakeClock) -> None:
    assert not queue.there()
    queue.beat("w")
    clock.advance(1)
    assert queue.there()
    clock.advance(3.9)
    assert queue.there()
    clock.advance(1)
    assert not queue.there()


def test_the_store_is_asked_once_a_second(
    queue: Queue, backend: Counting, clock: FakeClock
) -> None:
    for _ in range(100):
        queue.there()
    assert backend.looks == 1
    clock.advance(1)
    queue.there()
    assert backend.looks == 2


def test_several_workers_are_told_apart(queue: Queue, clock: FakeClock) -> None:
    queue.beat("one")
    queue.beat("two")
    assert set(queue.workers()) == {"one", "two"}
    queue.beat("one", last=True)
    assert set(queue.workers()) == {"two"}
    assert queue.there()
    queue.beat("two", last=True)
    clock.advance(1)
    assert not queue.there()


def test_a_worker_from_a_clock_that_was_put_back_is_not_there(
    queue: Queue, clock: FakeClock
) -> None:
    queue.beat("w")
    clock.advance(-100)
    assert queue.workers() == {}


@pytest.mark.parametrize(
    "note", [b"", b"[1]", b'{"w": null}', b'{"w": [1]}', b"\xff", b"[" * 9_999]
)
def test_a_note_that_is_not_ours_says_that_nobody_is_there(
    queue: Queue, backend: Counting, clock: FakeClock, note: bytes
) -> None:
    backend.write_note("w:", note, 100, clock())
    assert not queue.there()
    queue.beat("w")
    assert set(queue.workers()) == {"w"}


def test_a_queue_belongs_to_a_build(queue: Queue, backend: Counting, clock: FakeClock) -> None:
    other = Queue(Breaker(backend, 1.0), "two", 3, 5.0, 10.0, clock, clock)
    other.beat("w")
    assert not queue.there()
    assert queue.send("a", b"job")
    assert other.take() is None
    assert taken(queue) == b"job"


def test_a_full_queue_takes_no_more(queue: Queue) -> None:
    assert [queue.send(key, b"job") for key in "abcda"] == [True, True, True, False, True]


def test_without_the_store_nobody_is_there_and_nothing_is_taken(
    queue: Queue, backend: Counting
) -> None:
    backend.down = True
    assert not queue.there()
    assert not queue.send("a", b"job")
    with pytest.raises(BackendUnavailable):
        queue.take()


def test_the_most_wanted_job_is_taken_first(queue: Queue) -> None:
    for key in "abc":
        queue.send(key, key.encode())
    queue.rank({"b": 2, "c": 5, "gone": 9})
    assert [taken(queue) for _ in range(4)] == [b"c", b"b", b"a", None]


def test_a_job_of_a_worker_that_died_is_taken_again(queue: Queue, clock: FakeClock) -> None:
    queue.send("a", b"job")
    assert taken(queue) == b"job"
    clock.advance(9.9)
    assert (taken(queue), queue.waiting()) == (None, 0)
    clock.advance(0.1)
    assert (queue.waiting(), taken(queue)) == (1, b"job")


def test_wants_are_told_in_one_operation_and_only_of_what_was_handed_over(
    backend: Counting, queue: Queue, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, int]] = []
    monkeypatch.setattr(
        backend, "raise_priority", lambda queue, requests: told.append(dict(requests))
    )
    handoff = Handoff(queue, PATIENCE, clock)
    queue.beat("w")
    for key in "ab":
        assert handoff.delegate(target(key), make_entry(), None)
    for key in "abbbx":
        handoff.count_request(key)
    handoff.send_demand()
    handoff.send_demand()
    assert told == [{"a": 1, "b": 3}]


def test_wants_that_the_store_does_not_take_are_nobodys_error(
    backend: Counting, queue: Queue, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, int]] = []

    def fail(queue: str, requests: dict[str, int]) -> None:
        told.append(dict(requests))
        raise OSError("gone")

    monkeypatch.setattr(backend, "raise_priority", fail)
    handoff = Handoff(queue, PATIENCE, clock)
    queue.beat("w")
    handoff.delegate(target("a"), make_entry(), None)
    handoff.count_request("a")
    handoff.send_demand()
    assert told == [{"a": 1}]


def test_a_carrier_without_an_order_is_told_nothing(
    give: Any, carrier: Carrier, clock: FakeClock
) -> None:
    handoff = Handoff(carrier, PATIENCE, clock)
    handoff.delegate(target("a"), make_entry(), None)
    handoff.count_request("a")
    handoff.send_demand()
    assert carrier.sent == ["a"]


# From the settings.


def test_a_store_of_one_process_hands_nothing_over(clock: FakeClock) -> None:
    store = Breaker(MemoryBackend(), 1.0)
    Queue(store, "", 3, 5.0, 10.0, clock).beat("w")
    for shared in (True, False):
        handoff = handoff_of(Settings(), store, clock, shared=shared)
        assert handoff.delegate(target("a"), make_entry(), None) is shared


def test_another_fleet_cannot_fill_the_store_of_one_process(clock: FakeClock) -> None:
    settings = Settings.load({"executor": Carrier()})
    with pytest.raises(ConfigurationError, match="redis://HOST"):
        handoff_of(settings, Breaker(MemoryBackend(), 1.0), clock, shared=False)


def test_what_is_switched_off_may_have_any_store(clock: FakeClock) -> None:
    settings = Settings.load({"executor": Carrier(), "enabled": False})
    handoff = handoff_of(settings, Breaker(MemoryBackend(), 1.0), clock, shared=False)
    assert not handoff.delegate(target("a"), make_entry(), None)
