"""What the tests of backends share."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

if "isgware.backends" not in sys.modules:  # too late when other tests were named before these
    pytest.register_assert_rewrite("isgware.backends")

from isgware.backends.base import Limits
from isgware.backends.redis.backend import RedisBackend
from isgware.backends.redis.client import from_url
from isgware.backends.sqlite.backend import SQLiteBackend
from tests.stores import Redis, running


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(directory: Path) -> Iterator[SQLiteBackend]:
    backend = SQLiteBackend(directory, timeout=30)
    yield backend
    backend.close()


@pytest.fixture
def hasty(directory: Path) -> Iterator[SQLiteBackend]:
    """The same, whose operations wait for others as long as they do in a site: a quarter of a
    second."""
    backend = SQLiteBackend(directory)
    yield backend
    backend.close()


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[SQLiteBackend]:
    coordinator = SQLiteBackend(tmp_path / "beside", timeout=30)
    yield coordinator
    coordinator.close()


@pytest.fixture(scope="session")
def one_redis() -> Iterator[Redis]:
    """One for all tests of this worker that do it no harm."""
    with running(Redis()) as server:
        yield server


@pytest.fixture
def redis_server(one_redis: Redis) -> Redis:
    """An empty Redis."""
    one_redis.client().flushall()
    return one_redis


@pytest.fixture
def own_redis() -> Iterator[Redis]:
    """A Redis that the test may stop, kill and fill."""
    with running(Redis()) as server:
        yield server


def end_of_news() -> None:
    """Return when no thread listens to a Redis any more."""
    for thread in threading.enumerate():
        if thread.name == "isgware-pubsub":
            thread.join(60)


Connected = Callable[..., RedisBackend]


@pytest.fixture
def connected() -> Iterator[Connected]:
    """Open a store on a Redis, or on a proxy before it; closed with the test."""
    opened: list[RedisBackend] = []

    def connect(
        place: Any, limits: Limits | None = None, *, timeout: float = 5.0, namespace: str = ""
    ) -> RedisBackend:
        url = place.url + (f"?namespace={namespace}" if namespace else "")
        made, name = from_url(url, timeout)
        backend = RedisBackend(made, limits, name)
        opened.append(backend)
        return backend

    yield connect
    for backend in opened:
        backend.close()
    end_of_news()
