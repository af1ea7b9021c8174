"""`isgware.regeneration.render_threads.Pool`: bounded, on daemon threads or in an executor."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from typing import Any

import pytest

from isgware.regeneration import render_threads as pools
from isgware.regeneration.local_queue import Work
from isgware.regeneration.pacing import WINDOW, Throttle
from isgware.testing import ManualExecutor
from tests.promises.kit import eventually
from tests.regeneration.jobs import LONG, Scene, nothing, rest


@pytest.fixture
def scene() -> Iterator[Scene]:
    with Scene() as scene:
        yield scene


# Running.


def test_nothing_is_started_before_there_is_work(scene: Scene) -> None:
    before = set(threading.enumerate())
    scene.pool()
    assert set(threading.enumerate()) <= before


def test_work_runs_on_a_daemon_thread_of_its_own(scene: Scene) -> None:
    one = scene.job("a")
    assert scene.pool().submit(one.work) is True
    assert one.began.wait(LONG)
    assert one.thread is not threading.current_thread()
    assert one.thread.daemon


def test_no_more_runs_at_once_than_there_are_workers(scene: Scene) -> None:
    pool, jobs = scene.pool(workers=2), [scene.job(key) for key in "abc"]
    assert [pool.submit(each.work) for each in jobs] == [True] * 3
    assert jobs[0].began.wait(LONG)
    assert jobs[1].began.wait(LONG)
    assert (jobs[2].began.is_set(), pool.waiting) == (False, 1)
    jobs[0].release.set()
    assert jobs[2].began.wait(LONG)


def test_two_jobs_at_once_do_not_wait_for_one_idle_thread(scene: Scene) -> None:
    pool, jobs = scene.pool(workers=2), [scene.job(key) for key in "ab"]
    pool.submit(Work("first", nothing))
    rest(pool, 1)
    for each in jobs:
        pool.submit(each.work)
    assert [each.began.wait(LONG) for each in jobs] == [True, True]


def test_a_key_that_waits_is_not_taken_twice(scene: Scene) -> None:
    pool, busy, ran = scene.pool(workers=1), scene.job("busy"), []
    pool.submit(busy.work)
    assert busy.began.wait(LONG)
    assert [pool.submit(Work("k", lambda: ran.append(1))) for _ in range(3)] == [True] * 3
    assert ("k" in pool, pool.waiting) == (True, 1)
    busy.release.set()
    rest(pool, 1)
    assert ran == [1]
    assert "k" not in pool


def test_a_pool_has_what_waits_and_what_runs(scene: Scene) -> None:
    pool, first, second = scene.pool(workers=1), scene.job("a"), scene.job("b")
    for each in (first, second):
        pool.submit(each.work)
    assert first.began.wait(LONG)
    assert ("a" in pool, pool.has("a"), pool.has("b"), pool.has("c")) == (False, True, True, False)
    first.release.set()
    second.release.set()
    eventually(lambda: not pool.has("a") and not pool.has("b"))


def test_a_key_that_runs_may_be_asked_for_again(scene: Scene) -> None:
    pool, first, second = scene.pool(workers=2), scene.job("k"), scene.job("k")
    pool.submit(first.work)
    assert first.began.wait(LONG)
    assert pool.submit(second.work) is True
    assert second.began.wait(LONG)


def test_urgent_work_goes_first(scene: Scene) -> None:
    pool, busy, order = scene.pool(workers=1), scene.job("busy"), []
    pool.submit(busy.work)
    assert busy.began.wait(LONG)
    pool.submit(Work("later", lambda: order.append("later")))
    pool.submit(Work("now", lambda: order.append("now")), urgent=True)
    busy.release.set()
    rest(pool, 1)
    assert order == ["now", "later"]


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1), KeyboardInterrupt()], ids=repr)
def test_a_job_that_raises_costs_no_thread(
    scene: Scene, error: BaseException,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    def fail() -> None:
        raise error

    pool, after = scene.pool(workers=1), scene.job("after")
    pool.submit(Work("k", fail))
    pool.submit(after.work)
    assert after.began.wait(LONG)
    assert "failed" in caplog.text


# Limits (P7).


def test_a_full_queue_refuses_and_counts(scene: Scene) -> None:
    pool = scene.pool(workers=1, queue=2)
    scene.running(pool, "busy")
    assert [pool.submit(Work(key, nothing)) for key in "abcd"] == [True, True, False, False]
    assert (pool.dropped, pool.waiting) == (2, 2)


def test_urgent_work_is_taken_by_a_full_queue(scene: Scene) -> None:
    pool, busy, urgent = scene.pool(workers=1, queue=1), scene.job("busy"), scene.job("urgent")
    pool.submit(busy.work)
    assert busy.began.wait(LONG)
    pool.submit(Work("a", nothing))
    assert pool.submit(urgent.work, urgent=True) is True
    busy.release.set()
    assert urgent.began.wait(LONG)


# Closing.


def test_a_closed_pool_takes_nothing_and_drops_what_waits(scene: Scene) -> None:
    pool, busy, ran = scene.pool(workers=1), scene.job("busy"), threading.Event()
    pool.submit(busy.work)
    assert busy.began.wait(LONG)
    pool.submit(Work("waiting", ran.set))
    pool.close(0)
    assert pool.submit(Work("k", nothing)) is False
    assert pool.waiting == 0
    busy.release.set()
    busy.thread.join(LONG)
    assert not ran.is_set()


def test_closing_waits_for_what_runs(scene: Scene) -> None:
    pool = scene.pool()
    busy = scene.running(pool, "busy")
    threading.Timer(0.02, busy.release.set).start()
    pool.close(LONG)
    assert busy.ended.is_set()


@pytest.mark.parametrize("given_up", [False, True], ids=["hung", "given up"])
def test_closing_is_bounded(scene: Scene, given_up: bool) -> None:
    pool = scene.pool(timeout=0)
    scene.running(pool, "hung")
    if given_up:
        pool.give_up_hung()
    began = time.monotonic()
    pool.close(LONG if given_up else 0.05)
    assert time.monotonic() - began < LONG / 2


def test_a_pool_that_was_closed_does_not_hold_up_the_exit_as_well(scene: Scene) -> None:
    pool = scene.pool()
    scene.running(pool, "hung")
    pool.close(0)
    began = time.monotonic()
    pools._drain_at_exit()
    assert time.monotonic() - began < LONG / 2


def test_what_waits_and_what_runs_is_busy_and_what_was_given_up_is_not(scene: Scene) -> None:
    pool = scene.pool(workers=1, timeout=0)
    assert (pool.busy, pool.stuck) == (0, False)
    scene.running(pool)
    pool.submit(scene.job("waits").work)
    assert (pool.busy, pool.stuck) == (2, False)
    pool.give_up_hung()
    assert pool.stuck


def test_closing_ends_the_threads(scene: Scene) -> None:
    pool, one = scene.pool(), scene.job("k")
    pool.submit(one.work)
    one.release.set()
    assert one.ended.wait(LONG)
    pool.close()
    one.thread.join(LONG)
    assert not one.thread.is_alive()


def test_closing_twice_is_closing_once(scene: Scene) -> None:
    pool = scene.pool()
    pool.close()
    pool.close()
    assert pool.submit(Work("k", nothing)) is False


# Executors.


def test_an_executor_runs_the_work_in_place_of_threads(scene: Scene) -> None:
    executor, ran = ManualExecutor(), []
    pool, before = scene.pool(executor=executor), set(threading.enumerate())
    assert pool.submit(Work("k", lambda: ran.append("k"))) is True
    assert ("k" in pool, ran) == (True, [])
    executor.run_all()
    assert ("k" in pool, ran) == (False, ["k"])
    assert set(threading.enumerate()) <= before


def test_an_executors_queue_is_bounded_too(scene: Scene) -> None:
    pool = scene.pool(queue=2, executor=ManualExecutor())
    assert [pool.submit(Work(key, nothing)) for key in "abc"] == [True, True, False]
    assert pool.dropped == 1


class Refusing(Executor):
    """Takes nothing; ``error`` is how it says so."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        raise self.error


