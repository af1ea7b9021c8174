"""``redis://`` keeps the contract, over a real server, and what is its own."""

from __future__ import annotations

import os
import pickle
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from isgware import connect
from isgware.backends.base import HELD, Backend, Limits, row_of
from isgware.backends.redis import backend as redis
from isgware.backends.redis.backend import RedisBackend
from isgware.core.stored_page import encode
from isgware.testing import START, BackendContract, make_entry
from isgware.testing.backend_suite import acquire, nonce_of, put
from tests.backends.children import Child, in_child
from tests.stores import Redis, running

Connected = Callable[..., RedisBackend]


class TestRedisBackend(BackendContract):
    ELSEWHERE = 0.1

    @pytest.fixture(autouse=True)
    def _server(self, redis_server: Redis, connected: Connected) -> None:
        self.server, self.connected = redis_server, connected

    def make(self, limits: Limits) -> Backend:
        return self.connected(self.server, limits)

    def again(self, backend: Backend) -> Backend:
        return self.connected(self.server)


@pytest.fixture
def store(redis_server: Redis, connected: Connected) -> RedisBackend:
    return connected(redis_server)


def stored(backend: RedisBackend, path: str = "/", now: float = START, **fields: Any) -> Any:
    entry = make_entry(path, **{"nonce": nonce_of(backend), **fields})
    assert put(backend, entry, now)
    return entry


# What is sent


def test_nothing_is_connected_or_started_at_construction(
    own_redis: Redis, connected: Connected
) -> None:
    threads = set(threading.enumerate())
    before = own_redis.client().info("stats")["total_connections_received"]
    connected(own_redis)
    assert own_redis.client().info("stats")["total_connections_received"] == before + 1
    assert set(threading.enumerate()) <= threads


def test_notes_of_many_are_one_round_trip(own_redis: Redis, connected: Connected) -> None:
    backend = connected(own_redis)
    names = [f"n{number}" for number in range(0, 400, 2)]
    for name in names:
        backend.write_note(name, name.encode(), 10, START)
    asked = [f"n{number}" for number in range(400)]
    before = commands(own_redis)
    found = backend.read_notes(asked, START)
    assert commands(own_redis) - before == 1
    assert found == [name.encode() if name in names else None for name in asked]
    assert backend.read_notes(asked, START + 10) == [None] * 400
    assert backend.read_notes([], START) == []


def test_a_list_of_pages_takes_a_few_round_trips(own_redis: Redis) -> None:
    with connect(own_redis.url) as connection:
        for number in range(300):
            put(connection.store, make_entry(f"/{number:03}", nonce=nonce_of(connection.store)))
        list(connection.pages())
        before = commands(own_redis)
        assert len(list(connection.pages())) == 300
        assert commands(own_redis) - before < 10


def commands(server: Redis) -> int:
    """How many of ours a server was sent; scripts aside, the listener asks once a second."""
    stats = server.client().info("commandstats")
    names = ("get", "mget", "evalsha", "eval")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in names)


@pytest.mark.parametrize("operation", ["get", "put", "sync", "invalidate", "acquire", "note"])
def test_an_operation_is_one_round_trip(
    operation: str, own_redis: Redis, connected: Connected
) -> None:
    backend = connected(own_redis)
    entry = stored(backend)
    work: dict[str, Callable[[], object]] = {
        "get": lambda: backend.get(entry.key, START),
        "put": lambda: put(backend, replace(entry, order=entry.order + 1)),
        "sync": lambda: backend.sync("", 0),
        "invalidate": lambda: backend.invalidate(["tag:a", "tag:b"], hard=True),
        "acquire": lambda: acquire(backend, "other"),
        "note": lambda: backend.read_note("n", START),
    }
    work[operation]()  # a script is sent once
    client = own_redis.client()
    with client.monitor() as monitor:
        work[operation]()
        client.echo("end")
        seen = []
        for command in monitor.listen():
            if command["command"].startswith("ECHO"):
                break
            if command["client_type"] == "tcp" and not command["command"].startswith(
                ("HMGET", "PING", "HELLO", "CLIENT")  # the listener's, and the test's own
            ):
                seen.append(command["command"])
    assert len(seen) == 1


def test_no_command_looks_at_all_keys_or_removes_what_is_not_ours(
    own_redis: Redis, connected: Connected
) -> None:
    client = own_redis.client()
    strangers = {b"isg:other": b"1", b"page": b"2", b"isg:{shop}:state": b"3", b"isgware": b"4"}
    client.mset(strangers)
    backend = connected(own_redis, Limits(pages=5))
    for number in range(20):
        stored(backend, f"/{number}", tags=("a", "b"))
    backend.invalidate(["all"], hard=True)
    list(backend.rows(tag="a"))
    backend.ping()
    for row in list(backend.rows()):
        backend.delete(row.key)
    used = {name.partition("_")[2] for name in client.info("commandstats")}
    assert used & {"keys", "scan", "flushdb", "flushall", "hgetall", "smembers"} == set()
    assert client.mget(strangers) == list(strangers.values())


