"""When a worker exports again: time is passed in, and no thread runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client

from isgware import ISG, ConfigurationError, ExportError, Policy
from isgware.export import current
from isgware.export.current import EVERY, PAUSE, Current
from isgware.regeneration.shared_jobs import decode_job
from isgware.testing import FakeClock


class World:
    def __init__(self, directory: Path) -> None:
        self.text = b"one"
        self.clock = FakeClock()
        self.isg = ISG(
            self.app, store=f"file:{directory}/pages", routes={"/<name>": Policy(revalidate=60)},
            enabled=True, backend_timeout=10, clock=self.clock, queue_size=4,
        )  # fmt: skip
        self.tree = directory / "tree"
        self.client = Client(self.isg)
        self.current = Current(self.isg.runtime, self.tree)
        self.current._thread = threading.Thread(target=lambda: None)  # steps are the test's
        self.client.get("/a")

    def app(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [self.text]

    def pages(self) -> dict[str, bytes]:
        return {path.parent.name: path.read_bytes() for path in self.tree.rglob("index.txt")}


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setattr(current.time, "monotonic", lambda: 1_000.0)
    return 1_000.0


@pytest.fixture
def world(tmp_path: Path, now: float) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.isg.close(0)


def test_the_first_export_is_at_the_start(world: World) -> None:
    assert world.current.start().written == 1
    assert world.pages() == {"a": b"one"}


def test_a_directory_that_cannot_be_used_ends_the_start(world: World) -> None:
    world.tree.mkdir()
    (world.tree / "mine").touch()
    with pytest.raises(ConfigurationError, match="is not empty"):
        world.current.start()


def test_nothing_is_done_until_something_is_known_to_have_changed(world: World, now: float) -> None:
    world.current.start()
    world.client.get("/b")
    assert world.current.step(now + EVERY - 1) == PAUSE
    assert set(world.pages()) == {"a"}
    world.current.step(now + EVERY)  # nobody tells what web processes render
    assert set(world.pages()) == {"a", "b"}


def test_a_rendered_page_is_exported_at_the_next_step(world: World, now: float) -> None:
    world.current.start()
    world.client.get("/b")
    world.current.changed()
    world.current.step(now)
    assert set(world.pages()) == {"a", "b"}
    world.client.get("/c")
    world.current.step(now)  # and with that it is done
    assert set(world.pages()) == {"a", "b"}


def test_an_invalidation_is_exported_at_the_next_step(world: World, now: float) -> None:
    world.current.start()
    world.isg.purge_path("/a")
    world.current.step(now)
    assert world.pages() == {}


def test_an_export_that_fails_is_told_once_and_tried_again(
    world: World, now: float, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world.current.start()
    world.isg.purge_path("/a")

    def fail(*args: Any, **options: Any) -> None:
        raise ExportError("The disk is full.")

    monkeypatch.setattr(current, "export_app", fail)
    world.current.changed()
    assert world.current.step(now) > PAUSE
    world.current.step(now)
    assert [record.message for record in caplog.records] == ["The disk is full. It is tried again."]
    monkeypatch.undo()
    world.current.step(now)
    assert world.pages() == {}


def test_a_long_export_is_followed_by_a_long_pause(
    world: World, now: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = world.current.start()
    report.seconds = 20.0
    monkeypatch.setattr(current, "export_app", lambda *args, **options: report)
    world.current.changed()
    assert world.current.step(now) == 80.0


def test_what_is_rendered_while_an_export_runs_is_for_the_next(
    world: World, now: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.current.start()
    export = current.export_app

    def rendered_meanwhile(*args: Any, **options: Any) -> Any:
        report = export(*args, **options)
        world.client.get("/b")
        world.isg.purge_path("/a")
        world.current.changed()
        return report

    monkeypatch.setattr(current, "export_app", rendered_meanwhile)
    world.current.changed()
    world.current.step(now)
    monkeypatch.undo()
    assert set(world.pages()) == {"a"}
    world.current.step(now)
    assert set(world.pages()) == {"b"}


def test_stale_pages_of_the_tree_are_asked_for_the_oldest_first(world: World, now: float) -> None:
    for path in ("/b?x=1", "/c", "/d", "/e"):
        world.clock.advance(1)
        world.client.get(path)
    world.clock.advance(61)
    world.client.get("/new")
    world.current.start()
    asked = []
    while job := world.current._queue.take():
        decoded = decode_job(job.data)
        assert decoded is not None
        asked.append(decoded[1].path)
    assert asked == ["/a", "/c"]  # half the queue; and what is no file is its visitors' matter
