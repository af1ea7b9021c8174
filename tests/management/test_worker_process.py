"""`isgware.management.worker_process` beside the ISG that hands jobs to it, in one process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cachelib import SimpleCache
from werkzeug.test import Client

from isgware import ISG, ConfigurationError, Policy
from isgware.cli.printing import stats_lines
from isgware.errors import BackendUnavailable
from isgware.management.worker_process import Worker
from isgware.testing import FakeClock, ManualExecutor

LONG = 60.0


class Fleet:
    """A web process and a worker over one store. The app says who renders, and what for."""

    def __init__(self, directory: Path, **options: Any) -> None:
        self.clock = FakeClock()
        self.executor = ManualExecutor()
        self.directory = directory
        self.rendered: list[tuple[str, str]] = []
        self.fails = False
        self.isgs: list[ISG] = []
        self.web = self.isg("web", executor=self.executor, **options)
        self.behind = self.isg("worker", **options)
        self.kept: list[str] = []
        self.worker = Worker(
            self.behind.runtime, 1, lambda page: self.kept.append(page.entry.route)
        )

    def isg(self, name: str, **options: Any) -> ISG:
        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            self.rendered.append((name, environ["PATH_INFO"]))
            if self.fails:
                raise RuntimeError("so told")
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [name.encode()]

        given = {"routes": {"/<name>": Policy(revalidate=60)}, "enabled": True, **options}
        given.setdefault("store", f"file:{self.directory}")
        given.setdefault("lease_time", 10.0)
        self.isgs.append(ISG(app, clock=self.clock, **given))
        return self.isgs[-1]

    def get(self, path: str = "/a") -> str:
        """A visit, and what it starts in the web process."""
        answer = Client(self.web).get(path)
        self.executor.run_all()
        return f"{answer.headers.get('X-ISG-Cache')} {answer.text}"

    def jobs(self) -> int:
        return self.worker._queue._store.queued("", self.clock())

    def work(self) -> None:
        """Let the worker do what waits."""
        while True:
            if not self.worker.step() and not self.worker._pool.busy:
                return
            time.sleep(0.001)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path / "store")
    yield fleet
    for isg in fleet.isgs:
        isg.close()


def stale_page(fleet: Fleet) -> None:
    """A worker is there, and /a is past its time."""
    fleet.get()
    fleet.clock.advance(61)
    fleet.worker._queue.beat("w")
    fleet.rendered.clear()


def test_a_stale_page_is_rendered_by_the_worker(fleet: Fleet) -> None:
    stale_page(fleet)
    assert fleet.get() == "STALE web"
    assert (fleet.rendered, fleet.jobs()) == ([], 1)
    fleet.work()
    assert fleet.rendered == [("worker", "/a")]
    fleet.clock.advance(0.1)
    fleet.get()
    assert fleet.get() == "HIT worker"
    assert fleet.worker.counts["rendered"] == 1


def test_visits_while_the_job_waits_ask_for_nothing_more(fleet: Fleet) -> None:
    stale_page(fleet)
    for _ in range(5):
        fleet.get()
        fleet.clock.advance(0.1)
    assert (fleet.rendered, fleet.jobs()) == ([], 1)


def test_without_a_worker_the_web_process_renders(fleet: Fleet) -> None:
    fleet.get()
    fleet.clock.advance(61)
    fleet.get()
    assert fleet.rendered == [("web", "/a"), ("web", "/a")]
    assert fleet.jobs() == 0


def test_a_first_visit_is_rendered_where_it_is(fleet: Fleet) -> None:
    stale_page(fleet)
    assert fleet.get("/b") == "MISS web"
    assert fleet.jobs() == 0


def test_a_job_that_nobody_does_in_time_is_rendered_by_the_web_process(fleet: Fleet) -> None:
    moment = [0.0]
    fleet.web.runtime.engine.background.handoff._clock = lambda: moment[0]
    stale_page(fleet)
    fleet.get("/b")
    fleet.get()
    moment[0] += 5
    fleet.clock.advance(0.1)
    fleet.get()
    assert fleet.rendered == [("web", "/b"), ("web", "/a")]
    fleet.web.revalidate_path("/b")
    fleet.get("/b")  # while one comes to nothing, no other is handed over
    assert fleet.rendered[2:] == [("web", "/b")]
    moment[0] += 30
    fleet.web.revalidate_path("/b")
    fleet.get("/b")
    assert fleet.rendered[3:] == []


def test_an_invalidated_page_is_handed_over_again(fleet: Fleet) -> None:
    stale_page(fleet)
    fleet.get()
    fleet.work()
    fleet.clock.advance(0.1)
    fleet.web.revalidate_path("/a")
    fleet.get()
    assert fleet.jobs() == 1
    fleet.work()
    assert fleet.rendered == [("worker", "/a"), ("worker", "/a")]


def test_a_job_of_a_page_that_is_fresh_by_now_is_dropped(fleet: Fleet) -> None:
    stale_page(fleet)
    fleet.get()
    fleet.web.purge_path("/a")
    assert fleet.get() == "REVALIDATED web"
    fleet.work()
    assert fleet.rendered == [("web", "/a")]
    assert fleet.worker.counts["nothing to do"] == 1


def test_a_page_that_fails_in_the_worker_backs_off_everywhere(fleet: Fleet) -> None:
    stale_page(fleet)
    fleet.fails = True
    fleet.get()
    fleet.work()
    assert fleet.worker.counts["not kept"] == 1
    fleet.clock.advance(0.5)
    assert fleet.get() == "STALE web"
    assert (fleet.rendered, fleet.jobs()) == ([("worker", "/a")], 0)
    fleet.worker._queue.beat("w")
    fleet.clock.advance(1.0)
    fleet.get()
    assert (fleet.rendered, fleet.jobs()) == ([("worker", "/a")], 1)


def test_a_job_that_came_while_its_page_failed_is_dropped(fleet: Fleet) -> None:
    stale_page(fleet)
    fleet.fails = True
    fleet.get()
    job = fleet.worker._queue.take()
    assert job is not None
    for _ in range(2):
        fleet.worker._queue.send("a", job.data)
        fleet.work()
    assert fleet.rendered == [("worker", "/a")]


def test_whoever_listens_hears_of_each_page_that_was_kept(fleet: Fleet) -> None:
    stale_page(fleet)
    fleet.get()
    fleet.work()
    assert fleet.kept == ["/<name>"]


def test_a_listener_that_raises_ends_nothing(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    fleet.worker._on_rendered = lambda page: 1 / 0  # type: ignore[assignment, return-value]
    stale_page(fleet)
    fleet.get()
    fleet.work()
    assert fleet.worker.counts["rendered"] == 1
    assert "What follows a render failed" in caplog.text


def test_a_job_whose_planning_raises_is_dropped(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stale_page(fleet)
    fleet.get()
    monkeypatch.setattr(fleet.behind.runtime.engine.planner, "plan", lambda visitor: 1 / 0)
    fleet.work()
    assert fleet.worker.counts["nothing to do"] == 1
    assert "could not be planned" in caplog.text


def test_the_most_visited_are_rendered_first(fleet: Fleet) -> None:
    for path in ("/a", "/b", "/c"):
        fleet.get(path)
    fleet.clock.advance(61)
    fleet.worker._queue.beat("w")
    fleet.rendered.clear()
    for path in ("/a", "/b", "/c", "/c", "/b", "/c"):
        assert fleet.get(path) == "STALE web"
    fleet.web.runtime.engine.background.handoff.send_demand()
    fleet.work()
    assert fleet.rendered == [("worker", "/c"), ("worker", "/b"), ("worker", "/a")]


def test_visits_of_a_page_that_waits_write_nothing(fleet: Fleet) -> None:
    stale_page(fleet)
    fleet.get()
    fleet.web.runtime.engine.renderer.maintenance.close()  # which hands the counts on each second
    database = fleet.web.runtime.engine.page_store.backend.backend.database  # type: ignore[attr-defined]
    database.write = lambda work: 1 / 0
    for _ in range(100):
        assert fleet.get() == "STALE web"
    del database.write
    assert sum(1 for _ in fleet.web.runtime.engine.background.handoff._requested) == 100


def test_a_job_that_is_done_is_looked_at_by_nobody_else(fleet: Fleet) -> None:
    stale_page(fleet)
    fleet.get()
    fleet.work()
    fleet.clock.advance(30)
    assert fleet.jobs() == 0
    assert not fleet.worker.step()


def test_a_job_of_a_worker_that_died_is_done_by_the_next(fleet: Fleet) -> None:
    stale_page(fleet)
    fleet.get()
    assert fleet.worker._queue.take() is not None  # and no more was heard of it
    fleet.clock.advance(9.9)
    assert not fleet.worker.step()
    fleet.clock.advance(0.1)
    fleet.work()
    assert fleet.rendered == [("worker", "/a")]


def test_a_job_waits_until_the_lease_of_a_worker_that_died_is_over(fleet: Fleet) -> None:
    """It was renewed while the worker lived, so it ends later than the job's hold."""
    stale_page(fleet)
    fleet.get()
    job = fleet.worker._queue.take()
    assert job is not None
    page_store = fleet.web.runtime.engine.page_store
    fleet.clock.advance(6)
    assert page_store.acquire(job.key, 10.0, ["all"]) is not None
    fleet.clock.advance(4)
    fleet.work()
    assert (fleet.rendered, fleet.jobs()) == ([], 0)
    fleet.clock.advance(10)
    fleet.work()
    assert fleet.rendered == [("worker", "/a")]
    fleet.clock.advance(10)
    assert fleet.jobs() == 0


