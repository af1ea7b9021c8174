"""One SQLite file per directory: its connections, per process, and transactions on them.

Connections belong to the process that opened them; while it forks none is open (see `forks`). They
are lent to one thread at a time, and return only to the `Files` they were opened from: files that
were deleted or replaced meanwhile are never written again. What the files are: see `files`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import Final, TypeVar

from ...after_fork import OwnLock
from .. import fork_safety as forks
from .directory import check_directory
from .files import NAME, Identity, check_room, flush, locked, make, on_disk, remove
from .transaction import APPLICATION_ID, VERSION, is_ours, of_the_store, transaction, unusable
from .transaction import Damaged as Damaged

T = TypeVar("T")
log: Final = logging.getLogger("isgware")
Complete = Callable[[sqlite3.Connection], None]
_IDLE_CONNECTIONS: Final = 8
_LOG_LIMIT: Final = 64 * 1024**2


class Connection(sqlite3.Connection):
    files: Files


class Files:
    """The result of one opening of the store. Replaced as a whole, never repaired."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.idle: list[Connection] = []
        self.identity: Identity = ()
        self.version: Sequence[int] = [1]
        self.opening = OwnLock()
        self.lent: list[None] = []  # one for each operation in progress

    def close_idle(self) -> None:
        while self.idle:
            with contextlib.suppress(sqlite3.Error, IndexError):
                self.idle.pop().close()


#: The database and the connection whose transaction `together` is in. No ``threading.local``: one
#: that was made before gevent came would be the same for all greenlets.
_joined: Final[ContextVar[tuple[Database, sqlite3.Connection] | None]] = ContextVar(
    "joined", default=None
)
#: Files of a parent process: kept from being closed by garbage collection in a child.
_inherited: list[Files] = []


