"""Where background renders run: daemon threads, made on first use in each process, or an executor.

A render that takes too long is given up: its thread is left behind and replaced, up to a limit.
`local_queue` decides the order of jobs, `pacing` how many run at once.
"""

from __future__ import annotations

import atexit
import itertools
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final

from ..after_fork import settling
from ..storage import counting, observing
from .local_queue import RenderQueue, Work
from .pacing import PATIENCE, WINDOW, Throttle, short_switches

log: Final = logging.getLogger("isgware")
#: Requests that are counted between the starts of two renders; if there are more, the latest.
_WANTS: Final = 10_000
#: Seconds after which an idle thread checks whether its pool still exists, in case it missed the
#: wake-up.
_IDLE: Final = 60.0


@dataclass(eq=False)
class _Running:
    name: str
    started: float
    give_up: Callable[[], None]
    given_up: bool = False


class Pool:
    """Runs `Work` on daemon threads. Nothing is created before the first ``submit`` of a process.

    At the limits: a full queue keeps the jobs with the most requests; when as many renders hang as
    there are ``workers``, hanging threads are no longer replaced. ``gives_way``: visitors are
    served in this process, so renders yield to them.
    """

    def __init__(
        self,
        workers: int,
        queue_size: int,
        timeout: float,
        drain: float,
        executor: Any = None,
        *,
        gives_way: bool = True,
    ) -> None:
        self._workers = workers
        self._queue_size = queue_size
        self._timeout = timeout
        self._drain = drain
        self._executor = executor
        self._gives_way = gives_way
        self.dropped = 0
        self._reset()
        self._pid = 0  # locks are made on first use: see `after_fork`
        _pools.add(self)

    def _reset(self) -> None:
        self._closed = False
        self._queue = RenderQueue(self._queue_size)
        self._requested: deque[str] = deque(maxlen=_WANTS)
        self._throttle = Throttle(self._workers)
        self._ready = threading.Condition()
        self._threads = 0
        self._abandoned = 0
        self._idle = 0
        self._running: dict[int, _Running] = {}
        self._numbers = itertools.count()
        self._pid = os.getpid()  # last: other threads skip the lock from here on

    def _own_process(self) -> None:
        """After a fork the child starts with an empty queue, no threads and new locks."""
        if self._pid != os.getpid():
            with settling():
                if self._pid != os.getpid():
                    self._reset()

    def __contains__(self, key: str) -> bool:
        self._own_process()
        return key in self._queue

    def has(self, key: str) -> bool:
        """Whether a job for ``key`` waits or runs. A job that was given up does not."""
        self._own_process()
        with self._ready:
            running = self._running.values()
            return key in self._queue or any(r.name == key and not r.given_up for r in running)

    def submit(self, work: Work, *, urgent: bool = False) -> bool:
        """Queue a job, or count another request for a waiting one. Returns at once; false if the
        queue is full."""
        self._own_process()
        with self._ready:
            if self._closed:
                return False
            if work.key in self._queue:
                self._queue.count_request(work.key, urgent=urgent)
                return True
            self._count_requests()
            lost = self._queue.add(work, urgent=urgent)
            self.dropped += lost is not None
            if lost is work:
                return False
            if self._executor is None:
                return self._wake_thread()
        # The executor's call for the dropped job will run this one.
        return lost is not None or self._submit_to_executor(work.key)

    def _wake_thread(self) -> bool:
        """Have a thread take the job; false if there is none."""
        self._ready.notify()
        if len(self._queue) > self._idle and self._active < self._workers:
            return self._start_thread() or self._threads > self._abandoned
        return True

    def count_request(self, key: str) -> bool:
        """Whether a job for ``key`` waits; if so, the request is counted. Takes no lock: a thread
        that holds it may have to wait for the interpreter's lock, after all renders."""
        if key not in self:
            return False
        self._requested.append(key)
        return True

    def _count_requests(self) -> None:
        """Update the order of the queue before it matters."""
        while self._requested:
            self._queue.count_request(self._requested.popleft())

    def _submit_to_executor(self, key: str) -> bool:
        try:
            future = self._executor.submit(self._run_next)
        except Exception as error:  # full, shut down, or the interpreter is about to exit
            log.warning("The executor did not take a regeneration: %s", error)
            with self._ready:
                self._queue.discard(key)
            self.dropped += 1
            return False

        def forget(future: Any) -> None:
            if future.cancelled():  # by a shutdown: `_run_next` will not be called
                with self._ready:
                    self._queue.discard(key)

        future.add_done_callback(forget)
        return True

    def _start_thread(self) -> bool:
        _warn_without_threads()
        ready = self._ready

        def wake(_: object) -> None:
            if ready.acquire(blocking=False):  # may run at any point of another thread's code
                ready.notify_all()
                ready.release()

        thread = threading.Thread(
            target=_work,
            args=(weakref.ref(self, wake), ready),
            name=f"isgware-{next(self._numbers)}",
            daemon=True,
        )
        self._threads += 1
        try:
            thread.start()
        except RuntimeError:  # "can't start new thread": the caller serves the stale page
            self._threads -= 1
            if self._threads <= self._abandoned:
                self.dropped += len(self._queue)
                self._queue.clear()
            return False
        return True

    def _next_step(self) -> tuple[Work, _Running, int] | float | None:
        """Under the lock: the next step of a thread. A job; or to wait, for so many seconds at
        most; or, ``None``, to end."""
        if not (self._queue and self._may_begin_next()):
            if self._closed:
                self._threads -= 1
                return None
            return WINDOW if self._queue else _IDLE
        self._count_requests()
        work = self._queue.pop()
        running, number = self._register(work)
        if self._gives_way:
            self._throttle.begin(number)
        return work, running, number

    def _replaced(self) -> None:
        """A thread ends whose job was given up: another may be started in its place."""
        with self._ready:
            self._abandoned -= 1
            self._threads -= 1
            if self._queue and self._active < self._workers:
                self._start_thread()

    def _may_begin_next(self) -> bool:
        """Whether the next job may start beside the running ones: somebody waits for it, or there
        is time."""
        return (
            not self._gives_way or self._queue.urgent or self._throttle.allows(self._holding_up())
        )

    def _register(self, work: Work) -> tuple[_Running, int]:
        running, number = _Running(work.key, time.monotonic(), work.give_up), next(self._numbers)
        self._running[number] = running
        return running, number

    def _run_next(self) -> None:
        """In the executor, which gets one such call for each job in the queue."""
        with self._ready:
            if not self._queue:  # closed meanwhile
                return
            self._count_requests()
            work = self._queue.pop()
            running, number = self._register(work)
        self._run(work, running, number)

    def _run(self, work: Work, running: _Running, number: int) -> bool:
        """False if the job was given up meanwhile, so that this thread has been replaced."""
        try:
            with short_switches() if self._gives_way else nullcontext():
                work.run()
        except BaseException:  # whatever it is, this thread goes on
            log.exception("A regeneration failed.")
        finally:
            self._ended(number)
        return not running.given_up

    def _ended(self, number: int) -> None:
        with self._ready:
            self._running.pop(number, None)
            self._throttle.end(number)
            self._ready.notify()

    def give_up_hung(self) -> None:
        """Give up renders that have run for too long. Call it about once a second."""
        self._own_process()
        limit = time.monotonic() - self._timeout
        for number, running in list(self._running.items()):
            if running.started < limit and not running.given_up:
                self._replace(number, running)

    def _replace(self, number: int, running: _Running) -> None:
        with self._ready:
            if number not in self._running:  # it has ended meanwhile
                return
            running.given_up = True
            self._throttle.end(number)
            if self._executor is None:
                self._abandoned += 1
                if self._queue and self._active < self._workers:
                    self._start_thread()
        running.give_up()

    @property
    def _active(self) -> int:
        """Threads that count: beyond ``workers`` of them, hanging ones are not replaced."""
        return self._threads - min(self._abandoned, self._workers)

    @property
    def waiting(self) -> int:
        return len(self._queue)

    @property
    def busy(self) -> int:
        """How many jobs wait or run, without those that were given up."""
        return self.waiting + self._busy()

    def _busy(self) -> int:
        return sum(not running.given_up for running in list(self._running.values()))

    def _holding_up(self) -> int:
        """How many renders others may have to wait for."""
        since = time.monotonic() - PATIENCE
        return sum(
            not running.given_up and running.started > since for running in self._running.values()
        )

    @property
    def stuck(self) -> bool:
        """Whether as many renders hang as there are workers, so that no job can run any more."""
        return self._abandoned >= self._workers

    def close(self, timeout: float | None = None) -> None:
        """Drop the waiting jobs, and wait up to ``timeout`` seconds for running ones."""
        self._own_process()
        with self._ready:
            self._closed = True
            self._queue.clear()
            self._ready.notify_all()
        deadline = time.monotonic() + (self._drain if timeout is None else timeout)
        while self._busy() and time.monotonic() < deadline:
            time.sleep(0.01)


