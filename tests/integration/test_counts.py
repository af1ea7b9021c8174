"""Counts of a fleet: four workers of gunicorn, one of which is killed, and what the store knows."""

from __future__ import annotations

import os
import signal
from collections import Counter

from isgware import connect
from isgware.core.series import REQUESTS, parts_of
from tests.integration.client import Answer, eventually, herd
from tests.integration.servers import Serve, Server
from tests.integration.world import World

Results = Counter[tuple[str, str]]
#: The paths of pages, and what their routes are called.
PATHS = {
    "/page/a": "/page/<name>", "/page/b": "/page/<name>", "/kept/a": "/kept/<name>",
    "/nowhere": "undeclared",
}  # fmt: skip


def visit(server: Server, number: int, seen: Results) -> list[Answer]:
    """Ask for each path so often; ``seen`` is what the answers say of themselves."""
    answers = []
    for path, route in PATHS.items():
        for answer in herd(lambda path=path: server.get(path), clients=8, requests=number):
            seen[route, (answer.state or "PASS").lower()] += 1
            answers.append(answer)
    return answers


def counted(world: World) -> Results:
    with connect(world.store_url) as store:
        totals = {parts_of(name): int(amount) for _, name, amount in store.store.counts(0, 0.0)}
    found: Results = Counter()
    for (kind, *labels), amount in totals.items():
        if kind == REQUESTS:
            found[labels[0], labels[1]] += amount
    return found


def test_counts_are_right_though_a_worker_was_killed_and_the_others_have_ended(
    serve: Serve, world: World
) -> None:
    server, seen = serve(workers=4, threads=4), Results()
    answers = visit(server, 50, seen)
    workers = {answer.served_by for answer in answers}
    assert len(workers) > 1
    eventually(lambda: counted(world), lambda found: found == seen, within=120)

    victim = answers[0].served_by
    os.kill(victim, signal.SIGKILL)
    eventually(server.pids, lambda pids: len(pids) == 4 and victim not in pids, within=60)
    visit(server, 30, seen)  # of which nothing may have been told yet
    server.stop()
    assert counted(world) == seen
    assert seen["/page/<name>", "hit"] > 100
    assert seen["undeclared", "pass"] == 80
