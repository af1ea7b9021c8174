"""Invalidations that wait for a store that is away."""

from __future__ import annotations

from typing import Any

import pytest

from isgware.backends.breaker import Breaker
from isgware.backends.memory import MemoryBackend
from isgware.core.freshness import ALL, Generations
from isgware.errors import BackendUnavailable
from isgware.storage import pending as module
from isgware.storage.pending import Pending
from isgware.storage.process_cache import Memory


class Store:
    """Takes invalidations, unless it is ``away``."""

    def __init__(self) -> None:
        self.away = True
        self.taken: list[tuple[set[str], bool]] = []
        self.pending = Pending(
            Breaker(MemoryBackend(), 1.0), Memory(0), lambda: 0.0, Generations,
            lambda entry: True, lambda key, base: None, self.invalidate,
        )  # fmt: skip

    def invalidate(self, names: list[str], hard: bool) -> None:
        if self.away:
            raise BackendUnavailable("away")
        self.taken.append((set(names), hard))

    def back(self) -> list[Any]:
        self.away = False
        self.pending.retry()
        return self.taken


def test_a_process_that_ends_tries_once_more_and_names_what_nobody_was_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Store()
    store.pending.last_try()
    store.pending.invalidate(["tag:posts", "path:/"], True)
    store.pending.last_try()
    assert [line.split(".")[0] for line in caplog.messages] == [
        "This process ends and could not tell the store to invalidate path:/, tag:posts"
    ]
    store.away = False
    store.pending.last_try()
    assert store.taken == [({"tag:posts", "path:/"}, True)]
    assert len(caplog.messages) == 1


def test_none_of_very_many_invalidations_is_forgotten() -> None:
    store = Store()
    for number in range(1_500):
        store.pending.invalidate([f"tag:{number}"], number % 2 == 1)
        if number % 100 == 0:
            store.pending.retry()  # in vain
    odd = {f"tag:{number}" for number in range(1, 1_500, 2)}
    even = {f"tag:{number}" for number in range(0, 1_500, 2)}
    assert store.back() == [(odd, True), (even, False)]
    store.pending.retry()
    assert len(store.taken) == 2  # once is enough


@pytest.mark.parametrize("hard", [True, False])
def test_more_than_can_wait_become_everything(hard: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_NAMES", 5)
    store = Store()
    store.pending.invalidate(["tag:other"], not hard)
    for number in range(6):
        store.pending.invalidate([f"tag:{number}"], hard)
    taken = {how: names for names, how in store.back()}
    assert taken == {hard: {ALL}, not hard: {"tag:other"}}
