"""`isgware.regenerate.Pool`: bounded, on daemon threads, and never held up by what hangs."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from typing import Any

import pytest

from isgware.regenerate import Pool, Work
from isgware.testing import ManualExecutor

LONG = 10.0
MakePool = Callable[..., Pool]


def nothing() -> None:
    """A job that ends at once."""


class Job:
    """Work that says when it began, and goes on until told to end."""

    def __init__(self, key: str, gate: threading.Event) -> None:
        self.key = key
        self.began, self.ended, self.given_up = (threading.Event() for _ in range(3))
        self.release = threading.Event()
        self.times_given_up = 0
        self.thread = threading.current_thread()
        self._gate = gate

    @property
    def work(self) -> Work:
        return Work(self.key, self._run, self._give_up)

    def _run(self) -> None:
        self.thread = threading.current_thread()
        self.began.set()
        while not (self.release.wait(0.002) or self._gate.is_set()):
            pass
        self.ended.set()

    def _give_up(self) -> None:
        self.times_given_up += 1
        self.given_up.set()


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """When it opens, at the end of the test at the latest, every job ends."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def job(gate: threading.Event) -> Callable[[str], Job]:
    return lambda key: Job(key, gate)


@pytest.fixture
def make(gate: threading.Event) -> Iterator[MakePool]:
    made = []

    def pool(
        workers: int = 2, queue: int = 10, timeout: float = 60.0, drain: float = LONG,
        executor: Any = None,
    ) -> Pool:  # fmt: skip
        made.append(Pool(workers, queue, timeout, drain, executor))
        return made[-1]

    yield pool
    gate.set()
    for each in made:
        each.close(LONG)


def rest(pool: Pool, idle: int) -> None:
    """Return when ``idle`` threads of ``pool`` have nothing to do."""
    deadline = time.monotonic() + LONG
    while pool._idle < idle:
        assert time.monotonic() < deadline


# Running.


def test_nothing_is_started_before_there_is_work(make: MakePool) -> None:
    before = set(threading.enumerate())
    make()
    assert set(threading.enumerate()) == before


def test_work_runs_on_a_daemon_thread_of_its_own(make: MakePool, job: Callable[[str], Job]) -> None:
    one = job("a")
    assert make().submit(one.work) is True
    assert one.began.wait(LONG)
    assert one.thread is not threading.current_thread()
    assert one.thread.daemon


def test_no_more_runs_at_once_than_there_are_workers(
    make: MakePool, job: Callable[[str], Job]
) -> None:
    pool, jobs = make(workers=2), [job(key) for key in "abc"]
    assert [pool.submit(each.work) for each in jobs] == [True] * 3
    assert jobs[0].began.wait(LONG)
    assert jobs[1].began.wait(LONG)
    assert (jobs[2].began.is_set(), pool.waiting) == (False, 1)
    jobs[0].release.set()
    assert jobs[2].began.wait(LONG)


def test_two_jobs_at_once_do_not_wait_for_one_idle_thread(
    make: MakePool, job: Callable[[str], Job]
) -> None:
    pool, jobs = make(workers=2), [job(key) for key in "ab"]
    pool.submit(Work("first", nothing))
    rest(pool, 1)
    for each in jobs:
        pool.submit(each.work)
    assert [each.began.wait(LONG) for each in jobs] == [True, True]


def test_a_key_that_waits_is_not_taken_twice(make: MakePool, job: Callable[[str], Job]) -> None:
    pool, busy, ran = make(workers=1), job("busy"), []
    pool.submit(busy.work)
    assert busy.began.wait(LONG)
    assert [pool.submit(Work("k", lambda: ran.append(1))) for _ in range(3)] == [True] * 3
    assert ("k" in pool, pool.waiting) == (True, 1)
    busy.release.set()
    rest(pool, 1)
    assert ran == [1]
    assert "k" not in pool


def test_a_key_that_runs_may_be_asked_for_again(make: MakePool, job: Callable[[str], Job]) -> None:
    pool, first, second = make(workers=2), job("k"), job("k")
    pool.submit(first.work)
    assert first.began.wait(LONG)
    assert pool.submit(second.work) is True
    assert second.began.wait(LONG)


