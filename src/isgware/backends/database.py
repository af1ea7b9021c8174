"""One SQLite file per directory: connections per process, and the word beside it.

The *word* is eight bytes that every process of the host maps into memory. It tells for the price
of reading an integer whether anything was invalidated since. Writers change it like a seqlock,
under a file lock: odd, then commit, then even. A reader who sees an odd word asks SQLite; a word
that a crash left odd stays so, costing reads but no truth, until the next writer makes it even.

Connections belong to the process that opened them; while it forks none is open (see `forks`).
They are lent to one thread at a time, and come back only to the `_Files` they were opened from:
what was deleted or replaced meanwhile is never written to again.

Rule: nobody opens the database file but SQLite. POSIX drops all locks that a process has on a file
as soon as it closes any descriptor of it, and without them another process may take the
write-ahead log away (sqlite.org/howtocorrupt.html, section 2.2).
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import secrets
import sqlite3
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

from ..errors import ConfigurationError
from . import forks
from .directory import check_directory
from .transaction import APPLICATION_ID, VERSION, is_ours, transaction, unusable
from .transaction import Damaged as Damaged

T = TypeVar("T")
Complete = Callable[[sqlite3.Connection], None]
NAME: Final = "isgware-1.db"
WORD: Final = "isgware-1.word"
LOCK: Final = "isgware-1.lock"
_IDLE_CONNECTIONS: Final = 8
_LOG_LIMIT: Final = 64 * 1024**2


class _Connection(sqlite3.Connection):
    files: _Files


class _Files:
    """What one opening of the store brought about. Replaced as a whole, never mended."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.idle: list[_Connection] = []
        self.identity: tuple[tuple[int, int], ...] = ()
        self.word: Sequence[int] = [1]
        self.opening = threading.Lock()
        self.lent: list[None] = []  # one for each operation under way


