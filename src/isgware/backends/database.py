"""One SQLite file per directory: connections per process, and the word beside it.

The *word* is eight bytes that every process of the host maps into memory. It tells for the price
of reading an integer whether anything was invalidated since. Writers change it like a seqlock,
under a file lock: odd, then commit, then even. A reader who sees an odd word asks SQLite; a word
that a crash left odd stays so, costing reads but no truth, until the next writer makes it even.

Connections belong to the process that opened them (a fork leaves its parent's alone, unclosed:
closing one would drop the parent's locks on the file). They are lent to one thread at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from ..errors import ConfigurationError

T = TypeVar("T")
NAME: Final = "isgware-1.db"
WORD: Final = "isgware-1.word"
LOCK: Final = "isgware-1.lock"
_UNUSABLE: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_IDLE_CONNECTIONS: Final = 8
#: Connections of a parent process: kept from being closed by garbage collection in a child.
_inherited: list[Any] = []


class Database:
    """A directory that holds one store. Nothing is opened before the first operation."""

    def __init__(self, directory: str | Path, schema: str, timeout: float) -> None:
        self.directory = Path(directory)
        self.word: Sequence[int] = [1]
        self._schema = schema
        self._timeout = timeout
        self._pid = 0
        self._idle: list[sqlite3.Connection] = []
        self._identity: tuple[tuple[int, int], ...] = ()
        self._opening = threading.Lock()
        check_directory(self.directory)

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` on a connection; the errors it raises are SQLite's."""
        connection = self._lend()
        try:
            result = work(connection)
        except BaseException as error:
            self._drop(connection, error)
            raise
        self._take_back(connection)
        return result

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` in one immediate transaction."""

        def transaction(connection: sqlite3.Connection) -> T:
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(connection)
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
            return result

        return self.read(transaction)

    def announce(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Like `write`, and every process of the host notices before this returns."""
        self.verify()
        self.read(lambda connection: None)  # opens the files, so that there is a word
        with self._locked():
            odd = self.word[0] | 1
            self._set_word(odd)
            try:
                return self.write(work)
            finally:
                self._set_word(odd + 1)

    def verify(self) -> None:
        """Let go of files that are no longer the ones at our path (deleted, or made anew)."""
        if self._identity and self._pid == os.getpid() and self._identity != self._on_disk():
            self._forget()

    def close(self) -> None:
        if self._pid == os.getpid():
            self._forget()

    def _set_word(self, value: int) -> None:
        self.word[0] = value  # type: ignore[index]

    def _lend(self) -> sqlite3.Connection:
        if self._pid != os.getpid():
            self._adopt()
        try:
            return self._idle.pop()
        except IndexError:
            return self._open()

    def _adopt(self) -> None:
        """First use in this process, maybe after a fork."""
        if self._idle:
            _inherited.append(self._idle)
        self._idle = []
        self._identity = ()
        self._opening = threading.Lock()
        self._pid = os.getpid()

    def _take_back(self, connection: sqlite3.Connection) -> None:
        if len(self._idle) < _IDLE_CONNECTIONS:
            self._idle.append(connection)
        else:
            connection.close()

    def _drop(self, connection: sqlite3.Connection, error: BaseException) -> None:
        with contextlib.suppress(sqlite3.Error):
            connection.close()
        if isinstance(error, sqlite3.Error):
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _UNUSABLE:
                self._discard()
            else:
                self.verify()

    def _open(self) -> sqlite3.Connection:
        with self._opening:
            if not self._identity:
                self._make_files()
            connection = sqlite3.connect(
                self.directory / NAME,
                timeout=self._timeout,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                connection.execute("PRAGMA synchronous = NORMAL")
                if not connection.execute("PRAGMA user_version").fetchone()[0]:
                    self._create(connection)
            except BaseException as error:
                self._drop(connection, error)
                raise
            return connection

    def _create(self, connection: sqlite3.Connection) -> None:
        with self._locked():
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA journal_size_limit = {64 * 1024**2}")
            connection.executescript(
                f"BEGIN IMMEDIATE; {self._schema}; PRAGMA user_version=1; COMMIT"
            )

    def _make_files(self) -> None:
        check_directory(self.directory)
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in (NAME, LOCK):
            os.close(self._open_file(name))
        self.word = self._map_word()
        self._identity = self._on_disk()

    def _open_file(self, name: str) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(self.directory / name, flags, 0o600)

    def _map_word(self) -> Sequence[int]:
        descriptor = self._open_file(WORD)
        try:
            with self._locked():
                if os.fstat(descriptor).st_size < mmap.PAGESIZE:
                    # Written, not truncated to size: a sparse page on a full disk is a SIGBUS.
                    os.pwrite(descriptor, bytes(mmap.PAGESIZE), 0)
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
        for name in (NAME, WORD):
            try:
                status = os.stat(self.directory / name)
            except OSError:
                return ((0, 0),)
            found.append((status.st_dev, status.st_ino))
        return tuple(found)

    def _forget(self) -> None:
        """Start over with the next operation; connections in use are closed by their users."""
        idle, self._idle, self._identity, self.word = self._idle, [], (), [1]
        for connection in idle:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _discard(self) -> None:
        """Remove a database that is beyond reading: what it held are copies."""
        with contextlib.suppress(OSError, sqlite3.Error):
            if self._identity == self._on_disk():
                with self._locked():
                    for name in (NAME, NAME + "-wal", NAME + "-shm", WORD):
                        (self.directory / name).unlink(missing_ok=True)
        self._forget()


def check_directory(directory: Path) -> None:
    """Raise `ConfigurationError` unless ``directory`` is, or can become, a store of ours."""
    try:
        status = directory.lstat()
    except FileNotFoundError:
        parent = next(place for place in directory.absolute().parents if place.exists())
        if not os.access(parent, os.W_OK | os.X_OK):
            raise ConfigurationError(
                f"The store {str(directory)!r} cannot be created: {str(parent)!r} is not writable."
            ) from None
        return
    except OSError as error:
        raise ConfigurationError(f"The store {str(directory)!r}: {error.strerror}.") from error
    if stat.S_ISLNK(status.st_mode):
        raise ConfigurationError(
            f"The store {str(directory)!r} is a symbolic link; name the directory itself."
        )
    if not stat.S_ISDIR(status.st_mode):
        raise ConfigurationError(f"The store {str(directory)!r} is not a directory.")
    if status.st_uid != os.geteuid() or not os.access(directory, os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"The store {str(directory)!r} is not ours to write; give it to the user that runs "
            "the app, or choose another directory with store='file:DIR'."
        )
