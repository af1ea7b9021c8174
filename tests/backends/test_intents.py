"""Commits that are announced, by all interleavings: who is killed after its commit leaves no page
wrong as fresh for good."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from isgware.backends.dependents import (
    INTENT_LAST,
    INTENT_SECONDS,
    MAX_INTENTS,
    Intent,
    KnownShapes,
    Teller,
    Told,
)
from isgware.backends.memory import MemoryBackend
from isgware.core.dependencies import Inserted, TableChanged, Updated, Write
from isgware.core.dependency_names import names_of_writes

from .test_dependents import A, B, Steps, World, dependent, orders, run
from .test_dependents import fresh as fresh

START = 1_000.0


def intent(token: str = "token", names: bytes = A, tables: bytes = B) -> Intent:
    return Intent(token, names, tables, "a writer ended")


def make_due(backend: Any) -> None:
    """As if its clock had reached what is due; the clock of Redis cannot be set."""
    if hasattr(backend, "prefix"):
        due = f"{backend.prefix}intents:due"
        for token in backend._ask(lambda client: client.zrange(due, 0, -1)):
            backend._ask(lambda client, token=token: client.zadd(due, {token: 0}))


class Announcing(World):
    """A world in which writers announce, and may be killed."""

    now = START
    tokens = itertools.count()

    def announcing(self, write: Write, change: Callable[[], None], killed_after: int) -> Steps:
        token = f"t{next(self.tokens)}"
        shapes = KnownShapes()
        names = b"".join(names_of_writes([write], shapes.by_table))
        tables = b"".join(names_of_writes([TableChanged("post")], shapes.by_table))
        assert self.backend.announce(Intent(token, names, tables, ""), shapes.version, self.now)
        yield
        change()
        if killed_after == 2:
            return
        yield
        while True:
            found = self.backend.tell(
                dict.fromkeys(names_of_writes([write], shapes.by_table), ""),
                shapes.nonce, shapes.version, Teller(self.now, intents=(token,)),
            )  # fmt: skip
            if isinstance(found, Told):
                return
            shapes = found

    def later(self, seconds: float) -> None:
        self.now = max(self.now, START + seconds)
        make_due(self.backend)
        self.backend.tell_overdue(self.now)

    def sweeps(self) -> Steps:
        for seconds in (INTENT_SECONDS, 2 * INTENT_SECONDS):
            self.later(seconds)
            yield

    def update_announced(self, killed_after: int) -> Steps:
        def change() -> None:
            self.rows[1] += 1

        return self.announcing(
            Updated("post", 1, {"title"}, {"author": 3}, {"author": 3}), change, killed_after
        )

    def insert_announced(self, killed_after: int) -> Steps:
        def change() -> None:
            self.count += 1

        return self.announcing(Inserted("post", 9, {"author": 3}), change, killed_after)


@pytest.mark.parametrize("killed_after", [2, 3], ids=["killed after its commit", "told"])
@pytest.mark.parametrize(
    ("page", "writer"), [("row", "update_announced"), ("count", "insert_announced")]
)
def test_no_interleaving_with_a_writer_that_is_killed_leaves_a_page_wrong_as_fresh(
    page: str, writer: str, killed_after: int, fresh: Callable[[], Any]
) -> None:
    every = list(orders([5, killed_after, 2]))
    step = 1 if killed_after == 2 else 5
    for order in every[:: step if fresh is MemoryBackend else len(every) // 6]:
        world = Announcing(fresh())
        run(
            world,
            [world.reader(page, KnownShapes), getattr(world, writer)(killed_after), world.sweeps()],
            order,
        )
        world.later(4 * INTENT_SECONDS)
        assert world.wrong() == [], order
        if killed_after == 3:
            assert world.backend.tell_overdue(world.now + INTENT_LAST) == 0


def test_a_writer_that_is_killed_before_its_commit_renews_pages_in_vain(
    fresh: Callable[[], Any],
) -> None:
    backend = fresh()
    dependent(backend, A)
    before = backend.sync("", 0).counter
    assert backend.announce(intent(), backend.shapes().version, START)
    assert backend.tell_overdue(START) == 0
    assert backend.sync("", 0).counter == before
    make_due(backend)
    version = backend.version[0]
    assert backend.tell_overdue(START + INTENT_SECONDS) == 1
    assert backend.sync("", 0).told == ((A, before + 1, "a writer ended"),)
    assert backend.version[0] != version


def test_shapes_that_came_meanwhile_have_whole_tables_told(fresh: Callable[[], Any]) -> None:
    backend = fresh()
    dependent(backend, A + B)
    assert backend.announce(intent(), backend.shapes().version - 1, START)
    make_due(backend)
    assert backend.tell_overdue(START + INTENT_SECONDS) == 1
    assert [name for name, *_ in backend.sync("", 0).told] == [B]


def test_what_is_told_ends_its_intents_and_no_others(fresh: Callable[[], Any]) -> None:
    backend = fresh()
    now = backend.shapes()
    for token in ("one", "other"):
        assert backend.announce(intent(token), now.version, START)
    backend.tell({B: ""}, now.nonce, now.version, Teller(START, intents=("one",)))
    make_due(backend)
    assert backend.tell_overdue(START + INTENT_SECONDS) == 1


def test_an_intent_is_told_again_and_ends_by_itself() -> None:
    backend = MemoryBackend()
    assert backend.announce(intent(), 0, START)
    times = [
        second for second in range(3 * int(INTENT_LAST)) if backend.tell_overdue(START + second)
    ]
    assert times == [10, 20, 40, 80, 160, 320, 640]


def test_of_a_clock_that_was_put_back_nothing_waits_for_the_wrong_year() -> None:
    backend = MemoryBackend()
    assert backend.announce(intent(), 0, START + 1e6)
    assert backend.tell_overdue(START) == 1
    assert backend.tell_overdue(START + 2e6) == 0


def test_so_many_intents_and_no_more() -> None:
    backend = MemoryBackend()
    for number in range(MAX_INTENTS):
        assert backend.announce(intent(str(number)), 0, START)
    assert not backend.announce(intent(), 0, START)


def test_an_intent_outlives_the_tables_of_dependencies(fresh: Callable[[], Any]) -> None:
    backend = fresh()
    assert backend.announce(intent(), backend.shapes().version, START)
    backend.forget()
    dependent(backend, B)
    make_due(backend)
    assert backend.tell_overdue(START + INTENT_SECONDS) == 1
    assert [name for name, *_ in backend.sync("", 0).told] == [B]
