"""A store that is open while its process forks."""

from __future__ import annotations

import os
import sqlite3
import threading
import time

from isgware.backends.sqlite.backend import SQLiteBackend
from isgware.backends.sqlite.files import NAME
from isgware.core.stored_page import encode
from isgware.testing import START, make_entry
from isgware.testing.backend_suite import nonce_of, put
from tests.backends.children import (
    Child,
    in_child,
)
from tests.backends.files import locks


def test_no_connection_is_open_while_a_process_forks(store: SQLiteBackend) -> None:
    entry = make_entry(nonce=nonce_of(store))
    put(store, entry)
    inherited = store.database.files

    def work() -> tuple[int, bool, bytes | None]:
        data = store.get(entry.key, START)
        return len(inherited.idle), store.database.files is not inherited, data

    assert len(inherited.idle) == 1
    assert in_child(work) == (0, True, encode(entry))
    assert store.get(entry.key, START) == encode(entry)


def test_a_child_keeps_the_log_when_its_parent_lets_go(store: SQLiteBackend) -> None:
    """SQLite would take it away from a child that inherited an open connection."""
    entry = make_entry(nonce=nonce_of(store))
    put(store, entry)
    read, write = os.pipe()
    ready, go = os.pipe()

    def work() -> bytes | None:
        store.ping()
        os.write(go, b"x")
        os.read(read, 1)
        put(store, entry)
        return store.get(entry.key, START)

    child = Child(work)
    os.read(ready, 1)
    held = locks(store.database.directory / NAME)
    store.close()
    log = store.database.directory / (NAME + "-wal")
    assert held >= 1
    assert log.exists()
    before = log.stat().st_ino
    os.write(write, b"x")
    assert child.result() == encode(entry)
    assert store.get(entry.key, START) == encode(entry)
    assert log.stat().st_ino == before or not held
    for descriptor in (read, write, ready, go):
        os.close(descriptor)


def test_a_fork_waits_for_operations_under_way_and_holds_new_ones_back(
    store: SQLiteBackend,
) -> None:
    store.ping()
    begun, order = threading.Event(), []

    def slow(db: sqlite3.Connection) -> None:
        begun.set()
        time.sleep(0.05)
        order.append("done")

    thread = threading.Thread(target=lambda: store.database.read(slow))
    thread.start()
    begun.wait(60)
    child = Child(lambda: len(store.database.files.lent))
    order.append("forked")
    thread.join()
    assert child.result() == 0
    assert order == ["done", "forked"]
    store.ping()


def test_an_operation_that_takes_too_long_does_not_hold_up_a_fork(hasty: SQLiteBackend) -> None:
    """The operation ends only after the fork."""
    hasty.ping()

    def work(db: sqlite3.Connection) -> int:
        child = SQLiteBackend(hasty.database.directory, timeout=30)
        return int(in_child(lambda: nonce_of(child) != ""))

    assert hasty.database.read(work) == 1


def test_a_child_sees_the_word_move_before_it_used_the_store(store: SQLiteBackend) -> None:
    nonce_of(store)
    read, write = os.pipe()

    def work() -> tuple[int, int]:
        before = store.version[0]
        os.read(read, 1)
        return before, store.version[0]

    child = Child(work)
    store.invalidate(["a"], hard=True)
    os.write(write, b"x")
    before, after = child.result()
    assert after >= before
    assert after == store.version[0]
    for descriptor in (read, write):
        os.close(descriptor)
