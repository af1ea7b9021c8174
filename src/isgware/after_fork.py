"""A forked process makes its locks, its threads and its list of running work anew. An object that
has such things remembers the pid of their process, compares it on use, and makes them anew under
`settling`, the pid last: another thread of the child that finds it changed finds the rest changed,
too. On use, not as the process forks, nor at construction: a server may put locks and threads of
its own (gevent's) in place of Python's only then, and they have to be of one kind. A greenlet that
switches to another while it holds one of Python's own locks stops the whole process as soon as the
other wants the lock.
"""

from __future__ import annotations

import os
import threading

_settling = threading.Lock()


def settling() -> threading.Lock:
    """This process's lock; held for no longer than it takes to make a few objects."""
    return _settling


class OwnLock:
    """A lock that each process makes for itself when it first needs it. For what may wait, or start
    a thread, while it holds the lock."""

    def __init__(self) -> None:
        self._pid = 0
        self._lock = threading.Lock()

    def __call__(self) -> threading.Lock:
        """This process's lock."""
        if self._pid != os.getpid():
            with settling():
                if self._pid != os.getpid():
                    self._lock = threading.Lock()
                    self._pid = os.getpid()  # last: from here on other threads look no further
        return self._lock


def _after_fork() -> None:
    global _settling
    _settling = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
