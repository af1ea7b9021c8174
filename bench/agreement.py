"""Three hosts over one Redis: how long until all of them show what one was told.

Each host is a process of its own with an `ISG` in it. It visits one page without end, and says when
it has seen a version for the first time.
"""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Iterable
from typing import Any

from bench.kit.apps import environ, ignored
from isgware import ISG, Policy, connect

HOSTS = 3
#: Seconds between two visits of a host, so that three of them leave the machine some time.
_PAUSE = 0.001


def host(url: str, version: Any, seen: Any, stop: Any) -> None:
    """Visit until told to stop; ``seen`` gets each version with the time of its first visit."""

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"%d" % version.value]

    routes = {"/page": Policy(revalidate=False)}
    isg = ISG(app, store=url, routes=routes, enabled=True, backend_timeout=5)
    request, last = environ(), -1
    while not stop.is_set():
        body = b"".join(isg(request.copy(), ignored))
        if int(body) != last:
            last = int(body)
            seen.send((last, time.monotonic()))
        time.sleep(_PAUSE)
    isg.close(0)


def agreement(rounds: int) -> dict[str, list[float]]:
    """Milliseconds from the begin of each purge until the first host, and until the last,
    answered with the new page. (The clock is one for all processes of a machine.)"""
    from tests.stores import Redis, running

    spawn = multiprocessing.get_context("spawn")
    version, stop = spawn.Value("q", 0), spawn.Event()
    with running(Redis()) as server, connect(server.url, backend_timeout=5) as store:
        ends, hosts = [], []
        for _ in range(HOSTS):
            end, seen = spawn.Pipe(duplex=False)
            hosts.append(spawn.Process(target=host, args=(server.url, version, seen, stop)))
            hosts[-1].start()
            ends.append(end)
        try:
            _moments(ends, 0)
            times = [_round(store, version, ends, number) for number in range(1, rounds + 1)]
        finally:
            stop.set()
            for process in hosts:
                process.join(10)
    return {
        "the first host": [min(some) for some in times],
        "all three": [max(some) for some in times],
    }


def _round(store: Any, version: Any, ends: list[Any], number: int) -> list[float]:
    time.sleep(random.uniform(0.01, 0.05))
    version.value = number
    begin = time.monotonic()
    store.purge_path("/page")
    return [(moment - begin) * 1e3 for moment in _moments(ends, number)]


def _moments(ends: list[Any], number: int) -> list[float]:
    """When each host saw that version first."""
    moments = []
    for end in ends:
        while True:
            assert end.poll(30), "a host has not seen the new page in 30 s"
            found, moment = end.recv()
            if found == number:
                moments.append(moment)
                break
    return moments
