"""What was learned of a URL: where it stands, and who has yet to be told."""

from __future__ import annotations

from typing import Any

import pytest

from isgware.backends.breaker import Breaker
from isgware.backends.memory import MemoryBackend
from isgware.routing.learned_routes import NO_SIGNPOST, Signpost, Signposts
from isgware.storage.page_store import Shelf
from isgware.storage.process_cache import Memory
from isgware.testing import FakeClock

VARY = Signpost(vary=("accept-language",))


class Process:
    def __init__(self, backend: MemoryBackend) -> None:
        clock = FakeClock()
        self.shelf = Shelf(Breaker(backend, limit=60.0), Memory(1_000_000), clock, 60.0)
        self.shelf.sync()
        self.signposts = Signposts(self.shelf, clock)

    def find(self) -> Signpost:
        self.shelf.sync()
        return self.signposts.find("base")


@pytest.fixture
def backend() -> MemoryBackend:
    return MemoryBackend()


@pytest.fixture
def processes(backend: MemoryBackend) -> tuple[Process, Process]:
    return Process(backend), Process(backend)


def test_what_was_learned_is_known_to_all(processes: tuple[Process, Process]) -> None:
    one, other = processes
    one.signposts.learn("base", VARY, announce=False)
    assert (one.find(), other.find()) == (VARY, VARY)
    assert one.signposts.stands("base", VARY)
    assert not one.signposts.stands("base", NO_SIGNPOST)


@pytest.mark.parametrize("announce", [True, False])
def test_who_knew_otherwise_hears_of_what_is_announced(
    announce: bool, processes: tuple[Process, Process]
) -> None:
    one, other = processes
    assert other.find() is NO_SIGNPOST
    one.signposts.learn("base", VARY, announce=announce)
    assert other.find() == (VARY if announce else NO_SIGNPOST)


def test_what_is_only_remembered_does_not_stand(processes: tuple[Process, Process]) -> None:
    one, other = processes
    one.signposts.remember("base", VARY)
    assert (one.find(), other.find()) == (VARY, NO_SIGNPOST)
    assert not one.signposts.stands("base", VARY)
    one.signposts.learn("base", VARY, announce=True)
    assert other.find() == VARY


def test_what_was_read_stands(processes: tuple[Process, Process]) -> None:
    one, other = processes
    one.signposts.learn("base", VARY, announce=False)
    other.find()
    assert other.signposts.stands("base", VARY)
    assert not other.signposts.stands("another", NO_SIGNPOST)


def test_what_the_store_did_not_take_does_not_stand(
    processes: tuple[Process, Process], backend: MemoryBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> None:
        raise OSError("full")

    monkeypatch.setattr(backend, "write_note", full)
    one, _ = processes
    one.signposts.learn("base", VARY, announce=True)
    assert one.find() == VARY
    assert not one.signposts.stands("base", VARY)
