"""For tests: of your app with isgware, and of backends of your own.

`FakeClock` and `ManualExecutor` let a test say what time it is and when background work runs.
`BackendContract` is the suite that every backend passes. Inherit from it in a class whose name
begins with ``Test``, and say how a backend is made::

    class TestMine(BackendContract):
        def make(self, limits: Limits) -> Backend:
            return MyBackend(limits)

        def again(self, backend: Backend) -> Backend:  # if several processes may share it
            return MyBackend(backend.url)

pytest explains failed asserts of a library only when told to, before the first import:
``pytest.register_assert_rewrite("isgware.backends")`` in your ``conftest.py``.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

from .backend_suite import START, make_entry
from .backend_suite_coherence import CoherenceSuite
from .backend_suite_counts import CountsSuite
from .backend_suite_jobs import JobsSuite
from .backend_suite_pages import PagesSuite
from .backend_suite_versions import VersionsSuite

__all__ = ["START", "BackendContract", "FakeClock", "ManualExecutor", "make_entry"]

P = ParamSpec("P")
T = TypeVar("T")


class FakeClock:
    """A clock that stands still until told otherwise. Call it to read it, in seconds.

    >>> clock = FakeClock(100.0)
    >>> clock.advance(5)
    >>> clock()
    105.0
    """

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Move on; with a negative number the clock is put back, as real ones sometimes are."""
        self.now += seconds


class ManualExecutor(Executor):
    """Runs what was submitted only when told to, in the calling thread and in order.

    >>> executor = ManualExecutor()
    >>> future = executor.submit(sum, [1, 2])
    >>> executor.pending, future.done()
    (1, False)
    >>> executor.run_all()
    1
    >>> future.result()
    3
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._shut_down = False
        self._lock = threading.Lock()

    @property
    def pending(self) -> int:
        """How many calls wait to be run."""
        return len(self._waiting)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        with self._lock:
            if self._shut_down:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._waiting.append((future, lambda: fn(*args, **kwargs)))
        return future

    def run_next(self) -> bool:
        """Run the call that waits longest. False if none does. Its error is in its future."""
        while self._waiting:
            future, call = self._waiting.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = call()
            except BaseException as error:
                future.set_exception(error)
                if not isinstance(error, Exception):
                    raise
            else:
                future.set_result(result)
            return True
        return False

    def run_all(self) -> int:
        """Run what waits, and what that submits in turn. Returns how many calls were run."""
        count = 0
        while self.run_next():
            count += 1
        return count

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Refuse more. What waits is run if ``wait``, or dropped if ``cancel_futures``."""
        with self._lock:
            self._shut_down = True
        if cancel_futures:
            while self._waiting:
                self._waiting.popleft()[0].cancel()
        elif wait:
            self.run_all()


class BackendContract(PagesSuite, CoherenceSuite, JobsSuite, CountsSuite, VersionsSuite):
    """What every `Backend` keeps, as tests. A subclass says how to ``make`` one."""
