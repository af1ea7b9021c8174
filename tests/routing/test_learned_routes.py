"""What was learned of a URL: where it stands, and who has yet to be told."""

from __future__ import annotations

from typing import Any

import pytest

from isgware.backends.breaker import Breaker
from isgware.backends.memory import MemoryBackend
from isgware.routing.learned_routes import NOTHING_LEARNED, LearnedRoute, LearnedRoutes
from isgware.storage.page_store import PageStore
from isgware.storage.process_cache import Memory
from isgware.testing import FakeClock

VARY = LearnedRoute(vary=("accept-language",))


class Process:
    def __init__(self, backend: MemoryBackend) -> None:
        clock = FakeClock()
        self.page_store = PageStore(Breaker(backend, limit=60.0), Memory(1_000_000), clock, 60.0)
        self.page_store.sync()
        self.learned_routes = LearnedRoutes(self.page_store, clock)

    def find(self) -> LearnedRoute:
        self.page_store.sync()
        return self.learned_routes.find("base")


@pytest.fixture
def backend() -> MemoryBackend:
    return MemoryBackend()


@pytest.fixture
def processes(backend: MemoryBackend) -> tuple[Process, Process]:
    return Process(backend), Process(backend)


def test_what_was_learned_is_known_to_all(processes: tuple[Process, Process]) -> None:
    one, other = processes
    one.learned_routes.learn("base", VARY, announce=False)
    assert (one.find(), other.find()) == (VARY, VARY)
    assert one.learned_routes.stands("base", VARY)
    assert not one.learned_routes.stands("base", NOTHING_LEARNED)


@pytest.mark.parametrize("announce", [True, False])
def test_who_knew_otherwise_hears_of_what_is_announced(
    announce: bool, processes: tuple[Process, Process]
) -> None:
    one, other = processes
    assert other.find() is NOTHING_LEARNED
    one.learned_routes.learn("base", VARY, announce=announce)
    assert other.find() == (VARY if announce else NOTHING_LEARNED)


def test_what_is_only_remembered_does_not_stand(processes: tuple[Process, Process]) -> None:
    one, other = processes
    one.learned_routes.remember("base", VARY)
    assert (one.find(), other.find()) == (VARY, NOTHING_LEARNED)
    assert not one.learned_routes.stands("base", VARY)
    one.learned_routes.learn("base", VARY, announce=True)
    assert other.find() == VARY


def test_what_was_read_stands(processes: tuple[Process, Process]) -> None:
    one, other = processes
    one.learned_routes.learn("base", VARY, announce=False)
    other.find()
    assert other.learned_routes.stands("base", VARY)
    assert not other.learned_routes.stands("another", NOTHING_LEARNED)


def test_what_the_store_did_not_take_does_not_stand(
    processes: tuple[Process, Process], backend: MemoryBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> None:
        raise OSError("full")

    monkeypatch.setattr(backend, "write_note", full)
    one, _ = processes
    one.learned_routes.learn("base", VARY, announce=True)
    assert one.find() == VARY
    assert not one.learned_routes.stands("base", VARY)
