"""P6 under load: a page whose version grows, processes that invalidate it, visitors that keep book.

A writer raises the version, then invalidates. Once that call has returned, nobody who asks gets an
older version as a fresh one; after a purge not as a stale one either, for a purge leaves nothing to
be STALE.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import signal
import threading
import time
from collections.abc import Callable

import pytest

from tests.integration.client import eventually
from tests.integration.damage import children
from tests.integration.servers import Serve, Server
from tests.integration.world import World

PAGE = "/page/a"
BROKEN = (OSError, http.client.HTTPException, ValueError)
"""What a client sees of a worker that is killed under it."""


class Ledger:
    """The version that every visitor has a right to, and the visits that got less."""

    def __init__(self, world: World, verbs: list[str]) -> None:
        self.world = world
        self.verbs = verbs
        self.stale_may_be_old = verbs[0].startswith("revalidate")
        self.version = 0
        self.promised = 0
        self.visits = 0
        self.faults: list[str] = []
        self.done = threading.Event()

    @property
    def enough(self) -> bool:
        return self.promised > 20 and self.visits > 100

    def write(self, invalidate: Callable[[], dict[str, object]]) -> None:
        self.version += 1
        self.world.knob(PAGE, text=str(self.version), sleep=0.005)
        with contextlib.suppress(*BROKEN):
            if "error" not in invalidate():
                self.promised = self.version

    def visit(self, server: Server) -> None:
        promised = self.promised
        try:
            answer = server.get(PAGE)
        except BROKEN:
            return
        self.visits += 1
        got = int(answer.page["text"])
        if got < promised and not (self.stale_may_be_old and answer.state == "STALE"):
            self.faults.append(f"{answer.state} {got} after {promised} from {answer.served_by}")

    def keep_visiting(self, servers: list[Server], seed: int) -> None:
        draw = random.Random(seed)
        while not self.done.is_set():
            self.visit(draw.choice(servers))


def run(ledger: Ledger, servers: list[Server], beat: Callable[[], None]) -> None:
    """Four visitors all the time; writes and beats in turns for four seconds, or until enough was
    written and seen."""
    visitors = [
        threading.Thread(target=ledger.keep_visiting, args=(servers, seed)) for seed in range(4)
    ]
    for visitor in visitors:
        visitor.start()
    draw = random.Random(3)
    started = time.monotonic()
    try:
        while (took := time.monotonic() - started) < 4 or (took < 60 and not ledger.enough):
            server, verb = draw.choice(servers), draw.choice(ledger.verbs)
            name = "pages" if verb.endswith("tag") else PAGE
            ledger.write(lambda: server.do(verb, name))  # noqa: B023
            beat()
    finally:
        ledger.done.set()
        for visitor in visitors:
            visitor.join()


@pytest.mark.parametrize(
    "verbs",
    [["purge_tag", "purge_path"], ["revalidate_tag", "revalidate_path"], ["regenerate"]],
    ids=lambda verbs: verbs[0],
)
def test_p6_nobody_gets_less_than_was_promised(
    verbs: list[str], serve: Serve, world: World
) -> None:
    servers = [serve(workers=2, threads=4), serve("waitress")]
    world.knob(PAGE, text="0")
    ledger = Ledger(world, verbs)
    run(ledger, servers, lambda: time.sleep(random.uniform(0, 0.02)))
    assert not ledger.faults
    assert ledger.enough


def test_p6_a_purge_that_returned_holds_though_workers_are_killed(
    serve: Serve, world: World
) -> None:
    short = {"ISGWARE_LEASE_TIME": "1"}
    servers = [
        serve("gunicorn-gthread-preload", workers=3, threads=4, env=short),
        serve("waitress", env=short),
    ]
    world.knob(PAGE, text="0")
    ledger = Ledger(world, ["purge_tag", "purge_path"])
    draw = random.Random(5)

    def kill_one() -> None:
        time.sleep(draw.uniform(0, 0.03))
        with contextlib.suppress(ProcessLookupError, IndexError):
            if draw.random() < 0.3:
                os.kill(draw.choice(children(servers[0].pid)), signal.SIGKILL)

    run(ledger, servers, kill_one)
    assert not ledger.faults
    assert ledger.enough
    last = str(ledger.version)
    for server in servers:
        eventually(lambda: server.get(PAGE), lambda it: it.page["text"] == last, within=60)  # noqa: B023
