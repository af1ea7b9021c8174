"""Actions that wait for the commit of a transaction, and run whatever other hooks do.

``transaction.on_commit`` is not enough: a hook that raises drops all hooks after it, with
autocommit switched off Django does not run hooks when the app commits, and tests of the app count
what waits there. So each connection has a list of its own for them, which follows savepoints and is
merged with Django's hooks, in the order of all, when these run: see `_Guard`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from django.db import DEFAULT_DB_ALIAS, connections

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


class _Registered(NamedTuple):
    """An action of an ``atomic`` block. ``after``: how many of Django's hooks stand before it."""

    savepoints: frozenset[str]
    after: int
    waiting: Waiting


def when_committed(waiting: Waiting, using: str) -> None:
    """Run ``waiting`` once the open transaction of ``using`` is committed; at once if there is
    none. A rollback, also one to a savepoint, drops it."""
    connection = connections[using]
    if connection.in_atomic_block:
        _guard_of(connection).register(waiting)
    elif connection.get_autocommit():
        waiting()
    else:
        _guard_of(connection).by_hand.append(waiting)


def last_waiting(using: str) -> Waiting | None:
    """The last action that was registered in the open transaction or savepoint, if no hook was
    since; more may be added to it."""
    guard: _Guard | None = getattr(connections[using], _ATTRIBUTE, None)
    return guard.last() if guard is not None else None


class _Guard:
    """Wraps the methods of one connection that end transactions.

    ``by_hand``: actions that wait while autocommit is off and no ``atomic`` block is open.
    """

    def __init__(self, connection: Any) -> None:
        self.by_hand: list[Waiting] = []
        self._registered: list[_Registered] = []
        #: The open savepoints, and how many actions were registered before each. Django knows only
        #: those of ``atomic``, and may give two the same name.
        self._savepoints: list[tuple[str, int]] = []
        self._connection = connection
        self._originals = connection.commit, connection.rollback, connection.set_autocommit
        self._run_hooks = connection.run_and_clear_commit_hooks
        self._to_savepoint, self._disconnect = connection.savepoint_rollback, connection.close
        self._begin_savepoint, self._release = connection.savepoint, connection.savepoint_commit
        connection.commit = self._commit
        connection.rollback = self._rollback
        connection.savepoint = self._savepoint
        connection.savepoint_commit = self._savepoint_commit
        connection.savepoint_rollback = self._savepoint_rollback
        connection.close = self._close
        connection.set_autocommit = self._set_autocommit
        connection.run_and_clear_commit_hooks = self._run_and_clear_commit_hooks

    def register(self, waiting: Waiting) -> None:
        connection = self._connection
        savepoints = frozenset(connection.savepoint_ids)
        after = len(connection.run_on_commit)
        self._registered.append(_Registered(savepoints, after, waiting))

    def last(self) -> Waiting | None:
        connection = self._connection
        if not connection.in_atomic_block:
            return self.by_hand[-1] if self.by_hand else None
        if not self._registered:
            return None
        savepoints, after, last = self._registered[-1]
        here = savepoints == set(connection.savepoint_ids) and not (
            self._savepoints and self._savepoints[-1][1] == len(self._registered)
        )
        return last if here and after == len(connection.run_on_commit) and not last.done else None

    def run_new(self, known: Iterable[Waiting]) -> None:
        """Those that were registered beside ``known``."""
        before = set(known)
        self._run([waiting for waiting in self.hooks() if waiting not in before])

    def hooks(self) -> list[Waiting]:
        return [each.waiting for each in self._registered]

    def _announce(self) -> None:
        for each in [*self.hooks(), *self.by_hand]:
            if not each.done:
                each.before_commit()

    def _commit(self) -> None:
        self._announce()
        try:
            self._originals[0]()
        except BaseException:  # the database may have committed without its answer arriving
            self._run([*self.hooks(), *self._taken()])
            raise
        self._run([hook for hook in self.hooks() if hook.first])
        waiting = self._taken()
        if not self._connection.commit_on_exit:
            # From an atomic block while autocommit is off: Django's hooks wait until it is on
            # again.
            waiting = [*self.hooks(), *waiting]
            self._forget()
        self._run(waiting)

    def _rollback(self) -> None:
        self.by_hand.clear()
        self._originals[1]()
        self._forget()

    def _savepoint(self) -> Any:
        sid = self._begin_savepoint()
        if sid:
            self._savepoints.append((sid, len(self._registered)))
        return sid

    def _savepoint_commit(self, sid: str) -> None:
        self._release(sid)
        if (at := self._last_of(sid)) is not None:
            del self._savepoints[at:]

    def _savepoint_rollback(self, sid: str) -> None:
        self._to_savepoint(sid)
        if (at := self._last_of(sid)) is None:
            self._forget()  # it was there before any of them
        else:
            del self._registered[self._savepoints[at][1] :]
            del self._savepoints[at + 1 :]

    def _last_of(self, sid: str) -> int | None:
        found = [at for at, (name, _) in enumerate(self._savepoints) if name == sid]
        return found[-1] if found else None

    def _close(self) -> None:
        self._forget()
        self._disconnect()

    def _forget(self) -> None:
        self._registered.clear()
        self._savepoints.clear()

    def _set_autocommit(self, autocommit: bool, *args: Any, **kwargs: Any) -> None:
        """Some databases commit here."""
        if autocommit and self.by_hand:
            self._announce()
        self._originals[2](autocommit, *args, **kwargs)
        if autocommit:
            self._run(self._taken())

    def _run_and_clear_commit_hooks(self) -> None:
        waiting, hooks = self.hooks(), self._connection.run_on_commit
        left = [each for each in self._registered if not each.waiting.done]
        for number, each in enumerate(left):
            hooks.insert(each.after + number, (set(each.savepoints), each.waiting, False))
        self._forget()
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
        run_what_tests_capture()
    return guard


def run_what_tests_capture() -> None:
    """A ``TestCase`` commits nothing; its ``captureOnCommitCallbacks(execute=True)`` runs what
    would run at a commit. So it runs our actions, too, without showing them."""
    testcases: Any = sys.modules.get("django.test.testcases")
    original = vars(testcases.TestCase).get("captureOnCommitCallbacks") if testcases else None
    if original is None or hasattr(original.__func__, "isgware"):
        return

    @contextmanager
    def capture(cls: Any, *, using: str = DEFAULT_DB_ALIAS, execute: bool = False) -> Iterator[Any]:
        guard = _guard_of(connections[using])
        known = guard.hooks()
        with original.__func__(cls, using=using, execute=execute) as callbacks:
            yield callbacks
        if execute:
            guard.run_new(known)

    capture.isgware = True  # type: ignore[attr-defined]
    testcases.TestCase.captureOnCommitCallbacks = classmethod(capture)
