"""A page that is read along with what was learned of its URL: found without being asked for."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from isgware.backends.base import get_with_note
from isgware.backends.breaker import Breaker
from isgware.backends.memory import MemoryBackend
from isgware.backends.read_ahead import ReadAhead, current
from isgware.core.freshness import State
from isgware.core.stored_page import Entry
from isgware.errors import BackendUnavailable
from isgware.storage.page_store import PageStore
from isgware.storage.process_cache import Memory, key_name
from isgware.testing import START, FakeClock, make_entry

NOTE = "s:base"


class Far(MemoryBackend):
    """Each operation is a round trip; ``meanwhile`` is done as the answer comes back."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.meanwhile: Callable[[], object] = lambda: None
        self.broken = False

    def get(self, key: str, now: float) -> bytes | None:
        self.asked.append("get")
        return super().get(key, now)

    def read_note(self, name: str, now: float) -> bytes | None:
        self.asked.append("note")
        return super().read_note(name, now)

    def get_with_note(self, key: str, note: str, now: float) -> Any:
        if self.broken:
            raise OSError("gone")
        found = super().get(key, now), super().read_note(note, now)
        self.asked.append("both")
        self.meanwhile()
        return found


class World:
    """One store far away, and two processes."""

    def __init__(self) -> None:
        self.backend = Far()
        self.here, self.other = self.process(), self.process()
        self.backend.write_note(NOTE, b"learned", 100, START)

    def process(self, memory: int = 10_000_000) -> PageStore:
        page_store = PageStore(Breaker(self.backend, limit=60.0), Memory(memory), FakeClock(), 60.0)
        page_store.sync()
        return page_store

    def stored(self, body: bytes = b"page", **fields: Any) -> Entry:
        counter = self.backend.sync("", 0)
        entry = make_entry(
            body=body, nonce=counter.nonce, generation=counter.counter, tags=("a",), **fields
        )
        self.other.keep(entry, "base")
        return entry

    def asked(self) -> list[str]:
        asked, self.backend.asked = self.backend.asked, []
        return asked


@pytest.fixture
def world() -> Iterator[World]:
    token = current.set(None)
    made = World()
    made.here.begin()
    yield made
    current.reset(token)


def body(page_store: PageStore, entry: Entry, **options: Any) -> bytes | None:
    page, _ = page_store.find(entry.key, "base", "", **options)
    return page.entry.body if page else None


@pytest.mark.parametrize("memory", [10_000_000, 0], ids=["memory", "no-memory"])
def test_the_page_that_was_expected_came_along_with_the_note(memory: int, world: World) -> None:
    entry, page_store = world.stored(), world.process(memory)
    world.asked()
    assert page_store.read_note(NOTE, lambda: entry.key) == b"learned"
    assert page_store.find(entry.key, "base", "")[1] is State.FRESH
    assert world.asked() == ["both"]


def test_that_it_is_not_there_is_known_too(world: World) -> None:
    entry = make_entry()
    world.here.read_note(NOTE, lambda: entry.key)
    assert body(world.here, entry) is None
    assert world.asked() == ["both"]


def test_who_looks_later_asks_the_store(world: World) -> None:
    expected = make_entry()
    world.here.read_note(NOTE, lambda: expected.key)
    assert body(world.here, expected) is None
    entry = world.stored()
    assert body(world.here, entry) == b"page"


def test_who_wants_to_know_what_is_there_now_asks_the_store(world: World) -> None:
    entry = world.stored(b"old")
    world.here.read_note(NOTE, lambda: entry.key)
    world.stored(b"new", order=1)
    assert body(world.here, entry, again=True) == b"new"


def test_another_page_than_the_expected_is_asked_for(world: World) -> None:
    entry = world.stored()
    world.asked()
    world.here.read_note(NOTE, lambda: "another key")
    assert body(world.here, entry) == b"page"
    assert world.asked() == ["both", "get"]