@pytest.mark.parametrize("error", [RuntimeError("shut down"), ValueError("full")], ids=repr)
def test_what_an_executor_does_not_take_is_refused(scene: Scene, error: Exception) -> None:
    pool = scene.pool(executor=Refusing(error))
    assert pool.submit(Work("k", nothing)) is False
    assert ("k" in pool, pool.dropped) == (False, 1)


def test_a_job_that_an_executor_cancels_may_be_asked_for_again(scene: Scene) -> None:
    executor, ran = ManualExecutor(), []
    pool = scene.pool(executor=executor)
    pool.submit(Work("k", lambda: ran.append(1)))
    executor._waiting[0][0].cancel()
    assert "k" not in pool
    pool.submit(Work("k", lambda: ran.append(2)))
    executor.run_all()
    assert ran == [2]


def test_a_key_asked_for_while_it_runs_waits_until_it_runs_again(scene: Scene) -> None:
    executor = ManualExecutor()
    pool = scene.pool(executor=executor)
    pool.submit(Work("k", lambda: pool.submit(Work("k", nothing)) and None))
    executor.run_next()
    assert ("k" in pool, executor.pending) == (True, 1)
    pool.submit(Work("k", nothing))
    assert executor.pending == 1


def test_a_hung_job_of_an_executor_is_given_up(scene: Scene) -> None:
    executor, given_up = ManualExecutor(), []
    pool = scene.pool(executor=executor, timeout=0)
    pool.submit(Work("k", pool.give_up_hung, lambda: given_up.append("k")))
    executor.run_all()
    assert given_up == ["k"]


