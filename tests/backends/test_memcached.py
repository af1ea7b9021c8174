"""``memcached://`` beside either coordinator: the contract, refusals, and a server that is gone."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from isgware.backends.base import Backend, Coordinator, Limits
from isgware.backends.cachelib import CachelibBackend
from isgware.backends.memcached import MemcachedPages
from isgware.backends.sqlite.backend import SQLiteBackend
from isgware.core.stored_page import encode
from isgware.errors import BackendUnavailable, ConfigurationError
from isgware.settings import Settings
from isgware.storage.open_store import open_store
from isgware.testing import START, BackendContract, make_entry
from isgware.testing.backend_suite import nonce_of, put
from tests.backends.children import in_children
from tests.backends.opening import fails
from tests.stores import Memcached, Proxy, Redis, eventually, in_time, running


@pytest.fixture(scope="session")
def one_memcached() -> Iterator[Memcached]:
    with running(Memcached()) as server:
        yield server


@pytest.fixture
def memcached(one_memcached: Memcached) -> Memcached:
    with socket.create_connection(("127.0.0.1", one_memcached.port)) as connection:
        connection.sendall(b"flush_all\r\n")
        connection.recv(64)
    return one_memcached


@pytest.fixture
def own_memcached() -> Iterator[Memcached]:
    with running(Memcached()) as server:
        yield server


class Contract(BackendContract):
    @pytest.fixture(autouse=True)
    def _server(self, memcached: Memcached) -> None:
        self.url = memcached.url

    def coordinator(self, limits: Limits) -> Coordinator:
        raise NotImplementedError

    def make(self, limits: Limits) -> Backend:
        cache = MemcachedPages(self.url, 2.0)
        return CachelibBackend(cache, self.coordinator(limits), cache.close)

    def again(self, backend: Backend) -> Backend:
        return self.make(Limits())


class TestBesideSQLite(Contract):
    @pytest.fixture(autouse=True)
    def _directory(self, tmp_path: Path) -> None:
        self.directory = tmp_path

    def coordinator(self, limits: Limits) -> Coordinator:
        return SQLiteBackend(self.directory / "beside", limits)


class TestBesideRedis(Contract):
    ELSEWHERE = 0.1

    @pytest.fixture(autouse=True)
    def _redis(self, redis_server: Redis, connected: Any) -> None:
        self.redis, self.connected = redis_server, connected

    def coordinator(self, limits: Limits) -> Coordinator:
        made: Coordinator = self.connected(self.redis, limits)
        return made


# What Memcached will not have


@pytest.fixture
def backend(memcached: Memcached, tmp_path: Path) -> Iterator[Any]:
    made = open_store(
        Settings(
            store=memcached.url,
            coordinator=f"file:{tmp_path / 'beside'}",
            backend_timeout=30.0,
        )
    )
    yield made
    made.close()


def test_a_page_that_is_too_large_is_refused_and_the_circuit_stays_closed(
    backend: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """pymemcache's default does not wait for the answer: it says stored, and nothing is there."""
    large = make_entry("/large", os.urandom(1_500_000), nonce=nonce_of(backend))
    small = make_entry("/small", nonce=large.nonce)
    with caplog.at_level(logging.WARNING, "isgware"):
        for _ in range(3):
            with pytest.raises(BackendUnavailable, match="too large"):
                put(backend, large)
    assert [record.args and record.args[0] for record in caplog.records] == [len(encode(large))]
    assert backend.get(large.key, START) is None
    assert [row.path for row in backend.rows()] == []
    assert put(backend, small)
    assert backend.get(small.key, START) == encode(small)


def test_pages_lie_under_short_plain_keys_as_bytes_with_a_relative_end(
    backend: Any, memcached: Memcached
) -> None:
    entry = make_entry("/ü x".encode().decode("latin-1") * 200, nonce=nonce_of(backend))
    put(backend, entry)
    import pymemcache

    client = pymemcache.Client(("127.0.0.1", memcached.port))
    assert client.get(f"isg:{entry.nonce}:{entry.key}") == encode(entry)
    client.close()


