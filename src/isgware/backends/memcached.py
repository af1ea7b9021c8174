"""``memcached://``: pages in Memcached, through cachelib's ``MemcachedCache`` and pymemcache.

Memcached can neither lock nor list, so a coordinator is used beside it. By the library's defaults a
``set`` does not wait for the answer: a page of 1.5 MB "succeeds" without being stored. Ours waits.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from cachelib import BaseCache, MemcachedCache

from ..errors import ConfigurationError
from ..formatting import without_password
from .base import NotTaken
from .deadline import Deadline

log: Final = logging.getLogger("isgware")
PORT: Final = 11211
_QUIET: Final = 60.0


class MemcachedPages(MemcachedCache):
    """cachelib's cache at ``url``. ``timeout``: seconds for connecting, and for each answer.

    Raises `ConfigurationError` for a URL that cannot be used, or without pymemcache.
    """

    def __init__(self, url: str, timeout: float) -> None:
        super().__init__(_Client(_servers(url), timeout))

    def close(self) -> None:
        """Close the connections; the next operation opens new ones."""
        self._client.close()

    def _normalize_timeout(self, timeout: int | timedelta | None) -> int:
        """cachelib would send a date by our clock, and Memcached's may differ. A number of seconds,
        which the caller keeps below thirty days, is sent as such."""
        return BaseCache._normalize_timeout(self, timeout)


class _Client:
    """The client interface that cachelib needs, over a pymemcache client of this process."""

    def __init__(self, servers: list[Any], timeout: float) -> None:
        self._servers = servers
        self._timeout = timeout
        self._pid = 0
        self._made: Any = None
        self._logged_at = float("-inf")
        _library()

    def _client(self) -> Any:
        if (
            self._made is None or self._pid != os.getpid()
        ):  # a forked child must not read its parent's answers
            self._made, self._pid = _connected(self._servers, self._timeout), os.getpid()
        return self._made

    def get(self, key: str) -> Any:
        return self._client().get(key)

    def set(self, key: str, value: bytes, timeout: int) -> bool:
        try:
            return bool(self._client().set(key, value, expire=timeout, noreply=False))
        except _library().exceptions.MemcacheServerError as error:
            if time.monotonic() - self._logged_at > _QUIET:
                self._logged_at = time.monotonic()
                log.warning(
                    "Memcached does not take a page of %d bytes (%s); it stays in memory only. "
                    "memcached's option -I sets the largest item.",
                    len(value),
                    error,
                )
            raise NotTaken(f"Memcached: {error}") from error

    def close(self) -> None:
        made, self._made = self._made, None
        if made is not None and self._pid == os.getpid():
            made.close()

    def delete(self, key: str) -> bool:
        return bool(self._client().delete(key, noreply=False))


def _library() -> Any:
    try:
        import pymemcache
    except ImportError:
        raise ConfigurationError(
            "A store on Memcached needs pymemcache: pip install 'isgware[memcached]'."
        ) from None
    return pymemcache


def _connected(servers: list[Any], timeout: float) -> Any:
    library = _library()
    options = {
        "connect_timeout": timeout, "timeout": timeout, "no_delay": True,
        "socket_module": _Sockets(timeout),
    }  # fmt: skip
    if len(servers) == 1:
        return library.PooledClient(servers[0], default_noreply=False, **options)
    return library.HashClient(
        servers, use_pooling=True, retry_attempts=0, default_noreply=False, **options
    )


class _Sockets:
    """The module ``socket``, with sockets that apply ``timeout`` to a whole answer."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout

    def __getattr__(self, name: str) -> Any:
        return getattr(socket, name)

    def socket(self, *arguments: Any) -> Any:
        return Deadline(socket.socket(*arguments), self._timeout)


def _servers(url: str) -> list[Any]:
    """Hosts and ports, or the path of a socket."""
    rest = url.removeprefix("memcached://")
    if rest.startswith("/"):
        return [rest]
    servers = []
    for name in rest.rstrip("/").split(","):
        try:
            parts = urlsplit("//" + name.strip())
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if not host or parts.path or parts.query or parts.username:
            raise ConfigurationError(
                f"store={without_password(url)!r}: write 'memcached://host[:port][,host[:port]…]' "
                "or 'memcached:///path/of/socket'."
            )
        servers.append((host, port or PORT))
    return servers
