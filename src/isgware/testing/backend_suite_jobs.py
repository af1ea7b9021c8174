"""The part of `isgware.testing.BackendContract` about the queue of regenerations."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from ..backends.base import JOB_TIME, TAKES, JobQueue
from .backend_suite import START, Suite

#: Seconds for which a job belongs to whoever took it.
HOLD = 10.0


def enqueue(backend: JobQueue, key: str, data: bytes = b"job", *, queue: str = "q") -> bool:
    return backend.enqueue(queue, key, data, 10, START)


def take(backend: JobQueue, now: float = START, *, queue: str = "q") -> bytes | None:
    job = backend.dequeue(queue, now, HOLD)
    return None if job is None else job.data


def taken(backend: JobQueue, now: float = START) -> list[str]:
    """The keys of all that waits, in their order."""
    keys = []
    while (job := backend.dequeue("q", now, HOLD)) is not None:
        keys.append(job.key)
    return keys


class JobsSuite(Suite):
    """What a `Backend` that is also a `JobQueue` keeps about jobs. ISG does without."""

    @contextmanager
    def queues(self) -> Iterator[tuple[JobQueue, JobQueue]]:
        with self.two() as (one, other):
            assert isinstance(one, JobQueue)
            assert isinstance(other, JobQueue)
            yield one, other

    def test_jobs_come_out_in_the_order_in_which_they_came(self) -> None:
        with self.queues() as (one, other):
            for number in range(5):
                assert enqueue(one, f"key {number}", bytes([0, number, 255]))
            found = [take(other) for _ in range(6)]
            assert found == [*(bytes([0, number, 255]) for number in range(5)), None]

    def test_a_key_waits_once(self) -> None:
        with self.queues() as (one, other):
            assert [enqueue(one, "a"), enqueue(other, "b"), enqueue(other, "a")] == [True] * 3
            assert [one.queued("q", START), other.queued("q", START)] == [2, 2]

    def test_a_key_that_was_taken_out_may_wait_again(self) -> None:
        with self.queues() as (one, other):
            enqueue(one, "a", b"first")
            assert take(other) == b"first"
            assert enqueue(one, "a", b"second")
            assert take(other) == b"second"

    def test_a_full_queue_takes_no_more_keys_and_loses_none(self) -> None:
        with self.queues() as (backend, _):
            assert [enqueue(backend, str(number)) for number in range(10)] == [True] * 10
            assert not enqueue(backend, "more")
            assert enqueue(backend, "3")
            assert backend.queued("q", START) == 10
            take(backend)
            assert enqueue(backend, "more")

    def test_queues_know_nothing_of_each_other(self) -> None:
        with self.queues() as (backend, _):
            enqueue(backend, "a", b"of q")
            enqueue(backend, "a", b"of none", queue="")
            assert [backend.queued(name, START) for name in ("q", "", "x")] == [1, 1, 0]
            assert take(backend, queue="x") is None
            assert take(backend, queue="") == b"of none"
            assert take(backend) == b"of q"

    def test_a_job_that_nobody_took_ends(self) -> None:
        with self.queues() as (backend, _):
            later = START + JOB_TIME
            enqueue(backend, "old", b"old")
            assert backend.enqueue("q", "new", b"new", 10, START + 1)
            assert take(backend, later) == b"new"
            assert take(backend, later) is None

    def test_a_job_that_a_clock_ahead_has_taken_waits_again_when_the_clock_is_put_back(
        self,
    ) -> None:
        """Whoever took it may be gone, and the year that they held it until is far away."""
        with self.queues() as (backend, other):
            ahead = START + 6 * 365 * 86_400
            assert backend.enqueue("q", "a", b"old", 10, ahead)
            assert take(backend, ahead) == b"old"
            assert other.enqueue("q", "a", b"new", 10, START)
            assert take(other) == b"new"

    def test_a_job_of_a_clock_ahead_does_not_wait_for_years_when_the_clock_is_put_back(
        self,
    ) -> None:
        with self.queues() as (backend, other):
            assert backend.enqueue("q", "a", b"old", 10, START + 6 * 365 * 86_400)
            assert take(other) is None

    def test_a_key_whose_job_ended_may_wait_again(self) -> None:
        with self.queues() as (backend, _):
            later = START + JOB_TIME
            enqueue(backend, "a", b"old")
            assert backend.enqueue("q", "a", b"new", 10, later)
            assert take(backend, later) == b"new"
            assert take(backend, later) is None

    def test_each_job_goes_to_one_of_those_who_ask_at_once(self) -> None:
        with self.queues() as (one, other):
            wanted = [str(number).encode() for number in range(10)]
            for data in wanted:
                enqueue(one, data.decode(), data)

            def all_of(backend: JobQueue) -> list[bytes]:
                found = []
                while (data := take(backend)) is not None:
                    found.append(data)
                return found

            with ThreadPoolExecutor(4) as threads:
                lots = list(threads.map(all_of, [one, other, one, other]))
            assert sorted(data for lot in lots for data in lot) == wanted

    def test_the_most_wanted_job_is_next(self) -> None:
        with self.queues() as (one, other):
            for key in "abcd":
                enqueue(one, key)
            enqueue(other, "b")
            other.raise_priority("q", {"c": 3, "d": 1, "unknown": 9})
            one.raise_priority("q", {})
            one.raise_priority("x", {"a": 99})
            assert taken(one) == ["c", "b", "d", "a"]

    def test_what_was_wanted_is_forgotten_with_the_job(self) -> None:
        with self.queues() as (backend, _):
            enqueue(backend, "a")
            backend.raise_priority("q", {"a": 9})
            job = backend.dequeue("q", START, HOLD)
            assert job is not None
            backend.done("q", job)
            for key in "ba":
                enqueue(backend, key)
            assert taken(backend) == ["b", "a"]

    def test_no_number_of_wants_is_too_large(self) -> None:
        with self.queues() as (backend, _):
            for key in "abc":
                enqueue(backend, key)
            for _ in range(3):
                backend.raise_priority("q", {"b": 10**9})
            backend.raise_priority("q", {"c": 2})
            assert taken(backend) == ["b", "c", "a"]

    def test_a_job_that_is_done_is_gone(self) -> None:
        with self.queues() as (one, other):
            enqueue(one, "a")
            job = one.dequeue("q", START, HOLD)
            assert job is not None
            other.done("q", job)
            other.done("q", job)
            assert one.queued("q", START + HOLD) == 0
            assert taken(one, START + HOLD) == []

    def test_a_job_whose_taker_died_waits_again_in_its_place(self) -> None:
        with self.queues() as (one, other):
            for key in "ab":
                enqueue(one, key)
            one.raise_priority("q", {"a": 5})
            assert take(one) == b"job"
            one.raise_priority("q", {"b": 2})
            assert other.queued("q", START + HOLD - 1) == 1
            assert other.queued("q", START + HOLD) == 2
            assert taken(other, START + HOLD) == ["a", "b"]

    def test_a_job_that_is_the_end_of_every_taker_is_dropped(self) -> None:
        with self.queues() as (backend, _):
            enqueue(backend, "a")
            for number in range(TAKES):
                assert take(backend, START + number * HOLD) == b"job"
            assert taken(backend, START + TAKES * HOLD) == []
            assert backend.queued("q", START + TAKES * HOLD) == 0

    def test_a_key_that_is_asked_for_while_its_job_is_under_way_waits_again(self) -> None:
        with self.queues() as (one, other):
            enqueue(one, "a", b"first")
            job = one.dequeue("q", START, HOLD)
            assert job is not None
            enqueue(other, "a", b"second")
            one.done("q", job)
            assert take(other) == b"second"
            assert take(other) is None

    def test_what_is_under_way_takes_no_place(self) -> None:
        with self.queues() as (backend, _):
            for number in range(10):
                enqueue(backend, str(number))
            assert not enqueue(backend, "more")
            take(backend)
            assert enqueue(backend, "more")
            assert not enqueue(backend, "0")

    def test_an_empty_queue_gives_nothing(self) -> None:
        with self.queues() as (backend, _):
            assert take(backend) is None
            assert backend.queued("q", START) == 0