def test_all_keys_have_one_prefix_and_one_hash_tag(
    store: RedisBackend, redis_server: Redis
) -> None:
    stored(store, tags=("a",), variant="de")
    store.write_note("n", b"", 10, START)
    acquire(store)
    store.invalidate(["tag:a"], hard=True)
    found = redis_server.client().keys("*")
    assert {key[:11] for key in found} == {b"isg:{main}:"}


def test_namespaces_in_one_redis_do_not_meet(redis_server: Redis, connected: Connected) -> None:
    one, other = (connected(redis_server, namespace=name) for name in ("a", "b"))
    entry = stored(one)
    one.invalidate(["tag:a"], hard=True)
    assert other.get(entry.key, START) is None
    assert other.sync("", 0).counter == 0
    assert nonce_of(one) != nonce_of(other)


def test_a_page_ends_by_itself_at_a_whole_second(store: RedisBackend, redis_server: Redis) -> None:
    entry = stored(store, expire=10.5)
    kept = row_of(entry).keep_until - START
    left = redis_server.client().ttl(f"isg:{{main}}:page:{entry.key}")
    assert kept - 5 < left <= kept + 1
    forever = stored(store, "/forever", expire=1e14, revalidate=None)
    assert store.get(forever.key, START) == encode(forever)


def test_nothing_is_unpickled(store: RedisBackend, redis_server: Redis) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return os._exit, (3,)

    entry = stored(store)
    for data in (pickle.dumps(Bomb()), b"!" + pickle.dumps(Bomb()), b"", b" " * 200, b"ISGW" * 50):
        redis_server.client().set(f"isg:{{main}}:page:{entry.key}", data)
        assert store.get(entry.key, START) is None
    assert put(store, entry)
    assert store.get(entry.key, START) == encode(entry)


# What is lost


@pytest.mark.parametrize("key", ["state", "names"])
def test_a_store_that_lost_a_part_of_its_table_has_a_new_nonce(
    key: str, store: RedisBackend, redis_server: Redis
) -> None:
    before = nonce_of(store)
    store.invalidate(["tag:a"], hard=True)
    redis_server.client().delete(f"isg:{{main}}:{key}")
    after = store.sync(before, 1)
    assert after.nonce != before
    assert (after.counter, after.hard) == (0, ())


def test_a_table_that_went_back_has_a_new_nonce(store: RedisBackend) -> None:
    nonce = nonce_of(store)
    store.invalidate(["tag:a"], hard=True)
    assert store.sync(nonce, 1).nonce == nonce
    assert store.sync(nonce, 2).nonce != nonce


def test_a_server_that_was_started_anew_may_have_lost_something(connected: Connected) -> None:
    """It comes back with its snapshot; the invalidation after that is gone."""
    with running(Redis()) as server:
        backend = connected(server)
        entry = stored(backend)
        server.client().save()
        backend.invalidate(["tag:a"], hard=True)
        server.kill()
        server.start()
        assert backend.get(entry.key, START) == encode(entry)
        after = connected(server).sync(entry.nonce, 1)
    assert after.nonce != entry.nonce


@pytest.mark.parametrize("lost", ["page", "rows", "paths", "used:0", "ends", "tag:a"])
def test_a_part_that_was_evicted_costs_no_error(
    lost: str, redis_server: Redis, connected: Connected
) -> None:
    store = connected(redis_server, Limits(pages=3))
    entry = stored(store, tags=("a",))
    name = f"page:{entry.key}" if lost == "page" else lost
    redis_server.client().delete(f"isg:{{main}}:{name}")
    assert (store.get(entry.key, START) is None) == (lost == "page")
    list(store.rows())
    list(store.rows(tag="a"))
    for number in range(6):
        stored(store, f"/{number}", now=START + 100 * number)
    assert len(list(store.rows())) <= 4
    store.delete(entry.key)
    assert store.get(entry.key, START) is None


def test_a_page_that_redis_evicted_leaves_the_catalogue(
    store: RedisBackend, redis_server: Redis
) -> None:
    gone, kept = stored(store, "/gone", tags=("a",)), stored(store, "/kept", tags=("a",))
    client = redis_server.client()
    client.delete(f"isg:{{main}}:page:{gone.key}")
    assert [row.path for row in store.rows(tag="a")] == ["/kept"]
    assert [row.key for row in store.rows()] == [kept.key]
    assert client.zcard("isg:{main}:paths") == client.zcard("isg:{main}:tag:a") == 1
    assert client.zcard("isg:{main}:used:0") == 1


