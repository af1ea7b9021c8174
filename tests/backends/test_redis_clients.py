"""Which Redis, and how: URLs, sockets, clients that exist already, clusters, Sentinel."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from cachelib import RedisCache
from redis.sentinel import Sentinel

from isgware.backends.cachelib import CachelibBackend
from isgware.backends.redis import RedisBackend
from isgware.backends.suite import acquire, nonce_of, put
from isgware.core.entry import encode
from isgware.errors import BackendUnavailable, ConfigurationError
from isgware.settings import Settings
from isgware.stores import open_store
from isgware.testing import START, make_entry
from tests.backends.caches import Recorded
from tests.stores import Redis, eventually, running


@contextlib.contextmanager
def opened(store: Any, **options: Any) -> Iterator[Any]:
    breaker = open_store(Settings(store=store, **{"backend_timeout": 2.0, **options}))
    try:
        yield breaker
    finally:
        breaker.close()


def works(backend: Any) -> None:
    """A bit of everything."""
    entry = make_entry(nonce=nonce_of(backend), tags=("a",))
    assert put(backend, entry)
    assert backend.get(entry.key, START) == encode(entry)
    assert [row.key for row in backend.rows(tag="a")] == [entry.key]
    before = backend.word[0]
    assert backend.invalidate(["tag:a"], True) == 1
    assert backend.word[0] != before
    assert acquire(backend) is not None
    assert acquire(backend) is None
    backend.write_note("n", b"v", 10, START)
    assert backend.read_note("n", START) == b"v"
    backend.ping()


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
def test_a_server_by_its_url(scheme: str, redis_server: Redis) -> None:
    with opened(f"{scheme}://127.0.0.1:{redis_server.port}/3") as backend:
        works(backend)
    assert redis_server.client(db=3).exists("isg:{main}:state")
    assert not redis_server.client().exists("isg:{main}:state")


def test_a_server_by_its_socket(redis_server: Redis) -> None:
    with opened(f"unix://{redis_server.socket}") as backend:
        works(backend)


def test_a_server_with_a_password() -> None:
    with running(Redis("--requirepass", "sesame")) as server:
        with opened(f"redis://:sesame@127.0.0.1:{server.port}/0") as backend:
            works(backend)
        with opened(server.url) as backend, pytest.raises(BackendUnavailable, match="uthentic"):
            backend.get("key", START)


def test_timeouts_in_a_url_do_not_undo_ours(own_redis: Redis) -> None:
    with opened(own_redis.url + "?socket_timeout=60", backend_timeout=0.5) as backend:
        nonce_of(backend)
        own_redis.suspend()
        started = time.monotonic()
        with pytest.raises(BackendUnavailable):
            backend.get("key", START)
        assert time.monotonic() - started < 0.8
        own_redis.resume()


def test_a_client_is_neither_changed_nor_waited_for(own_redis: Redis) -> None:
    """With redis-py's defaults a stopped server takes 59 s."""
    client = redis.Redis(port=own_redis.port, decode_responses=True, client_name="theirs")
    with opened(client, backend_timeout=0.5) as backend:
        works(backend)
        before = nonce_of(backend)
        own_redis.suspend()
        started = time.monotonic()
        with pytest.raises(BackendUnavailable):
            backend.sync(before, 0)
        assert time.monotonic() - started < 0.8
        own_redis.resume()
    assert client.get("nothing") is None
    client.set("theirs", "text")
    assert client.get("theirs") == "text"
    client.close()


def test_a_client_over_a_socket(redis_server: Redis) -> None:
    client = redis.Redis(unix_socket_path=str(redis_server.socket))
    with opened(client) as backend:
        works(backend)


@pytest.fixture(scope="module")
def cluster() -> Iterator[list[Redis]]:
    with contextlib.ExitStack() as stack:
        nodes = [stack.enter_context(running(Redis("--cluster-enabled", "yes"))) for _ in range(3)]
        bounds = [0, 5_461, 10_923, 16_384]
        for node, low, high in zip(nodes, bounds[:-1], bounds[1:], strict=True):
            node.client().execute_command("CLUSTER ADDSLOTSRANGE", low, high - 1)
            node.client().execute_command("CLUSTER MEET", "127.0.0.1", nodes[0].port)
        for node in nodes:
            client = node.client()
            eventually(
                lambda client=client: client.cluster("INFO")["cluster_state"] == "ok", within=30
            )
            eventually(lambda client=client: len(client.cluster("NODES")) == 3, within=30)
        yield nodes


def subscribers(cluster: list[Redis]) -> int:
    counts = [node.client().pubsub_numsub("isg:{main}:news")[0][1] for node in cluster]
    return sum(counts)


def test_a_cluster_through_its_client(cluster: list[Redis]) -> None:
    client = redis.RedisCluster(host="127.0.0.1", port=cluster[0].port)
    with opened(client) as one, opened(client) as other:
        works(one)
        nonce_of(other)
        eventually(lambda: other.word[0] % 2 == 0, within=5)
        eventually(lambda: subscribers(cluster) == 2, within=10)
        before = other.word[0]
        one.invalidate(["tag:b"], True)
        assert eventually(lambda: other.word[0] != before, within=2) < 0.1
    found = [node.client().keys("isg:*") for node in cluster]
    assert sum(map(bool, found)) == 1  # all of a store is on one node
    client.close()


