"""Which pages have a name: the lists that `affected` reads stay in step with the pages."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from isgware.backends.base import Limits
from isgware.backends.memory import MemoryBackend
from isgware.backends.redis.page_index import LONG
from isgware.backends.redis.values import name_text
from isgware.backends.sqlite.backend import SQLiteBackend
from isgware.core.depended import Depended
from isgware.core.dependency_names import EVERY
from isgware.testing import START, make_entry
from isgware.testing.backend_suite import put

A, B = b"a" * 8, b"b" * 8
MANY = hashlib.shake_128(b"names").digest(8 * 1_000)


def keep(backend: Any, path: str, names: bytes | None, order: int = 0) -> None:
    entry = make_entry(path, nonce=backend.nonce(), order=order)
    put(backend, entry if names is None else replace(entry, depended=Depended(names)), START)


def paths(backend: Any, *names: bytes) -> set[str]:
    return {row.path for row in backend.affected(names)}


def listed(backend: SQLiteBackend) -> int:
    rows = "SELECT count(*) FROM dependents"
    return int(backend.database.read(lambda db: db.execute(rows).fetchone())[0])


def taken(backend: Any) -> int:
    """Bytes by which ``max_bytes`` is kept."""
    if isinstance(backend, (MemoryBackend, SQLiteBackend)):
        return backend.sizes()[1]
    return int(backend.connections.client().hget(f"{backend.prefix}rows", "=0"))


@pytest.fixture(params=["memory:", "file:", "redis:"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Limits], Any]:
    if request.param == "memory:":
        return lambda limits: Memory(limits)
    if request.param == "file:":
        return lambda limits: SQLiteBackend(tmp_path, limits, timeout=30.0)
    server, connected = map(request.getfixturevalue, ("redis_server", "connected"))
    return lambda limits: connected(server, limits)


class Memory(MemoryBackend):
    def nonce(self) -> str:
        return self.sync("", 0).nonce


def test_a_page_of_very_many_names_is_found_by_each_until_it_has_others(
    make: Callable[[Limits], Any],
) -> None:
    backend = make(Limits())
    keep(backend, "/many", EVERY + MANY)
    if isinstance(backend, SQLiteBackend):
        assert listed(backend) == 1
    keep(backend, "/few", EVERY + MANY[:8])
    assert paths(backend, MANY[:8], A) == {"/many", "/few"}
    assert paths(backend, MANY[-8:]) == {"/many"}
    assert paths(backend, *(MANY[at : at + 8] for at in range(80, 800, 8))) == {"/many"}
    keep(backend, "/many", EVERY + MANY[8:], order=1)
    assert paths(backend, MANY[:8]) == {"/few"}


def test_a_name_that_every_page_has_finds_every_page_with_dependencies(
    make: Callable[[Limits], Any],
) -> None:
    backend = make(Limits())
    for path, names in (("/a", EVERY + A), ("/b", EVERY + MANY), ("/none", None)):
        keep(backend, path, names)
    assert paths(backend, EVERY) == paths(backend, EVERY, A) == {"/a", "/b"}


def test_pages_that_had_to_go_leave_no_list(make: Callable[[Limits], Any]) -> None:
    backend = make(Limits(pages=2))
    for number in range(5):
        keep(backend, f"/{number}", EVERY + A + MANY[8 * number : 8 * number + 8])
    assert len(paths(backend, A)) == 2
    for number in range(5):
        backend.delete(make_entry(f"/{number}").key)
    keep(backend, "/plain", None)
    assert paths(backend, A, EVERY) == set()
    if isinstance(backend, SQLiteBackend):
        assert listed(backend) == 0
    elif not isinstance(backend, MemoryBackend):
        client = backend.connections.client()
        assert client.hkeys(f"{backend.prefix}dependents") == [b"="]


def test_names_count_in_the_bytes_of_a_store(make: Callable[[Limits], Any]) -> None:
    backend = make(Limits())
    entry = make_entry("/", nonce=backend.nonce())
    put(backend, replace(entry, depended=Depended(A)), START)
    before = taken(backend)
    put(backend, replace(entry, depended=Depended(MANY), order=1), START)
    in_the_page = 999 * 8 * 4 // 3
    beside = 8 if isinstance(backend, MemoryBackend) else 24
    assert taken(backend) - before >= in_the_page + 999 * beside
    backend.delete(entry.key)
    assert taken(backend) == 0


# The index of Redis, which may be evicted.


def dependents(server: Any, backend: Any) -> tuple[Any, str]:
    return server.client(), f"{backend.prefix}dependents"


def test_an_index_that_was_evicted_is_filled_again(redis_server: Any, connected: Any) -> None:
    backend = connected(redis_server)
    for number in range(20):
        keep(backend, f"/{number}", EVERY + (A if number % 2 else B))
    client, index = dependents(redis_server, backend)
    whole = client.hgetall(index)
    client.delete(index)
    keep(backend, "/new", EVERY + A)
    odd = {f"/{number}" for number in range(1, 20, 2)} | {"/new"}
    assert paths(backend, A) == odd
    assert set(client.hkeys(index)) > set(whole)
    assert ids_of(client.hget(index, name_text(B))) == ids_of(whole[name_text(B).encode()])
    assert paths(backend, A) == odd


def test_rows_that_were_evicted_take_the_index_with_them(redis_server: Any, connected: Any) -> None:
    backend = connected(redis_server)
    keep(backend, "/old", EVERY + A)
    client, index = dependents(redis_server, backend)
    client.delete(f"{backend.prefix}rows")
    assert paths(backend, A) == set()
    keep(backend, "/new", EVERY + B)
    assert not client.hexists(index, name_text(A))


def test_a_name_of_many_pages_is_in_parts_that_go_with_them(
    redis_server: Any, connected: Any
) -> None:
    backend = connected(redis_server)
    for number in range(600):
        keep(backend, f"/{number}", EVERY + A + (B if number % 100 == 0 else b""))
    client, index = dependents(redis_server, backend)
    assert client.hget(index, name_text(A)).startswith(b"*")
    parts = [value for field, value in client.hgetall(index).items() if len(field) > 12]
    assert sum(map(len, parts)) == 8 * 600
    assert max(map(len, parts)) <= 8 * 2 * LONG
    assert len(ids_of(b"".join(parts))) == 600
    assert paths(backend, A) == {f"/{number}" for number in range(600)}
    assert [row.path for row in backend.affected([A])].count("/7") == 1
    for number in range(600):
        if number % 100:
            backend.delete(make_entry(f"/{number}").key)
    assert (
        paths(backend, A)
        == paths(backend, A, B)
        == {f"/{number}00" if number else "/0" for number in range(6)}
    )
    for number in range(0, 600, 100):
        keep(backend, f"/{number}", EVERY + B, order=1)
    assert client.hget(index, name_text(A)) is None
    assert sum(len(field) > 12 for field in client.hkeys(index)) == 0


def test_what_the_index_says_of_a_page_that_has_the_name_no_more_does_not_count(
    redis_server: Any, connected: Any
) -> None:
    backend = connected(redis_server)
    keep(backend, "/", EVERY + A)
    client, index = dependents(redis_server, backend)
    stale = client.hgetall(index)
    keep(backend, "/", EVERY + B, order=1)
    client.hset(index, mapping=stale)  # as a release without an index would have left it
    assert paths(backend, A) == set()
    keep(backend, "/", EVERY + A, order=2)
    assert len(client.hget(index, name_text(A))) == 8  # listed once


def ids_of(packed: bytes) -> set[bytes]:
    return {packed[at : at + 8] for at in range(0, len(packed), 8)}
