"""Clients of Redis that answer in time: short timeouts for each step, and never a retry.

redis-py's own defaults wait 3.4 s for a server that is gone, and 59 s for one that is stopped. A
client that the user hands over is theirs: we make one like it, with our timeouts.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import hashlib
import importlib
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from ...errors import ConfigurationError
from ..deadline import Deadline

#: What makes a client, when one is needed: never before the first operation of a process. It may
#: have a ``limit`` of connections, and a ``timeout`` for waiting until one is free.
Connect = Callable[[], Any]
SCHEMES: Final = {
    "redis": "redis", "rediss": "rediss", "unix": "unix", "redis+unix": "unix",
    "valkey": "redis", "valkeys": "rediss",
}  # fmt: skip
NAMESPACE: Final = "main"
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


def library() -> Any:
    """redis-py. Raises `ConfigurationError` where it is not installed."""
    try:
        import redis
    except ImportError:
        raise ConfigurationError(
            "A store on Redis needs redis-py: pip install 'isgware[redis]'."
        ) from None
    return redis


def is_client(it: Any) -> bool:
    """Whether it is a client of redis-py, told without importing that."""
    return any(
        kind.__module__.partition(".")[0] in ("redis", "valkey") for kind in type(it).__mro__
    ) and callable(getattr(it, "evalsha", None))


def _bounded(timeout: float) -> dict[str, Any]:
    """How connections are made. RESP2, and no introduction: else there is more to wait for."""
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": Retry(NoBackoff(), 0),
        "health_check_interval": 0,
        "decode_responses": False,
        "protocol": 2,
    } | dict.fromkeys(_introductions())


@functools.cache
def _introductions() -> tuple[str, ...]:
    """What to leave empty, so that a new connection does not first say which library it is."""
    from redis.connection import Connection

    base: Any = Connection.__mro__[1]
    known = inspect.signature(base.__init__).parameters
    return ("driver_info",) if "driver_info" in known else ("lib_name", "lib_version")


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
        from .cluster import Cluster  # which is made of what is here

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


def close(client: Any, *, idle: bool = False) -> None:
    """Close a client that we made, with what it has open; of its connections, with ``idle``, only
    those that no other thread waits on."""
    with contextlib.suppress(Exception):
        client.close()
        pool = getattr(client, "connection_pool", None)
        if pool is not None:  # a client that was given its pool leaves it open
            pool.disconnect(inuse_connections=not idle)
            for sentinel in getattr(getattr(pool, "sentinel_manager", None), "sentinels", ()):
                sentinel.connection_pool.disconnect()


def like(pool: Any, timeout: float, *place: Any) -> Any:
    """A pool of the same kind and size to the same place, or to another host and port, but with our
    timeouts."""
    redis = library()
    sentinel_pool: Any = importlib.import_module("redis.sentinel").SentinelConnectionPool
    given = {
        name: value
        for name, value in pool.connection_kwargs.items()
        if name != "connection_pool"
        and not name.startswith(("retry", "driver_", "lib_", "maint_", "himport_", "orig_"))
    }
    given |= _bounded(timeout) | dict(zip(("host", "port"), place, strict=False))
    given["connection_class"] = _kept_to_time(pool.connection_class, timeout)
    given["max_connections"] = pool.max_connections
    if isinstance(pool, sentinel_pool):
        manager = _sentinels_like(pool.sentinel_manager, timeout)
        return type(pool)(pool.service_name, manager, **given)
    if isinstance(pool, redis.BlockingConnectionPool):
        given |= {"timeout": min(pool.timeout or timeout, timeout), "queue_class": pool.queue_class}
    return type(pool)(**given)


def _kept_to_time(kind: Any, timeout: float) -> Any:
    """The class of connections, with sockets that keep to ``timeout`` for a whole answer."""

    class Timed(kind):  # type: ignore[misc]
        def _connect(self) -> Any:
            return Deadline(super()._connect(), timeout)

    Timed.__name__ = Timed.__qualname__ = kind.__name__
    return Timed


def _sentinels_like(theirs: Any, timeout: float) -> Any:
    """Those that know where the master is, asked in turn: all together in one operation's time."""
    redis = library()
    manager = copy.copy(theirs)
    manager.sentinels = [
        redis.Redis(connection_pool=like(each.connection_pool, timeout / len(theirs.sentinels)))
        for each in theirs.sentinels
    ]
    found = manager.discover_master

    def discover_master(service: str) -> Any:
        try:
            return found(service)
        except redis.sentinel.MasterNotFoundError as error:  # which may tell passwords
            raise type(error)(f"No Sentinel knows a master for {service!r}.") from None

    manager.discover_master = discover_master
    return manager
