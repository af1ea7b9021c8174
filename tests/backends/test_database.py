"""One SQLite file per directory: opened per process, verified, and the word beside it."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from isgware.backends import database as module
from isgware.backends.database import LOCK, NAME, WORD, Database
from isgware.backends.sqlite import SQLiteBackend
from isgware.backends.suite import acquire, nonce_of, put
from isgware.core.entry import encode
from isgware.errors import ConfigurationError
from isgware.testing import START, make_entry
from tests.backends.children import Child, in_child, in_children

PATIENCE = 0.5


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(directory: Path) -> Iterator[SQLiteBackend]:
    backend = SQLiteBackend(directory)
    yield backend
    backend.close()


def modes(directory: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in directory.iterdir()}


# At construction


def test_nothing_is_opened_before_the_first_operation(directory: Path) -> None:
    SQLiteBackend(directory)
    assert not directory.exists()


def test_a_file_in_its_place_is_refused(directory: Path) -> None:
    directory.touch()
    with pytest.raises(ConfigurationError, match="is not a directory"):
        SQLiteBackend(directory)


def test_a_file_in_the_place_of_a_parent_is_refused(directory: Path) -> None:
    directory.touch()
    with pytest.raises(ConfigurationError, match="Not a directory"):
        SQLiteBackend(directory / "below")


@pytest.mark.parametrize("target", ["there", "nowhere"])
def test_a_symbolic_link_is_refused(target: str, directory: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    directory.symlink_to(tmp_path / target)
    with pytest.raises(ConfigurationError, match="symbolic link"):
        SQLiteBackend(directory)


def test_a_parent_may_be_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    backend = SQLiteBackend(tmp_path / "link" / "store")
    backend.ping()
    backend.close()
    assert (tmp_path / "there" / "store" / NAME).exists()


def test_a_directory_of_somebody_else_is_refused(directory: Path) -> None:
    if os.geteuid() == 0:
        directory.mkdir()
        os.chown(directory, 65534, 65534)
    else:
        directory = Path("/usr")
    with pytest.raises(ConfigurationError, match="not ours to write"):
        SQLiteBackend(directory)


def test_a_directory_that_may_not_be_written_is_refused(directory: Path) -> None:
    directory.mkdir()

    def refused(place: Path) -> str:
        _drop_privileges(directory)
        directory.chmod(0o500)
        with pytest.raises(ConfigurationError) as caught:
            SQLiteBackend(place)
        return str(caught.value)

    assert "not ours to write" in in_child(lambda: refused(directory))
    assert "is not writable" in in_child(lambda: refused(directory / "new"))


def _drop_privileges(*directories: Path) -> None:
    if os.geteuid() == 0:
        for directory in directories:
            os.chown(directory, 65534, 65534)
            for parent in directory.parents:
                if parent.stat().st_uid == 0 and not parent.stat().st_mode & stat.S_IXOTH:
                    parent.chmod(0o711)
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)


# Files


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o377])
def test_nobody_else_may_read_it_whatever_the_umask(umask: int, directory: Path) -> None:
    def work() -> dict[str, int]:
        os.umask(umask)
        backend = SQLiteBackend(directory)
        put(backend, make_entry())
        found = modes(directory)
        backend.close()
        return found

    found = in_child(work)
    assert set(found) >= {NAME, WORD, LOCK, NAME + "-wal"}
    assert set(found.values()) == {0o600}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_files_that_others_could_read_are_closed_to_them(directory: Path) -> None:
    directory.mkdir()
    for name in (NAME, WORD, LOCK):
        (directory / name).touch(0o644)
    backend = SQLiteBackend(directory)
    backend.ping()
    found = modes(directory)
    backend.close()
    assert set(found.values()) == {0o600}


@pytest.mark.parametrize("name", [NAME, WORD, LOCK])
def test_a_file_that_is_a_symbolic_link_is_not_followed(
    name: str, directory: Path, tmp_path: Path
) -> None:
    directory.mkdir()
    target = tmp_path / "target"
    target.write_bytes(b"")
    (directory / name).symlink_to(target)
    backend = SQLiteBackend(directory)
    with pytest.raises((OSError, ConfigurationError)):
        backend.ping()
    assert target.read_bytes() == b""


def test_files_of_a_store_are_created_once_by_many_processes_at_once(directory: Path) -> None:
    def work() -> str:
        backend = SQLiteBackend(directory, timeout=20.0)
        return nonce_of(backend)

    for _ in range(5):
        nonces = in_children([work] * 4)
        assert len(set(nonces)) == 1
        for file in directory.iterdir():
            file.unlink()


def test_files_of_a_store_are_created_once_by_many_threads_at_once(directory: Path) -> None:
    backend = SQLiteBackend(directory, timeout=20.0)
    start, nonces = threading.Barrier(6), []

    def work() -> None:
        start.wait()
        nonces.append(nonce_of(backend))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    backend.close()
    assert len(nonces) == 6
    assert len(set(nonces)) == 1


def test_a_second_store_on_the_directory_keeps_the_locks_of_the_first(directory: Path) -> None:
    """Closing a descriptor of a file drops all POSIX locks that the process has on it."""
    first = SQLiteBackend(directory)
    entry = make_entry(nonce=nonce_of(first))
    put(first, entry)
    before = _locks(directory / NAME)
    second = SQLiteBackend(directory)
    put(second, make_entry("/other", nonce=entry.nonce))
    assert before >= 1
    assert _locks(directory / NAME) >= before
    second.close()
    first.close()


def _locks(file: Path) -> int:
    inode = str(file.stat().st_ino)
    lines = Path("/proc/locks").read_text().splitlines()
    return sum("POSIX" in line and line.split()[5].split(":")[2] == inode for line in lines)


# After a fork


def test_a_child_opens_connections_of_its_own(store: SQLiteBackend) -> None:
    entry = make_entry(nonce=nonce_of(store))
    put(store, entry)
    mine = {id(connection) for connection in store.database.files.idle}

    def work() -> tuple[bool, set[int], bytes | None]:
        inherited = store.database.files
        data = store.get(entry.key, START)
        kept = {id(connection) for connection in inherited.idle}
        return store.database.files is not inherited, kept, data

    changed, kept, data = in_child(work)
    assert changed
    assert kept == mine
    assert data == encode(entry)
    assert store.get(entry.key, START) == encode(entry)


def test_a_child_that_closes_leaves_its_parents_connections_alone(store: SQLiteBackend) -> None:
    entry = make_entry(nonce=nonce_of(store))
    put(store, entry)
    before = _locks(store.database.directory / NAME)

    def work() -> int:
        store.close()
        return len(store.database.files.idle)

    assert in_child(work) == 1
    assert _locks(store.database.directory / NAME) == before
    assert store.get(entry.key, START) == encode(entry)


def test_a_child_sees_the_word_move_before_it_used_the_store(store: SQLiteBackend) -> None:
    nonce_of(store)
    read, write = os.pipe()

    def work() -> tuple[int, int]:
        before = store.word[0]
        os.read(read, 1)
        return before, store.word[0]

    child = Child(work)
    store.invalidate(["a"], hard=True)
    os.write(write, b"x")
    before, after = child.result()
    assert after >= before
    assert after == store.word[0]
    for descriptor in (read, write):
        os.close(descriptor)


# The word


def test_a_new_word_is_none_that_a_reader_may_have_known(directory: Path) -> None:
    words = set()
    for _ in range(5):
        backend = SQLiteBackend(directory)
        backend.ping()
        words.add(backend.word[0])
        backend.close()
        for file in directory.iterdir():
            file.unlink()
    assert len(words) == 5
    assert not any(word % 2 for word in words)


def test_before_it_is_opened_and_after_it_is_closed_the_word_says_ask(
    store: SQLiteBackend,
) -> None:
    assert store.word[0] % 2 == 1
    store.ping()
    assert store.word[0] % 2 == 0
    store.close()
    assert store.word[0] % 2 == 1


def test_the_word_is_odd_while_an_invalidation_is_under_way(store: SQLiteBackend) -> None:
    store.ping()
    seen = []
    store.database.announce(lambda db: seen.append(store.word[0]))
    assert seen[0] % 2 == 1
    assert store.word[0] == seen[0] + 1


def test_a_writer_killed_in_between_leaves_it_odd_and_the_next_one_mends_it(
    store: SQLiteBackend,
) -> None:
    nonce = nonce_of(store)
    store.invalidate(["tag:a"], hard=True)
    before = store.word[0]

    def die() -> None:
        def work(db: sqlite3.Connection) -> None:
            db.execute("UPDATE state SET counter = 99")
            os.write(write, b"x")
            time.sleep(60)

        store.database.announce(work)

    read, write = os.pipe()
    child = Child(die)
    os.read(read, 1)
    child.kill()
    for descriptor in (read, write):
        os.close(descriptor)
    assert store.word[0] == before + 1
    assert store.sync(nonce, 0).counter == 1  # a reader that asks is told the truth
    assert store.invalidate(["tag:b"], hard=True) == 2
    assert store.word[0] == before + 2


def test_an_invalidation_that_fails_moves_the_word_all_the_same(store: SQLiteBackend) -> None:
    store.ping()
    before = store.word[0]

    def fail(db: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("disk full")

    with pytest.raises(sqlite3.OperationalError, match="disk full"):
        store.database.announce(fail)
    assert store.word[0] == before + 2


# Deleted, replaced


def test_a_directory_deleted_while_open_is_made_again(store: SQLiteBackend) -> None:
    old = make_entry(nonce=nonce_of(store))
    put(store, old)
    _remove(store.database.directory)
    store.database.verify()
    assert store.word[0] % 2 == 1
    assert store.sync(old.nonce, 0).nonce != old.nonce
    assert store.get(old.key, START) is None
    assert modes(store.database.directory)[NAME] == 0o600


def test_an_invalidation_goes_to_the_files_that_are_there(store: SQLiteBackend) -> None:
    nonce_of(store)
    _remove(store.database.directory)
    other = SQLiteBackend(store.database.directory)
    nonce = nonce_of(other)
    before = other.word[0]
    store.invalidate(["tag:a"], hard=True)
    assert other.word[0] == before + 2
    assert other.sync(nonce, 0).hard == (("tag:a", 1),)
    other.close()


def test_an_invalidation_of_a_store_replaced_meanwhile_raises(store: SQLiteBackend) -> None:
    store.ping()

    def work(db: sqlite3.Connection) -> None:
        db.execute("UPDATE state SET counter = counter + 1")
        _remove(store.database.directory)

    with pytest.raises(sqlite3.OperationalError, match="replaced"):
        store.database.announce(work)
    assert store.invalidate(["tag:a"], hard=True) == 1


def test_a_connection_lent_while_the_store_was_replaced_does_not_come_back(
    store: SQLiteBackend,
) -> None:
    store.ping()

    def work(db: sqlite3.Connection) -> sqlite3.Connection:
        _remove(store.database.directory)
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


def _remove(directory: Path) -> None:
    for file in directory.iterdir():
        file.unlink()
    directory.rmdir()


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
    store: SQLiteBackend,
) -> None:
    entry = make_entry(nonce=nonce_of(store))

    def lock() -> int:
        descriptor = os.open(store.database.directory / LOCK, os.O_RDWR)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return descriptor

    with held(lock):
        started = time.monotonic()
        with pytest.raises(sqlite3.OperationalError, match="lock file is held"):
            store.invalidate(["tag:a"], hard=True)
        assert time.monotonic() - started < PATIENCE
        assert put(store, entry)
        assert store.get(entry.key, START) == encode(entry)
    assert store.invalidate(["tag:a"], hard=True) == 1


def test_a_database_locked_by_another_process_is_waited_for_no_longer_than_may_be(
    store: SQLiteBackend,
) -> None:
    entry = make_entry(nonce=nonce_of(store))
    put(store, entry)

    def lock() -> sqlite3.Connection:
        connection = sqlite3.connect(store.database.directory / NAME, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        return connection

    with held(lock):
        for work in (lambda: put(store, entry), lambda: store.invalidate(["a"], hard=True)):
            started = time.monotonic()
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                work()
            assert time.monotonic() - started < PATIENCE
        assert store.get(entry.key, START) == encode(entry)
    assert acquire(store) is not None


def test_threads_that_wait_for_the_opening_wait_no_longer_than_may_be(directory: Path) -> None:
    backend = SQLiteBackend(directory)
    backend.ping()
    backend.close()
    (directory / NAME).unlink()

    def lock() -> int:
        descriptor = os.open(directory / LOCK, os.O_RDWR)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return descriptor

    took = []

    def work() -> None:
        started = time.monotonic()
        with pytest.raises(sqlite3.OperationalError):
            backend.ping()
        took.append(time.monotonic() - started)

    with held(lock):
        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(took) == 6
    assert max(took) < 2 * PATIENCE


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
        "import sys; from isgware.backends.sqlite import SQLiteBackend\n"
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
