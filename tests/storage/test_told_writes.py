"""A process counts what it tells the store itself, without reading the table of invalidations.

Every order of the steps of two processes is tried on each store: what they change, when the store
is told, when that is counted, when somebody visits, and the steps of a render. Each has a copy of
the table, and all pages in memory. No page may be fresh that shows what was before a change that
was told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
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
from isgware.testing import FakeClock, make_entry
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
        #: In memory: of which row, the version that it shows, dependencies, and generation.
        self.pages: list[tuple[int, int, Depended, int]] = []

    def fresh(self, row: int) -> set[int]:
        """Versions of the row that fresh pages show."""
        changed = self.page_store.mirror.tellings.changed
        return {
            version
            for shown, version, depended, generation in self.pages
            if shown == row and not changed(depended, generation)
        }


def reads_of(row: int) -> DatabaseReads:
    reads = DatabaseReads()
    reads.row("post", row)
    return reads


class World:
    """Two processes with a page of each row but the last, on which nobody depends. ``rows``: their
    versions in the database; ``told``: those of which the store knows."""

    def __init__(self, backend: Any) -> None:
        self.processes = [Process(backend), Process(backend)]
        nonce, begun = backend.sync("", 0).nonce, backend.begun()
        generation = backend.sync("", 0).counter
        for row in ROWS[:-1]:
            depended = Depended(reads_of(row).finished({}).names)
            backend.depend(Depending(depended.names, begun), nonce, generation)
            for process in self.processes:
                process.pages.append((row, 0, depended, generation))
        self.rows = dict.fromkeys(ROWS, 0)
        self.told = dict.fromkeys(ROWS, 0)

    def writer(self, number: int, row: int) -> Steps:
        process = self.processes[number]
        self.rows[row] += 1
        written = self.rows[row]
        version = process.page_store.backend.version[0]
        yield
        changes = process.dependencies.tell([Updated("post", row, {"title"})])
        yield
        told_writes.count(process.page_store, changes, version)
        self.told[row] = max(self.told[row], written)
        # Even if the store is away from now on, and nothing of others is heard.
        assert all(version >= written for version in process.fresh(row))

    def visitor(self, number: int, row: int) -> Steps:
        for _ in range(2):
            self.visit(number)
            yield

    def visit(self, number: int) -> None:
        process = self.processes[number]
        process.page_store.sync()
        for row in ROWS:
            assert all(version >= self.told[row] for version in process.fresh(row))

    def render(self, number: int, row: int) -> Steps:
        process = self.processes[number]
        process.page_store.sync()
        mirror = process.page_store.mirror
        nonce, generation = mirror.nonce, mirror.counter
        yield
        began = process.dependencies.begin()
        yield
        shown = self.rows[row]
        yield
        depended, depending = process.dependencies.finish(reads_of(row), began)
        entry = make_entry("/", nonce=nonce, generation=generation)
        entry = process.dependencies.met(replace(entry, depended=depended), depending)
        yield
        assert entry.depended is not None
        process.pages.append((row, shown, entry.depended, generation))


#: What each process does with which row, in its own order.
CASES: dict[str, list[tuple[str, int, int]]] = {
    "each another row": [("writer", 0, 1), ("writer", 1, 2), ("visitor", 0, 0)],
    "one process, two threads": [("writer", 0, 1), ("writer", 0, 2), ("visitor", 0, 0)],
    "the same row": [("writer", 0, 1), ("writer", 1, 1), ("visitor", 0, 0)],
    "a row that nobody depends on": [("writer", 0, 3), ("writer", 1, 1), ("visitor", 0, 0)],
    "three writers": [("writer", 0, 1), ("writer", 1, 2), ("writer", 0, 3)],
    "a render": [("writer", 0, 1), ("writer", 1, 1), ("render", 0, 1)],
    "a render of what nobody depended on": [
        ("writer", 0, 3), ("writer", 1, 3), ("render", 0, 3),
    ],
    "a render elsewhere": [("writer", 0, 3), ("writer", 0, 1), ("render", 1, 3)],
}  # fmt: skip
STEPS = {"writer": 3, "visitor": 2, "render": 5}


@pytest.mark.parametrize("case", CASES)
def test_no_interleaving_leaves_a_page_wrong_as_fresh(case: str, fresh: Callable[[], Any]) -> None:
    chosen = CASES[case]
    every = list(orders([STEPS[kind] for kind, _, _ in chosen]))
    most = 1_500 if fresh is MemoryBackend else 12
    for order in every[:: 1 + len(every) // most]:
        world = World(fresh())
        actors: list[Iterator[None]] = [
            getattr(world, kind)(number, row) for kind, number, row in chosen
        ]
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
    assert not one.fresh(1)
    one.page_store.sync()
    assert not one.fresh(2)


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
    process = process_of(backend)
    tell(process, 3)
    process.page_store.sync()
    redis_server.client().delete(f"{backend.prefix}known")
    tell(process, 1)
    process.page_store.sync()
    assert not process.fresh(1)
