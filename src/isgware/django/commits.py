"""Actions that wait for the commit of a transaction, and run whatever other hooks do.

``transaction.on_commit`` alone is not enough: a hook that raises drops all hooks after it, and with
autocommit switched off Django does not run hooks when the app commits. So actions are registered
there, for their order and for savepoints, and each connection with waiting actions makes sure that
they run: see `_Guard`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, Final

from django.db import connections

log: Final = logging.getLogger("isgware")
_ATTRIBUTE: Final = "_isgware_guard"


class Waiting:
    """An action that waits for a commit. It runs once, however often it is called.

    ``first``: as soon as the database has committed, before any hook of the app.
    """

    first = False

    def __init__(self, action: Callable[[], object]) -> None:
        self.done = False
        self._action = action

    def __call__(self) -> None:
        if not self.done:
            self.done = True
            self._action()

    def before_commit(self) -> None:
        """It is about to be called. Raises no `Exception`."""


def when_committed(waiting: Waiting, using: str) -> None:
    """Run ``waiting`` once the open transaction of ``using`` is committed; at once if there is
    none. A rollback, also one to a savepoint, drops it."""
    connection = connections[using]
    if connection.in_atomic_block:
        _guard_of(connection)
        connection.on_commit(waiting)
    elif connection.get_autocommit():
        waiting()
    else:
        _guard_of(connection).by_hand.append(waiting)


def last_waiting(using: str) -> Waiting | None:
    """The last action that was registered in the open transaction or savepoint; more may be added
    to it."""
    connection = connections[using]
    if connection.in_atomic_block:
        hooks: Any = connection.run_on_commit
        savepoints, last = hooks[-1][:2] if hooks else ((), None)
        here = savepoints == set(connection.savepoint_ids)
        return last if isinstance(last, Waiting) and here and not last.done else None
    guard: _Guard | None = getattr(connection, _ATTRIBUTE, None)
    return guard.by_hand[-1] if guard is not None and guard.by_hand else None


class _Guard:
    """Wraps the methods of one connection that end transactions.

    ``by_hand``: actions that wait while autocommit is off and no ``atomic`` block is open.
    """

    def __init__(self, connection: Any) -> None:
        self.by_hand: list[Waiting] = []
        self._connection = connection
        self._originals = connection.commit, connection.rollback, connection.set_autocommit
        self._run_hooks = connection.run_and_clear_commit_hooks
        connection.commit = self._commit
        connection.rollback = self._rollback
        connection.set_autocommit = self._set_autocommit
        connection.run_and_clear_commit_hooks = self._run_and_clear_commit_hooks

    def _hooks(self) -> list[Waiting]:
        hooks = [hook[1] for hook in self._connection.run_on_commit]
        return [hook for hook in hooks if isinstance(hook, Waiting)]

    def _announce(self) -> None:
        for each in [*self._hooks(), *self.by_hand]:
            if not each.done:
                each.before_commit()

    def _commit(self) -> None:
        self._announce()
        try:
            self._originals[0]()
        except BaseException:  # the database may have committed without its answer arriving
            self._run([*self._hooks(), *self._taken()])
            raise
        self._run([hook for hook in self._hooks() if hook.first])
        waiting = self._taken()
        if not self._connection.commit_on_exit:
            # From an atomic block while autocommit is off: Django's hooks wait until it is on
            # again.
            waiting = [*self._hooks(), *waiting]
        self._run(waiting)

    def _rollback(self) -> None:
        self.by_hand.clear()
        self._originals[1]()

    def _set_autocommit(self, autocommit: bool, *args: Any, **kwargs: Any) -> None:
        """Some databases commit here."""
        if autocommit and self.by_hand:
            self._announce()
        self._originals[2](autocommit, *args, **kwargs)
        if autocommit:
            self._run(self._taken())

    def _run_and_clear_commit_hooks(self) -> None:
        waiting = self._hooks()
        try:
            self._run_hooks()
        finally:
            self._run(waiting)

    def _taken(self) -> list[Waiting]:
        taken, self.by_hand = self.by_hand, []
        return taken

    def _run(self, waiting: Iterable[Waiting]) -> None:
        for each in waiting:
            try:
                each()
            except Exception:
                log.exception("After a commit, pages could not be invalidated.")


def _guard_of(connection: Any) -> _Guard:
    guard: _Guard | None = getattr(connection, _ATTRIBUTE, None)
    if guard is None:
        guard = _Guard(connection)
        setattr(connection, _ATTRIBUTE, guard)
    return guard
