"""Clients of Redis that answer in time: short timeouts for each step, and never a retry.

redis-py's own defaults wait 3.4 s for a server that is gone, and 59 s for one that is stopped. A
client that the user hands over is theirs: we make one like it, with our timeouts.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from ...errors import ConfigurationError
from . import SCHEMES, is_client
from .cluster import Cluster
from .pools import NAMESPACE, library, like

#: What makes a client, when one is needed: never before the first operation of a process. It may
#: have a ``limit`` of connections, and a ``timeout`` for waiting until one is free.
Connect = Callable[[], Any]
_NAMESPACE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")


@dataclass(frozen=True, slots=True)
class Connector:
    """A `Connect`. ``limit``: how many connections the user allows at a time; ``timeout``: seconds
    that an operation may wait for one."""

    make: Callable[[], Any]
    limit: int
    timeout: float

    def __call__(self) -> Any:
        return self.make()


def from_url(url: str, timeout: float) -> tuple[Connect, str]:
    """What connects to ``url``, and the namespace that its ``?namespace=`` names.

    Raises `ConfigurationError` for a URL that cannot be used, without its password.
    """
    redis = library()
    parts = _parts(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    namespace = dict(query).get("namespace", NAMESPACE)
    if not _NAMESPACE.match(namespace):
        raise ConfigurationError(
            f"namespace={namespace!r} in a store's URL: "
            "give letters, digits, '.', '_', '-', 64 at most."
        )
    rest = urlencode([pair for pair in query if pair[0] != "namespace"])
    plain = f"{SCHEMES[parts.scheme]}://{parts.netloc}{parts.path}?{rest}"
    try:
        limit = redis.ConnectionPool.from_url(plain).max_connections
    except (ValueError, TypeError) as error:
        raise _unusable(str(error)) from None

    def connect() -> Any:
        pool = redis.ConnectionPool.from_url(plain)
        return redis.Redis(connection_pool=like(pool, timeout))

    return Connector(connect, limit, timeout), namespace


def _parts(url: str) -> SplitResult:
    """A password with a ``/`` in it makes its first half the port, and what Python says of that
    would tell it: so nothing of the URL is repeated."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it is the check
    except ValueError:
        raise _unusable("the port is not a number") from None
    if parts.scheme not in ("unix", "redis+unix"):
        if not parts.hostname:
            raise _unusable("it names no host")
        if not re.fullmatch(r"/?|/[0-9]{1,9}/?", parts.path):
            raise _unusable("after the host comes the number of a database")
    return parts


def _unusable(reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"The store's Redis URL cannot be used ({reason}); write "
        "'redis://[[user]:password@]host[:port][/database]'. In a password, percent-encode "
        "whatever is not a letter or a digit: '/' is %2F, '@' is %40, '#' is %23."
    )


def from_client(client: Any, timeout: float, namespace: str = NAMESPACE) -> Connect:
    """What makes clients like that one: of a server, of a cluster, or found by Sentinel."""
    redis = library()
    synchronous = ".asyncio" not in type(client).__module__
    if synchronous and hasattr(client, "nodes_manager"):
        return Cluster(client, timeout, namespace)
    if not synchronous or not hasattr(client, "connection_pool"):
        raise ConfigurationError(
            f"store={type(client).__name__}: give a synchronous client, Redis or RedisCluster."
        )
    pool = client.connection_pool
    return Connector(
        lambda: redis.Redis(connection_pool=like(pool, timeout)), pool.max_connections, timeout
    )


def from_cache(cache: Any, timeout: float) -> tuple[Connect, str] | None:
    """What makes clients like that of cachelib's ``RedisCache``, and the namespace that its
    ``key_prefix`` stands for; ``None`` if the client is no Redis client, or the prefix changes."""
    client, prefix = getattr(cache, "_write_client", None), getattr(cache, "key_prefix", None)
    if not is_client(client) or not isinstance(prefix or "", str):
        return None
    namespace = prefix or NAMESPACE
    if not _NAMESPACE.match(namespace):
        namespace = hashlib.sha256(namespace.encode()).hexdigest()[:32]
    return from_client(client, timeout, namespace), namespace
