"""As many connections to Redis as the user allows, in the kind of pool that they chose."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import redis
from redis.sentinel import Sentinel

from isgware.backends.base import NotTaken
from isgware.backends.redis.backend import RedisBackend
from isgware.backends.redis.client import Connector, from_client, from_url
from isgware.backends.redis.connections import Connections
from isgware.backends.redis.pools import like
from isgware.testing import START
from isgware.testing.backend_suite import nonce_of
from tests.backends.conftest import Connected
from tests.promises.kit import Gate, Later, together
from tests.stores import Redis


class Client:
    """Says when it is closed."""

    closed = False

    def close(self) -> None:
        self.closed = True


def limited(limit: int, patience: float = 30.0) -> Connections:
    return Connections(Connector(Client, limit, patience))


# How many


def test_no_more_operations_run_at_a_time_than_there_may_be_connections() -> None:
    connections, running, most = limited(3), 0, 0
    lock = threading.Lock()

    def work(client: Any) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        gate.wait_turn()
        with lock:
            running -= 1

    class Turns:
        """Lets operations end only when three run, or nobody else will come."""

        def __init__(self) -> None:
            self.full = threading.Event()

        def wait_turn(self) -> None:
            if running >= 3:
                self.full.set()
            self.full.wait(30)

    gate = Turns()
    together(12, lambda _: connections.ask(work))
    assert most == 3


def test_who_finds_no_connection_free_for_as_long_as_an_operation_may_take_is_refused() -> None:
    connections, gate = limited(1, 0.01), Gate()
    first = Later(lambda: connections.ask(lambda client: gate.pass_through()))
    gate.wait()
    with pytest.raises(TimeoutError, match=r"all 1 connections \(max_connections\) are in use"):
        connections.ask(lambda client: None)
    gate.open.set()
    first.result()
    assert connections.ask(lambda client: "free again") == "free again"


def test_all_threads_have_the_same_client() -> None:
    connections = limited(2)
    assert len({id(client) for client in together(8, lambda _: connections.client())}) == 1


@pytest.mark.parametrize(("error", "kept"), [(OSError("cut"), False), (NotTaken("OOM"), True)])
def test_a_failure_closes_the_client_and_a_refusal_does_not(error: Exception, kept: bool) -> None:
    connections = limited(2)
    client = connections.client()

    def fail(client: Any) -> None:
        raise error

    with pytest.raises(type(error)):
        connections.ask(fail)
    assert (connections.client() is client) is kept
    assert client.closed is not kept


def test_a_client_that_was_given_up_meanwhile_is_closed_by_who_uses_it_last() -> None:
    """What it has open is not beside what the next client opens."""
    connections, gate = limited(2), Gate()
    client = connections.client()
    slow = Later(lambda: connections.ask(lambda client: gate.pass_through()))
    gate.wait()
    with pytest.raises(OSError, match="cut"):
        connections.ask(lambda client: (_ for _ in ()).throw(OSError("cut")))
    client.closed = False
    gate.open.set()
    slow.result()
    assert client.closed


def test_a_site_and_its_news_open_one_connection_more_than_allowed(
    redis_server: Redis, connected: Connected
) -> None:
    made, namespace = from_url(redis_server.url + "?max_connections=2", 30.0)
    backend = RedisBackend(made, None, namespace)
    look = redis_server.client()
    before = len(look.client_list())

    def use(number: int) -> int:
        for _ in range(10):
            nonce_of(backend)
            backend.get(f"key-{number}", START)
        return len(look.client_list())

    most = max(together(12, use))
    assert backend.version[0] % 2 == 0
    backend.close()
    # The looking client opens one of its own for each thread that looks.
    lookers = sum(it["cmd"].startswith("client") for it in look.client_list())
    assert most - before <= 3 + lookers


# Which kind


class Own(redis.ConnectionPool):
    """A pool that somebody wrote."""


@pytest.mark.parametrize("kind", [redis.ConnectionPool, redis.BlockingConnectionPool, Own])
def test_a_pool_is_of_the_kind_and_size_that_was_handed_over(kind: Any) -> None:
    pool = like(kind(host="127.0.0.1", max_connections=7), 0.25)
    assert (type(pool), pool.max_connections) == (kind, 7)


@pytest.mark.parametrize(("theirs", "ours"), [(5, 0.25), (None, 0.25), (0.1, 0.1)])
def test_a_blocking_pool_waits_no_longer_than_an_operation_may(
    theirs: float | None, ours: float
) -> None:
    pool = redis.BlockingConnectionPool(host="127.0.0.1", timeout=theirs)
    assert like(pool, 0.25).timeout == ours


def test_a_pool_behind_sentinel_keeps_its_size() -> None:
    client = Sentinel([("127.0.0.1", 1)]).master_for("site", max_connections=5)
    pool = like(client.connection_pool, 0.25)
    assert (type(pool), pool.max_connections) == (type(client.connection_pool), 5)
    assert from_client(client, 0.25).limit == 5  # type: ignore[attr-defined]


def test_a_url_says_how_many() -> None:
    connect, _ = from_url("redis://127.0.0.1/0?max_connections=4", 0.25)
    assert connect.limit == 4  # type: ignore[attr-defined]
    assert connect().connection_pool.max_connections == 4
