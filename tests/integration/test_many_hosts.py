"""Several hosts: processes that share nothing but a Redis behave like one server."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.client import Answer, eventually, herd, nonces, states, usual
from tests.integration.servers import Serve, Server
from tests.integration.world import World
from tests.stores import Memcached, Proxy, Redis, running

PAGE = "/page/a"
Hosts = Callable[..., list[Server]]


@pytest.fixture
def redis_server() -> Iterator[Redis]:
    with running(Redis()) as server:
        yield server


@pytest.fixture
def hosts(serve: Serve, redis_server: Redis) -> Hosts:
    def start(
        *urls: str, kind: str = "waitress", env: dict[str, str] | None = None, **options: object
    ) -> list[Server]:
        return [
            serve(kind, env={"SITE_STORE": url, **(env or {})}, **options)
            for url in (urls or (redis_server.url,) * 3)
        ]

    return start


def warmed(servers: list[Server]) -> str:
    """The page is hot in the memory of all, and the same."""

    def visited() -> list[Answer]:
        return [server.get(PAGE) for server in servers]

    for _ in range(20):
        visited()
        visited()
        answers = visited()
        if states(answers) == {"HIT"} and len(nonces(answers)) == 1:
            return answers[0].nonce
        servers[0].do("purge_path", PAGE)  # the machine stalled, and they took it for an outage
    raise AssertionError("there was no page that all had")


def until_new(server: Server, old: str) -> Answer:
    return eventually(lambda: server.get(PAGE), lambda it: it.nonce != old, within=60, every=0.01)


@pytest.mark.parametrize(
    "call", [("purge_path", PAGE), ("purge_tag", "pages"), ("purge_all",)], ids=" ".join
)
def test_p6_a_purge_on_one_host_is_told_to_all(call: tuple[str, ...], hosts: Hosts) -> None:
    """By a message: they would read of it only later. (How long it takes: test_redis_news.)"""
    here, *others = hosts(env={"SITE_POLL": "600"})
    for _ in range(3):
        old = warmed([here, *others])
        assert "error" not in here.do(*call)
        assert here.get(PAGE).nonce != old
        for server in others:
            until_new(server, old)


def test_p6_with_the_subscription_cut_a_purge_is_seen_all_the_same(
    hosts: Hosts, redis_server: Redis
) -> None:
    proxy = Proxy(redis_server.port)
    proxy.deaf = True
    here, there = hosts(redis_server.url, proxy.url)
    for _ in range(3):
        old = warmed([here, there])
        assert "error" not in here.do("purge_path", PAGE)
        until_new(there, old)
    there.kill()
    proxy.close()


def test_p6_nothing_is_missed_while_a_host_was_cut_off(hosts: Hosts, redis_server: Redis) -> None:
    proxy = Proxy(redis_server.port)
    here, there = hosts(redis_server.url, proxy.url, env={"ISGWARE_BACKEND_TIMEOUT": "0.3"})
    old = warmed([here, there])
    proxy.silent = True
    eventually(lambda: here.do("purge_path", PAGE), lambda it: "error" not in it, within=60)
    assert there.get(PAGE).status == 200  # whatever it knows
    time.sleep(1.5)
    proxy.silent = False
    proxy.cut()
    until_new(there, old)
    there.kill()
    proxy.close()


@pytest.mark.parametrize("kind", ["waitress", "gunicorn-gthread-preload"])
def test_p5_a_herd_over_three_hosts_is_one_render(kind: str, hosts: Hosts, world: World) -> None:
    workers = 1 if kind == "waitress" else 2
    servers = hosts(kind=kind, workers=workers, threads=16)
    world.knob("/page/cold", sleep=1)
    with ThreadPoolExecutor(3) as pool:
        herds = pool.map(
            lambda server: herd(lambda: server.get("/page/cold"), clients=12, requests=100),
            servers,
        )
        answers = [answer for some in herds for answer in some]
    assert len(world.renders("/page/cold")) == 1
    assert len(nonces(answers)) == 1
    assert states(answers) <= {"MISS", "HIT"}
    assert len({answer.served_by for answer in answers}) >= 3


def test_p5_after_kill_9_another_host_takes_over(hosts: Hosts, world: World) -> None:
    here, there, third = hosts(env={"ISGWARE_LEASE_TIME": "4"})
    world.knob("/page/cold", sleep=600)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: _ignored(here))
        eventually(lambda: world.renders("/page/cold"), lambda it: len(it) == 1, within=60)
        assert here.process is not None
        os.kill(here.process.pid, signal.SIGKILL)
    world.knob("/page/cold", sleep=0)
    answer = there.get("/page/cold")  # waits for the lease of a process that is gone
    assert (answer.status, answer.state) == (200, "MISS")
    eventually(lambda: third.get("/page/cold"), lambda it: it.state == "HIT", within=60)
    assert len(world.renders("/page/cold")) <= 3


def _ignored(server: Server) -> None:
    try:
        server.get("/page/cold")
    except OSError:
        pass


def test_a_soft_invalidation_renews_once_for_all(hosts: Hosts, world: World) -> None:
    servers = hosts()
    old = warmed(servers)
    before = len(world.renders(PAGE))
    assert "error" not in servers[0].do("revalidate_tag", "pages")
    for server in servers:
        eventually(lambda server=server: server.get(PAGE), lambda it: it.nonce != old, within=60)
    assert len(world.renders(PAGE)) == before + 1


@pytest.mark.parametrize("fault", ["killed", "stopped", "flushed"])
def test_a_fleet_outlives_its_redis(fault: str, hosts: Hosts, redis_server: Redis) -> None:
    servers = hosts(env={"ISGWARE_BACKEND_TIMEOUT": "0.3"})
    old = warmed(servers)
    healthy = usual(server.get(PAGE) for server in servers * 10)
    if fault == "flushed":
        redis_server.client().flushall()
    else:
        redis_server.suspend() if fault == "stopped" else redis_server.kill()
        answers: list[Answer] = []
        deadline = time.monotonic() + 2.5
        while time.monotonic() < deadline or len(answers) < 60:
            answers += [server.get(PAGE) for server in servers]
        assert nonces(answers) == {old}
        assert usual(answers) < 0.5 + 5 * healthy
        assert servers[0].do("purge_path", PAGE)["error"] == "BackendUnavailable"
        redis_server.resume() if fault == "stopped" else redis_server.start()
    eventually(lambda: servers[0].do("purge_path", PAGE), lambda it: "error" not in it, within=60)
    for server in servers:
        until_new(server, old)
    eventually(
        lambda: nonces([server.get(PAGE) for server in servers]), lambda it: len(it) == 1, within=60
    )


def test_hosts_with_memcached_and_redis_beside_it(
    serve: Serve, redis_server: Redis, world: World, tmp_path: Path
) -> None:
    with running(Memcached()) as memcached:
        env = {"SITE_STORE": memcached.url, "ISGWARE_COORDINATOR": redis_server.url}
        servers = [serve("waitress", env=env) for _ in range(2)]
        old = warmed(servers)
        assert len(world.renders(PAGE)) == 1
        assert "error" not in servers[0].do("purge_path", PAGE)
        until_new(servers[1], old)
        assert servers[1].get(PAGE).nonce == servers[0].get(PAGE).nonce
