"""`render_threads.Pool` when renders hang, threads cannot be had, and processes fork."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from isgware.regeneration.local_queue import Work
from isgware.regeneration.pacing import PATIENCE
from tests.regeneration.jobs import LONG, Scene, nothing, rest


@pytest.fixture
def scene() -> Iterator[Scene]:
    with Scene() as scene:
        yield scene


# Renders that hang.


def test_a_hung_job_is_given_up_and_its_thread_replaced(scene: Scene) -> None:
    pool, hung, other = scene.pool(workers=1, timeout=0), scene.job("hung"), scene.job("other")
    pool.submit(hung.work)
    assert hung.began.wait(LONG)
    pool.submit(other.work)
    pool.give_up_hung()
    assert hung.given_up.is_set()
    assert other.began.wait(LONG)
    assert not hung.ended.is_set()


def test_a_thread_is_replaced_when_there_is_work_again(scene: Scene) -> None:
    pool, hung, other = scene.pool(workers=1, timeout=0), scene.job("hung"), scene.job("other")
    pool.submit(hung.work)
    assert hung.began.wait(LONG)
    pool.give_up_hung()
    pool.submit(other.work)
    assert other.began.wait(LONG)


def test_a_job_is_given_up_once(scene: Scene) -> None:
    pool = scene.pool(timeout=0)
    hung = scene.running(pool, "hung")
    for _ in range(3):
        pool.give_up_hung()
    assert hung.times_given_up == 1


def test_a_job_within_its_time_is_not_given_up(scene: Scene) -> None:
    pool = scene.pool(timeout=60)
    slow = scene.running(pool, "slow")
    pool.give_up_hung()
    assert slow.times_given_up == 0


def test_a_job_that_has_ended_when_its_time_is_over_is_not_given_up(scene: Scene) -> None:
    """It ended after the list of those that run for too long was made."""
    pool = scene.pool(workers=1, timeout=0)
    job = scene.running(pool)
    [(number, running)] = pool._running.items()
    job.release.set()
    rest(pool, 1)
    pool._replace(number, running)
    assert (job.times_given_up, pool.stuck) == (0, False)


def test_a_job_that_takes_very_long_holds_up_no_other(scene: Scene) -> None:
    """The pace lets one run at a time, but this one may never end."""
    pool, others = scene.pool(workers=2), [scene.job(key) for key in "ab"]
    pool._throttle.allows = lambda running: running < 1  # type: ignore[method-assign]
    scene.running(pool, "hung")
    [running] = pool._running.values()
    running.started -= PATIENCE
    for each in others:
        pool.submit(each.work)
        assert each.began.wait(LONG)
        each.release.set()


def test_as_many_threads_are_replaced_as_there_are_workers(scene: Scene) -> None:
    pool, jobs = scene.pool(workers=1, timeout=0), [scene.job(key) for key in "abc"]
    for each in jobs[:2]:
        pool.submit(each.work)
        assert each.began.wait(LONG)
        pool.give_up_hung()
    pool.submit(jobs[2].work)
    assert (len(pool._running), jobs[2].began.is_set(), "c" in pool) == (2, False, True)


def test_at_the_limit_a_hung_job_counts_as_given_up_all_the_same(scene: Scene) -> None:
    """Its key counts as failed (design 7), even though its thread is not replaced."""
    pool, jobs = scene.pool(workers=1, timeout=0), [scene.job(key) for key in "ab"]
    for each in jobs:
        pool.submit(each.work)
        assert each.began.wait(LONG)
        pool.give_up_hung()
    pool.give_up_hung()
    assert [each.times_given_up for each in jobs] == [1, 1]


def test_a_job_that_ends_after_it_was_given_up_makes_room_again(scene: Scene) -> None:
    pool, jobs = scene.pool(workers=1, timeout=0), [scene.job(key) for key in "abc"]
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


def _refuse(thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(threading.Thread, "start", _refuse)
    return monkeypatch


def test_work_is_refused_when_no_thread_can_be_started(
    scene: Scene, no_threads: pytest.MonkeyPatch
) -> None:
    pool = scene.pool()
    assert pool.submit(Work("k", nothing)) is False
    assert ("k" in pool, pool.waiting, pool.dropped) == (False, 0, 1)


def test_work_is_taken_again_when_threads_are_to_be_had(
    scene: Scene, no_threads: pytest.MonkeyPatch
) -> None:
    pool, later = scene.pool(), scene.job("k")
    pool.submit(Work("k", nothing))
    no_threads.undo()
    assert pool.submit(later.work) is True
    assert later.began.wait(LONG)


def test_work_waits_for_the_threads_there_are_when_no_more_can_be_started(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, busy, ran = scene.pool(workers=2), scene.job("busy"), threading.Event()
    pool.submit(busy.work)
    assert busy.began.wait(LONG)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", _refuse)
        assert pool.submit(Work("k", ran.set)) is True
    busy.release.set()
    assert ran.wait(LONG)


# Processes.


def test_a_child_process_starts_threads_of_its_own(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the parent has queued and who runs it stay with the parent."""
    pool, busy, ran = scene.pool(workers=1), scene.job("busy"), threading.Event()
    pool.submit(busy.work)
    assert busy.began.wait(LONG)
    pool.submit(Work("waiting", nothing))
    monkeypatch.setattr(os, "getpid", lambda: 0)
    assert pool.submit(Work("waiting", ran.set)) is True
    assert ran.wait(LONG)