def test_urgent_work_goes_first(make: MakePool, job: Callable[[str], Job]) -> None:
    pool, busy, order = make(workers=1), job("busy"), []
    pool.submit(busy.work)
    assert busy.began.wait(LONG)
    pool.submit(Work("later", lambda: order.append("later")))
    pool.submit(Work("now", lambda: order.append("now")), urgent=True)
    busy.release.set()
    rest(pool, 1)
    assert order == ["now", "later"]


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1), KeyboardInterrupt()], ids=repr)
def test_a_job_that_raises_costs_no_thread(
    make: MakePool, job: Callable[[str], Job], error: BaseException,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    def fail() -> None:
        raise error

    pool, after = make(workers=1), job("after")
    pool.submit(Work("k", fail))
    pool.submit(after.work)
    assert after.began.wait(LONG)
    assert "failed" in caplog.text


# Limits (P7).


def test_a_full_queue_refuses_and_counts(make: MakePool, job: Callable[[str], Job]) -> None:
    pool, busy = make(workers=1, queue=2), job("busy")
    pool.submit(busy.work)
    assert busy.began.wait(LONG)
    assert [pool.submit(Work(key, nothing)) for key in "abcd"] == [True, True, False, False]
    assert (pool.dropped, pool.waiting) == (2, 2)


def test_urgent_work_is_taken_by_a_full_queue(make: MakePool, job: Callable[[str], Job]) -> None:
    pool, busy, urgent = make(workers=1, queue=1), job("busy"), job("urgent")
    pool.submit(busy.work)
    assert busy.began.wait(LONG)
    pool.submit(Work("a", nothing))
    assert pool.submit(urgent.work, urgent=True) is True
    busy.release.set()
    assert urgent.began.wait(LONG)


# Renders that hang. With a timeout of 0 whatever runs has run for too long.


def test_a_hung_job_is_given_up_and_its_thread_replaced(
    make: MakePool, job: Callable[[str], Job]
) -> None:
    pool, hung, other = make(workers=1, timeout=0), job("hung"), job("other")
    pool.submit(hung.work)
    assert hung.began.wait(LONG)
    pool.submit(other.work)
    pool.give_up_hung()
    assert hung.given_up.is_set()
    assert other.began.wait(LONG)
    assert not hung.ended.is_set()


def test_a_thread_is_replaced_when_there_is_work_again(
    make: MakePool, job: Callable[[str], Job]
) -> None:
    pool, hung, other = make(workers=1, timeout=0), job("hung"), job("other")
    pool.submit(hung.work)
    assert hung.began.wait(LONG)
    pool.give_up_hung()
    pool.submit(other.work)
    assert other.began.wait(LONG)


def test_a_job_is_given_up_once(make: MakePool, job: Callable[[str], Job]) -> None:
    pool, hung = make(timeout=0), job("hung")
    pool.submit(hung.work)
    assert hung.began.wait(LONG)
    for _ in range(3):
        pool.give_up_hung()
    assert hung.times_given_up == 1


def test_a_job_within_its_time_is_not_given_up(make: MakePool, job: Callable[[str], Job]) -> None:
    pool, slow = make(timeout=60), job("slow")
    pool.submit(slow.work)
    assert slow.began.wait(LONG)
    pool.give_up_hung()
    assert slow.times_given_up == 0


def test_as_many_threads_are_replaced_as_there_are_workers(
    make: MakePool, job: Callable[[str], Job]
) -> None:
    pool, jobs = make(workers=1, timeout=0), [job(key) for key in "abc"]
    for each in jobs[:2]:
        pool.submit(each.work)
        assert each.began.wait(LONG)
        pool.give_up_hung()
    pool.submit(jobs[2].work)
    assert (len(pool._running), jobs[2].began.is_set(), "c" in pool) == (2, False, True)


def test_at_the_limit_a_hung_job_counts_as_given_up_all_the_same(
    make: MakePool, job: Callable[[str], Job]
) -> None:
    """Its key counts as failed (design 7), even though its thread is not replaced."""
    pool, jobs = make(workers=1, timeout=0), [job(key) for key in "ab"]
    for each in jobs:
        pool.submit(each.work)
        assert each.began.wait(LONG)
        pool.give_up_hung()
    pool.give_up_hung()
    assert [each.times_given_up for each in jobs] == [1, 1]


def test_a_job_that_ends_after_it_was_given_up_makes_room_again(
    make: MakePool, job: Callable[[str], Job]
) -> None:
    pool, jobs = make(workers=1, timeout=0), [job(key) for key in "abc"]
    for each in jobs[:2]:
        pool.submit(each.work)
        assert each.began.wait(LONG)
        pool.give_up_hung()
    pool.submit(jobs[2].work)
    jobs[0].release.set()
    jobs[0].thread.join(LONG)
    assert not jobs[0].thread.is_alive(), "its place was taken"
    pool.give_up_hung()
    assert jobs[2].began.wait(LONG)


# Threads that cannot be had.


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    return monkeypatch


def test_work_is_refused_when_no_thread_can_be_started(
    make: MakePool, no_threads: pytest.MonkeyPatch
) -> None:
    pool = make()
    assert pool.submit(Work("k", nothing)) is False
    assert ("k" in pool, pool.waiting, pool.dropped) == (False, 0, 1)


def test_work_is_taken_again_when_threads_are_to_be_had(
    make: MakePool, job: Callable[[str], Job], no_threads: pytest.MonkeyPatch
) -> None:
    pool, later = make(), job("k")
    pool.submit(Work("k", nothing))
    no_threads.undo()
    assert pool.submit(later.work) is True
    assert later.began.wait(LONG)


def test_work_waits_for_the_threads_there_are_when_no_more_can_be_started(
    make: MakePool, job: Callable[[str], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, busy, ran = make(workers=2), job("busy"), threading.Event()
    pool.submit(busy.work)
    assert busy.began.wait(LONG)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda self: 1 / 0 if False else _refuse())
        assert pool.submit(Work("k", ran.set)) is True
    busy.release.set()
    assert ran.wait(LONG)


def _refuse() -> None:
    raise RuntimeError("can't start new thread")


# Closing.


def test_a_closed_pool_takes_nothing_and_drops_what_waits(
    make: MakePool, job: Callable[[str], Job]
) -> None:
    pool, busy, ran = make(workers=1), job("busy"), threading.Event()
    pool.submit(busy.work)
    assert busy.began.wait(LONG)
    pool.submit(Work("waiting", ran.set))
    pool.close(0)
    assert pool.submit(Work("k", nothing)) is False
    assert pool.waiting == 0
    busy.release.set()
    busy.thread.join(LONG)
    assert not ran.is_set()


def test_closing_waits_for_what_runs(make: MakePool, job: Callable[[str], Job]) -> None:
    pool, busy = make(), job("busy")
    pool.submit(busy.work)
    assert busy.began.wait(LONG)
    threading.Timer(0.02, busy.release.set).start()
    pool.close(LONG)
    assert busy.ended.is_set()


@pytest.mark.parametrize("given_up", [False, True], ids=["hung", "given up"])
def test_closing_is_bounded(make: MakePool, job: Callable[[str], Job], given_up: bool) -> None:
    pool, hung = make(timeout=0), job("hung")
    pool.submit(hung.work)
    assert hung.began.wait(LONG)
    if given_up:
        pool.give_up_hung()
    began = time.monotonic()
    pool.close(LONG if given_up else 0.05)
    assert time.monotonic() - began < LONG / 2


def test_closing_ends_the_threads(make: MakePool, job: Callable[[str], Job]) -> None:
    pool, one = make(), job("k")
    pool.submit(one.work)
    one.release.set()
    assert one.ended.wait(LONG)
    pool.close()
    one.thread.join(LONG)
    assert not one.thread.is_alive()


def test_closing_twice_is_closing_once(make: MakePool) -> None:
    pool = make()
    pool.close()
    pool.close()
    assert pool.submit(Work("k", nothing)) is False


# Executors.


def test_an_executor_runs_the_work_in_place_of_threads(make: MakePool) -> None:
    executor, ran = ManualExecutor(), []
    pool, before = make(executor=executor), set(threading.enumerate())
    assert pool.submit(Work("k", lambda: ran.append("k"))) is True
    assert ("k" in pool, ran) == (True, [])
    executor.run_all()
    assert ("k" in pool, ran, set(threading.enumerate())) == (False, ["k"], before)


def test_an_executors_queue_is_bounded_too(make: MakePool) -> None:
    pool = make(queue=2, executor=ManualExecutor())
    assert [pool.submit(Work(key, nothing)) for key in "abc"] == [True, True, False]
    assert pool.dropped == 1


class Refusing(Executor):
    """Takes nothing; ``error`` is how it says so."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        raise self.error


@pytest.mark.parametrize("error", [RuntimeError("shut down"), ValueError("full")], ids=repr)
def test_what_an_executor_does_not_take_is_refused(make: MakePool, error: Exception) -> None:
    pool = make(executor=Refusing(error))
    assert pool.submit(Work("k", nothing)) is False
    assert ("k" in pool, pool.dropped) == (False, 1)


def test_a_job_that_an_executor_cancels_may_be_asked_for_again(make: MakePool) -> None:
    executor, ran = ManualExecutor(), []
    pool = make(executor=executor)
    pool.submit(Work("k", lambda: ran.append(1)))
    executor._waiting[0][0].cancel()
    assert "k" not in pool
    pool.submit(Work("k", lambda: ran.append(2)))
    executor.run_all()
    assert ran == [2]


def test_a_key_asked_for_while_it_runs_waits_until_it_runs_again(make: MakePool) -> None:
    executor = ManualExecutor()
    pool = make(executor=executor)
    pool.submit(Work("k", lambda: pool.submit(Work("k", nothing)) and None))
    executor.run_next()
    assert ("k" in pool, executor.pending) == (True, 1)
    pool.submit(Work("k", nothing))
    assert executor.pending == 1


def test_a_hung_job_of_an_executor_is_given_up(make: MakePool) -> None:
    executor, given_up = ManualExecutor(), []
    pool = make(executor=executor, timeout=0)
    pool.submit(Work("k", pool.give_up_hung, lambda: given_up.append("k")))
    executor.run_all()
    assert given_up == ["k"]


def test_an_executors_error_stays_in_its_job(
    make: MakePool, caplog: pytest.LogCaptureFixture
) -> None:
    executor = ManualExecutor()
    pool = make(executor=executor)
    pool.submit(Work("k", lambda: 1 / 0 and None))
    assert executor.run_all() == 1
    assert "ZeroDivisionError" in caplog.text


# Processes.


def test_a_child_process_starts_threads_of_its_own(
    make: MakePool, job: Callable[[str], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the parent has queued and who runs it stay with the parent."""
    pool, busy, ran = make(workers=1), job("busy"), threading.Event()
    pool.submit(busy.work)
    assert busy.began.wait(LONG)
    pool.submit(Work("waiting", nothing))
    monkeypatch.setattr(os, "getpid", lambda: 0)
    assert pool.submit(Work("waiting", ran.set)) is True
    assert ran.wait(LONG)


def test_a_child_process_does_not_wait_for_its_parents_work(
    make: MakePool, job: Callable[[str], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, busy = make(), job("busy")
    pool.submit(busy.work)
    assert busy.began.wait(LONG)
    began = time.monotonic()
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: 0)
        pool.close()
    assert time.monotonic() - began < LONG / 2


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=60
    )


def test_a_pool_works_after_a_fork() -> None:
    done = run(
        "import os, threading\n"
        "from isgware.regenerate import Pool, Work\n"
        "pool, ran = Pool(1, 10, 60, 1), threading.Event()\n"
        "pool.submit(Work('k', ran.set)); assert ran.wait(10); ran.clear()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    pool.submit(Work('k', ran.set))\n"
        "    os._exit(0 if ran.wait(10) else 1)\n"
        "print(os.waitpid(child, 0)[1])\n"
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_a_hung_job_does_not_hold_up_the_exit_of_the_interpreter() -> None:
    began = time.monotonic()
    done = run(
        "import threading\n"
        "from isgware.regenerate import Pool, Work\n"
        "pool, began = Pool(1, 10, 60, 0.1), threading.Event()\n"
        "pool.submit(Work('k', lambda: (began.set(), threading.Event().wait(50))))\n"
        "print(began.wait(10))\n"
    )
    assert (done.stdout, done.stderr, done.returncode) == ("True\n", "", 0)
    assert time.monotonic() - began < 30
