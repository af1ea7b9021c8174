"""What must not be open, or locked, while a process forks.

SQLite keeps account, per process, of the POSIX locks it has on a file, and a child inherits the
account without the locks: it would believe to hold what only its parent holds, and lose the
write-ahead log as soon as the parent lets go. So no connection is open while the process forks:
operations under way are waited for, for a moment, and new ones wait until the fork is done.
"""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Callable
from typing import Final, Protocol

log: Final = logging.getLogger("isgware")


class Forking(Protocol):
    """Called before and after the process forks; ``child`` tells on which side."""

    def before_fork(self) -> None: ...
    def after_fork(self, child: bool) -> None: ...


_all: Final[weakref.WeakSet[Forking]] = weakref.WeakSet()


def watch(it: Forking) -> None:
    """Call ``it`` at forks for as long as it lives."""
    _all.add(it)


def _tell(tell: Callable[[Forking], None]) -> None:
    for it in list(_all):
        try:
            tell(it)
        except Exception:  # a fork cannot be refused
            log.exception("A store could not get ready for a fork.")


os.register_at_fork(
    before=lambda: _tell(lambda it: it.before_fork()),
    after_in_parent=lambda: _tell(lambda it: it.after_fork(False)),
    after_in_child=lambda: _tell(lambda it: it.after_fork(True)),
)