def _work(owner: weakref.ref[Pool], ready: threading.Condition) -> None:
    """A thread of a pool. It has no reference to the pool while it waits, and ends with it, so that
    an `ISG` without other references can be collected."""
    while _work_once(owner, ready):
        pass


def _work_once(owner: weakref.ref[Pool], ready: threading.Condition) -> bool:
    with ready:
        while True:
            pool = owner()
            turn = pool._next_step() if pool is not None else None
            if pool is None or turn is None:
                return False
            if isinstance(turn, tuple):
                break
            idle = turn == _IDLE
            pool._idle += idle
            pool = None
            ready.wait(turn)
            pool = owner()
            if pool is not None:
                pool._idle -= idle
    if pool._run(*turn):
        return True
    pool._replaced()
    return False


def _warn_without_threads() -> None:
    """uWSGI does not run Python threads by default; pages would stay stale for ever."""
    try:
        import uwsgi
    except ImportError:
        return
    if not {"enable-threads", "threads"} & {
        name.decode() if isinstance(name, bytes) else name for name in uwsgi.opt
    }:
        log.error(
            "uWSGI runs without Python threads, so no page is regenerated in the background: "
            "start it with --enable-threads."
        )


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


@atexit.register
def _drain_at_exit() -> None:
    """Bounded, and for all pools together: exit never waits for a render that hangs. Afterwards the
    counts are stored, including those of these renders."""
    deadline = None
    for pool in [pool for pool in _pools if not pool._closed]:  # the closed ones had their time
        if deadline is None:
            deadline = time.monotonic() + pool._drain
        pool.close(max(0.0, deadline - time.monotonic()))
    observing.tell_at_exit()
    counting.tell_at_exit()
