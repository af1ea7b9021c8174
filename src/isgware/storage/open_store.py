"""From ``store=`` and ``coordinator=`` to a backend behind its circuit breaker."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from cachelib import BaseCache, FileSystemCache, NullCache, RedisCache, SimpleCache, UWSGICache

from ..backends import SQLiteCache
from ..backends.base import Backend, Coordinator, JobQueue, Limits
from ..backends.breaker import Breaker
from ..backends.cachelib import CachelibBackend
from ..backends.memcached import MemcachedPages
from ..backends.memory import MEMORY_LIMITS, MemoryBackend
from ..backends.redis.backend import RedisBackend
from ..backends.redis.client import SCHEMES, from_cache, from_client, from_url, is_client
from ..backends.sqlite.backend import SQLiteBackend
from ..errors import ConfigurationError
from ..formatting import without_password
from ..settings import Settings

log: Final = logging.getLogger("isgware")
_KINDS: Final = (
    "file:DIR, memory:, redis://HOST, memcached://HOST, a Redis client, or a cachelib BaseCache"
)
_BESIDE: Final = "file:.isgware"
#: Caches of this host alone: there is nothing to share, so nothing to warn of.
_LOCAL: Final = (SimpleCache, FileSystemCache, NullCache, UWSGICache)


def open_store(settings: Settings) -> Breaker:
    """The backend that the settings name. Nothing of it is opened yet.

    Raises `ConfigurationError` for a store that cannot be used.
    """
    limits = Limits(pages=settings.max_pages, bytes=settings.max_bytes)
    backend = _backend(settings.store, settings, limits)
    return Breaker(backend, settings.backend_timeout)


def missing_directory(store: Breaker) -> Path | None:
    """The directory of a ``file:`` store or coordinator in which no store was made yet; ``None`` if
    there is one, or if it lies elsewhere."""
    backend = getattr(store.backend, "coordinator", store.backend)  # beside Memcached
    if isinstance(backend, SQLiteBackend) and not backend.database.exists():
        return backend.database.directory
    return None


def lies_in_process(backend: Backend) -> bool:
    """Whether other processes cannot see what is stored."""
    if isinstance(backend, CachelibBackend):
        return isinstance(backend.cache, SimpleCache | NullCache)
    return isinstance(backend, MemoryBackend)


def shared(backend: Backend) -> bool:
    """Whether other processes find in it what this one puts there, jobs for them among it. The
    cache of a uWSGI server is that server's alone."""
    if isinstance(backend, CachelibBackend) and isinstance(backend.cache, UWSGICache):
        return False
    return isinstance(backend, JobQueue) and not lies_in_process(backend)


def _backend(store: Any, settings: Settings, limits: Limits) -> Backend:
    if isinstance(store, str) and store.startswith("memcached:"):
        cache = MemcachedPages(_with_host(store), settings.backend_timeout * 0.8)
        return _beside(cache, settings, limits)
    if isinstance(store, BaseCache) and not isinstance(store, SQLiteCache):
        if settings.coordinator is None and type(store) is RedisCache:
            connect_like = from_cache(store, settings.backend_timeout * 0.8)
            if connect_like is not None:
                return RedisBackend(connect_like[0], limits, connect_like[1])
        return _beside(store, settings, _within_threshold(store, limits))
    _no_coordinator(settings)
    coordinator = _coordinator(store, settings, limits)
    if coordinator is not None:
        return coordinator
    if isinstance(store, Backend):
        return store
    if not isinstance(store, str):
        raise ConfigurationError(f"store={store!r}: give {_KINDS}.")
    if store in ("memory:", "memory://"):
        bytes_ = min(settings.max_bytes, MEMORY_LIMITS.bytes)
        return MemoryBackend(Limits(min(settings.max_pages, MEMORY_LIMITS.pages), bytes_))
    hint = f" Did you mean 'file:{store}'?" if not store.partition(":")[1] else ""
    raise ConfigurationError(
        f"store={without_password(store)!r} is not a known kind of store: give {_KINDS}.{hint}"
    )


