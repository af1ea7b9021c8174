"""A store that cannot coordinate (a cachelib ``BaseCache``, Memcached): it holds the pages, and a
coordinator beside it everything else. Imported only for such a store."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from cachelib import BaseCache, FileSystemCache, NullCache, RedisCache, SimpleCache, UWSGICache

from ..backends import SQLiteCache
from ..backends.base import Backend, Limits
from ..backends.cachelib import CachelibBackend
from ..errors import ConfigurationError
from ..formatting import without_password
from ..settings import Settings
from .coordinators import coordinator_of, with_host

log: Final = logging.getLogger("isgware")
_COORDINATOR: Final = "file:.isgware"
#: Caches of this host only: nothing is shared, so there is nothing to warn of.
_LOCAL: Final = (SimpleCache, FileSystemCache, NullCache, UWSGICache)


def memcached(url: str, settings: Settings, limits: Limits) -> Backend:
    """``memcached://HOST``. Raises `ConfigurationError` as `open_store` does."""
    from ..backends.memcached import MemcachedPages

    cache = MemcachedPages(with_host(url), settings.backend_timeout * 0.8)
    return _beside(cache, "Memcached", settings, limits, close=cache.close)


def cachelib_backend(store: BaseCache, settings: Settings, limits: Limits) -> Backend | None:
    """``None`` for a cache that coordinates itself (`SQLiteCache`)."""
    if isinstance(store, SQLiteCache):
        return None
    if settings.coordinator is None and type(store) is RedisCache:
        from ..backends.redis.backend import RedisBackend
        from ..backends.redis.client import from_cache

        connect_like = from_cache(store, settings.backend_timeout * 0.8)
        if connect_like is not None:
            return RedisBackend(connect_like[0], limits, connect_like[1])
    return _beside(store, type(store).__name__, settings, _within_threshold(store, limits))


def in_one_process(backend: Backend) -> bool:
    """Whether its pages are in this process's memory."""
    return isinstance(backend, CachelibBackend) and isinstance(
        backend.cache, SimpleCache | NullCache
    )


def in_one_server(backend: Backend) -> bool:
    """Whether its pages are in a uWSGI server's own cache."""
    return isinstance(backend, CachelibBackend) and isinstance(backend.cache, UWSGICache)


def _beside(
    cache: BaseCache, kind: str, settings: Settings, limits: Limits,
    close: Callable[[], None] = lambda: None,
) -> CachelibBackend:  # fmt: skip
    beside = _COORDINATOR if settings.coordinator is None else settings.coordinator
    coordinator = coordinator_of(beside, settings, limits)
    if coordinator is None:
        raise ConfigurationError(
            f"coordinator={without_password(beside)!r}: give a store URL, 'file:DIR' or 'redis://HOST'."
        )
    database = getattr(coordinator, "database", None)
    if database is not None and not isinstance(cache, _LOCAL):
        log.warning(
            "%s has the pages, but leases, invalidations and the list of pages are in %s, for this "
            "host alone. Other hosts render pages of their own and do not hear of its purges. "
            "With several hosts give coordinator='redis://HOST', or %s.",
            kind,
            database.directory,
            "the client that it has: store=client"
            if isinstance(cache, RedisCache)
            else "store='redis://HOST'",
        )
    return CachelibBackend(cache, coordinator, close)


def _within_threshold(store: BaseCache, limits: Limits) -> Limits:
    """Limits under the threshold of cachelib's simple and file caches.

    Over it they remove the entries that expire first, and the file cache reads all its files with
    every write (measured: 307 ms for 5,000). Under it, isgware's own limits evict what is not used.
    """
    threshold = getattr(store, "_threshold", 0)
    if not isinstance(threshold, int) or threshold <= 0:
        return limits
    errors = min(limits.error_pages, threshold // 10)
    pages = min(limits.pages, max(1, threshold - errors - 1))
    return replace(limits, pages=pages, error_pages=errors)
