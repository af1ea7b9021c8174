"""Pools of connections like the user's own, with our timeouts, and how clients are closed."""

from __future__ import annotations

import contextlib
import copy
import functools
import importlib
import inspect
from typing import Any, Final

from ...errors import ConfigurationError
from ..deadline import Deadline

NAMESPACE: Final = "main"


def library() -> Any:
    """redis-py. Raises `ConfigurationError` where it is not installed."""
    try:
        import redis
    except ImportError:
        raise ConfigurationError(
            "A store on Redis needs redis-py: pip install 'isgware[redis]'."
        ) from None
    return redis


def bounded(timeout: float) -> dict[str, Any]:
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
    given |= bounded(timeout) | dict(zip(("host", "port"), place, strict=False))
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
