"""From ``store=`` and ``coordinator=`` to a backend behind its circuit breaker.

Adapters are imported on use.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from ..backends.base import Backend, JobQueue, Limits
from ..backends.breaker import Breaker
from ..errors import ConfigurationError
from ..formatting import without_password
from ..settings import Settings
from .coordinators import coordinator_of, is_cachelib

_KINDS: Final = (
    "file:DIR, memory:, redis://HOST, memcached://HOST, a Redis client, or a cachelib BaseCache"
)


def open_store(settings: Settings) -> Breaker:
    """The backend that the settings name. It is not opened yet.

    Raises `ConfigurationError` for a store that cannot be used.
    """
    limits = Limits(pages=settings.max_pages, bytes=settings.max_bytes)
    backend = _backend(settings.store, settings, limits)
    return Breaker(backend, settings.backend_timeout)


def missing_directory(store: Breaker) -> Path | None:
    """The directory of a ``file:`` store or coordinator that does not exist yet; ``None`` if it
    exists, or if the store is of another kind."""
    from ..backends.sqlite.backend import SQLiteBackend

    backend = getattr(store.backend, "coordinator", store.backend)  # beside Memcached
    if isinstance(backend, SQLiteBackend) and not backend.database.exists():
        return backend.database.directory
    return None


def lies_in_process(backend: Backend) -> bool:
    """Whether other processes cannot see what is stored."""
    if _of_cachelib(backend):
        from .cachelib_store import in_one_process

        return in_one_process(backend)
    return bool(getattr(backend, "in_process", False))


def shared(backend: Backend) -> bool:
    """Whether other processes see what this one stores, including jobs. The cache of a uWSGI server
    is that server's own."""
    if _of_cachelib(backend):
        from .cachelib_store import in_one_server

        if in_one_server(backend):
            return False
    return isinstance(backend, JobQueue) and not lies_in_process(backend)


def _of_cachelib(backend: Backend) -> bool:
    return is_cachelib(getattr(backend, "cache", None))


def _backend(store: Any, settings: Settings, limits: Limits) -> Backend:
    if isinstance(store, str) and store.startswith("memcached:"):
        from .cachelib_store import memcached

        return memcached(store, settings, limits)
    if is_cachelib(store):
        from .cachelib_store import cachelib_backend

        cached = cachelib_backend(store, settings, limits)
        if cached is not None:
            return cached
    _no_coordinator(settings)
    coordinator = coordinator_of(store, settings, limits)
    if coordinator is not None:
        return coordinator
    if isinstance(store, Backend):
        return store
    if not isinstance(store, str):
        raise ConfigurationError(f"store={store!r}: give {_KINDS}.")
    if store in ("memory:", "memory://"):
        from ..backends.memory import MEMORY_LIMITS, MemoryBackend

        bytes_ = min(settings.max_bytes, MEMORY_LIMITS.bytes)
        return MemoryBackend(Limits(min(settings.max_pages, MEMORY_LIMITS.pages), bytes_))
    hint = f" Did you mean 'file:{store}'?" if not store.partition(":")[1] else ""
    raise ConfigurationError(
        f"store={without_password(store)!r} is not a known kind of store: give {_KINDS}.{hint}"
    )


def _no_coordinator(settings: Settings) -> None:
    if settings.coordinator is not None:
        raise ConfigurationError(
            "coordinator= belongs to stores that cannot coordinate (a cachelib BaseCache); "
            "this store does so itself, so leave it out."
        )
