"""Where background renders run, and who renders what.

`Flights`: one render per key in this process, and those who wait for it.
`Pool`: a bounded queue and daemon threads, made on first use in each process. A render that takes
too long is given up: its thread is left behind and replaced, up to a limit.
`Failures`: when a key that failed may be tried again.
"""

from __future__ import annotations

import atexit
import itertools
import logging
import os
import threading
import time
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

log: Final = logging.getLogger("isgware")


@dataclass(eq=False)
class Flight:
    """One render under way. ``generation``, ``nonce``: what its render has seen invalidated."""

    key: str
    generation: int
    nonce: str
    outcome: Any = None
    waiters: int = 0
    started: float = field(default_factory=lambda: time.monotonic())
    landed: threading.Event = field(default_factory=lambda: threading.Event())


class Flights:
    """The renders of this process, by key."""

    def __init__(self, max_waiters: int) -> None:
        self.waiting = 0
        self._max_waiters = max_waiters
        self._flights: dict[str, Flight] = {}
        self._lock = threading.Lock()

    def join(
        self, key: str, generation: int, nonce: str, joinable: Callable[[Flight], bool]
    ) -> tuple[Flight, bool]:
        """The flight for ``key``, and whether the caller leads it. One that is not ``joinable``
        (it began before an invalidation the caller has seen) is overtaken by a new one."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None and joinable(flight):
                return flight, False
            flight = self._flights[key] = Flight(key, generation, nonce)
            return flight, True

    def land(self, flight: Flight, outcome: Any) -> None:
        """End a flight; whoever waits for it gets ``outcome``."""
        with self._lock:
            if self._flights.get(flight.key) is flight:
                del self._flights[flight.key]
        flight.outcome = outcome
        flight.landed.set()

    def wait(self, flight: Flight, seconds: float) -> bool:
        """Wait for a flight to land. False: it did not in time, or too many wait already."""
        with self._lock:
            if self.waiting >= self._max_waiters:
                return flight.landed.is_set()
            self.waiting += 1
            flight.waiters += 1
        try:
            return flight.landed.wait(max(0.0, seconds))
        finally:
            with self._lock:
                self.waiting -= 1

    def __contains__(self, key: str) -> bool:
        return key in self._flights


@dataclass(eq=False)
class _Running:
    name: str
    started: float
    give_up: Callable[[], None]
    given_up: bool = False


@dataclass(eq=False)
class Work:
    """``run`` does it; ``give_up`` is called from elsewhere if it takes too long."""

    key: str
    run: Callable[[], None]
    give_up: Callable[[], None] = lambda: None


class Pool:
    """Runs `Work` on daemon threads. Nothing exists before the first ``submit`` of a process.

    At the limits: a full queue refuses work; when as many renders hang as there are ``workers``,
    threads that hang are no longer replaced.
    """

    def __init__(
        self, workers: int, queue_size: int, timeout: float, drain: float, executor: Any = None
    ) -> None:
        self._workers = workers
        self._queue_size = queue_size
        self._timeout = timeout
        self._drain = drain
        self._executor = executor
        self.dropped = 0
        self._reset()
        _pools.add(self)

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._closed = False
        self._queue: deque[Work] = deque()
        self._keys: set[str] = set()
        self._ready = threading.Condition()
        self._threads = 0
        self._abandoned = 0
        self._idle = 0
        self._running: dict[int, _Running] = {}
        self._numbers = itertools.count()

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def submit(self, work: Work, *, urgent: bool = False) -> bool:
        """Take on work, unless its key waits already or the queue is full. Returns at once."""
        if self._pid != os.getpid():
            self._reset()
        with self._ready:
            if self._closed or work.key in self._keys:
                return not self._closed
            if len(self._keys) >= self._queue_size and not urgent:
                self.dropped += 1
                return False
            self._keys.add(work.key)
            if self._executor is None:
                self._queue.appendleft(work) if urgent else self._queue.append(work)
                self._ready.notify()
                busy = self._active >= self._workers
                if len(self._queue) > self._idle and not busy:
                    return self._start_thread() or self._threads > self._abandoned
                return True
        return self._hand_over(work)

    def _hand_over(self, work: Work) -> bool:
        try:
            future = self._executor.submit(self._run, work)
        except Exception as error:  # full, shut down, or the interpreter is about to exit
            log.warning("The executor did not take a regeneration: %s", error)
            self._keys.discard(work.key)
            self.dropped += 1
            return False

        def forget(future: Any) -> None:
            if future.cancelled():  # by a shutdown: `_run` will never see it
                self._keys.discard(work.key)

        future.add_done_callback(forget)
        return True

    def _start_thread(self) -> bool:
        _warn_without_threads()
        thread = threading.Thread(
            target=self._loop, name=f"isgware-{next(self._numbers)}", daemon=True
        )
        self._threads += 1
        try:
            thread.start()
        except RuntimeError:  # "can't start new thread": whoever asked is served the stale page
            self._threads -= 1
            if self._threads <= self._abandoned:
                self.dropped += len(self._queue)
                self._queue.clear()
                self._keys.clear()
            return False
        return True

    def _loop(self) -> None:
        while True:
            with self._ready:
                while not self._queue:
                    if self._closed:
                        self._threads -= 1
                        return
                    self._idle += 1
                    self._ready.wait()
                    self._idle -= 1
                work = self._queue.popleft()
            if not self._run(work):
                with self._ready:  # given up: its place may be taken, or be wanted now
                    self._abandoned -= 1
                    self._threads -= 1
                    if self._queue and self._active < self._workers:
                        self._start_thread()
                return

    def _run(self, work: Work) -> bool:
        """False when the work was given up meanwhile, so that this thread has been replaced."""
        running = _Running(work.key, time.monotonic(), work.give_up)
        number = next(self._numbers)
        self._running[number] = running
        self._keys.discard(work.key)
        try:
            work.run()
        except BaseException:  # whatever it was, this thread goes on
            log.exception("A regeneration failed.")
        finally:
            self._running.pop(number, None)
        return not running.given_up

    def give_up_hung(self) -> None:
        """Leave behind what has run for too long. To be called about once a second."""
        limit = time.monotonic() - self._timeout
        for running in list(self._running.values()):
            if running.started < limit and not running.given_up:
                self._replace(running)

    def _replace(self, running: _Running) -> None:
        with self._ready:
            running.given_up = True
            if self._executor is None:
                self._abandoned += 1
                if self._queue and self._active < self._workers:
                    self._start_thread()
        running.give_up()

    @property
    def _active(self) -> int:
        """Threads that count: beyond ``workers`` of them, hung ones are not replaced."""
        return self._threads - min(self._abandoned, self._workers)

    @property
    def waiting(self) -> int:
        return len(self._keys)

    @property
    def busy(self) -> int:
        """How many wait or run; those that were given up do not count."""
        return len(self._keys) + self._busy()

    def _busy(self) -> int:
        return sum(not running.given_up for running in list(self._running.values()))

    @property
    def stuck(self) -> bool:
        """Whether as many renders hang as there are workers, so that nothing can run any more."""
        return self._abandoned >= self._workers

    def close(self, timeout: float | None = None) -> None:
        """Drop what waits, and give what runs up to ``timeout`` seconds to finish."""
        if self._pid != os.getpid():
            return
        with self._ready:
            self._closed = True
            self._queue.clear()
            self._keys.clear()
            self._ready.notify_all()
        deadline = time.monotonic() + (self._drain if timeout is None else timeout)
        while self._busy() and time.monotonic() < deadline:
            time.sleep(0.01)


def _warn_without_threads() -> None:
    """uWSGI does not run Python threads unless told to; pages would stay stale for ever."""
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
    """Bounded, and for all pools together: exit never hangs on a render that hangs."""
    deadline = None
    for pool in [pool for pool in _pools if not pool._closed]:  # those had their time
        if deadline is None:
            deadline = time.monotonic() + pool._drain
        pool.close(max(0.0, deadline - time.monotonic()))


@dataclass(frozen=True, slots=True)
class Failure:
    """A key's failed renders: how many in a row, until when none is tried, and the last one."""

    count: int
    until: float
    error: str
    unproven: bool = False


