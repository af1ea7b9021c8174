"""From ``store=`` and ``coordinator=`` to a backend."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from cachelib import BaseCache, FileSystemCache, NullCache, SimpleCache, UWSGICache

from isgware.backends import SQLiteCache
from isgware.backends.base import Backend
from isgware.backends.breaker import Breaker
from isgware.backends.cachelib import CachelibBackend
from isgware.backends.memory import MemoryBackend
from isgware.backends.redis.backend import RedisBackend
from isgware.backends.sqlite.backend import SQLiteBackend
from isgware.core.stored_page import encode
from isgware.errors import ConfigurationError
from isgware.settings import Settings
from isgware.storage.open_store import open_store, shared
from isgware.testing import START, make_entry
from isgware.testing.backend_suite import nonce_of, put
from tests.backends.caches import Recorded


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def opened(**options: Any) -> Backend:
    store = open_store(Settings(**options))
    assert isinstance(store, Breaker)
    return store.backend


def test_the_default_is_a_directory_here_made_when_it_is_needed(directory: Path) -> None:
    backend = opened()
    assert isinstance(backend, SQLiteBackend)
    assert not (directory / ".isgware").exists()
    backend.ping()
    assert (directory / ".isgware").is_dir()
    backend.close()


@pytest.mark.parametrize("form", ["file:{}", "file://{}"])
def test_a_directory_by_its_url(form: str, directory: Path) -> None:
    backend = opened(store=form.format(directory / "pages"))
    assert isinstance(backend, SQLiteBackend)
    assert backend.database.directory == directory / "pages"


def test_a_relative_directory() -> None:
    backend = opened(store="file:var/pages")
    assert isinstance(backend, SQLiteBackend)
    assert backend.database.directory == Path("var/pages")


@pytest.mark.parametrize("url", ["memory:", "memory://"])
def test_memory_is_each_ones_own(url: str) -> None:
    one, other = opened(store=url), opened(store=url)
    assert isinstance(one, MemoryBackend)
    assert one is not other


@pytest.mark.parametrize(
    ("store", "message"),
    [
        ("pages", "Did you mean 'file:pages'"),
        ("/var/pages", "Did you mean 'file:/var/pages'"),
        ("ftp://host", "not a known kind"),
        ("//[", "not a known kind"),
        ("", "not a known kind"),
        ("file:", "names no directory"),
        ("file://host/dir", "names a host"),
        (5, "give file:DIR"),
        (Path("pages"), "give file:DIR"),
    ],
)
def test_what_is_no_store_is_refused_with_a_remedy(store: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        opened(store=store)


@pytest.mark.parametrize("store", ["file:a", "memory:", MemoryBackend()])
def test_a_coordinator_beside_a_store_that_needs_none_is_refused(store: Any) -> None:
    with pytest.raises(ConfigurationError, match="leave it out"):
        opened(store=store, coordinator="file:b")


@pytest.mark.parametrize("coordinator", ["memory:", "memcached://host", "dir", 5])
def test_a_coordinator_is_a_directory(coordinator: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"file:DIR. or .redis://HOST"):
        opened(store=SimpleCache(), coordinator=coordinator)


def test_a_cachelib_cache_has_a_coordinator_beside_it(directory: Path) -> None:
    backend = opened(store=SimpleCache(), coordinator=f"file:{directory / 'beside'}")
    assert isinstance(backend, CachelibBackend)
    assert backend.coordinator.database.directory == directory / "beside"
    default = opened(store=SimpleCache())
    assert isinstance(default, CachelibBackend)
    assert default.coordinator.database.directory == Path(".isgware")


def test_a_sqlite_cache_is_the_embedded_store(directory: Path) -> None:
    cache = SQLiteCache(directory / "cache")
    backend = opened(store=cache)
    assert isinstance(backend, SQLiteBackend)
    entry = make_entry(nonce=nonce_of(backend))
    cache.set("key", "value")
    put(backend, entry)
    assert cache.get("key") == "value"
    assert backend.get(entry.key, START) == encode(entry)
    with pytest.raises(ConfigurationError, match="leave it out"):
        opened(store=cache, coordinator="file:b")
    backend.close()
    cache.close()


def test_a_backend_is_taken_as_it_is() -> None:
    backend = MemoryBackend()
    assert opened(store=backend) is backend


def test_a_store_that_cannot_be_used_is_refused_at_once(directory: Path) -> None:
    (directory / "file").touch()
    for options in ({"store": "file:file"}, {"store": SimpleCache(), "coordinator": "file:file"}):
        with pytest.raises(ConfigurationError, match="not a directory"):
            opened(**options)


def test_an_operation_of_the_store_ends_before_the_breaker_thinks_it_slow() -> None:
    breaker = open_store(Settings(store="file:a", backend_timeout=2.0))
    assert isinstance(breaker.backend, SQLiteBackend)
    assert breaker.limit == 2.0
    assert breaker.backend.database._timeout < 2.0


@pytest.mark.parametrize("options", [{"store": "file:a"}, {"store": "memory:"}])
def test_the_limits_are_the_users(options: dict[str, Any]) -> None:
    backend = opened(max_pages=5, max_bytes=1_000_000, **options)
    nonce = nonce_of(backend)
    for number in range(10):
        put(backend, make_entry(f"/{number}", nonce=nonce), START + number)
    kept = [row.path for row in backend.rows()]
    backend.close()
    assert kept == [f"/{number}" for number in range(5, 10)]


# cachelib's own thresholds


@pytest.mark.parametrize("kind", ["files", "simple"])
def test_a_caches_threshold_is_kept_by_our_limits(kind: str, directory: Path) -> None:
    """cachelib would remove what ends soonest, after looking at each of its files."""
    cache: Any
    if kind == "files":
        cache = FileSystemCache(str(directory / "pages"), threshold=20)
        scan = mock.patch.object(FileSystemCache, "_remove_older")
    else:
        cache = SimpleCache(threshold=20)
        scan = mock.patch.object(SimpleCache, "_remove_older")
    backend = opened(store=cache)
    nonce = nonce_of(backend)
    hot = make_entry("/hot", nonce=nonce)
    with scan as scanned, mock.patch(f"cachelib.{cache.__module__[9:]}.time", return_value=START):
        put(backend, hot)
        for number in range(60):
            backend.touch([hot.key], START + 100 * number)
            put(backend, make_entry(f"/{number}", nonce=nonce), START + 100 * number)
            missing = make_entry(f"/missing/{number}", nonce=nonce, error_quota=True)
            put(backend, missing, START + 100 * number)
        found = backend.get(hot.key, START)
        pages = [row for row in backend.rows() if not row.error_quota]
    backend.close()
    assert not scanned.called
    assert found == encode(hot)
    assert len(pages) == 17


@pytest.mark.parametrize("threshold", [1, 2, 5])
def test_a_tiny_threshold_keeps_a_page(threshold: int) -> None:
    backend = opened(store=SimpleCache(threshold=threshold))
    entry = make_entry(nonce=nonce_of(backend))
    with mock.patch("cachelib.simple.time", return_value=START):
        put(backend, entry)
        found = backend.get(entry.key, START)
    backend.close()
    assert found == encode(entry)


class Odd(NullCache):
    _threshold = "many"


@pytest.mark.parametrize("cache", [NullCache(), Odd()])
def test_a_cache_without_a_threshold_has_our_limits(cache: BaseCache) -> None:
    backend = opened(store=cache, max_pages=700)
    assert isinstance(backend, CachelibBackend)
    assert backend.coordinator._limits.pages == 700


# What is not shared between hosts


def test_a_cache_that_hosts_share_beside_a_file_of_one_host_is_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for store in (Odd(), SimpleCache(), FileSystemCache("pages"), "file:a", "memory:"):
        opened(store=store)
    assert caplog.text == ""
    opened(store=Recorded(), coordinator="file:beside")
    (record,) = caplog.records
    said = record.getMessage()
    assert record.levelname == "WARNING"
    for version in (
        "Recorded",
        "leases",
        "invalidations",
        "list of pages",
        "beside",
        "redis://HOST",
    ):
        assert version in said


def test_memcached_alone_is_warned_of_too(caplog: pytest.LogCaptureFixture) -> None:
    backend = opened(store="memcached://host")
    assert isinstance(backend, CachelibBackend)
    assert isinstance(backend.coordinator, SQLiteBackend)
    assert "Memcached has the pages" in caplog.text


def test_a_redis_beside_it_is_shared_and_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    for store in (Recorded(), "memcached://host"):
        opened(store=store, coordinator="redis://host")
    assert caplog.text == ""


def test_redis_is_opened_with_the_limits_and_timeout_of_the_user() -> None:
    backend = opened(store="redis://host/2?namespace=shop", max_pages=7, max_bytes=9_000)
    assert isinstance(backend, RedisBackend)
    assert backend.prefix == "isg:{shop}:"
    assert (backend._limits.pages, backend._limits.bytes) == (7, 9_000)


# What other processes find.


@pytest.mark.parametrize(
    ("cache", "is_shared"),
    [
        (SimpleCache, False),
        (NullCache, False),
        (UWSGICache, False),
        (FileSystemCache, True),
        (BaseCache, True),
    ],
)
def test_a_cache_of_one_process_is_not_shared(tmp_path: Path, cache: Any, is_shared: bool) -> None:
    beside = SQLiteBackend(tmp_path / "beside")
    made = cache.__new__(cache)  # uWSGI's cannot be made outside of its server
    assert shared(CachelibBackend(made, beside)) is is_shared


def test_a_backend_that_keeps_no_jobs_is_not_shared() -> None:
    class Plain:
        pass

    assert not shared(Plain())  # type: ignore[arg-type]
    assert not shared(MemoryBackend())
