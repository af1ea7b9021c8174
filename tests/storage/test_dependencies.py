"""What a process tells the store of what was written, and what waits while that is away."""

from __future__ import annotations

from typing import Any

import pytest

from isgware.backends.breaker import Breaker
from isgware.backends.dependents import Depending, KnownShapes, Told
from isgware.backends.memory import MemoryBackend
from isgware.core.database_reads import DatabaseReads
from isgware.core.depended import Depended
from isgware.core.dependencies import EverythingChanged, TableChanged
from isgware.core.dependency_names import EVERY, table_name
from isgware.core.freshness import Generations
from isgware.errors import BackendUnavailable
from isgware.storage import dependencies as module
from isgware.storage.dependencies import Dependencies


class Backend(MemoryBackend):
    away = False

    def tell(self, *arguments: Any) -> Told | KnownShapes:
        if self.away:
            raise BackendUnavailable("away")
        return super().tell(*arguments)


@pytest.fixture
def backend() -> Backend:
    """With a page that asks something of the table ``post``."""
    made, reads = Backend(), DatabaseReads()
    reads.question("post", {"date"}, {"author": 3})
    found = reads.finished({})
    made.depend(Depending(found.names, made.begun(), found.shapes), made.sync("", 0).nonce, 0)
    return made


def told(backend: Backend) -> set[bytes]:
    return {name for name, *_ in backend.sync("", 0).told}


def test_a_process_that_ends_tries_once_more_and_names_what_nobody_was_told_of(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    store = Breaker(backend, 1.0)
    dependencies = Dependencies(store, lambda: 0.0, soft=False)
    dependencies.last_try()
    for changed, remedy in (
        (TableChanged("post"), "isgware touched STORE 'post[*]'"),
        (EverythingChanged("all"), "isgware purge STORE --all"),
    ):
        backend.away = True
        dependencies.owe([changed])
        dependencies.last_try()
        assert caplog.messages[-1].endswith(remedy)
    backend.away = False
    caplog.clear()
    dependencies.last_try()
    assert EVERY in told(backend)
    assert not any("touched" in line or "purge" in line for line in caplog.messages)


def test_changes_of_more_tables_than_can_wait_become_everything(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_TABLES", 3)
    store = Breaker(backend, 1.0)
    dependencies = Dependencies(store, lambda: 0.0, soft=False)
    backend.away = True
    for table in ("post", "b", "c"):
        dependencies.owe([TableChanged(table)])
    dependencies.pay()
    backend.away = False
    assert store.probe()
    dependencies.pay()
    assert table_name("post") in told(backend)
    assert EVERY not in told(backend)
    for table in ("a", "b", "c", "d"):
        dependencies.owe([TableChanged(table)])
    dependencies.pay()
    assert EVERY in told(backend)


def test_a_migration_begins_the_shapes_anew_and_leaves_every_page_gone(backend: Backend) -> None:
    dependencies = Dependencies(Breaker(backend, 1.0), lambda: 0.0, soft=False)
    assert backend.shapes().shapes
    generation = backend.sync("", 0).counter
    dependencies.tell([EverythingChanged("SQL")])
    assert backend.shapes().shapes
    dependencies.tell([EverythingChanged("migrate", tables=True)])
    assert backend.shapes().shapes == frozenset()
    mirror = Generations()
    mirror.apply(backend.sync("", 0))
    assert mirror.tellings.gone(Depended(EVERY), generation)
