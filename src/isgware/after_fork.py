"""What a forked process makes anew: its locks, its threads, its account of what runs.

Whoever has such things keeps the pid of the process that they are of, compares it on use, and makes
them anew under `settling`, the pid last: another thread of the child that finds it changed finds
the rest changed, too. On use, not as the process forks: a server may put locks and threads of its
own (gevent's) in place of a child's only then, and they have to be of one kind.
"""

from __future__ import annotations

import os
import threading

_settling = threading.Lock()


def settling() -> threading.Lock:
    """This process's lock; held for no longer than it takes to make a few objects."""
    return _settling


def _after_fork() -> None:
    global _settling
    _settling = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
