"""When names were told, for replicas that lag: no page that a replica has made too early is fresh
for good, by all interleavings of a reader, a writer and the clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from isgware.backends.base import Limits
from isgware.backends.dependents import Depending, Kept, KnownShapes, Lagging, Teller, Told
from isgware.backends.memory import MemoryBackend
from isgware.backends.memory_intents import ToldTimes
from isgware.backends.sqlite import intents
from isgware.backends.sqlite.backend import SQLiteBackend
from isgware.core.database_reads import DatabaseReads
from isgware.core.depended import CHANGED, MAYBE, Depended
from isgware.core.dependencies import Inserted, Updated, Write
from isgware.core.dependency_names import any_name, names_of_writes

from .test_dependents import A, B, Steps, World, orders, run
from .test_dependents import fresh as fresh

LAG = 2.0
PAGE, OTHER = b"p" * 8, b"q" * 8


class Replicated(World):
    """Pages are read from a replica that shows each commit exactly `LAG` seconds later."""

    def __init__(self, backend: Any) -> None:
        super().__init__(backend)
        self.now = 1_000.0
        self.replica: dict[str, Any] = {"row": 0, "count": 2}
        self._coming: list[tuple[float, str, Any]] = []
        self.told_at = 0.0
        #: Until when each stored page is fresh, if nothing happens; 0: for good.
        self.due: dict[str, float] = {}

    def clock(self, ticks: int) -> Steps:
        for _ in range(ticks):
            self.now += 1.0
            for at, page, shown in self._coming:
                if at + LAG <= self.now:
                    self.replica[page] = shown
            yield

    def replicated(self, page: str, shapes: Callable[[], KnownShapes]) -> Steps:
        generation, nonce = self.backend.sync("", 0).counter, self.backend.sync("", 0).nonce
        known, begun, began = shapes(), self.backend.begun(), self.now
        if begun.version != known.version:
            known = KnownShapes()
        yield
        shown, reads = self.replica[page], DatabaseReads()
        if page == "row":
            reads.row("post", 1)
        else:
            reads.question("post", {"author"}, {"author": 3})
        found = reads.finished(known.by_table)
        yield
        kept = self.backend.depend(Depending(found.names, begun, found.shapes), nonce, generation)
        late = {Kept.AS_IT_WAS: 0, Kept.CHANGED: CHANGED, Kept.MAYBE: MAYBE}[kept]
        yield
        asked = b"".join(map(any_name, found.asked))
        lagging = Lagging(found.names, asked, PAGE, LAG, began)
        left = self.backend.seconds_left(lagging, self.now)
        if not late:
            depended = Depended(found.names, late=late)
            self.pages[page] = (shown, depended, generation)
            self.due[page] = 0.0 if left is None else self.now + left
        yield

    def committed(self, page: str, write: Write) -> Steps:
        if page == "row":
            self.rows[1] += 1
        else:
            self.count += 1
        self._coming.append((self.now, page, self.shown(page)))
        yield
        shapes = KnownShapes()
        while True:
            names = dict.fromkeys(names_of_writes([write], shapes.by_table), "")
            found = self.backend.tell(names, shapes.nonce, shapes.version, Teller(self.now))
            if isinstance(found, Told):
                break
            shapes = found
        self.told_at = self.now
        yield

    def wrong_for_good(self) -> list[str]:
        return [page for page in self.wrong() if not 0 < self.due[page] <= self.told_at + LAG]


WRITES: dict[str, Write] = {
    "row": Updated("post", 1, {"title"}, {"author": 3}, {"author": 3}),
    "count": Inserted("post", 9, {"author": 3}),
}


def used(backend: Any) -> Any:
    """A store that has met a page with a lag long ago."""
    backend.seconds_left(Lagging(b"", b"", PAGE, LAG, 0.0), 0.0)
    return backend


@pytest.mark.parametrize("fresh", ["memory:", "file:"], indirect=True)  # Redis has its own clock
@pytest.mark.parametrize("page", WRITES)
def test_no_interleaving_leaves_what_a_replica_had_before_fresh_for_good(
    page: str, fresh: Callable[[], Any]
) -> None:
    every = list(orders([4, 2, 3]))
    for order in every[:: 1 if fresh is MemoryBackend else len(every) // 12]:
        world = Replicated(used(fresh()))
        actors = [world.replicated(page, KnownShapes), world.committed(page, WRITES[page])]
        run(world, [*actors, world.clock(3)], order)
        assert world.wrong_for_good() == [], order


def test_a_question_whose_kind_came_after_the_change_is_limited_by_it() -> None:
    """Another page has asked it since, so that it is not new any more."""
    random, order = Random(1), [0] * 4 + [1] * 2 + [2] * 4 + [3] * 2
    for _ in range(500):
        random.shuffle(order)
        world = Replicated(used(MemoryBackend()))
        first = world.replicated("count", KnownShapes)
        second = world.replicated("count", world.backend.shapes)
        actors = [first, world.committed("count", WRITES["count"]), second, world.clock(2)]
        run(world, actors, order)
        assert world.wrong_for_good() == [], order


def left(
    backend: Any, names: bytes = A, *, lag: float = LAG, began: float = 100.0, now: float = 100.0,
    page: bytes = PAGE, asked: bytes = b"",
) -> float | None:  # fmt: skip
    found: float | None = backend.seconds_left(Lagging(names, asked, page, lag, began), now)
    return found


def tell(backend: Any, *names: bytes, at: float = 100.0, page: bytes = b"") -> None:
    now = backend.shapes()
    backend.tell(dict.fromkeys(names, ""), now.nonce, now.version, Teller(at, page))


@pytest.fixture
def store(fresh: Callable[[], Any]) -> Any:
    """One of which all that was told is known."""
    backend = fresh()
    left(backend, b"", now=0.0)
    if hasattr(backend, "prefix"):
        backend._ask(lambda client: client.hset(backend._state, mapping={"lag_floor": 0}))
        backend._ask(lambda client: client.hset(backend._state, mapping={"lag_shapes": 0}))
    return backend


def test_a_page_is_limited_by_what_was_told_of_it_and_by_nothing_else(store: Any) -> None:
    tell(store, A)
    found = left(store)
    assert found is not None
    assert 0 < found <= LAG
    assert left(store, B) is None
    assert left(store, asked=A, names=B) is None


def test_a_render_that_began_a_lag_later_is_not_limited_any_more(store: Any) -> None:
    tell(store, A)
    assert left(store, lag=0.0) is None


def test_a_render_that_took_longer_is_renewed_at_once(store: Any) -> None:
    tell(store, A)
    found = left(store, lag=1e-9, began=90.0)
    assert found is not None
    assert found < 1e-6


def test_what_its_own_renders_write_does_not_limit_a_page_and_hides_no_other(store: Any) -> None:
    tell(store, A, page=PAGE)
    assert left(store) is None
    assert left(store, page=OTHER) is not None
    tell(store, A)
    tell(store, A, page=PAGE)
    tell(store, A, page=PAGE)
    assert left(store) is not None


def test_a_store_that_meets_its_first_lag_knows_nothing_of_before(fresh: Callable[[], Any]) -> None:
    backend = fresh()
    tell(backend, A)
    for lag in (LAG, 2 * LAG):
        found = left(backend, B, lag=lag)
        assert found is not None
        assert 0 < found <= lag


def test_new_shapes_have_any_change_of_a_table_limit_its_questions(store: Any) -> None:
    tell(store, B)
    reads = DatabaseReads()
    reads.question("post", {"date"})
    shapes = reads.finished({}).shapes
    store.depend(Depending(A, store.begun(), shapes), store.sync("", 0).nonce, 0)
    assert left(store, A, asked=B) is not None
    assert left(store, A) is None


def test_of_more_names_than_the_limit_every_page_is_limited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = ToldTimes(limit=3)
    times.left(Lagging(b"", b"", PAGE, LAG, 0.0), 0, 0.0)
    for number in range(5):
        times.note([bytes([number]) * 8], b"", 100.0 + number)
    page = Lagging(B, b"", PAGE, 10.0, 100.0)
    assert times.left(replace(page, lag=LAG), 0, 100.0) == LAG + 1.0
    monkeypatch.setattr(intents, "MAX_TIMES", 10)
    backend = SQLiteBackend(tmp_path, Limits(), timeout=30.0)
    left(backend, b"", now=0.0)
    tell(backend, *(number.to_bytes(8, "big") for number in range(200)))
    assert left(backend, B) == LAG
    backend.close()


@pytest.mark.parametrize("lost", ["times", "times:at"])
def test_times_that_redis_has_evicted_limit_every_page(
    lost: str, redis_server: Any, connected: Any
) -> None:
    backend = connected(redis_server)
    left(backend, b"")
    backend._ask(lambda client: client.hset(backend._state, mapping={"lag_floor": 0}))
    assert left(backend, B) is None
    redis_server.client().delete(f"{backend.prefix}{lost}")
    assert left(backend, B) is not None


def test_redis_remembers_so_many_names_and_no_more(
    redis_server: Any, connected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isgware.backends.redis.dependents.MAX_TIMES", 20)
    backend = connected(redis_server)
    left(backend, b"")
    backend._ask(lambda client: client.hset(backend._state, mapping={"lag_floor": 0}))
    tell(backend, *(number.to_bytes(8, "big") for number in range(30)))
    assert backend._ask(lambda client: client.hlen(f"{backend.prefix}times")) <= 21
    assert left(backend, B) is not None