def test_a_store_that_takes_no_done_costs_a_look(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(job: object) -> None:
        raise BackendUnavailable("away")

    stale_page(fleet)
    fleet.get()
    monkeypatch.setattr(fleet.worker._queue, "done", lost)
    fleet.work()
    fleet.clock.advance(10)
    fleet.work()
    assert fleet.rendered == [("worker", "/a")]
    assert dict(fleet.worker.counts) == {"rendered": 1, "not kept": 0, "nothing to do": 1}


def test_what_is_no_job_is_dropped(fleet: Fleet) -> None:
    fleet.worker._queue.send("x", b"junk")
    fleet.work()
    assert fleet.worker.counts["nothing to do"] == 1


def test_the_worker_takes_no_more_than_it_has_threads_for(fleet: Fleet) -> None:
    gate = threading.Event()
    fleet.behind.application = None  # type: ignore[assignment]
    fleet.behind.runtime.engine.renderer.producer._application = lambda environ, start: (
        gate.wait(LONG) and []
    )
    stale_page(fleet)
    fleet.get("/b")
    fleet.clock.advance(61)
    fleet.worker._queue.beat("w")
    fleet.get("/a")
    fleet.get("/b")
    assert [fleet.worker.step(), fleet.worker.step()] == [True, False]
    assert fleet.jobs() == 1
    gate.set()
    fleet.work()


def test_renders_give_way_to_visitors_only_where_those_are(fleet: Fleet) -> None:
    assert fleet.web.runtime.engine.background.pool._gives_way
    assert not fleet.worker._pool._gives_way


def test_statistics_tell_of_workers_and_of_what_waits_for_them(fleet: Fleet) -> None:
    assert "workers" not in stats_lines(fleet.web.stats())
    stale_page(fleet)
    fleet.get()
    assert "queue         1 waiting (workers: 1)\n" in stats_lines(fleet.web.stats())


# Running.


def running(worker: Worker) -> tuple[threading.Thread, list[bool]]:
    ended: list[bool] = []
    thread = threading.Thread(target=lambda: ended.append(worker.run()))
    thread.start()
    return thread, ended


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_a_worker_says_that_it_is_there_until_it_ends(fleet: Fleet) -> None:
    thread, ended = running(fleet.worker)
    until(lambda: fleet.worker.name in fleet.worker._queue.workers())
    fleet.worker.stop()
    thread.join(LONG)
    assert ended == [True]
    assert fleet.worker._queue.workers() == {}


def test_a_worker_whose_threads_all_hang_ends(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "store", render_timeout=0.2, probe_interval=0.1, drain_time=0.1)
    gate = threading.Event()
    fleet.behind.runtime.engine.renderer.producer._application = lambda environ, start: (
        gate.wait(LONG) and []
    )
    stale_page(fleet)
    thread, ended = running(fleet.worker)
    fleet.get()
    thread.join(LONG)
    gate.set()
    assert ended == [False]
    for isg in fleet.isgs:
        isg.close()


def test_the_store_may_be_away_for_a_while(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    stale_page(fleet)
    fleet.get()
    breaker = fleet.behind.runtime.engine.page_store.backend
    breaker.trip(OSError("away"))
    assert not fleet.worker.step()
    fleet.worker._say_that_we_are_here()
    breaker.probe()
    fleet.work()
    assert fleet.rendered == [("worker", "/a")]


@pytest.mark.parametrize("store", ["memory:", SimpleCache()])
def test_a_store_of_one_process_is_refused(tmp_path: Path, store: Any) -> None:
    options = {} if store == "memory:" else {"coordinator": f"file:{tmp_path}"}
    isg = ISG(lambda environ, start: [], store=store, enabled=True, **options)
    with pytest.raises(ConfigurationError, match="file:DIR"):
        Worker(isg.runtime)


@pytest.mark.parametrize("enabled", [False, "report"])
def test_an_isg_that_is_not_at_work_is_refused(tmp_path: Path, enabled: Any) -> None:
    isg = ISG(lambda environ, start: [], store=f"file:{tmp_path}", enabled=enabled)
    with pytest.raises(ConfigurationError, match="not at work"):
        Worker(isg.runtime)