#: Files of a parent process: kept from being closed by garbage collection in a child.
_inherited: list[_Files] = []


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
        self.files = _Files()
        self.words = [self.files.word]  # see `live_word`
        self._binding = threading.Lock()
        self._schema = schema
        self._complete = complete
        self._timeout = timeout
        self._forking = False
        self._joined = threading.local()  # the connection whose transaction `together` is in
        check_directory(self.directory)
        forks.watch(self)

    @property
    def word(self) -> Sequence[int]:
        return self.files.word

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` on a connection; the errors it raises are SQLite's."""
        joined = getattr(self._joined, "connection", None)
        if joined is not None:
            return work(joined)
        lent = self._begin()
        try:
            connection = self._lend()
            try:
                result = work(connection)
            except BaseException as error:
                self._drop(connection, error)
                raise
            self._take_back(connection)
            return result
        finally:
            lent.pop()

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` in one immediate transaction."""
        joined = getattr(self._joined, "connection", None)
        if joined is not None:
            return work(joined)
        return self.read(lambda connection: transaction(connection, work))

    def announce(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Like `write`, and every process of the host notices before this returns.

        What returned holds: it survives a power cut too, and it went to the files that are there.
        """
        joined = getattr(self._joined, "connection", None)
        if joined is not None:
            return work(joined)
        deadline = time.monotonic() + self._timeout
        self.verify()
        self.read(lambda connection: None)  # opens the files, so that there is a word

        def patiently(connection: sqlite3.Connection) -> T:
            left = max(0.01, deadline - time.monotonic())
            connection.execute(f"PRAGMA busy_timeout = {left * 1000:.0f}")
            result = transaction(connection, work)
            connection.execute(f"PRAGMA busy_timeout = {self._timeout * 1000:.0f}")
            return result

        with self._locked():
            files = self.files
            word: list[int] = files.word  # type: ignore[assignment]
            odd = word[0] | 1
            word[0] = odd
            try:
                result = self.read(patiently)
            finally:
                word[0] = odd + 1
        if files is not self.files or files.identity != self._on_disk():
            self._forget(files)
            raise sqlite3.OperationalError("the store was replaced under an invalidation")
        self._flush()
        return result

    def together(self, work: Callable[[], None], announces: bool) -> None:
        """Run ``work``, whose reads and writes in this thread are one transaction: an `announce`
        if any of them is."""

        def run(connection: sqlite3.Connection) -> None:
            self._joined.connection = connection
            try:
                work()
            finally:
                self._joined.connection = None

        if announces:
            self.announce(run)
        else:
            self.write(run)

    def _flush(self) -> None:
        """Have the write-ahead log on the disk. (It may be closed freely: locks are elsewhere.)"""
        try:
            descriptor = os.open(self.directory / (NAME + "-wal"), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return  # written back meanwhile
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def verify(self) -> None:
        """Let go of files that are no longer the ones at our path (deleted, or made anew)."""
        files = self.files
        if files.identity and files.pid == os.getpid() and files.identity != self._on_disk():
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
            _close_idle(self.files)

    def after_fork(self, child: bool) -> None:
        if child:
            _inherited.append(self.files)
            word = self.files.word
            self.files = _Files()
            self.files.word = word
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

    def _lend(self) -> _Connection:
        try:
            return self.files.idle.pop()
        except IndexError:
            return self._open()

    def _take_back(self, connection: _Connection) -> None:
        files = connection.files
        if files is self.files and len(files.idle) < _IDLE_CONNECTIONS:
            files.idle.append(connection)
            if files is not self.files:  # forgotten this very moment
                _close_idle(files)
        else:
            connection.close()

    def _drop(self, connection: _Connection, error: BaseException) -> None:
        with contextlib.suppress(sqlite3.Error):
            connection.close()
        if isinstance(error, sqlite3.Error):
            if unusable(error):
                self._discard(connection.files)
            else:
                self.verify()

    def _open(self) -> _Connection:
        self.verify()
        files = self.files
        if not files.opening.acquire(timeout=self._timeout):
            raise sqlite3.OperationalError("the store is being opened by another thread")
        try:
            if not files.identity:
                self._make_files(files)
            connection = sqlite3.connect(
                self.directory / NAME,
                timeout=self._timeout,
                isolation_level=None,
                check_same_thread=False,
                factory=_Connection,
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
            files.opening.release()

    def _create(self, connection: sqlite3.Connection) -> None:
        with self._locked():
            if is_ours(connection):
                return  # another process was faster
            if connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                raise Damaged("a database of another kind or version is in the store's place")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(
                f"BEGIN IMMEDIATE; {self._schema}; PRAGMA user_version = {VERSION}; "
                f"PRAGMA application_id = {APPLICATION_ID}; COMMIT"
            )

    def _make_files(self, files: _Files) -> None:
        check_directory(self.directory)
        if not self.directory.exists():
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.directory.chmod(0o700)  # whatever the umask
        self._make_database_file()
        os.close(self._open_file(LOCK))
        files.word = self._map_word()
        for name in (NAME, LOCK, WORD):
            path = self.directory / name
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode):
                raise ConfigurationError(
                    f"{str(path)!r} is not a regular file; remove it, the store makes its own."
                )
            if stat.S_IMODE(status.st_mode) != 0o600:
                path.chmod(0o600)
        files.identity = self._on_disk()
        self._bind()

    def _make_database_file(self) -> None:
        """Created closed and linked into place: see the rule above."""
        path = self.directory / NAME
        if path.exists() or path.is_symlink():
            return
        spare = path.with_suffix(f".{secrets.token_hex(4)}.new")
        os.close(os.open(spare, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            with contextlib.suppress(FileExistsError):
                os.link(spare, path)
        finally:
            spare.unlink()

    def _open_file(self, name: str) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(self.directory / name, flags, 0o600)

    def _map_word(self) -> Sequence[int]:
        descriptor = self._open_file(WORD)
        try:
            with self._locked():
                if os.fstat(descriptor).st_size < mmap.PAGESIZE:
                    # Written, not truncated to size: a sparse page on a full disk is a SIGBUS.
                    # From a random start: no reader takes it for the word it knew before.
                    start = secrets.randbits(28) << 1
                    page = start.to_bytes(8, sys.byteorder).ljust(mmap.PAGESIZE, b"\0")
                    os.pwrite(descriptor, page, 0)
            return memoryview(mmap.mmap(descriptor, mmap.PAGESIZE)).cast("Q")
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """The file lock of this store, waited for no longer than an operation may take."""
        descriptor = self._open_file(LOCK)
        deadline = time.monotonic() + self._timeout
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise sqlite3.OperationalError("the store's lock file is held") from None
                    time.sleep(0.002)
            yield
        finally:
            os.close(descriptor)

    def _on_disk(self) -> tuple[tuple[int, int], ...]:
        found = []
        for path in (self.directory, *(self.directory / name for name in (NAME, WORD, LOCK))):
            try:
                status = path.lstat()
            except OSError:
                return ((0, 0),)
            found.append((status.st_dev, status.st_ino))
        return tuple(found)

    def _forget(self, files: _Files) -> None:
        """Start over with the next operation; connections in use are closed by their users."""
        if files is self.files:
            self.files = _Files()
        self._bind()
        _close_idle(files)

    def _bind(self) -> None:
        with self._binding:  # what readers hold is the word of the present files
            self.words[0] = self.files.word

    def _discard(self, files: _Files) -> None:
        """Remove a database that is beyond reading: what it held are copies."""
        with contextlib.suppress(OSError, sqlite3.Error), self._locked():
            if files.identity == self._on_disk():
                for name in (NAME, NAME + "-wal", NAME + "-shm", WORD):
                    (self.directory / name).unlink(missing_ok=True)
        self._forget(files)


def _close_idle(files: _Files) -> None:
    while files.idle:
        with contextlib.suppress(sqlite3.Error, IndexError):
            files.idle.pop().close()