def test_a_page_in_memory_is_not_read_again(world: World) -> None:
    entry = world.stored()
    body(world.here, entry)
    world.asked()
    world.here.read_note(NOTE, lambda: entry.key)
    assert world.asked() == ["note"]


def test_one_in_memory_that_was_replaced_is(world: World) -> None:
    entry = world.stored(b"old")
    body(world.here, entry)
    world.stored(b"new", order=1)
    world.backend.publish([key_name(entry.key)])
    world.here.sync()
    world.asked()
    world.here.read_note(NOTE, lambda: entry.key)
    assert body(world.here, entry) == b"new"
    assert world.asked() == ["both"]


def test_without_a_visit_the_note_alone_is_read(world: World) -> None:
    world.here.end()
    world.here.read_note(NOTE, lambda: "key")
    assert world.asked() == ["note"]


def test_of_a_store_at_hand_the_note_alone_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Far, "get_with_note")
    assert world.here.read_note(NOTE, lambda: str(1 / 0)) == b"learned"
    assert world.asked() == ["note"]
    assert get_with_note(world.backend, "key", NOTE, START) == (None, b"learned")


def test_where_no_page_is_expected_the_note_alone_is_read(world: World) -> None:
    world.here.read_note(NOTE, lambda: "")
    world.here.read_note(NOTE)
    assert world.asked() == ["note", "note"]


def test_a_store_that_fails_brings_nothing_along(world: World) -> None:
    entry = world.stored()
    world.backend.broken = True
    with pytest.raises(BackendUnavailable):
        world.here.read_note(NOTE, lambda: entry.key)
    assert body(world.here, entry) is None
    world.backend.broken = False
    assert world.here.backend.probe()
    assert body(world.here, entry) == b"page"


# Whose it is


def test_another_visit_does_not_get_it(world: World) -> None:
    entry = world.stored(b"old")
    world.here.read_note(NOTE, lambda: entry.key)
    world.stored(b"new", order=1)
    assert contextvars.Context().run(body, world.here, entry) == b"new"
    world.here.begin()
    world.here.memory.clear()
    assert body(world.here, entry) == b"new"


def test_a_visit_that_goes_on_has_it_still(world: World) -> None:
    entry, read_ahead = world.stored(), ReadAhead()
    world.here.begin(read_ahead)
    world.here.read_note(NOTE, lambda: entry.key)
    world.here.end()
    world.here.begin(read_ahead)
    world.asked()
    assert body(world.here, entry) == b"page"
    assert world.asked() == []


# What happens meanwhile (P6)


@pytest.mark.parametrize("when", ["as it is read", "before it is asked for"])
def test_a_page_invalidated_meanwhile_is_not_fresh(when: str, world: World) -> None:
    entry = world.stored()

    def purge() -> None:
        world.backend.invalidate(["tag:a"], hard=True)
        world.here.sync()  # another thread's visit

    if when == "as it is read":
        world.backend.meanwhile = purge
    world.here.read_note(NOTE, lambda: entry.key)
    if when != "as it is read":
        purge()
    assert world.here.find(entry.key, "base", "")[1] is State.GONE


@pytest.mark.parametrize("when", ["as it is read", "before it is asked for"])
def test_a_page_replaced_meanwhile_is_looked_at_again(when: str, world: World) -> None:
    entry = world.stored(b"old")

    def regenerate() -> None:
        world.other.keep(replace(entry, body=b"new", order=1), "base")
        world.backend.publish([key_name(entry.key)])
        world.here.sync()

    if when == "as it is read":
        world.backend.meanwhile = regenerate
    world.here.read_note(NOTE, lambda: entry.key)
    if when != "as it is read":
        regenerate()
    body(world.here, entry)
    assert body(world.here, entry) == b"new"


def test_a_newer_page_that_came_into_memory_meanwhile_stays(world: World) -> None:
    entry = world.stored(b"old")
    world.backend.meanwhile = lambda: world.here.keep(replace(entry, body=b"new", order=1), "base")
    world.here.read_note(NOTE, lambda: entry.key)
    assert body(world.here, entry) == b"new"