class Failures:
    """Back-off per key: 1 s, doubling, up to the page's own lifetime or five minutes, plus up to
    a tenth so that processes do not retry in step.

    Bounded; at the limit the oldest is forgotten.
    """

    LIMIT: Final = 4_096
    LONGEST: Final = 300.0

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._failures: OrderedDict[str, Failure] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> Failure | None:
        return self._failures.get(key)

    def due(self, key: str, now: float) -> bool:
        failure = self._failures.get(key)
        # An end beyond the longest back-off was set by a clock that has since been put back.
        return failure is None or not now < failure.until <= now + 2 * self.LONGEST

    def add(
        self, key: str, now: float, error: str, lifetime: float | None, unproven: bool = False
    ) -> Failure:
        known = self._failures.get(key)
        count = known.count + 1 if known else 1
        longest = self.LONGEST if not lifetime else min(lifetime, self.LONGEST)
        delay = min(2.0 ** min(count - 1, 20), longest) * (1 + 0.1 * self._jitter())
        failure = Failure(count, now + delay, error, unproven)
        self.put(key, failure)
        return failure

    def put(self, key: str, failure: Failure) -> None:
        with self._lock:
            self._failures[key] = failure
            self._failures.move_to_end(key)
            while len(self._failures) > self.LIMIT:
                self._failures.popitem(last=False)

    def reset_lock(self) -> None:
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._failures)

    def clear(self, key: str) -> Failure | None:
        with self._lock:
            return self._failures.pop(key, None)
