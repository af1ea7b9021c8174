"""How background renders yield to visitors who are served by the same process.

Python runs one thread at a time. A thread that is ready waits for the interpreter's lock, and a
render that computes keeps it for one *switch interval*, 5 ms by default. A server needs the lock
several times for one hit, and each time all renders that compute may run first. So while renders
run the interval is short. Renders that compute run one at a time; renders that wait (for a
database, say) run side by side.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

#: Seconds for which a render keeps the lock while a visitor waits for it. `bench.feel` compares.
SHORT: Final = 0.0005
_PYTHONS_OWN: Final = 0.005
#: Seconds over which renders are measured before more, or fewer, of them run side by side.
WINDOW: Final = 0.02
#: Seconds after which a render no longer counts. It may hang, and all renders that compute would
#: wait until it is given up.
PATIENCE: Final = 2.0
#: Shares of the time that the rest of the process leaves: renders that use more run one at a time;
#: while they use less, another may join them. `bench.storm` compares.
_MUCH: Final = 0.65
_LITTLE: Final = 0.4


class _Switching:
    """Shortens the switch interval of this process while at least one render runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._renders = 0
        self._ours = 0.0

    def begin(self) -> None:
        with self._lock:
            self._renders += 1
            if self._renders == 1 and sys.getswitchinterval() == _PYTHONS_OWN and _has_gil():
                sys.setswitchinterval(SHORT)
                self._ours = sys.getswitchinterval()

    def end(self) -> None:
        with self._lock:
            self._renders -= 1
            if not self._renders:
                self._restore()

    def _restore(self) -> None:
        """Restore the interval, unless somebody has set another one meanwhile."""
        if self._ours and sys.getswitchinterval() == self._ours:
            sys.setswitchinterval(_PYTHONS_OWN)
        self._ours = 0.0

    def after_fork(self) -> None:
        """The renders of the parent process do not run in this one."""
        self._lock = threading.Lock()
        self._renders = 0
        self._restore()


_switching: Final = _Switching()
os.register_at_fork(after_in_child=_switching.after_fork)


@contextmanager
def short_switches() -> Iterator[None]:
    """Give visitors the interpreter's lock soon while a render runs. An interval other than
    Python's default was set on purpose, and is kept."""
    _switching.begin()
    try:
        yield
    finally:
        _switching.end()


def _has_gil() -> bool:
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


def thread_clock() -> int | None:
    """The clock of this thread's CPU time. ``None`` where the system has none, forbids reading it,
    or threads are greenlets, which have another ``get_ident``."""
    if threading.get_ident.__module__ != "_thread" or not hasattr(time, "pthread_getcpuclockid"):
        return None
    try:
        clock = time.pthread_getcpuclockid(threading.get_ident())
        time.clock_gettime(clock)
    except OSError:  # in a sandbox, for example: the render must still run
        return None
    return clock


class Throttle:
    """How many renders may run at a time: from one to ``most``, as far as they leave time for
    others.

    Starts with one. Not thread-safe: its pool has a lock. `begin` is called by the thread that
    renders. Tests pass in the clocks.
    """

    def __init__(
        self,
        most: int,
        clock: Callable[[], float] = time.perf_counter,
        process_cpu: Callable[[], float] = time.process_time,
        thread_clock: Callable[[], int | None] = thread_clock,
        thread_cpu: Callable[[int], float] = time.clock_gettime,
    ) -> None:
        self.allowed = 1
        self._most = most
        self._clock = clock
        self._process_cpu = process_cpu
        self._thread_clock = thread_clock
        self._thread_cpu = thread_cpu
        self._clocks: dict[int, int] = {}
        self._seen: dict[int, float] = {}
        self._at = self._process_at = 0.0
        self._watched = self._by_renders = self._by_process = 0.0

    def begin(self, number: int) -> None:
        """A render begins in this thread."""
        self._watch()
        clock = self._thread_clock() if _has_gil() else None
        if clock is None:  # nothing can be measured, or threads do not share a lock
            self.allowed = self._most
            return
        self._clocks[number] = clock
        self._seen[number] = self._thread_cpu(clock)

    def end(self, number: int) -> None:
        """A render has ended, or was given up and counts as other work from now on."""
        self._watch()
        self._clocks.pop(number, None)
        self._seen.pop(number, None)

    def allows(self, running: int) -> bool:
        """Whether another render may start beside the running ones."""
        self._watch()
        return running < self.allowed

    def _watch(self) -> None:
        """Add the time since the last call in which renders ran, and evaluate each window."""
        now, process = self._clock(), self._process_cpu()
        if self._clocks:
            self._watched += now - self._at
            self._by_process += process - self._process_at
            for number, clock in self._clocks.items():
                cpu = self._thread_cpu(clock)
                self._by_renders += cpu - self._seen[number]
                self._seen[number] = cpu
        self._at, self._process_at = now, process
        if self._watched >= WINDOW:
            self._judge()
            self._watched = self._by_renders = self._by_process = 0.0

    def _judge(self) -> None:
        others = max(0.0, self._by_process - self._by_renders)
        share = self._by_renders / max(self._watched - others, WINDOW / 10)
        if share > _MUCH:
            self.allowed = 1
        elif share < _LITTLE and len(self._clocks) >= self.allowed:
            self.allowed = min(self._most, self.allowed + 1)
