"""Fleets for the random operations: the processes, what they share, and how to harm them."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration import servers
from tests.integration.damage import children
from tests.integration.model import Outage
from tests.integration.servers import Server
from tests.integration.world import World
from tests.stores import Redis, running

servers.APPS["model"] = "model_site:application"
#: Seconds within which every process has found a store again that is back, however busy it is.
_RECOVERS = 90.0
#: What a client sees of a worker that is killed under it.
BROKEN = (OSError, http.client.HTTPException, json.JSONDecodeError)
#: Workers are killed with leases in hand, so these are short; and a busy machine is no outage.
OPTIONS = {
    "ISGWARE_LEASE_TIME": "1",
    "ISGWARE_WAIT_TIME": "5",
    "ISGWARE_BACKEND_TIMEOUT": "5",
    "ISGWARE_ENABLED": "1",
}


@dataclass
class Fleet:
    """``slack``: seconds until a call in one process holds in all others."""

    servers: list[Server]
    store_url: str
    slack: float
    redis: Redis | None = None
    restarting: threading.Lock = field(default_factory=threading.Lock)

    def kill_a_worker(self, draw: random.Random) -> None:
        with contextlib.suppress(ProcessLookupError, IndexError):
            os.kill(draw.choice(children(draw.choice(self.servers).pid)), signal.SIGKILL)

    def restart_the_store(self, away: float) -> Outage:
        """Kill Redis, which keeps nothing on the disk, and start it again ``away`` s later."""
        assert self.redis is not None
        with self.restarting:  # one client's may last until another's is due
            begin = time.monotonic()
            self.redis.kill()
            time.sleep(away)
            self.redis.start()
            for server in self.servers:
                self._recovered(server)
            return Outage(begin, time.monotonic())

    def _recovered(self, server: Server) -> None:
        """Return when a call to each process has reached the store, and brought it up to date."""
        waiting = set(children(server.pid))
        deadline = time.monotonic() + _RECOVERS
        while waiting & set(children(server.pid)):
            assert time.monotonic() < deadline, f"{waiting} have not found the store again"
            with contextlib.suppress(*BROKEN):
                answer = server.do("purge_tag", "a tag that no page bears")
                if "error" not in answer:
                    waiting.discard(answer["pid"])

    def said(self) -> str:
        """What the servers have written to their logs."""
        return "\n".join(server.stderr()[-2_000:] for server in self.servers)


@contextlib.contextmanager
def _served(
    directories: list[Path], data: Path, store: str, slack: float, workers: int,
    redis: Redis | None = None,
) -> Iterator[Fleet]:  # fmt: skip
    started: list[Server] = []
    try:
        for directory in directories:
            world = World(directory)
            env = {"SITE_DATA": str(data), "SITE_STORE": store, **OPTIONS}
            server = Server(
                "gunicorn-gthread", world, app="model", workers=workers, threads=8, env=env
            )
            started.append(server)
            server.start()
        yield Fleet(started, store, slack, redis)
    finally:
        for server in started:
            server.kill()


@contextlib.contextmanager
def four_workers_share_a_directory(tmp: Path, data: Path) -> Iterator[Fleet]:
    with _served([tmp / "site"], data, f"file:{tmp / 'store'}", 0.0, workers=4) as fleet:
        yield fleet


@contextlib.contextmanager
def four_workers_share_a_redis(tmp: Path, data: Path) -> Iterator[Fleet]:
    with (
        running(Redis()) as redis,
        _served([tmp / "site"], data, redis.url, SLACK, workers=4, redis=redis) as fleet,
    ):
        yield fleet


@contextlib.contextmanager
def three_hosts_share_a_redis(tmp: Path, data: Path) -> Iterator[Fleet]:
    hosts = [tmp / f"host-{number}" for number in range(3)]
    with (
        running(Redis()) as redis,
        _served(hosts, data, redis.url, SLACK, workers=1, redis=redis) as fleet,
    ):
        yield fleet


#: Three times what is promised; `operations.beating` adds what the machine's other work takes.
SLACK = 0.3
FLEETS: dict[str, Callable[[Path, Path], contextlib.AbstractContextManager[Fleet]]] = {
    "four-workers-file": four_workers_share_a_directory,
    "four-workers-redis": four_workers_share_a_redis,
    "three-hosts-redis": three_hosts_share_a_redis,
}
