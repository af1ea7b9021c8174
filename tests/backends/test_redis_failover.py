"""Servers that take over from each other: Sentinel's master and replica, the nodes of a cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from redis.sentinel import Sentinel

from isgware.errors import BackendUnavailable
from isgware.testing import START, make_entry
from isgware.testing.backend_suite import nonce_of, put
from tests.backends.opening import opened, works
from tests.stores import Redis, SentinelServer, eventually, in_time, running

#: Seconds of an operation, and what a busy machine may add.
OPERATION, SLACK = 0.6, 0.6


def fails_in_time(breaker: Any) -> None:
    def try_once() -> None:
        breaker.open_since = None
        with pytest.raises(BackendUnavailable):
            breaker.get("key", START)

    in_time(OPERATION + SLACK, try_once)


def nonce_once_back(breaker: Any, unlike: str = "") -> str:
    """What the store's table is called when it can be read again; another one than ``unlike``."""
    found = [""]

    def back() -> bool:
        with contextlib.suppress(BackendUnavailable):
            found[0] = nonce_of(breaker) if breaker.probe() else ""
        return found[0] not in ("", unlike)

    eventually(back, within=60)
    return found[0]


def listens(breaker: Any) -> None:
    nonce_once_back(breaker)
    eventually(lambda: breaker.version[0] % 2 == 0, within=60)


def hears(other: Any, one: Any) -> None:
    listens(other)
    before = other.version[0]
    one.invalidate(["tag:b"], hard=True)
    eventually(lambda: other.version[0] != before, within=60)


# Sentinel


@pytest.fixture
def watched(own_redis: Redis) -> Iterator[tuple[Redis, list[SentinelServer]]]:
    """A master, its replica, and three who watch them."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(running(Redis("--replicaof", "127.0.0.1", str(own_redis.port))))
        watchers = [stack.enter_context(running(SentinelServer(own_redis))) for _ in range(3)]
        for watcher in watchers:
            client = watcher.client()
            eventually(
                lambda client=client: {
                    name: client.sentinel_master("site")[name]
                    for name in ("num-slaves", "num-other-sentinels")
                } == {"num-slaves": 1, "num-other-sentinels": 2},
                within=60,
            )  # fmt: skip
        yield own_redis, watchers


def client_of(watchers: list[SentinelServer]) -> Any:
    return Sentinel([("127.0.0.1", watcher.port) for watcher in watchers]).master_for("site")


def test_the_master_that_sentinel_names_is_replaced(
    watched: tuple[Redis, list[SentinelServer]],
) -> None:
    master, watchers = watched
    client = client_of(watchers)
    with opened(client, backend_timeout=OPERATION) as one, opened(client) as other:
        works(one)
        before = nonce_once_back(one)
        listens(other)
        master.suspend()
        fails_in_time(one)
        now = nonce_once_back(one, unlike=before)  # the replica may not have had the last purges
        hears(other, one)
        assert put(one, make_entry("/new", nonce=now))
        master.resume()


def test_watchers_that_do_not_answer_cost_one_operation_together(
    watched: tuple[Redis, list[SentinelServer]],
) -> None:
    _, watchers = watched
    for watcher in watchers:
        watcher.suspend()
    with opened(client_of(watchers), backend_timeout=OPERATION) as backend:
        fails_in_time(backend)
        watchers[2].resume()
        eventually(backend.probe, within=60)
        for watcher in watchers[:2]:
            watcher.resume()


def test_no_message_tells_how_watchers_are_asked(own_redis: Redis) -> None:
    """redis-py 6 and 7 name each with its password."""
    client = Sentinel(
        [("127.0.0.1", own_redis.port)], sentinel_kwargs={"password": "sesame"}
    ).master_for("site", password="open")
    with opened(client) as backend, pytest.raises(BackendUnavailable) as raised:
        backend.get("key", START)
    assert str(raised.value).endswith("No Sentinel knows a master for 'site'.")
    assert raised.value.__cause__ is not None
    assert raised.value.__cause__.__cause__ is None


# A cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[list[Redis]]:
    """Three masters, and a replica of the one that has the store's slot, which is the last."""
    command = ("--cluster-enabled", "yes", "--cluster-node-timeout", "3000",
               "--repl-diskless-sync-delay", "0")  # fmt: skip
    with contextlib.ExitStack() as stack:
        nodes = [stack.enter_context(running(Redis(*command))) for _ in range(4)]
        bounds = [0, 5_461, 10_923, 16_384]
        for node, low, high in zip(nodes[:3], bounds[:-1], bounds[1:], strict=True):
            node.client().execute_command("CLUSTER ADDSLOTSRANGE", low, high - 1)
        for node in nodes:
            node.client().execute_command("CLUSTER MEET", "127.0.0.1", nodes[0].port)
        for node in nodes:
            client = node.client()
            eventually(lambda client=client: len(client.cluster("NODES")) == 4, within=60)
        nodes[3].client().execute_command("CLUSTER REPLICATE", myself(nodes[2]))
        for node in nodes:
            eventually(lambda node=node: settled(node), within=60)
        yield nodes


