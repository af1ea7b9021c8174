"""What a transaction has written is told to every ISG that listens."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from isgware.core.database_reads import Writes
from isgware.core.dependencies import Inserted, Write
from isgware.errors import BackendUnavailable, ConfigurationError
from isgware.management import record_writes
from isgware.management.record_writes import (
    announce,
    announcing,
    listen,
    listening,
    said_by,
    tell,
    touched,
    unlisten,
    withdraw,
)

from ..announcements import announcing as with_announcements

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


def test_who_wants_to_know_beforehand_is_told_with_what_was_announced() -> None:
    listen(heard.append)
    assert not announcing()
    writes = [Inserted("post", 1)]
    with with_announcements() as beforehand:
        assert announcing()
        announced = announce(writes)
        announce(writes, announced)
        assert heard == []
        tell(writes, announced)
        assert beforehand.ended == ["token 1", "token 2"]
        assert announce([]) == {}
        tell([], announced)
        withdraw(announced)
    assert [what for what, _ in beforehand.events] == [
        "announced", "announced", "told", "withdrawn", "withdrawn",
    ]  # fmt: skip
    assert heard == [writes]


def test_one_that_cannot_be_announced_to_refuses_no_commit(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with with_announcements(lambda: 1 / 0) as beforehand:
        announced = announce([Inserted("post", 1)])
        withdraw({beforehand: ["token"]})
    assert announced == {}
    assert "it goes on without" in caplog.text
    assert "in vain" in caplog.text


class App:
    """An ISG whose database has ``tables``."""

    def __init__(self, *tables: str, away: bool = False) -> None:
        self.tables, self.away = tables, away
        self.touches: list[tuple[str, ...]] = []

    def _check_name(self, name: str) -> None:
        if name.split(":")[0] not in self.tables:
            raise ConfigurationError(f"Nobody knows {name}")

    def touched(self, *names: str) -> None:
        if self.away:
            raise BackendUnavailable("away")
        self.touches.append(names)


@pytest.fixture
def two_apps(monkeypatch: pytest.MonkeyPatch) -> tuple[App, App]:
    monkeypatch.setattr(record_writes, "_touchers", [])
    monkeypatch.setattr(record_writes, "_makers", [])
    apps = App("post"), App("post", "price")
    for app in apps:
        said_by(app)
    return apps


def test_each_app_of_a_process_is_told_what_it_knows(two_apps: tuple[App, App]) -> None:
    touched("price:1", "post:5")
    assert [app.touches for app in two_apps] == [[("post:5",)], [("price:1", "post:5")]]
    touched("price:2")
    assert two_apps[0].touches == [("post:5",)]


def test_what_no_app_knows_is_an_error_and_renews_nothing(two_apps: tuple[App, App]) -> None:
    with pytest.raises(ConfigurationError, match="Nobody knows prize:1"):
        touched("post:5", "prize:1")
    assert [app.touches for app in two_apps] == [[], []]


def test_a_store_that_is_away_keeps_nothing_from_another(two_apps: tuple[App, App]) -> None:
    two_apps[0].away = True
    with pytest.raises(BackendUnavailable):
        touched("post:5")
    assert two_apps[1].touches == [("post:5",)]