def test_an_executors_error_stays_in_its_job(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    executor = ManualExecutor()
    pool = scene.pool(executor=executor)
    pool.submit(Work("k", lambda: 1 / 0 and None))
    assert executor.run_all() == 1
    assert "ZeroDivisionError" in caplog.text


def test_what_an_executor_comes_to_after_the_end_is_nothing(scene: Scene) -> None:
    executor, ran = ManualExecutor(), []
    pool = scene.pool(executor=executor)
    pool.submit(Work("k", lambda: ran.append("k")))
    future = executor._waiting[0][0]
    pool.close(0)
    executor.run_all()
    assert (future.exception(), ran) == (None, [])


# The order, and the pace.


def test_the_most_wanted_goes_first(scene: Scene) -> None:
    pool, busy, order = scene.pool(workers=1), scene.job("busy"), []
    pool.submit(busy.work)
    assert busy.began.wait(LONG)
    for key in "abcbcc":
        pool.submit(Work(key, lambda key=key: order.append(key)))  # type: ignore[misc]
    busy.release.set()
    rest(pool, 1)
    assert order == ["c", "b", "a"]


def test_an_executor_is_given_the_most_wanted_first_too(scene: Scene) -> None:
    executor, order = ManualExecutor(), []
    pool = scene.pool(executor=executor)
    for key in "abcbcc":
        pool.submit(Work(key, lambda key=key: order.append(key)))  # type: ignore[misc]
    assert executor.run_all() == 3
    assert order == ["c", "b", "a"]


@pytest.mark.parametrize("executor", [None, ManualExecutor()], ids=["threads", "executor"])
def test_a_full_queue_gives_the_place_of_the_least_wanted_to_what_is_wanted_more(
    scene: Scene, executor: ManualExecutor | None
) -> None:
    pool = scene.pool(workers=1, queue=2, executor=executor)
    if executor is None:
        scene.running(pool)
    taken = [pool.submit(Work(key, nothing)) for key in "abcc"]
    assert taken == [True, True, False, True]
    assert (pool.dropped, pool.waiting, "a" in pool, "c" in pool) == (2, 2, False, True)
    assert executor is None or executor.run_all() == 2


def test_wanting_says_whether_it_waits(scene: Scene) -> None:
    pool = scene.pool(executor=ManualExecutor())
    pool.submit(Work("k", nothing))
    assert [pool.count_request("k"), pool.count_request("other")] == [True, False]


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a test takes, its jobs hold up others if the pace says so."""
    monkeypatch.setattr("isgware.regeneration.render_threads.PATIENCE", 1_000_000.0)


class OneByOne(Throttle):
    """Lets as many run as it is told."""

    def allows(self, running: int) -> bool:
        return running < self.allowed


@pytest.mark.usefixtures("patient")
def test_a_job_begins_when_the_pace_lets_it(scene: Scene) -> None:
    pool, jobs = scene.pool(workers=3), [scene.job(key) for key in "abc"]
    pool._own_process()
    pool._throttle = throttle = OneByOne(3)
    for each in jobs:
        pool.submit(each.work)
    assert jobs[0].began.wait(LONG)
    assert not jobs[1].began.wait(3 * WINDOW)
    throttle.allowed = 2
    assert jobs[1].began.wait(LONG)
    assert not jobs[2].began.is_set()
    jobs[0].release.set()
    assert jobs[2].began.wait(LONG)


@pytest.mark.usefixtures("patient")
def test_urgent_work_does_not_wait_for_the_pace(scene: Scene) -> None:
    pool, urgent = scene.pool(workers=2), scene.job("urgent")
    pool._throttle = OneByOne(2)
    scene.running(pool)
    pool.submit(urgent.work, urgent=True)
    assert urgent.began.wait(LONG)


@pytest.mark.usefixtures("patient")
def test_a_job_that_is_given_up_counts_no_longer(scene: Scene) -> None:
    pool, other = scene.pool(workers=1, timeout=0), scene.job("other")
    pool._throttle = OneByOne(1)
    scene.running(pool, "hung")
    pool.submit(other.work)
    pool.give_up_hung()
    assert other.began.wait(LONG)


@pytest.mark.usefixtures("patient")
def test_where_no_visitors_are_served_there_is_no_pace(scene: Scene) -> None:
    pool, jobs = scene.pool(workers=2, gives_way=False), [scene.job(key) for key in "ab"]
    pool._throttle = OneByOne(2)
    for each in jobs:
        pool.submit(each.work)
    assert [each.began.wait(LONG) for each in jobs] == [True, True]


def test_a_job_that_is_over_or_given_up_is_not_watched(scene: Scene) -> None:
    pool = scene.pool(workers=2, timeout=0)
    scene.running(pool, "hung")
    assert len(pool._throttle._clocks) == 1
    pool.give_up_hung()
    assert not pool._throttle._clocks
    pool.submit(Work("k", nothing))
    rest(pool, 1)
    assert not pool._throttle._clocks