@pytest.mark.parametrize(
    "key", ["state", "names", "rows", "paths", "ends", "used:0", "used:1", "notes"]
)
def test_what_is_of_another_type_is_cleared_by_the_probe(
    key: str, store: RedisBackend, redis_server: Redis
) -> None:
    client = redis_server.client()
    client.set(f"isg:{{main}}:{key}", "a string")
    store.ping()
    entry = stored(store)
    store.write_note("n", b"v", 10, START)
    assert store.get(entry.key, START) == encode(entry)
    assert [row.key for row in store.rows()] == [entry.key]


def test_a_page_tag_lease_or_note_of_another_type_is_overwritten(
    store: RedisBackend, redis_server: Redis
) -> None:
    client = redis_server.client()
    key = make_entry().key
    for name in (f"page:{key}", "tag:a", "lease:key", "note:n"):
        client.rpush(f"isg:{{main}}:{name}", "an", "odd", "list")
    assert store.get(key, START) is None
    assert store.read_note("n", START) is None
    store.write_note("n", b"v", 10, START)
    stored(store, tags=("a",))
    assert acquire(store) is not None
    assert acquire(store) is None
    assert store.read_note("n", START) == b"v"
    assert [row.key for row in store.rows(tag="a")] == [key]


def test_pages_survive_the_loss_of_their_order_of_use(
    redis_server: Redis, connected: Connected
) -> None:
    """Evicted, as an allkeys policy may: the limits then counted what they could not drop."""
    store = connected(redis_server, Limits(bytes=10_000))
    for number in range(8):
        stored(store, f"/{number}", body=b"x" * 700)
    redis_server.client().delete("isg:{main}:used:0")
    new = [stored(store, f"/new/{number}", body=b"x" * 700) for number in range(5)]
    assert all(store.get(entry.key, START) for entry in new)
    assert [row.path for row in store.rows("/new")] == [f"/new/{number}" for number in range(5)]


# Leases


def test_a_lease_ends_by_the_clock_of_redis(store: RedisBackend) -> None:
    """Its owner was killed; no host's own clock has to say so."""
    assert acquire(store, ttl=3) is not None
    assert acquire(store, ttl=3) is None
    time.sleep(3.05)
    assert acquire(store, ttl=3) is not None


def test_a_host_whose_clock_is_ahead_waits_all_the_same(
    store: RedisBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = acquire(store, ttl=10)
    assert lease is not None
    monkeypatch.setattr(redis, "_host", lambda: "another")
    for ahead in (15, 3_600, -3_600):
        assert store.acquire("key", 10, START + ahead, generation=0, overtake_before=0) is HELD
    assert store.renew(lease, 10, START + 1)


def test_a_lease_of_a_process_that_was_killed_is_free_soon(store: RedisBackend) -> None:
    nonce_of(store)

    def hold() -> None:
        assert acquire(store, ttl=0.5, now=time.time()) is not None
        time.sleep(60)

    child = Child(hold)
    deadline = time.monotonic() + 60
    while acquire(store, ttl=0.5, now=time.time(), key="key") and time.monotonic() < deadline:
        time.sleep(0.01)
    child.kill()
    time.sleep(0.6)
    assert acquire(store, now=time.time()) is not None


# Forks


def test_a_child_has_connections_of_its_own(store: RedisBackend) -> None:
    entry = stored(store)

    def work() -> tuple[bytes | None, bool, int]:
        odd = bool(store.version[0] % 2)
        found = store.get(entry.key, START)
        nonce_of(store)
        return found, odd, store.invalidate(["tag:a"], hard=True)

    results = [in_child(work) for _ in range(3)]
    assert results == [(encode(entry), True, number) for number in (1, 2, 3)]
    assert store.get(entry.key, START) == encode(entry)


# Jobs


@pytest.mark.parametrize("part", ["line", "taken", "jobs"])
@pytest.mark.parametrize("damage", ["lost", "odd"])
def test_a_queue_that_lost_a_part_begins_anew(
    store: RedisBackend, redis_server: Redis, part: str, damage: str
) -> None:
    for key in "ab":
        store.enqueue("q", key, b"old", 2, START)
    if part == "taken":
        assert store.dequeue("q", START, 10.0) is not None
    name, client = f"{store.prefix}{part}:q", redis_server.client()
    client.delete(name)
    if damage == "odd":
        client.set(name, "of another type")
    assert store.queued("q", START) == 0
    assert store.dequeue("q", START, 10.0) is None
    assert [store.enqueue("q", key, b"new", 2, START) for key in "abc"] == [True, True, False]
    job = store.dequeue("q", START, 10.0)
    assert job is not None
    assert job.data == b"new"


def test_a_queue_that_nobody_empties_ends_by_itself(
    store: RedisBackend, redis_server: Redis
) -> None:
    for key in ("key", "taken"):
        store.enqueue("q", key, b"job", 10, START)
    store.dequeue("q", START, 10.0)
    client = redis_server.client()
    for part in ("line", "taken", "jobs"):
        assert 590 < client.ttl(f"{store.prefix}{part}:q") <= 600
