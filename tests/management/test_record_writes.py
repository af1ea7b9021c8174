"""What a transaction has written is told to every ISG that listens."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from isgware.core.database_reads import Writes
from isgware.core.dependencies import Inserted, Write
from isgware.management.record_writes import listen, listening, tell, unlisten

heard: list[list[Write]] = []


@pytest.fixture(autouse=True)
def _nobody_listens_afterwards() -> Iterator[None]:
    heard.clear()
    yield
    unlisten(heard.append)
    unlisten(_raising)


def _raising(writes: list[Write]) -> None:
    raise RuntimeError("of the listener")


def test_who_listens_hears_of_each_batch_once() -> None:
    listen(heard.append)
    listen(heard.append)
    assert listening()
    writes = Writes()
    writes.add(Inserted("post", 1))
    tell(writes)
    assert heard == [[Inserted("post", 1)]]


def test_nothing_is_told_of_nothing() -> None:
    listen(heard.append)
    tell(Writes())
    assert heard == []


def test_one_that_raises_keeps_nothing_from_the_others(caplog: pytest.LogCaptureFixture) -> None:
    listen(_raising)
    listen(heard.append)
    tell([Inserted("post", 1)])
    assert len(heard) == 1
    assert "could not be renewed" in caplog.text