class Database:
    """A directory that holds one store. Nothing is opened before the first operation.

    ``timeout`` is what an operation may wait for others, in seconds. ``complete`` is given each
    new connection, to add what stores of earlier releases lack.
    """

    def __init__(
        self,
        directory: str | Path,
        schema: str,
        timeout: float,
        complete: Complete = lambda _: None,
    ) -> None:
        self.directory = Path(directory)
        self.files = Files()
        self.versions = [self.files.version]  # see `live_version`
        self._binding = threading.Lock()
        self._schema = schema
        self._complete = complete
        self._timeout = timeout
        self._forking = False
        check_directory(self.directory)
        forks.watch(self)

    def exists(self) -> bool:
        """Whether the store was made already. Opens nothing."""
        return (self.directory / NAME).exists()

    @property
    def version(self) -> Sequence[int]:
        return self.files.version

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` on a connection; the errors it raises are SQLite's. If the database turns
        out to be beyond reading, a new one takes its place, and ``work`` is run on that."""
        joined = self._joined()
        return self._mended(lambda: self._on_connection(work)) if joined is None else work(joined)

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` in one immediate transaction."""
        joined = self._joined()
        return self._mended(lambda: self._write(work)) if joined is None else work(joined)

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        check_room(self.directory)
        return self._on_connection(lambda connection: transaction(connection, work))

    def _mended(self, attempt: Callable[[], T]) -> T:
        """What comes of an attempt, or of a second one if the first found the database damaged."""
        try:
            return attempt()
        except Exception as error:
            met = of_the_store(error)
            if met is None or not unusable(met):
                raise
        return attempt()

    def _on_connection(self, work: Callable[[sqlite3.Connection], T], *, locked: bool = False) -> T:
        """``locked``: whether the caller has the store's file lock."""
        lent = self._begin()
        try:
            connection = self._lend()
            try:
                result = work(connection)
            except BaseException as error:
                self._drop(connection, error, locked=locked)
                raise
            self._take_back(connection)
            return result
        finally:
            lent.pop()

    def announce(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Like `write`, and every process of the host notices before this returns.

        What returned holds: it survives a power cut too, and it went to the files that are there.
        """
        joined = self._joined()
        return self._mended(lambda: self._announce(work)) if joined is None else work(joined)

    def _announce(self, work: Callable[[sqlite3.Connection], T]) -> T:
        deadline = time.monotonic() + self._timeout
        self.verify()
        self.read(lambda connection: None)  # opens the files, so that there is a version

        def patiently(connection: sqlite3.Connection) -> T:
            left = max(0.01, deadline - time.monotonic())
            connection.execute(f"PRAGMA busy_timeout = {left * 1000:.0f}")
            result = transaction(connection, work)
            connection.execute(f"PRAGMA busy_timeout = {self._timeout * 1000:.0f}")
            return result

        with locked(self.directory, self._timeout):
            check_room(self.directory)
            files = self.files
            version: list[int] = files.version  # type: ignore[assignment]
            odd = version[0] | 1
            version[0] = odd
            try:
                result = self._on_connection(patiently, locked=True)
            finally:
                version[0] = odd + 1
        if files is not self.files or files.identity != on_disk(self.directory):
            self._forget(files)
            raise sqlite3.OperationalError("the store was replaced under an invalidation")
        flush(self.directory)
        return result

    def together(self, work: Callable[[], None], announces: bool) -> None:
        """Run ``work``, whose reads and writes in this thread are one transaction: an `announce`
        if any of them is."""

        def run(connection: sqlite3.Connection) -> None:
            token = _joined.set((self, connection))
            try:
                work()
            finally:
                _joined.reset(token)

        # Once only, whatever it finds: ``work`` does more than SQLite could undo.
        if announces:
            self._announce(run)
        else:
            self._write(run)

    @property
    def joined(self) -> bool:
        """Whether what runs here is part of a `together`."""
        return self._joined() is not None

    def _joined(self) -> sqlite3.Connection | None:
        joined = _joined.get()
        return joined[1] if joined is not None and joined[0] is self else None

    def verify(self) -> None:
        """Let go of files that are no longer the ones at our path (deleted, or made anew)."""
        files = self.files
        ours = files.identity and files.pid == os.getpid()
        if ours and files.identity != on_disk(self.directory):
            self._forget(files)

    def close(self) -> None:
        if self.files.pid == os.getpid():
            self._forget(self.files)

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            if self.files.pid != os.getpid():
                _inherited.append(self.files)
            self.close()

    def before_fork(self) -> None:
        """Have no connection open; an operation that takes too long is not waited for."""
        self._forking = True
        deadline = time.monotonic() + self._timeout
        while self.files.lent and time.monotonic() < deadline:
            time.sleep(0.001)
        if self.files.pid == os.getpid():
            self.files.close_idle()

    def after_fork(self, child: bool) -> None:
        if child:
            _inherited.append(self.files)
            version = self.files.version
            self.files = Files()
            self.files.version = version
            self._binding = threading.Lock()
        self._forking = False

    def _begin(self) -> list[None]:
        """Note that an operation is under way, but not while the process forks."""
        if self.files.pid != os.getpid():  # forked by other means than Python's
            self.after_fork(True)
        lent = self.files.lent
        lent.append(None)
        deadline = 0.0
        while self._forking and (not deadline or time.monotonic() < deadline):
            lent.pop()
            deadline = deadline or time.monotonic() + self._timeout
            time.sleep(0.001)
            lent = self.files.lent
            lent.append(None)
        return lent

    def _lend(self) -> Connection:
        try:
            return self.files.idle.pop()
        except IndexError:
            return self._open()

    def _take_back(self, connection: Connection) -> None:
        files = connection.files
        if files is self.files and len(files.idle) < _IDLE_CONNECTIONS:
            files.idle.append(connection)
            if files is not self.files:  # forgotten this very moment
                files.close_idle()
        else:
            connection.close()

    def _drop(self, connection: Connection, error: BaseException, *, locked: bool = False) -> None:
        with contextlib.suppress(sqlite3.Error):
            connection.close()
        met = of_the_store(error)
        if met is not None:
            if unusable(met):
                self._discard(connection.files, holding=locked)
            else:
                self.verify()

    def _open(self) -> Connection:
        self.verify()
        files = self.files
        opening = files.opening()
        if not opening.acquire(timeout=self._timeout):
            raise sqlite3.OperationalError("the store is being opened by another thread")
        try:
            if not files.identity:
                files.version, files.identity = make(self.directory, self._timeout)
                self._bind()
            connection = sqlite3.connect(
                self.directory / NAME,
                timeout=self._timeout,
                isolation_level=None,
                check_same_thread=False,
                factory=Connection,
            )
            connection.files = files
            try:
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute(f"PRAGMA journal_size_limit = {_LOG_LIMIT}")
                if not is_ours(connection):
                    self._create(connection)
                self._complete(connection)
            except BaseException as error:
                self._drop(connection, error)
                raise
            return connection
        finally:
            opening.release()

    def _create(self, connection: sqlite3.Connection) -> None:
        check_room(self.directory)
        with locked(self.directory, self._timeout):
            if is_ours(connection):
                return  # another process was faster
            if connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                raise Damaged("a database of another kind or version is in the store's place")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(
                f"BEGIN IMMEDIATE; {self._schema}; PRAGMA user_version = {VERSION}; "
                f"PRAGMA application_id = {APPLICATION_ID}; COMMIT"
            )

    def _forget(self, files: Files) -> None:
        """Start over with the next operation; connections in use are closed by their users."""
        if files is self.files:
            self.files = Files()
        self._bind()
        files.close_idle()

    def _bind(self) -> None:
        with self._binding:  # what readers hold is the version of the present files
            self.versions[0] = self.files.version

    def _discard(self, files: Files, *, holding: bool) -> None:
        """Remove a database that is beyond reading: what it held are copies. ``holding``: whether
        the caller has the file lock, as one who announces has; nobody gets it twice."""
        lock = nullcontext() if holding else locked(self.directory, self._timeout)
        with contextlib.suppress(OSError, sqlite3.Error), lock:
            if files.identity == on_disk(self.directory):
                log.error(
                    "The store in %s is damaged; an empty one takes its place.", self.directory
                )
                remove(self.directory)
        self._forget(files)
