"""`isg.stats()` and how the command line prints it: the store's circuit breaker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from isgware import ISG
from isgware.backends.breaker import Breaker
from isgware.cli.printing import stats_lines


@pytest.fixture
def isg() -> Iterator[ISG]:
    isg = ISG(lambda environ, start_response: [], store="memory:", enabled=True)
    yield isg
    isg.close(0)


@pytest.fixture
def breaker(isg: ISG) -> Breaker:
    return isg.runtime.engine.page_store.backend


def test_a_store_that_never_failed(isg: ISG) -> None:
    found = isg.stats()
    assert (found.circuit, found.circuit_seconds, found.trips) == ("closed", None, 0)
    assert "MemoryBackend, circuit closed\n" in stats_lines(found)


def test_a_store_that_is_out_of_reach(isg: ISG, breaker: Breaker) -> None:
    breaker.trip(OSError("gone"))
    found = isg.stats()
    assert (found.circuit, found.trips) == ("open", 1)
    assert found.circuit_seconds is not None
    assert found.circuit_seconds >= 0
    shown = stats_lines(replace(found, circuit_seconds=12.0))
    assert "circuit open for 12 s, opened once\n" in shown


def test_a_store_that_came_back(isg: ISG, breaker: Breaker) -> None:
    for _ in range(2):
        breaker.trip(OSError("gone"))
        assert breaker.probe()
    found = isg.stats()
    assert (found.circuit, found.trips) == ("closed", 2)
    shown = stats_lines(replace(found, circuit_seconds=7_200.0))
    assert "circuit closed for 2 h, opened 2 times\n" in shown
