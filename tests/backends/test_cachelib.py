"""Pages in a cachelib cache: the contract, and none of cachelib's pitfalls."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cachelib import BaseCache, FileSystemCache, SimpleCache

from isgware.backends.base import Backend, Limits, row_of
from isgware.backends.breaker import Breaker
from isgware.backends.cachelib import MARK, CachelibBackend
from isgware.backends.sqlite.backend import SQLiteBackend
from isgware.core.stored_page import encode
from isgware.errors import BackendUnavailable
from isgware.testing import START, BackendContract, make_entry
from isgware.testing.backend_suite import nonce_of, put
from tests.backends.caches import Recorded


class Contract(BackendContract):
    @pytest.fixture(autouse=True)
    def _directory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = tmp_path
        # cachelib reads the clock itself, and the suite's pages are of its own time.
        for module in ("simple", "file"):
            monkeypatch.setattr(f"cachelib.{module}.time", lambda: START)

    def cache(self) -> BaseCache:
        raise NotImplementedError

    def make(self, limits: Limits) -> Backend:
        return CachelibBackend(self.cache(), SQLiteBackend(self.directory / "beside", limits))

    def again(self, backend: Backend) -> Backend:
        assert isinstance(backend, CachelibBackend)
        return CachelibBackend(backend.cache, SQLiteBackend(self.directory / "beside"))


class TestSimpleCache(Contract):
    def cache(self) -> BaseCache:
        return SimpleCache(threshold=5_000)


class TestFileSystemCache(Contract):
    def cache(self) -> BaseCache:
        return FileSystemCache(str(self.directory / "pages"), threshold=0)


# The user's own cache stays theirs


def test_the_users_instance_is_not_changed(beside: SQLiteBackend, tmp_path: Path) -> None:
    for cache in (SimpleCache(), FileSystemCache(str(tmp_path / "pages"))):
        before = copy.copy(vars(cache))
        serializer = cache.serializer
        put(CachelibBackend(cache, beside), make_entry(nonce=nonce_of(beside)))
        assert vars(cache) == before
        assert cache.serializer is serializer
        assert cache.set("own", {"a": (1, 2)})
        assert cache.get("own") == {"a": (1, 2)}


def test_pages_lie_in_the_users_cache_under_keys_any_cache_takes(beside: SQLiteBackend) -> None:
    cache = Recorded()
    entry = make_entry("/ü x\n".encode().decode("latin-1") * 100, nonce=nonce_of(beside))
    put(CachelibBackend(cache, beside), entry)
    shared = cache.asked
    (name,) = {asked[1] for asked in shared}
    assert name == f"isg:{entry.nonce}:{entry.key}"
    assert name.isascii()
    assert name.isprintable()
    assert " " not in name
    assert len(name) < 200


# Timeouts


@pytest.mark.parametrize(
    ("fields", "timeout"),
    [
        ({"expire": 3_600.0}, 3_600 + 86_400),
        ({"expire": 0.5}, 86_401),
        ({"expire": 10.0, "error_quota": True}, 70),
        ({"expire": 365 * 86_400.0}, 30 * 86_400),  # Memcached takes more for a date
        ({"expire": 1e14, "revalidate": None}, 30 * 86_400),
        ({"expire": 10.0, "rendered_at": START - 10 * 86_400}, 1),
    ],
)
def test_a_page_is_set_with_an_integer_timeout(
    fields: dict[str, Any], timeout: int, beside: SQLiteBackend
) -> None:
    cache = Recorded()
    put(CachelibBackend(cache, beside), make_entry(nonce=nonce_of(beside), **fields))
    sets = [asked for asked in cache.asked if asked[0] == "set"]
    assert [asked[2:] for asked in sets] == [(bytes, timeout)]
    assert type(sets[0][3]) is int


def test_every_set_has_a_timeout_of_its_own(beside: SQLiteBackend) -> None:
    cache = Recorded()
    CachelibBackend(cache, beside).ping()
    assert [asked[3] for asked in cache.asked if asked[0] == "set"] == [10]


def test_a_probe_leaves_nothing_behind(beside: SQLiteBackend) -> None:
    cache = Recorded()
    CachelibBackend(cache, beside).ping()
    assert cache.asked
    assert cache.values == {}


# What may go wrong between page and catalogue


def test_a_page_that_a_slower_process_wrote_over_a_newer_one_is_a_miss(
    beside: SQLiteBackend,
) -> None:
    cache = Recorded()
    backend = CachelibBackend(cache, beside)
    old = make_entry(body=b"old", order=1, nonce=nonce_of(beside))
    new = replace(old, body=b"new", order=2)
    put(backend, new)
    cache.values[backend._key(old.key)] = encode(old)
    assert backend.get(old.key, START) is None


def test_a_put_overtaken_while_the_cache_was_written_to_is_refused(
    beside: SQLiteBackend,
) -> None:
    meanwhile: list[Callable[[], object]] = []

    class Slow(Recorded):
        def set(self, key: str, value: Any, timeout: Any = None) -> bool:
            if meanwhile:
                meanwhile.pop()()
            return super().set(key, value, timeout)

    cache = Slow()
    old = make_entry(body=b"old", order=1, nonce=nonce_of(beside))
    new = replace(old, body=b"new", order=2)
    meanwhile.append(lambda: put(CachelibBackend(cache, beside), new))
    backend = CachelibBackend(cache, beside)
    assert not put(backend, old)
    assert backend.get(old.key, START) is None
    assert put(backend, replace(new, order=3))


def test_a_page_the_cache_kept_though_it_was_deleted_is_a_miss(
    beside: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Recorded()
    monkeypatch.setattr(Recorded, "delete", lambda self, key: False)
    backend = CachelibBackend(cache, beside)
    entry = make_entry(nonce=nonce_of(beside))
    put(backend, entry)
    backend.delete(entry.key)
    assert list(cache.values.values()) == [encode(entry)]
    assert backend.get(entry.key, START) is None


def test_a_page_the_cache_dropped_is_a_miss(beside: SQLiteBackend) -> None:
    cache = Recorded()
    backend = CachelibBackend(cache, beside)
    entry = make_entry(nonce=nonce_of(beside))
    put(backend, entry)
    cache.values.clear()
    assert backend.get(entry.key, START) is None
    assert [row.key for row in backend.rows()] == [entry.key]


def test_hosts_with_coordinators_of_their_own_never_read_each_others_pages(
    tmp_path: Path,
) -> None:
    cache = Recorded()
    hosts = [CachelibBackend(cache, SQLiteBackend(tmp_path / name)) for name in ("a", "b")]
    entries = [make_entry(body=b"host", nonce=nonce_of(host)) for host in hosts]
    put(hosts[0], entries[0])
    assert hosts[1].get(entries[0].key, START) is None
    put(hosts[1], entries[1])
    found = [host.get(entries[0].key, START) for host in hosts]
    for host in hosts:
        host.close()
    assert found == [encode(entry) for entry in entries]


def test_a_coordinator_that_lost_its_table_finds_none_of_the_pages_before(
    tmp_path: Path,
) -> None:
    cache = Recorded()
    backend = CachelibBackend(cache, SQLiteBackend(tmp_path / "a"))
    entry = make_entry(nonce=nonce_of(backend))
    put(backend, entry)
    backend.close()
    for file in (tmp_path / "a").iterdir():
        file.unlink()
    assert backend.sync(entry.nonce, 0).nonce != entry.nonce
    assert backend.get(entry.key, START) is None
    assert put(backend, replace(entry, nonce=nonce_of(backend)))
    assert backend.get(entry.key, START) is not None
    backend.close()


def test_pages_that_make_room_leave_the_cache_too(tmp_path: Path) -> None:
    cache = Recorded()
    backend = CachelibBackend(cache, SQLiteBackend(tmp_path / "a", Limits(pages=3)))
    for number in range(10):
        put(backend, make_entry(f"/{number}", nonce=nonce_of(backend)), START + number)
    assert len(cache.values) == 3
    backend.close()


@pytest.mark.parametrize("answer", [False, None, 0])
def test_a_set_that_did_not_happen_raises_and_leaves_the_old_page(
    answer: object, beside: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Recorded()
    backend = CachelibBackend(cache, beside)
    old = make_entry(body=b"old", order=1, nonce=nonce_of(beside))
    put(backend, old)
    monkeypatch.setattr(Recorded, "set", lambda *args, **kwargs: answer)
    with pytest.raises(BackendUnavailable, match="Recorded does not keep what it is given"):
        put(backend, replace(old, body=b"new", order=2))
    assert backend.get(old.key, START) == encode(old)


def test_a_page_that_is_too_large_for_the_cache_leaves_the_store_open(
    beside: SQLiteBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """DynamoDB takes 400 kB at most, and cachelib then answers False."""

    class Small(Recorded):
        def set(self, key: str, value: Any, timeout: Any = None) -> bool:
            return len(value) < 1_000 and super().set(key, value, timeout)

    breaker = Breaker(CachelibBackend(Small(), beside), 5.0)
    large = make_entry("/large", b"x" * 1_000, nonce=nonce_of(beside))
    for _ in range(2):
        with pytest.raises(BackendUnavailable, match="Small did not take a page"):
            put(breaker, large)
    assert breaker.open_since is None
    assert put(breaker, make_entry(nonce=large.nonce))
    assert [record.message for record in caplog.records] == [
        f"Small does not take a page of {len(encode(large))} bytes; it stays in memory only."
    ]


@pytest.mark.parametrize("junk", ["text", 5, 1.5, True, [b"x"], {"a": 1}, b"", b"junk", b"ISGW"])
def test_junk_in_the_cache_is_a_miss(junk: object, beside: SQLiteBackend) -> None:
    cache = Recorded()
    backend = CachelibBackend(cache, beside)
    entry = make_entry(nonce=nonce_of(beside))
    put(backend, entry)
    cache.values[backend._key(entry.key)] = junk
    assert backend.get(entry.key, START) is None


@pytest.mark.parametrize("kept", [None, b"junk", "text"])
def test_a_cache_that_does_not_keep_what_it_is_given_fails_the_probe(
    kept: object, beside: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Recorded, "get", lambda *args: kept)
    with pytest.raises(BackendUnavailable, match="does not keep"):
        CachelibBackend(Recorded(), beside).ping()


def test_the_mark_tells_two_renders_of_one_page_apart() -> None:
    one = make_entry(order=1)
    marks = {
        encode(entry)[:MARK]
        for entry in (one, replace(one, order=2), replace(one, generation=1), make_entry(body=b"b"))
    }
    assert len(marks) == 4
    assert row_of(one).key == row_of(replace(one, order=2)).key