def test_a_child_process_does_not_wait_for_its_parents_work(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = scene.pool()
    scene.running(pool, "busy")
    began = time.monotonic()
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: 0)
        pool.close()
    assert time.monotonic() - began < LONG / 2


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=300
    )


def test_a_child_process_does_not_take_its_parents_work_for_its_own(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody in the child will do it, so the page would stay stale there."""
    pool = scene.pool(workers=1)
    busy = scene.running(pool)
    pool.submit(Work("waiting", nothing))
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: 0)
        assert ("waiting" in pool, pool.count_request("waiting")) == (False, False)
    busy.release.set()


def test_a_child_process_does_not_give_up_what_its_parent_runs(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = scene.pool(workers=1, timeout=0)
    busy = scene.running(pool)
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: 0)
        pool.give_up_hung()
    assert busy.times_given_up == 0


def test_a_lock_that_a_thread_of_the_parent_held_is_not_waited_for_in_the_child() -> None:
    done = run(
        "import os, signal, threading\n"
        "from isgware.regeneration.render_threads import Pool, Work\n"
        "pool, held, go = Pool(1, 10, 60, 1), threading.Event(), threading.Event()\n"
        "pool._queue.add(Work('k', print))\n"
        "def hold():\n"
        "    with pool._ready: held.set(); go.wait(200)\n"
        "threading.Thread(target=hold).start(); held.wait(60)\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    signal.alarm(100)\n"
        "    os._exit(pool.count_request('k'))\n"
        "print(os.waitpid(child, 0)[1]); go.set()\n"
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_a_pool_works_after_a_fork() -> None:
    done = run(
        "import os, threading\n"
        "from isgware.regeneration.render_threads import Pool, Work\n"
        "pool, ran = Pool(1, 10, 60, 1), threading.Event()\n"
        "pool.submit(Work('k', ran.set)); assert ran.wait(60); ran.clear()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    pool.submit(Work('k', ran.set))\n"
        "    os._exit(0 if ran.wait(60) else 1)\n"
        "print(os.waitpid(child, 0)[1])\n"
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_a_hung_job_does_not_hold_up_the_exit_of_the_interpreter() -> None:
    began = time.monotonic()
    done = run(
        "import threading\n"
        "from isgware.regeneration.render_threads import Pool, Work\n"
        "pool, began = Pool(1, 10, 60, 0.1), threading.Event()\n"
        "pool.submit(Work('k', lambda: (began.set(), threading.Event().wait(200))))\n"
        "print(began.wait(60))\n"
    )
    assert (done.stdout, done.stderr, done.returncode) == ("True\n", "", 0)
    assert time.monotonic() - began < 30