@pytest.mark.parametrize("expire", [0.001, 40 * 86_400.0, 1e14])
def test_an_end_far_away_is_not_read_as_a_date(expire: float, backend: Any) -> None:
    entry = make_entry(nonce=nonce_of(backend), expire=expire, revalidate=None)
    put(backend, entry)
    assert backend.get(entry.key, START) == encode(entry)


def test_children_have_connections_of_their_own(backend: Any) -> None:
    entries = [make_entry(f"/{number}", b"x" * 50_000, nonce=nonce_of(backend)) for number in "abc"]
    for entry in entries:
        put(backend, entry)

    def reader(entry: Any) -> Any:
        return lambda: all(backend.get(entry.key, START) == encode(entry) for _ in range(300))

    assert in_children([reader(entry) for entry in entries]) == [True] * 3


@pytest.mark.parametrize("fault", ["stopped", "killed"])
def test_a_server_that_is_gone_costs_one_operation_and_comes_back(
    fault: str, own_memcached: Memcached, tmp_path: Path
) -> None:
    backend = open_store(
        Settings(
            store=own_memcached.url,
            coordinator=f"file:{tmp_path / 'beside'}",
            backend_timeout=0.5,
        )
    )
    entry = make_entry(nonce=nonce_of(backend))
    put(backend, entry)
    own_memcached.suspend() if fault == "stopped" else own_memcached.kill()
    in_time(0.8, lambda: fails(backend, lambda: backend.get(entry.key, START)))
    assert not backend.probe()
    own_memcached.resume() if fault == "stopped" else own_memcached.start()
    eventually(backend.probe, within=60)
    assert put(backend, entry)
    backend.close()


# URLs


@pytest.mark.parametrize(
    ("url", "servers"),
    [
        ("memcached://one", [("one", 11211)]),
        ("memcached://one:5", [("one", 5)]),
        ("memcached://one,two:7/", [("one", 11211), ("two", 7)]),
        ("memcached://[::1]:5", [("::1", 5)]),
        ("memcached:///run/memcached.sock", ["/run/memcached.sock"]),
    ],
)
def test_servers_by_their_url(url: str, servers: list[Any]) -> None:
    assert MemcachedPages(url, 1.0)._client._servers == servers


@pytest.mark.parametrize(
    "url", ["memcached:", "memcached://", "memcached:one", "memcached://one/2", "memcached://a:b"]
)
def test_a_url_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="memcached://"):
        open_store(Settings(store=url))


def test_several_servers_hold_the_pages(memcached: Memcached, own_memcached: Memcached) -> None:
    cache = MemcachedPages(f"{memcached.url},127.0.0.1:{own_memcached.port}", 1.0)
    for number in range(50):
        assert cache.set(f"key{number}", b"%d" % number, timeout=60)
    assert [cache.get(f"key{number}") for number in range(50)] == [b"%d" % n for n in range(50)]
    cache.close()


def test_without_pymemcache_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymemcache", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'isgware\[memcached\]'"):
        open_store(Settings(store="memcached://host"))


def test_a_page_that_trickles_in_costs_one_operation(memcached: Memcached, tmp_path: Path) -> None:
    """Each piece of it comes in time."""
    proxy = Proxy(memcached.port)
    url, beside = f"memcached://127.0.0.1:{proxy.port}", f"file:{tmp_path}"
    breaker = open_store(Settings(store=url, coordinator=beside, backend_timeout=0.6))
    entry = make_entry("/", b"x" * 500_000, nonce=nonce_of(breaker))
    assert put(breaker, entry)
    proxy.trickling = True
    in_time(1.0, lambda: fails(breaker, lambda: breaker.get(entry.key, START), "timed out"))
    proxy.trickling = False
    eventually(breaker.probe, within=60)
    assert breaker.get(entry.key, START) == encode(entry)
    breaker.close()
    proxy.close()
