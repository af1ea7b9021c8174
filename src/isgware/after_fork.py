"""Locks, threads and lists of running work are made anew in a forked process.

An object that has such things remembers the pid of their process and compares it on use. If it
differs, it makes them anew under `settling`, and sets the pid last: another thread of the child
that finds the new pid finds the rest new, too.

This is done on use, not at the fork or at construction: a server may replace Python's locks and
threads by its own (gevent's) later, and all must be of one kind. A greenlet that switches to
another while it holds one of Python's own locks would stop the whole process as soon as the other
waits for that lock.
"""

from __future__ import annotations

import os
import threading

_settling = threading.Lock()


def settling() -> threading.Lock:
    """This process's lock. It is held only while a few objects are made."""
    return _settling


class OwnLock:
    """A lock that each process makes on first use. For code that may wait, or start a thread, while
    it holds the lock."""

    def __init__(self) -> None:
        self._pid = 0
        self._lock = threading.Lock()

    def __call__(self) -> threading.Lock:
        """This process's lock."""
        if self._pid != os.getpid():
            with settling():
                if self._pid != os.getpid():
                    self._lock = threading.Lock()
                    self._pid = os.getpid()  # last: other threads skip the lock from here on
        return self._lock


def _after_fork() -> None:
    global _settling
    _settling = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
