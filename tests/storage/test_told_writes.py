"""A process counts what it tells the store itself, without reading the table of invalidations.

Every order of the steps of two processes is tried on each store: what they change, when the store
is told, when that is counted, and when somebody visits. Each has a copy of the table, and all pages
in memory. No page may be fresh that shows what a process of them has changed and told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from isgware.backends.breaker import Breaker
from isgware.backends.dependents import Depending
from isgware.backends.memory import MemoryBackend
from isgware.backends.redis.pubsub import Subscription
from isgware.core.database_reads import DatabaseReads
from isgware.core.depended import Depended
from isgware.core.dependencies import Updated
from isgware.storage import told_writes
from isgware.storage.dependencies import Dependencies
from isgware.storage.page_store import PageStore
from isgware.storage.process_cache import Memory
from isgware.testing import FakeClock
from tests.backends.conftest import connected as connected
from tests.backends.conftest import one_redis as one_redis
from tests.backends.conftest import redis_server as redis_server
from tests.backends.test_dependents import Steps, orders
from tests.backends.test_dependents import fresh as fresh

#: Pages of each row; nobody depends on the last.
ROWS = (1, 2, 3)


class Process:
    def __init__(self, backend: Any) -> None:
        clock = FakeClock()
        self.backend = backend
        self.page_store = PageStore(Breaker(backend, limit=60.0), Memory(0), clock, offline=60.0)
        self.dependencies = Dependencies(self.page_store.backend, clock)
        self.page_store.dependencies = self.dependencies
        self.page_store.sync()

    def fresh(self, row: int, generation: int) -> bool:
        tellings = self.page_store.mirror.tellings
        return not tellings.changed(page_of(row), generation)


def page_of(row: int) -> Depended:
    reads = DatabaseReads()
    reads.row("post", row)
    return Depended(reads.finished({}).names)


class World:
    """Two processes that know the store as it was before anything was told. ``told``: the rows of
    which a process has told. Pages were rendered before."""

    def __init__(self, backend: Any) -> None:
        nonce, begun = backend.sync("", 0).nonce, backend.begun()
        for row in ROWS[:-1]:
            backend.depend(Depending(page_of(row).names, begun), nonce, 0)
        self.processes = [Process(backend), Process(backend)]
        self.generation = backend.sync("", 0).counter
        self.told: set[int] = set()

    def writer(self, number: int, row: int) -> Steps:
        process = self.processes[number]
        version = process.page_store.backend.version[0]
        yield
        changes = process.dependencies.tell([Updated("post", row, {"title"})])
        yield
        told_writes.count(process.page_store, changes, version)
        if row != ROWS[-1]:
            self.told.add(row)
            assert not process.fresh(row, self.generation)  # even if the store is away from now on

    def visitor(self, number: int) -> Steps:
        for _ in range(2):
            self.visit(number)
            yield

    def visit(self, number: int) -> None:
        process = self.processes[number]
        process.page_store.sync()
        assert [row for row in self.told if process.fresh(row, self.generation)] == []


#: Which process changes which row, in its own order, and who is visited besides.
CASES: dict[str, tuple[list[tuple[int, int]], list[int]]] = {
    "each another row": ([(0, 1), (1, 2)], [0]),
    "one process, two threads": ([(0, 1), (0, 2)], [0]),
    "a row that nobody depends on": ([(0, 3), (1, 1)], [0]),
    "three writers": ([(0, 1), (1, 2), (0, 3)], []),
}


@pytest.mark.parametrize("case", CASES)
def test_no_interleaving_leaves_a_page_wrong_as_fresh(case: str, fresh: Callable[[], Any]) -> None:
    writers, visited = CASES[case]
    every = list(orders([3] * len(writers) + [2] * len(visited)))
    sparse = max(1, len(every) // 12)
    for order in every[:: 1 if fresh is MemoryBackend else sparse]:
        world = World(fresh())
        actors: list[Iterator[None]] = [world.writer(*each) for each in writers]
        actors += [world.visitor(number) for number in visited]
        for actor in order:
            next(actors[actor], None)
        for number in range(2):
            world.visit(number)


def process_of(backend: Any) -> Process:
    return World(backend).processes[0]


def tell(process: Process, row: int) -> None:
    writes = [Updated("post", row, {"title"})]
    told_writes.tell(process.page_store, writes)


class Counting:
    """Counts the operations of a backend, by name."""

    def __init__(self, backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        for name in ("tell", "sync", "shapes"):
            monkeypatch.setattr(backend, name, self._counted(name, getattr(backend, name)))

    def _counted(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any) -> Any:
            self.names.append(name)
            return work(*args)

        return counted


def test_who_tells_asks_the_store_nothing_and_nor_does_the_visit_after_it(
    fresh: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    process = process_of(fresh())
    tell(process, 1)  # it knows the shapes from now on
    process.page_store.sync()
    counting = Counting(process.backend, monkeypatch)
    for row in (1, 2, 3, 1):
        tell(process, row)
        process.page_store.sync()
    assert counting.names == ["tell"] * 4


def test_what_others_told_meanwhile_is_read_at_the_next_visit(
    fresh: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(fresh())
    one, other = world.processes
    for process in world.processes:
        tell(process, 3)
        process.page_store.sync()
    counting = Counting(one.backend, monkeypatch)
    tell(other, 2)
    tell(one, 1)
    assert counting.names == ["tell"] * 2
    assert not one.fresh(1, world.generation)
    one.page_store.sync()
    assert not one.fresh(2, world.generation)


def test_a_copy_that_was_not_known_to_be_complete_is_read_all_the_same(
    fresh: Callable[[], Any],
) -> None:
    process = process_of(fresh())
    tell(process, 1)
    process.page_store.settled = -1  # as with an odd version, when nobody knows what came
    tell(process, 1)
    assert process.page_store.settled == -1


def test_if_the_store_was_lost_nothing_prepared_before_is_sent(fresh: Callable[[], Any]) -> None:
    process = process_of(fresh())
    tell(process, 1)
    process.page_store.sync()
    nonce, version = process.page_store.mirror.nonce, process.page_store.backend.version[0]
    process.page_store.backend.backend = other = fresh()
    if isinstance(other.version, list):
        other.version[0] = version
    tell(process, 1)
    assert process.page_store.mirror.nonce not in ("", nonce)


def test_a_table_that_redis_has_evicted_counts_before_its_message_comes(
    redis_server: Any, connected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Subscription, "_take", lambda *_: None)
    backend = connected(redis_server)
    world = World(backend)
    process = world.processes[0]
    tell(process, 3)
    process.page_store.sync()
    redis_server.client().delete(f"{backend.prefix}known")
    tell(process, 1)
    process.page_store.sync()
    assert not process.fresh(1, world.generation)
