"""Which store can coordinate: hold leases, invalidations and the list of pages for all processes.

Adapters are imported on use: a process loads only the one for its kind of store.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..backends.base import Coordinator, Limits
from ..backends.redis import SCHEMES, is_client
from ..errors import ConfigurationError
from ..formatting import without_password
from ..settings import Settings

if TYPE_CHECKING:
    from ..backends.sqlite.backend import SQLiteBackend


def is_cachelib(store: Any) -> bool:
    """Whether it is a ``BaseCache``, found out without importing cachelib."""
    return any(kind.__module__.partition(".")[0] == "cachelib" for kind in type(store).__mro__)


def coordinator_of(store: Any, settings: Settings, limits: Limits) -> Coordinator | None:
    """The backend of a store that can also coordinate; ``None`` if it cannot."""
    timeout = settings.backend_timeout * 0.8
    if is_cachelib(store):
        from ..backends import SQLiteCache

        if isinstance(store, SQLiteCache):
            return _sqlite(store.directory, settings, limits)
        return None
    if is_client(store):
        from ..backends.redis.backend import RedisBackend
        from ..backends.redis.client import from_client

        return RedisBackend(from_client(store, timeout), limits)
    if not isinstance(store, str):
        return None
    scheme, separator, _ = store.partition(":")
    if separator and scheme == "file":
        return _sqlite(_directory(store), settings, limits)
    if separator and scheme in SCHEMES:
        from ..backends.redis.backend import RedisBackend
        from ..backends.redis.client import from_url

        connect, namespace = from_url(with_host(store), timeout)
        return RedisBackend(connect, limits, namespace)
    return None


def with_host(url: str) -> str:
    """Raises `ConfigurationError` for ``redis:host``, which a URL parser takes for a path."""
    scheme, _, rest = url.partition(":")
    if not rest.startswith("//") or not rest.strip("/"):
        raise ConfigurationError(
            f"store={without_password(url)!r}: write '{scheme}://HOST[:PORT]'."
        )
    return url


def _sqlite(directory: str | Path, settings: Settings, limits: Limits) -> SQLiteBackend:
    from ..backends.sqlite.backend import SQLiteBackend

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
