"""Several operations as one transaction, and rows by key: what a build asks of the stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from isgware.backends.base import HELD, Lease, row_of
from isgware.backends.breaker import Breaker
from isgware.backends.memory import MemoryBackend
from isgware.backends.sqlite.backend import SQLiteBackend
from isgware.core.stored_page import Entry, encode
from isgware.errors import BackendUnavailable
from isgware.testing.backend_suite import START, acquire, make_entry


def keep(backend: Any, number: int, **fields: Any) -> Entry:
    entry = make_entry(path=f"/{number}", **fields)
    backend.put(row_of(entry), encode(entry), START)
    return entry


def paths(backend: Any) -> list[str]:
    return [row.path for row in backend.rows()]


def test_all_of_it_is_seen_at_once(store: SQLiteBackend, directory: Path) -> None:
    other = SQLiteBackend(directory)
    lease = store.acquire("held", 10.0, START, generation=0, overtake_before=0)
    assert isinstance(lease, Lease)

    def work() -> None:
        keep(store, 1)
        keep(store, 2)
        assert paths(other) == []
        assert paths(store) == ["/1", "/2"]
        store.release(lease)

    store.together(work, False)
    assert paths(other) == ["/1", "/2"]
    assert isinstance(other.acquire("held", 10.0, START, generation=0, overtake_before=0), Lease)
    other.close()


def test_an_error_takes_all_of_it_back(store: SQLiteBackend) -> None:
    def work() -> None:
        keep(store, 1)
        raise LookupError("no")

    with pytest.raises(LookupError):
        store.together(work, False)
    assert paths(store) == []
    store.together(lambda: keep(store, 2) and None, False)
    assert paths(store) == ["/2"]


def test_what_is_published_comes_with_the_pages_and_moves_the_word(
    store: SQLiteBackend, directory: Path
) -> None:
    other = SQLiteBackend(directory)
    before = other.sync("", 0)
    version = other.version[0]
    seen: list[Any] = []

    def work() -> None:
        keep(store, 1)
        store.publish(["key:1"])
        seen.append((paths(other), other.sync(before.nonce, before.counter).published))

    store.together(work, True)
    assert seen == [([], ())]
    assert [name for name, _ in other.sync(before.nonce, before.counter).published] == ["key:1"]
    assert other.version[0] != version
    assert other.version[0] % 2 == 0
    other.close()


def test_operations_outside_are_as_ever_afterwards(store: SQLiteBackend) -> None:
    store.together(lambda: keep(store, 1) and None, False)
    assert store.invalidate(["tag:a"], True) == 1
    assert paths(store) == ["/1"]


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_rows_of_are_those_that_are_there(kind: str, store: SQLiteBackend) -> None:
    backend: Any = store if kind == "file" else MemoryBackend()
    kept = [keep(backend, number) for number in range(3)]
    short = keep(backend, 9, expire=0.0)
    keys = [entry.key for entry in (*kept, short)]
    assert set(backend.rows_of([*keys, "unknown"], START)) == set(keys)
    later = START + 86_400.0 + 1
    assert set(backend.rows_of(keys, later)) == {entry.key for entry in kept}
    assert backend.rows_of([kept[0].key], START)[kept[0].key] == row_of(kept[0])


def test_more_keys_than_one_statement_takes(store: SQLiteBackend) -> None:
    entry = keep(store, 1)
    keys = [f"unknown-{number}" for number in range(1_200)]
    assert list(store.rows_of([*keys, entry.key], START)) == [entry.key]


def test_the_breaker_runs_it_in_parts_for_a_backend_without_transactions() -> None:
    backend = MemoryBackend()
    breaker = Breaker(backend, 0.3)
    breaker.together(lambda: keep(breaker, 1) and None, announces=True)
    assert paths(breaker) == ["/1"]


def test_the_breaker_opens_when_it_fails(store: SQLiteBackend) -> None:
    breaker = Breaker(store, 0.3)
    with pytest.raises(BackendUnavailable):
        breaker.together(lambda: [][0])
    assert breaker.open_since is not None


def test_what_was_invalidated_may_be_read_within_it(store: SQLiteBackend) -> None:
    keep(store, 1)
    counter = store.invalidate(["tag:a"], hard=False)
    found = []
    store.together(lambda: found.append(store.sync("", 0)), False)
    assert (found[0].counter, found[0].soft) == (counter, (("tag:a", counter),))
    assert paths(store) == ["/1"]


@pytest.mark.parametrize("make", [SQLiteBackend, lambda _: MemoryBackend()], ids=["file", "memory"])
def test_leases_of_many_pages_are_those_of_each(make: Any, tmp_path: Path) -> None:
    """``file:`` grants them in few statements, other stores one by one."""
    store = Breaker(make(tmp_path / "store"), limit=60.0)
    taken = acquire(store, "2", ttl=10)
    assert taken is not None

    def ask(keys: list[str], overtake_before: int = 0, now: float = START) -> list[Any]:
        return store.acquire_all(keys, 10.0, now, generation=0, overtake_before=overtake_before)

    one, two, three = ask(["1", "2", "3"])
    assert two is HELD
    assert taken.order < one.order < three.order
    assert ask(["1", "2", "3"]) == [HELD] * 3
    store.release(one)
    assert ask(["1", "3"])[1] is HELD
    assert HELD not in ask(["1", "2", "3"], overtake_before=1)
    assert HELD not in ask(["1", "2", "3"], now=START + 20)
    later = ask([f"more {n}" for n in range(1_200)])
    assert len({lease.order for lease in later}) == len({lease.token for lease in later}) == 1_200
