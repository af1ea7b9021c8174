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
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from ..errors import ConfigurationError

#: What makes a client, when one is needed: never before the first operation of a process.
Connect = Callable[[], Any]
SCHEMES: Final = {
    "redis": "redis", "rediss": "rediss", "unix": "unix", "redis+unix": "unix",
    "valkey": "redis", "valkeys": "rediss",
}  # fmt: skip
NAMESPACE: Final = "main"
_NAMESPACE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
#: Of a cluster client's keyword arguments, those that name no particular connection.
_OF_A_CLUSTER: Final = (
    "username", "password", "ssl_keyfile", "ssl_certfile", "ssl_cert_reqs", "ssl_ca_certs",
    "ssl_ca_data", "ssl_ca_path", "ssl_check_hostname", "ssl_password", "credential_provider",
)  # fmt: skip


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
        redis.ConnectionPool.from_url(plain)
    except (ValueError, TypeError) as error:
        raise _unusable(str(error)) from None

    def connect() -> Any:
        pool = redis.ConnectionPool.from_url(plain)
        return redis.Redis(connection_pool=_like(pool, timeout))

    return connect, namespace


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


def from_client(client: Any, timeout: float) -> Connect:
    """What makes clients like that one: of a server, of a cluster, or found by Sentinel."""
    redis = library()
    if hasattr(client, "nodes_manager"):
        return lambda: _cluster_like(redis, client, timeout)
    if ".asyncio" in type(client).__module__ or not hasattr(client, "connection_pool"):
        raise ConfigurationError(
            f"store={type(client).__name__}: give a synchronous client, Redis or RedisCluster."
        )
    return lambda: redis.Redis(connection_pool=_like(client.connection_pool, timeout))


def from_cache(cache: Any, timeout: float) -> tuple[Connect, str] | None:
    """What makes clients like that of cachelib's ``RedisCache``, and the namespace that its
    ``key_prefix`` stands for; ``None`` if the client is no Redis client, or the prefix changes."""
    client, prefix = getattr(cache, "_write_client", None), getattr(cache, "key_prefix", None)
    if not is_client(client) or not isinstance(prefix or "", str):
        return None
    namespace = prefix or NAMESPACE
    if not _NAMESPACE.match(namespace):
        namespace = hashlib.sha256(namespace.encode()).hexdigest()[:32]
    return from_client(client, timeout), namespace


def close(client: Any) -> None:
    """Close a client that we made, with what it has open."""
    with contextlib.suppress(Exception):
        client.close()
        pool = getattr(client, "connection_pool", None)
        if pool is not None:  # a client that was given its pool leaves it open
            pool.disconnect()
            for sentinel in getattr(getattr(pool, "sentinel_manager", None), "sentinels", ()):
                sentinel.connection_pool.disconnect()


def _like(pool: Any, timeout: float) -> Any:
    """A pool to the same place, but with our timeouts."""
    redis = library()
    sentinel_pool: Any = importlib.import_module("redis.sentinel").SentinelConnectionPool
    given = {
        name: value
        for name, value in pool.connection_kwargs.items()
        if name != "connection_pool"
        and not name.startswith(("retry", "driver_", "lib_", "maint_", "himport_", "orig_"))
    }
    given |= _bounded(timeout)
    if not isinstance(pool, sentinel_pool):
        return redis.ConnectionPool(connection_class=pool.connection_class, **given)
    manager = copy.copy(pool.sentinel_manager)
    manager.sentinels = [
        redis.Redis(connection_pool=_like(sentinel.connection_pool, timeout))
        for sentinel in manager.sentinels
    ]
    return sentinel_pool(
        pool.service_name, manager, connection_class=pool.connection_class, **given
    )


def _cluster_like(redis: Any, client: Any, timeout: float) -> Any:
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    node_type: Any = importlib.import_module("redis.cluster").ClusterNode
    manager = client.nodes_manager
    known = manager.connection_kwargs
    given = {name: known[name] for name in _OF_A_CLUSTER if known.get(name) is not None}
    bounded = _bounded(timeout)
    del bounded["retry"]
    if getattr(known.get("connection_class"), "__name__", "") == "SSLConnection" or known.get(
        "ssl"
    ):
        given["ssl"] = True
    return redis.RedisCluster(
        startup_nodes=[node_type(node.host, node.port) for node in client.get_nodes()],
        # One more attempt follows a slot that has moved; the node that has it was asked for then.
        retry=Retry(NoBackoff(), 1),
        require_full_coverage=False,
        **given,
        **bounded,
    )
