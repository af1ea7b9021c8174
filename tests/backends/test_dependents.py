"""The protocol of dependencies, by exhaustive interleavings: no page is wrong as fresh.

Readers and writers are generators whose steps are those of `isgware.backends.dependents`; all
orders of their steps are tried on each store. What a page shows is a version of each row, and it
is wrong if it counts as fresh and one of them has changed in the database since.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from isgware.backends.base import Limits
from isgware.backends.dependents import Begun, Depending, Kept, KnownShapes, Told
from isgware.backends.memory import MemoryBackend
from isgware.backends.memory_dependents import DependencyTables
from isgware.backends.sqlite.backend import SQLiteBackend
from isgware.core.database_reads import DatabaseReads
from isgware.core.depended import CHANGED, MAYBE, Depended
from isgware.core.dependencies import Inserted, Updated, Write
from isgware.core.dependency_names import EVERY, names_of_writes
from isgware.core.freshness import Generations
from isgware.testing import START, make_entry
from isgware.testing.backend_suite import put

Steps = Iterator[None]


class World:
    """A database, a store, and what pages were stored."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.rows = {1: 0, 2: 0}
        self.count = 2
        #: Of each page: what it showed, its dependencies, and its generation.
        self.pages: dict[str, tuple[Any, Depended, int]] = {}
        #: Commits that were told.
        self.truth: dict[str, Any] = {}

    def shown(self, page: str) -> Any:
        return self.rows[1] if page == "row" else self.count

    def reader(self, page: str, shapes: Callable[[], KnownShapes]) -> Steps:
        generation = self.backend.sync("", 0).counter
        nonce = self.backend.sync("", 0).nonce
        yield
        known = shapes()
        begun: Begun = self.backend.begun()
        if begun.version != known.version:
            known = KnownShapes()
        yield
        shown = self.shown(page)
        reads = DatabaseReads()
        if page == "row":
            reads.row("post", 1)
        else:
            reads.question("post", {"author"}, {"author": 3})
        found = reads.finished(known.by_table)
        yield
        kept = self.backend.depend(Depending(found.names, begun, found.shapes), nonce, generation)
        late = {Kept.AS_IT_WAS: 0, Kept.CHANGED: CHANGED, Kept.MAYBE: MAYBE}[kept]
        yield
        depended = Depended(found.names, late=late)
        entry = replace(
            make_entry(f"/{page}", nonce=nonce, generation=generation), depended=depended
        )
        if late == 0 and put(self.backend, entry, START):
            self.pages[page] = (shown, depended, generation)

    def writer(self, write: Write, change: Callable[[], None]) -> Steps:
        shapes = KnownShapes()
        change()
        yield
        while True:
            names = dict.fromkeys(names_of_writes([write], shapes.by_table), "")
            found = self.backend.tell(names, shapes.nonce, shapes.version)
            if isinstance(found, Told):
                break
            shapes = found
            yield
        # From here on nothing wrong may be fresh.

    def evict(self) -> Steps:
        self.pages.clear()
        yield

    def wrong(self) -> list[str]:
        mirror = Generations()
        mirror.apply(self.backend.sync("", 0))
        return [
            page
            for page, (shown, depended, generation) in self.pages.items()
            if shown != self.shown(page) and not mirror.tellings.changed(depended, generation)
        ]

    def update(self) -> Steps:
        def change() -> None:
            self.rows[1] += 1

        return self.writer(Updated("post", 1, {"title"}, {"author": 3}, {"author": 3}), change)

    def insert(self) -> Steps:
        def change() -> None:
            self.count += 1

        return self.writer(Inserted("post", 9, {"author": 3}), change)


def orders(counts: list[int]) -> Iterator[list[int]]:
    """All orders of the steps of several actors."""
    if not any(counts):
        yield []
        return
    for actor, count in enumerate(counts):
        if count:
            rest = [n - (i == actor) for i, n in enumerate(counts)]
            for order in orders(rest):
                yield [actor, *order]


def run(world: World, actors: list[Steps], order: list[int]) -> None:
    for actor in order:
        next(actors[actor], None)
    for steps in actors:  # what took more steps, for newer shapes
        for _ in steps:
            pass