def myself(node: Redis) -> str:
    name: bytes = node.client().execute_command("CLUSTER MYID")
    return name.decode()


def settled(node: Redis) -> bool:
    """It knows of all others; a replica that has not all of its master's data would never take over
    from it."""
    client = node.client()
    if client.info("replication").get("master_link_status", "up") != "up":
        return False
    roles = [flags["flags"] for flags in client.cluster("NODES").values()]
    replicas = sum("slave" in flags for flags in roles)
    return bool(client.cluster("INFO")["cluster_state"] == "ok" and replicas == 1)


def serving(cluster: list[Redis]) -> Redis:
    """The node that has the store's slot."""
    eventually(lambda: all(map(settled, cluster)), within=60)
    (one,) = [node for node in cluster[2:] if node.client().role()[0] == b"master"]
    return one


def subscribers(cluster: list[Redis]) -> int:
    counts = [node.client().pubsub_numsub("isg:{main}:news")[0][1] for node in cluster]
    return sum(counts)


def test_a_cluster_through_its_client(cluster: list[Redis]) -> None:
    client = redis.RedisCluster(host="127.0.0.1", port=cluster[0].port)
    with opened(client) as one, opened(client) as other:
        works(one)
        listens(other)
        eventually(lambda: subscribers(cluster) == 2, within=60)
        in_time(0.1, lambda: hears(other, one))
    found = [node.client().dbsize() for node in cluster]
    assert found[:2] == [0, 0]  # all of a store is on one node, and its replica
    client.close()


def test_a_slot_that_moves_is_found_by_the_next_probe(cluster: list[Redis]) -> None:
    client = redis.RedisCluster(host="127.0.0.1", port=cluster[1].port)
    with opened(client) as one, opened(client) as other:
        before = nonce_once_back(one)
        listens(other)
        replica = next(node for node in cluster[2:] if node is not serving(cluster))
        replica.client().execute_command("CLUSTER FAILOVER")
        eventually(lambda: replica.client().role()[0] == b"master", within=60)
        nonce_once_back(one, unlike=before)
        hears(other, one)
    eventually(lambda: all(map(settled, cluster)), within=60)


def test_a_node_that_dies_is_replaced(cluster: list[Redis]) -> None:
    client = redis.RedisCluster(host="127.0.0.1", port=cluster[1].port)
    with opened(client, backend_timeout=OPERATION) as backend:
        before = nonce_once_back(backend)
        node = serving(cluster)
        node.suspend()
        fails_in_time(backend)
        assert put(backend, make_entry(nonce=nonce_once_back(backend, unlike=before)))
        node.resume()
    eventually(lambda: all(map(settled, cluster)), within=60)


@pytest.mark.parametrize("warm", [True, False], ids=["connected", "not-yet-connected"])
def test_a_cluster_that_does_not_answer_costs_one_operation(
    warm: bool, cluster: list[Redis]
) -> None:
    client = redis.RedisCluster(host="127.0.0.1", port=cluster[1].port)
    with opened(client, backend_timeout=OPERATION) as backend:
        if warm:
            nonce_once_back(backend)
        for node in cluster:
            node.suspend()
        fails_in_time(backend)
        fails_in_time(backend)
        for node in cluster:
            node.resume()
        eventually(backend.probe, within=60)
    eventually(lambda: all(map(settled, cluster)), within=60)
