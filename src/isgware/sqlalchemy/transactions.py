"""What is written on a connection is told when the database has committed it, and not before.

The writes lie with the driver's connection, since it is that which commits, whoever asks for it:
sessions, connections, the pool. `Engine`'s own event ``commit`` comes before the commit, and
`Session`'s ``after_commit`` for savepoints, too, so `watch` wraps what a dialect commits with.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any, Final

from ..core.database_reads import Writes
from ..core.dependencies import EverythingChanged, TableChanged
from ..management.record_writes import Announced, announce, tell
from .tables import told

log: Final = logging.getLogger("isgware")
_KEY: Final = "isgware"


class Pending:
    """The writes of the transaction under way on one connection of the driver.

    ``unfinished``: calls that add writes of which not everything was known when they were executed,
    the keys of inserted rows; they are of tables in ``inserting``. ``locked``: whether this
    transaction holds the lock of SQLite. ``elsewhere``: what may be written where nobody sees it,
    committed, too; it is told when a transaction ends, however it does. ``opened_by``: the
    savepoint that began it, if one did. ``announced``: what was announced of it before a statement
    that may have committed.
    """

    def __init__(self) -> None:
        self._writes = Writes()
        self._savepoints: list[tuple[str, Writes]] = []
        self.unfinished: list[Callable[[Writes], object]] = []
        self.inserting: set[str] = set()
        self.locked = False
        self.opened_by = ""
        self.announced: Announced = {}
        self.elsewhere: EverythingChanged | None = None

    @property
    def innermost(self) -> Writes:
        return self._savepoints[-1][1] if self._savepoints else self._writes

    def __bool__(self) -> bool:
        seen = self._writes or self._savepoints or self.unfinished or self.locked
        return bool(seen or self.elsewhere or self.announced)

    def finish(self) -> None:
        """Ask for what was not known before."""
        unfinished, self.unfinished = self.unfinished, []
        self.inserting.clear()
        for call in unfinished:
            try:
                call(self.innermost)
            except Exception:
                log.exception("What an INSERT has inserted is not known; every page is renewed.")
                self.innermost.add(EverythingChanged("an INSERT whose rows are not known"))

    def savepoint(self, name: str) -> None:
        self.finish()
        self._savepoints.append((name, Writes()))

    def release(self, name: str) -> None:
        self.finish()
        if any(known == name for known, _ in self._savepoints):
            while self._savepoints:
                known, writes = self._savepoints.pop()
                self.innermost.join(writes)
                if known == name:
                    return

    def rollback_to(self, name: str) -> None:
        """What was written since is undone; the savepoint goes, as SQLAlchemy leaves it then."""
        self.unfinished.clear()
        if any(known == name for known, _ in self._savepoints):
            while self._savepoints.pop()[0] != name:
                pass

    def so_far(self) -> Writes:
        """All of it, as far as it is known; it stays pending."""
        writes = Writes()
        for each in (self._writes, *(inner for _, inner in self._savepoints)):
            writes.join(each)
        for table in self.inserting:
            writes.add(TableChanged(table))
        return writes

    def take_announced(self) -> Announced:
        announced, self.announced = self.announced, {}
        return announced

    def take(self) -> Writes:
        """All of it; nothing is pending afterwards."""
        self.finish()
        while self._savepoints:
            writes = self._savepoints.pop()[1]
            self.innermost.join(writes)
        if self.elsewhere is not None:
            self._writes.add(self.elsewhere)
        taken, self._writes, self.locked, self.elsewhere = self._writes, Writes(), False, None
        self.opened_by = ""
        return taken

    def drop(self) -> Writes:
        """It was rolled back. Returns what may have been written all the same."""
        self._writes = Writes()
        self.inserting.clear()
        self._savepoints.clear()
        self.unfinished.clear()
        return self.take()


def pending_of(connection: Any) -> Pending:
    """That of a `Connection`, whose commits are told from now on."""
    watch(connection.dialect)
    found: Pending = connection.info.setdefault(_KEY, Pending())
    return found


def pending_on(pooled: Any) -> Pending:
    """That of a connection of the pool, whose dialect is watched from now on."""
    watch(pooled._pool._dialect)
    found: Pending = pooled.info.setdefault(_KEY, Pending())
    return found


def committed(pooled: Any) -> None:
    """What is pending on a connection, or on one of the pool, is committed."""
    pending = _of(pooled)
    if pending is not None:
        tell(told(pending.take()), pending.take_announced())


def _of(pooled: Any) -> Pending | None:
    """That of a connection of the pool, if something is pending."""
    try:
        info = pooled.info
    except (AttributeError, NotImplementedError):  # the dialect's own, of no pool
        return None
    return info.get(_KEY) or None


def watch(dialect: Any) -> None:
    """Wrap what ``dialect``, which belongs to one engine, ends transactions with."""
    if _KEY in dialect.__dict__:
        return
    dialect.__dict__[_KEY] = True
    for name, wrapper in (
        ("do_commit", _committing),
        ("do_rollback", _rolling_back),
        ("do_prepare_twophase", _preparing),
        ("do_commit_twophase", _committing_prepared),
        ("do_rollback_twophase", _rolling_back_prepared),
    ):
        original = getattr(dialect, name)
        setattr(dialect, name, functools.wraps(original)(functools.partial(wrapper, original)))


def _committing(original: Any, pooled: Any) -> None:
    pending = _of(pooled)
    if pending is None:
        original(pooled)
        return
    writes = list(told(pending.take()))
    announced = announce(writes, pending.take_announced())
    try:
        original(pooled)
    finally:  # one that failed may have happened
        tell(writes, announced)


def _rolling_back(original: Any, pooled: Any) -> None:
    pending = _of(pooled)
    original(pooled)
    if pending is not None:
        announced = pending.take_announced()
        tell(told(pending.drop()), announced)


# Two-phase commits are of a `Connection`; one that was prepared may be committed by another.


def _preparing(original: Any, connection: Any, xid: Any) -> None:
    original(connection, xid)
    pending = pending_of(connection)
    connection.engine.__dict__.setdefault(_KEY, {})[xid] = pending.take()


def _committing_prepared(
    original: Any, connection: Any, xid: Any, *args: Any, **kwargs: Any
) -> None:
    prepared = connection.engine.__dict__.get(_KEY, {}).pop(xid, None)
    writes = pending_of(connection).take()
    if prepared is not None:
        writes.join(prepared)
    elif (args and args[0]) or kwargs.get("is_prepared"):
        writes.add(EverythingChanged("a transaction that another process prepared"))
    batch = list(told(writes))
    announced = announce(batch, pending_of(connection).take_announced())
    try:
        original(connection, xid, *args, **kwargs)
    finally:
        tell(batch, announced)


def _rolling_back_prepared(
    original: Any, connection: Any, xid: Any, *args: Any, **kwargs: Any
) -> None:
    original(connection, xid, *args, **kwargs)
    connection.engine.__dict__.get(_KEY, {}).pop(xid, None)
    pending = pending_of(connection)
    announced = pending.take_announced()
    tell(told(pending.drop()), announced)