def _coordinator(store: Any, settings: Settings, limits: Limits) -> Coordinator | None:
    """A store that can also coordinate; ``None`` if that one cannot."""
    if isinstance(store, SQLiteCache):
        return _sqlite(store.directory, settings, limits)
    timeout = settings.backend_timeout * 0.8
    if is_client(store):
        return RedisBackend(from_client(store, timeout), limits)
    if not isinstance(store, str):
        return None
    scheme, separator, _ = store.partition(":")
    if separator and scheme == "file":
        return _sqlite(_directory(store), settings, limits)
    if separator and scheme in SCHEMES:
        connect, namespace = from_url(_with_host(store), timeout)
        return RedisBackend(connect, limits, namespace)
    return None


def _beside(cache: BaseCache, settings: Settings, limits: Limits) -> CachelibBackend:
    beside = _BESIDE if settings.coordinator is None else settings.coordinator
    coordinator = _coordinator(beside, settings, limits)
    if coordinator is None:
        raise ConfigurationError(
            f"coordinator={without_password(beside)!r}: give a store URL, 'file:DIR' or 'redis://HOST'."
        )
    if isinstance(coordinator, SQLiteBackend) and not isinstance(cache, _LOCAL):
        kind = "Memcached" if isinstance(cache, MemcachedPages) else type(cache).__name__
        log.warning(
            "%s has the pages, but leases, invalidations and the list of pages are in %s, for this "
            "host alone. Other hosts render pages of their own and do not hear of its purges. "
            "With several hosts give coordinator='redis://HOST', or %s.",
            kind,
            coordinator.database.directory,
            "the client that it has: store=client"
            if isinstance(cache, RedisCache)
            else "store='redis://HOST'",
        )
    if isinstance(cache, MemcachedPages):
        return CachelibBackend(cache, coordinator, cache.close)
    return CachelibBackend(cache, coordinator)


def _with_host(url: str) -> str:
    """Raises `ConfigurationError` for ``redis:host``, which a URL parser takes for a path."""
    scheme, _, rest = url.partition(":")
    if not rest.startswith("//") or not rest.strip("/"):
        raise ConfigurationError(
            f"store={without_password(url)!r}: write '{scheme}://HOST[:PORT]'."
        )
    return url


def _within_threshold(store: BaseCache, limits: Limits) -> Limits:
    """Limits under the threshold of cachelib's simple and file caches.

    Over it they remove whatever ends soonest, and the file cache looks at all its files with
    every write (measured: 307 ms for 5,000). Under it, our own limits choose what is not used.
    """
    threshold = getattr(store, "_threshold", 0)
    if not isinstance(threshold, int) or threshold <= 0:
        return limits
    errors = min(limits.error_pages, threshold // 10)
    pages = min(limits.pages, max(1, threshold - errors - 1))
    return replace(limits, pages=pages, error_pages=errors)


def _sqlite(directory: str | Path, settings: Settings, limits: Limits) -> SQLiteBackend:
    return SQLiteBackend(directory, limits, settings.backend_timeout * 0.8)


def _directory(url: str) -> str:
    directory = url.removeprefix("file:")
    if directory.startswith("//"):  # file:///var/cache/site, the form with an empty authority
        directory = directory.removeprefix("//")
        if not directory.startswith("/"):
            raise ConfigurationError(
                f"store={url!r} names a host; write 'file:DIR' or 'file:/DIR'."
            )
    if not directory:
        raise ConfigurationError("store='file:' names no directory; write 'file:.isgware'.")
    return directory


def _no_coordinator(settings: Settings) -> None:
    if settings.coordinator is not None:
        raise ConfigurationError(
            "coordinator= belongs to stores that cannot coordinate (a cachelib BaseCache); "
            "this store does so itself, so leave it out."
        )
