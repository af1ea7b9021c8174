"""Which Redis, and how: URLs, sockets, clients that exist already, clusters, Sentinel."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from cachelib import RedisCache

from isgware.backends.cachelib import CachelibBackend
from isgware.backends.redis.backend import RedisBackend
from isgware.errors import BackendUnavailable, ConfigurationError
from isgware.settings import Settings
from isgware.storage.open_store import open_store
from isgware.testing import START
from isgware.testing.backend_suite import nonce_of
from tests.backends.caches import Recorded
from tests.backends.conftest import end_of_news
from tests.backends.opening import fails, opened, works
from tests.conftest import unavailable
from tests.stores import Redis, eventually, in_time, running


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


@pytest.mark.parametrize("channels", ["&isg:*", ""])
def test_a_user_with_no_more_rights_than_needed(
    channels: str, own_redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """Since Redis 7 a new user may not use any channel unless told: then the counter is read."""
    rights = ["+@read", "+@write", "+@scripting", "+@connection", "+@pubsub", "+info"]
    own_redis.client().execute_command(
        "ACL", "SETUSER", "site", "on", ">sesame", "resetchannels", "~isg:*", *rights,
        *filter(None, [channels]),
    )  # fmt: skip
    url = f"redis://site:sesame@127.0.0.1:{own_redis.port}/0"
    with opened(url) as one, opened(url) as other:
        works(one)
        nonce_of(other)
        eventually(lambda: other.version[0] % 2 == 0, within=60)
        before = other.version[0]
        one.invalidate(["tag:b"], hard=True)
        eventually(lambda: other.version[0] != before, within=60)
        eventually(lambda: ("&isg:*" in caplog.text) == (not channels), within=60)
    assert "sesame" not in caplog.text


def test_timeouts_in_a_url_do_not_undo_ours(own_redis: Redis) -> None:
    with opened(own_redis.url + "?socket_timeout=60", backend_timeout=0.5) as backend:
        nonce_of(backend)
        own_redis.suspend()
        in_time(0.8, lambda: fails(backend, lambda: backend.get("key", START)))
        own_redis.resume()


def test_a_client_is_neither_changed_nor_waited_for(own_redis: Redis) -> None:
    """With redis-py's defaults a stopped server takes 59 s."""
    client = redis.Redis(port=own_redis.port, decode_responses=True, client_name="theirs")
    with opened(client, backend_timeout=0.5) as backend:
        works(backend)
        before = nonce_of(backend)
        own_redis.suspend()
        in_time(0.8, lambda: fails(backend, lambda: backend.sync(before, 0)))
        own_redis.resume()
    assert client.get("nothing") is None
    client.set("theirs", "text")
    assert client.get("theirs") == "text"
    client.close()


def test_a_client_over_a_socket(redis_server: Redis) -> None:
    client = redis.Redis(unix_socket_path=str(redis_server.socket))
    with opened(client) as backend:
        works(backend)


def test_a_redis_coordinates_for_a_cache(redis_server: Redis) -> None:
    cache = Recorded()
    with opened(cache, coordinator=redis_server.url) as backend:
        assert isinstance(backend.backend, CachelibBackend)
        assert isinstance(backend.backend.coordinator, RedisBackend)
        works(backend)
    assert [name[:4] for name in cache.values] == ["isg:"]
    with opened(Recorded(), coordinator=redis_server.client()) as backend:
        assert isinstance(backend.backend.coordinator, RedisBackend)


# TLS


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Redis, Path]]:
    """A server that speaks TLS alone, and the certificate that it shows, its own."""
    directory = tmp_path_factory.mktemp("tls")
    openssl = shutil.which("openssl") or unavailable("openssl is not installed")
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=directory, check=True, capture_output=True,
    )  # fmt: skip
    certificate = directory / "cert.pem"
    with running(Secured(directory)) as server:
        yield server, certificate
        # redis-py connects again to a server that ends beneath a subscription, and Python's ssl
        # leaves a socket open that is reset before its handshake: so no subscription is left.
        end_of_news()


class Secured(Redis):
    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory

    def command(self) -> list[str]:
        return [
            *super().command(), "--port", "0", "--tls-port", str(self.port),
            "--tls-auth-clients", "no", "--tls-cert-file", str(self._directory / "cert.pem"),
            "--tls-key-file", str(self._directory / "key.pem"),
        ]  # fmt: skip

    def answers(self) -> bool:
        return self.socket.exists()


def test_a_server_that_speaks_tls(secured: tuple[Redis, Path]) -> None:
    server, certificate = secured
    url = f"rediss://localhost:{server.port}/0?ssl_ca_certs={certificate}"
    with opened(url) as one, opened(url) as other:
        works(one)
        nonce_of(other)
        eventually(lambda: other.version[0] % 2 == 0, within=60)
        before = other.version[0]
        one.invalidate(["tag:b"], hard=True)
        eventually(lambda: other.version[0] != before, within=60)
    client = redis.Redis(port=server.port, ssl=True, ssl_ca_certs=str(certificate))
    with opened(client) as backend:
        assert [row.path for row in backend.rows()] == ["/"]
    client.close()  # it is its owner's


def test_a_certificate_that_nobody_vouches_for_is_refused(secured: tuple[Redis, Path]) -> None:
    server, _ = secured
    with (
        opened(f"rediss://localhost:{server.port}/0") as backend,
        pytest.raises(BackendUnavailable, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        backend.get("key", START)


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
