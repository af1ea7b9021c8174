"""A process does not ask the embedded store again for names that it has seen among the known ones:
what holds of them has to hold all the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from isgware.backends.dependents import Begun, Depending, Kept
from isgware.backends.sqlite import dependent_pages
from isgware.backends.sqlite.backend import SQLiteBackend

A, B = b"a" * 8, b"b" * 8


@pytest.fixture
def process(tmp_path: Path) -> Callable[[], SQLiteBackend]:
    """The store as another process has it."""
    return lambda: SQLiteBackend(tmp_path, timeout=30.0)


def depend(backend: SQLiteBackend, names: bytes, begun: Begun | None = None) -> Kept:
    nonce = backend.sync("", 0).nonce
    return backend.depend(Depending(names, begun or backend.begun()), nonce, 0)


def told(backend: SQLiteBackend, name: bytes) -> bool:
    """Whether somebody depends on ``name``, by what a commit of it does."""
    before, shapes = backend.sync("", 0).counter, backend.shapes()
    backend.tell({name: "x"}, shapes.nonce, shapes.version)
    return backend.sync("", 0).counter != before


def asked(backend: SQLiteBackend, work: Callable[[], object]) -> int:
    """How many statements are executed."""
    found: list[str] = []
    backend.database.read(lambda db: db.set_trace_callback(found.append))
    work()
    backend.database.read(lambda db: db.set_trace_callback(None))
    return len(found)


def test_one_question_is_enough_for_names_that_were_seen(
    process: Callable[[], SQLiteBackend],
) -> None:
    backend = process()
    for _ in range(2):
        depend(backend, A + B)
    begun, nonce = backend.begun(), backend.sync("", 0).nonce
    depending = Depending(A + B, begun)
    assert asked(backend, lambda: backend.depend(depending, nonce, 0)) == 1


def test_names_that_another_process_has_forgotten_become_known_again(
    process: Callable[[], SQLiteBackend],
) -> None:
    backend, other = process(), process()
    for _ in range(2):
        depend(backend, A)
    other.forget()
    depend(backend, A)
    assert told(other, A)


def test_what_nobody_depended_on_when_it_was_told_is_found(
    process: Callable[[], SQLiteBackend],
) -> None:
    backend, other = process(), process()
    early = backend.begun()
    assert not told(other, A)
    for _ in range(2):
        assert depend(backend, A) is Kept.AS_IT_WAS
    assert depend(backend, A, early) is Kept.CHANGED


def test_names_of_a_transaction_that_is_rolled_back_were_not_seen(
    process: Callable[[], SQLiteBackend],
) -> None:
    backend = process()
    depend(backend, B)

    def work() -> None:
        for _ in range(2):
            depend(backend, A)
        raise KeyError

    with pytest.raises(KeyError):
        backend.together(work, False)
    depend(backend, A)
    assert told(backend, A)


def test_a_store_that_takes_the_place_of_another_knows_nothing(
    process: Callable[[], SQLiteBackend],
) -> None:
    backend = process()
    for _ in range(2):
        depend(backend, A)
    for file in backend.database.directory.iterdir():
        file.unlink()
    backend.database.verify()
    depend(backend, A)
    assert told(backend, A)


def test_what_is_kept_of_names_is_bounded(
    process: Callable[[], SQLiteBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dependent_pages, "_MAX_SEEN", 10)
    seen = dependent_pages.SeenNames()
    for number in range(100):
        seen.add("here", [number])
    assert seen.has("here", [99])
    assert not seen.has("here", [0])
    assert len(seen._found[1]) <= 11
