"""Files that are deleted, replaced or held by others, and connections that are closed."""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from isgware.backends import sqlite
from isgware.backends.sqlite import database as module
from isgware.backends.sqlite.backend import SQLiteBackend
from isgware.backends.sqlite.database import Database
from isgware.backends.sqlite.files import LOCK, NAME
from isgware.core.stored_page import encode
from isgware.errors import ConfigurationError
from isgware.testing import START, make_entry
from isgware.testing.backend_suite import acquire, nonce_of, put
from tests.backends.children import (
    Child,
)
from tests.backends.files import modes, remove
from tests.promises.kit import together
from tests.stores import in_time

#: An operation may wait a quarter of a second for others.
PATIENCE = 0.5


# Deleted, replaced


def test_a_directory_deleted_while_open_is_made_again(store: SQLiteBackend) -> None:
    old = make_entry(nonce=nonce_of(store))
    put(store, old)
    remove(store.database.directory)
    store.database.verify()
    assert store.version[0] % 2 == 1
    assert store.sync(old.nonce, 0).nonce != old.nonce
    assert store.get(old.key, START) is None
    assert modes(store.database.directory)[NAME] == 0o600


def test_an_invalidation_goes_to_the_files_that_are_there(store: SQLiteBackend) -> None:
    nonce_of(store)
    remove(store.database.directory)
    other = SQLiteBackend(store.database.directory)
    nonce = nonce_of(other)
    before = other.version[0]
    store.invalidate(["tag:a"], hard=True)
    assert other.version[0] == before + 2
    assert other.sync(nonce, 0).hard == (("tag:a", 1),)
    other.close()


def test_an_invalidation_of_a_store_replaced_meanwhile_raises(store: SQLiteBackend) -> None:
    store.ping()

    def work(db: sqlite3.Connection) -> None:
        db.execute("UPDATE state SET counter = counter + 1")
        remove(store.database.directory)

    with pytest.raises(sqlite3.OperationalError, match="replaced"):
        store.database.announce(work)
    assert store.invalidate(["tag:a"], hard=True) == 1


def test_a_connection_lent_while_the_store_was_replaced_does_not_come_back(
    store: SQLiteBackend,
) -> None:
    store.ping()

    def work(db: sqlite3.Connection) -> sqlite3.Connection:
        remove(store.database.directory)
        store.database.verify()
        return db

    lent = store.database.read(work)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        lent.execute("SELECT 1")
    store.ping()
    assert lent not in store.database.files.idle


def test_a_store_made_into_a_link_later_is_not_followed(
    store: SQLiteBackend, tmp_path: Path
) -> None:
    store.ping()
    directory = store.database.directory
    directory.rename(tmp_path / "moved")
    directory.symlink_to(tmp_path / "moved")
    with pytest.raises(ConfigurationError, match="symbolic link"):
        store.ping()
    with pytest.raises(ConfigurationError, match="symbolic link"):
        store.invalidate(["tag:a"], hard=True)
    directory.unlink()
    (tmp_path / "moved").rename(directory)
    store.ping()
    assert store.invalidate(["tag:a"], hard=True) == 1


# Held by others: bounded to the timeout


@contextmanager
def held(lock: Callable[[], object]) -> Iterator[None]:
    read, write = os.pipe()

    def work() -> None:
        kept = lock()
        os.write(write, b"x")
        time.sleep(60)
        assert kept

    child = Child(work)
    os.read(read, 1)
    try:
        yield
    finally:
        child.kill()
        os.close(read)
        os.close(write)


def test_the_lock_file_of_another_process_is_waited_for_no_longer_than_may_be(
    hasty: SQLiteBackend,
) -> None:
    entry = make_entry(nonce=nonce_of(hasty))

    def lock() -> int:
        descriptor = os.open(hasty.database.directory / LOCK, os.O_RDWR)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return descriptor

    def invalidate() -> None:
        with pytest.raises(sqlite3.OperationalError, match="lock file is held"):
            hasty.invalidate(["tag:a"], hard=True)

    with held(lock):
        in_time(PATIENCE, invalidate)
        assert put(hasty, entry)
        assert hasty.get(entry.key, START) == encode(entry)
    assert hasty.invalidate(["tag:a"], hard=True) == 1


def test_a_database_locked_by_another_process_is_waited_for_no_longer_than_may_be(
    hasty: SQLiteBackend,
) -> None:
    entry = make_entry(nonce=nonce_of(hasty))
    put(hasty, entry)

    def lock() -> sqlite3.Connection:
        connection = sqlite3.connect(hasty.database.directory / NAME, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        return connection

    with held(lock):
        works: list[Callable[[], object]] = [
            lambda: put(hasty, entry),
            lambda: hasty.invalidate(["a"], hard=True),
        ]

        def fail(work: Callable[[], object]) -> None:
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                work()

        for work in works:
            in_time(PATIENCE, partial(fail, work))
        assert hasty.get(entry.key, START) == encode(entry)
    assert acquire(hasty) is not None


def test_threads_that_wait_for_the_opening_wait_no_longer_than_may_be(directory: Path) -> None:
    backend = SQLiteBackend(directory)
    backend.ping()
    backend.close()
    (directory / NAME).unlink()

    def lock() -> int:
        descriptor = os.open(directory / LOCK, os.O_RDWR)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return descriptor

    def work() -> None:
        with pytest.raises(sqlite3.OperationalError):
            backend.ping()

    def six_at_once() -> None:
        results = together(6, lambda number: work())
        assert results == [None] * 6

    with held(lock):
        in_time(2 * PATIENCE, six_at_once)


# Closing


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_close_leaves_no_connection_open(directory: Path) -> None:
    opened: list[sqlite3.Connection] = []
    backend = SQLiteBackend(directory)
    backend.database.read(opened.append)
    backend.database.read(lambda db: backend.database.read(opened.append))
    backend.close()
    for connection in opened:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")
    assert len(opened) == 2
    assert not (directory / (NAME + "-wal")).exists()


def test_a_database_nobody_refers_to_is_closed(directory: Path) -> None:
    opened: list[sqlite3.Connection] = []
    SQLiteBackend(directory).database.read(opened.append)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("SELECT 1")


def test_so_many_connections_are_kept_and_no_more(store: SQLiteBackend) -> None:
    def nested(depth: int) -> None:
        if depth:
            store.database.read(lambda db: nested(depth - 1))

    nested(20)
    assert len(store.database.files.idle) == module._IDLE_CONNECTIONS


def test_it_works_in_an_interpreter_of_its_own_without_a_word(directory: Path) -> None:
    code = (
        "import sys; from isgware.backends.sqlite.backend import SQLiteBackend\n"
        "backend = SQLiteBackend(sys.argv[1])\n"
        "print(backend.invalidate(['tag:a'], hard=True))"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_an_error_of_the_caller_costs_the_connection_and_nothing_else(directory: Path) -> None:
    database = Database(directory, "CREATE TABLE t (a)", 0.25)

    def fail(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO t VALUES (1)")
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        database.write(fail)
    assert database.read(lambda db: db.execute("SELECT * FROM t").fetchall()) == []
    database.close()


def test_no_parameter_is_named_by_its_number() -> None:
    """Python 3.12 warns of ``?1`` where a sequence is bound, and Python 3.14 refuses it."""
    files = Path(sqlite.__file__).parent.glob("*.py")
    assert not [file.name for file in files if re.search(r"\?[0-9{]", file.read_text())]
