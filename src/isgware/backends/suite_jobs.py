"""The part of `isgware.testing.BackendContract` about the queue of regenerations."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from .base import JOB_TIME, JobQueue
from .suite import START, Suite


def enqueue(backend: JobQueue, key: str, data: bytes = b"job", *, queue: str = "q") -> bool:
    return backend.enqueue(queue, key, data, 10, START)


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
            found = [other.dequeue("q", START) for _ in range(6)]
            assert found == [*(bytes([0, number, 255]) for number in range(5)), None]

    def test_a_key_waits_once(self) -> None:
        with self.queues() as (one, other):
            assert [enqueue(one, "a"), enqueue(other, "b"), enqueue(other, "a")] == [True] * 3
            assert [one.queued("q", START), other.queued("q", START)] == [2, 2]

    def test_a_key_that_was_taken_out_may_wait_again(self) -> None:
        with self.queues() as (one, other):
            enqueue(one, "a", b"first")
            assert other.dequeue("q", START) == b"first"
            assert enqueue(one, "a", b"second")
            assert other.dequeue("q", START) == b"second"

    def test_a_full_queue_takes_no_more_keys_and_loses_none(self) -> None:
        with self.queues() as (backend, _):
            assert [enqueue(backend, str(number)) for number in range(10)] == [True] * 10
            assert not enqueue(backend, "more")
            assert enqueue(backend, "3")
            assert backend.queued("q", START) == 10
            backend.dequeue("q", START)
            assert enqueue(backend, "more")

    def test_queues_know_nothing_of_each_other(self) -> None:
        with self.queues() as (backend, _):
            enqueue(backend, "a", b"of q")
            enqueue(backend, "a", b"of none", queue="")
            assert [backend.queued(name, START) for name in ("q", "", "x")] == [1, 1, 0]
            assert backend.dequeue("x", START) is None
            assert backend.dequeue("", START) == b"of none"
            assert backend.dequeue("q", START) == b"of q"

    def test_a_job_that_nobody_took_ends(self) -> None:
        with self.queues() as (backend, _):
            later = START + JOB_TIME
            enqueue(backend, "old", b"old")
            assert backend.enqueue("q", "new", b"new", 10, START + 1)
            assert backend.dequeue("q", later) == b"new"
            assert backend.dequeue("q", later) is None

    def test_a_key_whose_job_ended_may_wait_again(self) -> None:
        with self.queues() as (backend, _):
            later = START + JOB_TIME
            enqueue(backend, "a", b"old")
            assert backend.enqueue("q", "a", b"new", 10, later)
            assert backend.dequeue("q", later) == b"new"
            assert backend.dequeue("q", later) is None

    def test_each_job_goes_to_one_of_those_who_ask_at_once(self) -> None:
        with self.queues() as (one, other):
            wanted = [str(number).encode() for number in range(10)]
            for data in wanted:
                enqueue(one, data.decode(), data)

            def take(backend: JobQueue) -> list[bytes]:
                taken = []
                while (data := backend.dequeue("q", START)) is not None:
                    taken.append(data)
                return taken

            with ThreadPoolExecutor(4) as threads:
                lots = list(threads.map(take, [one, other, one, other]))
            assert sorted(data for lot in lots for data in lot) == wanted

    def test_an_empty_queue_gives_nothing(self) -> None:
        with self.queues() as (backend, _):
            assert backend.dequeue("q", START) is None
            assert backend.queued("q", START) == 0
