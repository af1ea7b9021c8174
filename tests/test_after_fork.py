"""What a forked process makes anew is whole before any of its threads goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from isgware import ISG
from isgware.regeneration.maintenance import Maintenance
from isgware.regeneration.render_threads import Pool
from tests.promises.kit import Gate, Later


@pytest.fixture
def isg() -> Iterator[ISG]:
    isg = ISG(lambda environ, start_response: [], store="memory:", enabled=True)
    yield isg
    isg.close(0)


def of_isg(isg: ISG) -> tuple[Any, Any, str, Any]:
    """Who has something that is its process's, what has it made anew, by what, and what it is."""
    return (
        isg.runtime.process,
        isg.runtime.engine,
        "after_fork",
        lambda: (isg.runtime.process.settle(), isg.runtime.engine.renderer.flights)[1],
    )


def of_maintenance(isg: ISG) -> tuple[Any, Any, str, Any]:
    response_store: Maintenance = isg.runtime.engine.renderer.maintenance
    return (
        response_store,
        response_store,
        "_reset",
        lambda: (response_store.start(), response_store._starting)[1],
    )


def of_pool(isg: ISG) -> tuple[Any, Any, str, Any]:
    pool: Pool = isg.runtime.engine.background.pool
    return pool, pool, "_reset", lambda: (pool.has("key"), pool._ready)[1]


@pytest.mark.parametrize("of", [of_isg, of_maintenance, of_pool])
def test_a_second_thread_of_a_forked_process_does_not_go_on_with_its_parents_locks(
    of: Any, isg: ISG, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, made_by, name, use = of(isg)
    gate, parents, anew = Gate(), use(), getattr(made_by, name)
    times: list[None] = []

    def slowly() -> None:
        times.append(None)
        gate.pass_through()
        anew()

    monkeypatch.setattr(made_by, name, slowly)
    owner._pid = -1
    first = Later(use)
    gate.wait()
    second = Later(use)
    second.thread.join(0.1)  # enough for one that does not wait
    gate.open.set()
    assert first.result() is second.result() is not parents
    assert len(times) == 1
