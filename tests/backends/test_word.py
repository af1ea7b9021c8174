"""The word: every process of the host notices an invalidation without asking."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import pytest

from isgware.backends.sqlite.backend import SQLiteBackend
from isgware.testing.backend_suite import nonce_of
from tests.backends.children import (
    Child,
)


def test_a_new_word_is_none_that_a_reader_may_have_known(directory: Path) -> None:
    versions = set()
    for _ in range(5):
        backend = SQLiteBackend(directory)
        backend.ping()
        versions.add(backend.version[0])
        backend.close()
        for file in directory.iterdir():
            file.unlink()
    assert len(versions) == 5
    assert not any(version % 2 for version in versions)


def test_before_it_is_opened_and_after_it_is_closed_the_word_says_ask(
    store: SQLiteBackend,
) -> None:
    assert store.version[0] % 2 == 1
    store.ping()
    assert store.version[0] % 2 == 0
    store.close()
    assert store.version[0] % 2 == 1


def test_the_word_is_odd_while_an_invalidation_is_under_way(store: SQLiteBackend) -> None:
    store.ping()
    seen = []
    store.database.announce(lambda db: seen.append(store.version[0]))
    assert seen[0] % 2 == 1
    assert store.version[0] == seen[0] + 1


def test_a_writer_killed_in_between_leaves_it_odd_and_the_next_one_mends_it(
    store: SQLiteBackend,
) -> None:
    nonce = nonce_of(store)
    store.invalidate(["tag:a"], hard=True)
    before = store.version[0]

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
    assert store.version[0] == before + 1
    assert store.sync(nonce, 0).counter == 1  # a reader that asks is told the truth
    assert store.invalidate(["tag:b"], hard=True) == 2
    assert store.version[0] == before + 2


def test_an_invalidation_that_fails_moves_the_word_all_the_same(store: SQLiteBackend) -> None:
    store.ping()
    before = store.version[0]

    def fail(db: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("disk full")

    with pytest.raises(sqlite3.OperationalError, match="disk full"):
        store.database.announce(fail)
    assert store.version[0] == before + 2
