"""From ``store=`` and ``coordinator=`` to a backend behind its circuit breaker."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from cachelib import BaseCache

from .backends import SQLiteCache
from .backends.base import Backend, Limits
from .backends.breaker import Breaker
from .backends.cachelib import CachelibBackend
from .backends.memory import MEMORY_LIMITS, MemoryBackend
from .backends.sqlite import SQLiteBackend
from .errors import ConfigurationError
from .settings import Settings

_SCHEMES = "file:DIR, memory:, or a cachelib BaseCache"


def open_store(settings: Settings) -> Breaker:
    """The backend that the settings name. Nothing of it is opened yet.

    Raises `ConfigurationError` for a store that cannot be used.
    """
    limits = Limits(pages=settings.max_pages, bytes=settings.max_bytes)
    backend = _backend(settings.store, settings, limits)
    return Breaker(backend, settings.backend_timeout)


def _backend(store: Any, settings: Settings, limits: Limits) -> Backend:
    if isinstance(store, SQLiteCache):
        _no_coordinator(settings)
        return _sqlite(store.directory, settings, limits)
    if isinstance(store, BaseCache):
        beside = settings.coordinator or "file:.isgware"
        if not isinstance(beside, str) or not beside.startswith("file:"):
            raise ConfigurationError(f"coordinator={beside!r}: give a store URL, 'file:DIR'.")
        limits = _within_threshold(store, limits)
        return CachelibBackend(store, _sqlite(_directory(beside), settings, limits))
    if isinstance(store, Backend):
        _no_coordinator(settings)
        return store
    if not isinstance(store, str):
        raise ConfigurationError(f"store={store!r}: give {_SCHEMES}.")
    _no_coordinator(settings)
    scheme, separator, _ = store.partition(":")
    scheme = scheme if separator else ""
    if scheme == "file":
        return _sqlite(_directory(store), settings, limits)
    if store in ("memory:", "memory://"):
        bytes_ = min(settings.max_bytes, MEMORY_LIMITS.bytes)
        return MemoryBackend(Limits(min(settings.max_pages, MEMORY_LIMITS.pages), bytes_))
    hint = f" Did you mean 'file:{store}'?" if not scheme else ""
    raise ConfigurationError(
        f"store={store!r} is not a known kind of store: give {_SCHEMES}.{hint}"
    )


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