@pytest.fixture(params=["memory:", "file:", "redis:"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Makes empty stores, with limits if they are given."""
    if request.param == "memory:":
        yield MemoryBackend
        return
    if request.param == "redis:":
        server = request.getfixturevalue("redis_server")
        connected = request.getfixturevalue("connected")
        spaces = itertools.count()
        yield lambda limits=None: connected(server, limits, namespace=f"space{next(spaces)}")
        return
    numbers = itertools.count()
    made = []

    def make(limits: Limits | None = None) -> SQLiteBackend:
        made.append(SQLiteBackend(tmp_path / str(next(numbers)), limits, timeout=30.0))
        return made[-1]

    yield make
    for backend in made:
        backend.close()


#: Which actors, by their steps: readers of a row or of a question, writers, and an eviction.
CASES = {
    "a row": (["row"], ["update"], False),
    "a question": (["count"], ["insert"], False),
    "two readers": (["count", "count"], ["insert"], False),
    "two writers": (["row"], ["update", "update"], False),
    "an eviction": (["row"], ["update"], True),
}


@pytest.mark.parametrize("case", CASES)
def test_no_interleaving_leaves_a_page_wrong_as_fresh(case: str, fresh: Callable[[], Any]) -> None:
    readers, writers, evicts = CASES[case]
    counts = [5] * len(readers) + [3] * len(writers) + [1] * evicts
    every = list(orders(counts))
    disk = fresh is not MemoryBackend
    for order in every[:: max(1, len(every) // 12)] if disk else every[:: 1 + len(every) // 6_000]:
        world = World(fresh())
        actors = [world.reader(page, KnownShapes) for page in readers]
        actors += [getattr(world, writer)() for writer in writers]
        actors += [world.evict()] if evicts else []
        run(world, actors, order)
        assert world.wrong() == [], order


def test_a_reader_that_knows_all_shapes_is_late_just_as_well() -> None:
    for order in list(orders([5, 3, 5]))[::25]:
        world = World(MemoryBackend())
        cached = [KnownShapes()]

        def shapes(world: World = world, cached: list[KnownShapes] = cached) -> KnownShapes:
            cached[0] = world.backend.shapes()
            return cached[0]

        first = world.reader("count", shapes)
        run(world, [first, world.insert(), world.reader("count", shapes)], order)
        assert world.wrong() == [], order


def told(backend: Any, names: dict[bytes, str]) -> int:
    now = backend.shapes()
    found = backend.tell(names, now.nonce, now.version)
    assert isinstance(found, Told)
    return found.counter


def dependent(backend: Any, names: bytes, begun: Begun | None = None) -> Kept:
    nonce = backend.sync("", 0).nonce
    found: Kept = backend.depend(Depending(names, begun or backend.begun()), nonce, 0)
    return found


A, B = b"a" * 8, b"b" * 8


def test_names_that_nobody_depends_on_move_no_version(fresh: Callable[[], Any]) -> None:
    backend = fresh()
    dependent(backend, A)
    before = backend.version[0]
    counter = told(backend, {B: "b"})
    assert backend.version[0] == before
    assert told(backend, {A: "a", B: "b"}) == counter + 1
    assert backend.version[0] != before
    assert backend.sync("", 0).told == ((A, counter + 1, "a"),)


def test_what_was_written_before_a_render_began_is_not_late(fresh: Callable[[], Any]) -> None:
    backend = fresh()
    early = backend.begun()
    told(backend, {A: "a"})
    assert dependent(backend, A) is Kept.AS_IT_WAS
    assert dependent(backend, A, early) is Kept.CHANGED


def test_who_tells_with_older_shapes_is_given_the_newer(fresh: Callable[[], Any]) -> None:
    backend = fresh()
    nonce = backend.sync("", 0).nonce
    reads = DatabaseReads()
    reads.question("post", {"date"}, {"author": 1})
    found = reads.finished({})
    old = backend.shapes()
    backend.depend(Depending(found.names, backend.begun(), found.shapes), nonce, 0)
    newer = backend.tell({A: "a"}, old.nonce, old.version)
    assert isinstance(newer, KnownShapes)
    assert newer.shapes == found.shapes
    assert isinstance(backend.tell({A: "a"}, newer.nonce, newer.version), Told)
    assert backend.begun().writes == 1


def test_a_page_that_was_rendered_for_another_store_is_late(fresh: Callable[[], Any]) -> None:
    backend = fresh()
    assert dependent(backend, A, Begun("another", 5, 0)) is Kept.MAYBE


def test_a_store_that_forgets_makes_every_page_with_dependencies_stale(
    fresh: Callable[[], Any],
) -> None:
    backend = fresh()
    dependent(backend, EVERY)
    before = backend.version[0]
    counter = backend.forget()
    changes = backend.sync("", 0)
    assert (changes.counter, changes.told_floor, changes.floor) == (counter, counter, 0)
    assert backend.version[0] != before
    mirror = Generations()
    mirror.apply(changes)
    assert mirror.tellings.changed(Depended(EVERY), counter - 1)
    assert not mirror.tellings.gone(Depended(EVERY), counter - 1)
    assert not mirror.tellings.changed(Depended(EVERY), counter)


@pytest.mark.parametrize("table", ["told", "unheard", "shapes", "known"])
def test_a_table_that_redis_has_evicted_makes_every_page_with_dependencies_stale(
    table: str, redis_server: Any, connected: Any
) -> None:
    backend = connected(redis_server)
    dependent(backend, EVERY)
    early, generation = backend.begun(), backend.sync("", 0).counter
    redis_server.client().delete(f"{backend.prefix}{table}")
    mirror = Generations()
    mirror.apply(backend.sync("", 0))
    assert mirror.tellings.changed(Depended(EVERY), generation)
    assert dependent(backend, EVERY, early) is Kept.MAYBE


def test_more_names_than_the_limit_make_stale_what_was_forgotten_and_nothing_gone(
    fresh: Callable[..., Any],
) -> None:
    backend = fresh(Limits(names=10))
    names = [bytes([n]) * 8 for n in range(40)]
    dependent(backend, b"".join(names))
    for name in names:
        told(backend, {name: "x"})
    changes = backend.sync("", 0)
    assert 0 < len(changes.told) <= 10
    assert changes.told_floor >= 30
    assert changes.floor == changes.soft_floor == 0
    mirror = Generations()
    mirror.apply(changes)
    assert mirror.tellings.changed(Depended(A), 0)
    assert not mirror.tellings.gone(Depended(A), 0)
    assert not mirror.tellings.changed(Depended(A), changes.counter)


def test_a_flood_of_soft_invalidations_makes_pages_stale_and_forgets_no_dependency(
    fresh: Callable[..., Any],
) -> None:
    backend = fresh(Limits(names=10))
    dependent(backend, A + B)
    told(backend, {A: "a"})
    for number in range(40):
        backend.invalidate([f"tag:{number}"], False)
    mirror = Generations()
    mirror.apply(backend.sync("", 0))
    assert (mirror.floor, mirror.tellings.floor) == (0, 0)
    assert mirror.soft_floor >= 30
    assert mirror.tellings.gone(Depended(A), 0)
    assert not mirror.tellings.changed(Depended(B), 0)


def test_when_too_many_names_are_known_pages_are_stale_and_what_is_gone_stays_gone(
    fresh: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("sqlite", "redis"):
        monkeypatch.setattr(f"isgware.backends.{place}.dependents.MAX_KNOWN", 3)
    backend = fresh()
    if isinstance(backend, MemoryBackend):
        backend._dependencies = DependencyTables(100, max_known=3)
    reads = DatabaseReads()
    reads.question("post", {"date"}, {"author": 3})
    found = reads.finished({})  # four names
    early = backend.shapes()
    told(backend, {B: "b"})
    dependent(backend, A)
    told(backend, {A: "a"})
    nonce, generation = backend.sync("", 0).nonce, backend.sync("", 0).counter
    version = backend.version[0]
    depending = Depending(found.names, backend.begun(), found.shapes)
    assert backend.depend(depending, nonce, generation) is Kept.AS_IT_WAS
    assert backend.version[0] != version
    assert backend.shapes().shapes == frozenset()
    assert backend.shapes().version > early.version
    mirror = Generations()
    mirror.apply(backend.sync("", 0))
    tellings = mirror.tellings
    assert tellings.changed(Depended(found.names), generation)
    assert not tellings.gone(Depended(found.names), generation)
    assert tellings.gone(Depended(A), generation - 1)
    assert told(backend, {A: "a"}) == mirror.counter  # nobody depends on it now
    dependent(backend, A)
    assert told(backend, {A: "a"}) == mirror.counter + 1


def test_of_very_many_writes_a_render_under_way_knows_that_it_may_have_missed_some() -> None:
    tables = DependencyTables(100, max_unheard=10)
    early = tables.begun("nonce")
    for n in range(30):
        tables.tell({bytes([n]) * 8: "x"}, 0)
    assert tables.depend(Depending(b"z" * 8, early), "nonce", 0) is Kept.MAYBE
    assert tables.depend(Depending(b"z" * 8, tables.begun("nonce")), "nonce", 0) is Kept.AS_IT_WAS


def test_known_names_have_a_limit() -> None:
    tables = DependencyTables(100, max_known=3)
    tables.depend(Depending(A + B + EVERY + b"c" * 8, tables.begun("nonce")), "nonce", 0)
    assert tables.full
    assert tables.forget(7) == 8
    assert not tables.full


def test_the_pages_that_depend_on_a_name_are_found(fresh: Callable[[], Any]) -> None:
    backend = fresh()
    nonce = backend.sync("", 0).nonce
    for path, names in (("/one", A), ("/both", A + B), ("/none", EVERY)):
        entry = make_entry(path, nonce=nonce)
        put(backend, replace(entry, depended=Depended(names)), START)
    assert {row.path for row in backend.affected([A])} == {"/one", "/both"}
    put(backend, replace(make_entry("/both", nonce=nonce), depended=Depended(B), order=1), START)
    assert {row.path for row in backend.affected([A])} == {"/one"}
    backend.delete(make_entry("/one").key)
    assert list(backend.affected([A])) == []