def test_a_master_that_sentinel_knows(own_redis: Redis) -> None:
    class Watch(Redis):
        def command(self) -> list[str]:
            config = self.directory / "sentinel.conf"
            config.write_text(
                f"port {self.port}\nbind 127.0.0.1\ndir {self.directory}\n"
                f"sentinel monitor site 127.0.0.1 {own_redis.port} 1\n"
            )
            return [str(config), "--sentinel"]

    with running(Watch()) as watch:
        sentinel = Sentinel([("127.0.0.1", watch.port)])
        client = sentinel.master_for("site")
        with opened(client, backend_timeout=0.5) as backend:
            works(backend)
            own_redis.suspend()
            started = time.monotonic()
            with pytest.raises(BackendUnavailable):
                backend.get("key", START)
            assert time.monotonic() - started < 0.8
            own_redis.resume()


def test_a_redis_coordinates_for_a_cache(redis_server: Redis) -> None:
    cache = Recorded()
    with opened(cache, coordinator=redis_server.url) as backend:
        assert isinstance(backend.backend, CachelibBackend)
        assert isinstance(backend.backend.coordinator, RedisBackend)
        works(backend)
    assert [name[:4] for name in cache.values] == ["isg:"]
    with opened(Recorded(), coordinator=redis_server.client()) as backend:
        assert isinstance(backend.backend.coordinator, RedisBackend)


# cachelib's own RedisCache


def test_a_redis_cache_coordinates_for_itself(
    redis_server: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    cache = RedisCache("127.0.0.1", port=redis_server.port, db=3)
    with opened(cache) as one, opened(cache) as other:
        assert isinstance(one.backend, RedisBackend)
        works(one)
        assert other.sync("", 0).counter == 1  # what the one has purged
    assert redis_server.client(db=3).exists("isg:{main}:state")
    assert not caplog.records
    cache.set("theirs", {"pickled": True})
    assert cache.get("theirs") == {"pickled": True}


def test_the_prefix_of_a_redis_cache_tells_stores_apart(redis_server: Redis) -> None:
    for prefix in ("shop", "a:{b}:"):
        cache = RedisCache(redis_server.client(), key_prefix=prefix)
        with opened(cache) as backend:
            works(backend)
    with opened(redis_server.url + "?namespace=shop") as backend:
        assert [row.path for row in backend.rows()] == ["/"]
    assert len(redis_server.client().keys("isg:{*}:state")) == 2


class Encrypting(RedisCache):
    """Does something of its own with what it keeps."""


@pytest.mark.parametrize(
    ("kind", "options"),
    [(Encrypting, {}), (RedisCache, {"key_prefix": lambda: "tenant:"})],
    ids=["subclass", "prefix that changes"],
)
def test_what_is_not_plainly_redis_is_a_cache_and_the_remedy_is_said(
    kind: Any, options: Any, redis_server: Redis, caplog: pytest.LogCaptureFixture,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    with opened(kind(redis_server.client(), **options)) as backend:
        assert isinstance(backend.backend, CachelibBackend)
        works(backend)
    assert "store=client" in caplog.text


def test_a_redis_cache_may_have_another_coordinator(redis_server: Redis, tmp_path: Path) -> None:
    cache = RedisCache(redis_server.client())
    with opened(cache, coordinator=f"file:{tmp_path}") as backend:
        assert isinstance(backend.backend, CachelibBackend)
        works(backend)


# What cannot be used


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis:", "redis://HOST"),
        ("redis:host", "redis://HOST"),
        ("redis://", "redis://HOST"),
        ("redis://host:port", "port is not a number"),
        ("redis://user:pass/word@host", "'/' is %2F"),
        ("redis://[::1", "cannot be used"),
        ("redis://user:word@", "names no host"),
        ("redis://host/site", "number of a database"),
        ("redis://host?socket_timeout=soon", "cannot be used"),
        ("redis://host?namespace=a{b}", "namespace"),
        ("redis://host?namespace=", "namespace"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_at_construction(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        open_store(Settings(store=url))


@pytest.mark.parametrize("option", ["store", "coordinator"])
@pytest.mark.parametrize("password", ["open:sesame", "open/sesame", "open#sesame", "open@sesame"])
@pytest.mark.parametrize(
    "url", ["redis://user:{}@host:port", "redis:user:{}@host", "keydb://u:{}@host",
            "memcached://u:{}@host/1"],
)  # fmt: skip
def test_no_error_tells_the_password(url: str, password: str, option: str) -> None:
    options = {"store": Recorded()} if option == "coordinator" else {}
    with pytest.raises(ConfigurationError) as raised:
        open_store(Settings(**{**options, option: url.format(password)}))
    assert not {"open", "sesame"} & set(re.split(r"\W", str(raised.value)))


def test_an_asynchronous_client_is_refused() -> None:
    import redis.asyncio

    with pytest.raises(ConfigurationError, match="synchronous"):
        open_store(Settings(store=redis.asyncio.Redis()))


@pytest.mark.parametrize("options", [{}, {"coordinator": "redis://host"}])
def test_without_redis_py_the_extra_is_named(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    store = Recorded() if options else "redis://host"
    with pytest.raises(ConfigurationError, match=r"pip install 'isgware\[redis\]'"):
        open_store(Settings(store=store, **options))


def test_a_coordinator_beside_redis_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="leave it out"):
        open_store(Settings(store="redis://host", coordinator="file:beside"))
