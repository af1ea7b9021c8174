"""`isgware worker` beside gunicorn, over the embedded store and over Redis: who renders, and what
the web processes do when the worker dies, freezes or was never there."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.integration.client import Answer, eventually, herd
from tests.integration.servers import Serve, Server, environment
from tests.integration.workers import WorkerProcess
from tests.integration.world import World
from tests.stores import Redis, running

#: Where a worker is killed or frozen: half of this time it may be silent, or a job take. Elsewhere
#: that is as long as a machine may stall.
HASTY = {"ISGWARE_LEASE_TIME": "4"}
PAGES = [f"/page/{number}" for number in range(20)]


@dataclass
class Site:
    """gunicorn with two processes, and workers beside it."""

    world: World
    server: Server
    env: dict[str, str]
    workers: list[WorkerProcess] = field(default_factory=list)

    def worker(self, **flags: object) -> WorkerProcess:
        self.workers.append(WorkerProcess(self.world, env=self.env, flags=flags))
        return self.workers[-1].started()

    def renew(self, path: str) -> Answer:
        """Make a page stale, and visit it until it is new."""
        old = eventually(lambda: self.server.get(path), lambda it: it.state == "HIT", within=60)
        assert "error" not in self.server.do("revalidate_path", path)
        return self.newer(path, old)

    def newer(self, path: str, old: Answer, within: float = 60) -> Answer:
        def look() -> Answer:
            answer = self.server.get(path)
            assert answer.status == 200
            assert answer.state in ("STALE", "HIT"), "a stale page keeps nobody waiting"
            return answer

        return eventually(look, lambda it: it.nonce != old.nonce, within=within)


@contextlib.contextmanager
def working(store: str, serve: Serve, world: World, **env: str) -> Iterator[Site]:
    with contextlib.ExitStack() as stack:
        env["ISGWARE_DRAIN_TIME"] = "3"
        if store == "redis":
            env["SITE_STORE"] = stack.enter_context(running(Redis())).url
        site = Site(world, serve(workers=2, threads=4, env=env), env)
        for path in PAGES:
            site.server.get(path)
        yield site
        for worker in site.workers:
            worker.kill()


@pytest.fixture(params=["file", "redis"])
def site(request: pytest.FixtureRequest, serve: Serve, world: World) -> Iterator[Site]:
    with working(request.param, serve, world) as site:
        yield site


@pytest.fixture(params=["file", "redis"])
def hasty(request: pytest.FixtureRequest, serve: Serve, world: World) -> Iterator[Site]:
    """Where a worker that is gone is soon missed."""
    with working(request.param, serve, world, **HASTY) as site:
        yield site


def renderers(world: World, path: str) -> list[int]:
    return [entry["pid"] for entry in world.renders(path)]


def until_handed_over(site: Site, worker: WorkerProcess, path: str) -> None:
    """The web processes have seen the worker."""
    eventually(lambda: site.renew(path), lambda it: it.page["pid"] == worker.pid, within=60)


def rendering_in(site: Site, worker: WorkerProcess, path: str) -> int:
    """Wait until the worker is at this page. Returns how many renders of it have begun."""

    def look() -> list[int]:
        if site.server.get(path).state == "HIT":  # at first, or rendered by a web process
            site.server.do("revalidate_path", path)
        ended = {entry["nonce"] for entry in site.world.renders(path, "end")}
        begun = site.world.renders(path)
        return [entry["pid"] for entry in begun if entry["nonce"] not in ended]

    eventually(look, lambda pids: pids == [worker.pid], within=60)
    return len(site.world.renders(path))


def test_the_worker_renders_and_the_web_processes_do_not(site: Site) -> None:
    worker = site.worker(threads=2)
    until_handed_over(site, worker, PAGES[0])
    for path in PAGES[1:8]:
        assert site.renew(path).page["pid"] == worker.pid
        assert renderers(site.world, path)[1:] == [worker.pid]
    assert worker.stop() == 0
    first, last = worker.said().splitlines()
    assert " on 2 threads." in first
    assert " has ended: " in last


def test_first_visits_wait_for_nobody_else(site: Site) -> None:
    worker = site.worker()
    until_handed_over(site, worker, PAGES[0])
    answer = site.server.get("/page/never-seen")
    assert answer.page["pid"] in site.server.pids()


def test_without_a_worker_the_web_processes_render(site: Site) -> None:
    assert site.renew(PAGES[0]).page["pid"] in site.server.pids()


def test_a_worker_that_takes_leave_is_missed_at_once(site: Site) -> None:
    worker = site.worker()
    until_handed_over(site, worker, PAGES[0])
    assert worker.stop() == 0
    eventually(
        lambda: site.renew(PAGES[1]).page["pid"], lambda pid: pid in site.server.pids(), within=60
    )


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
def test_web_processes_render_again_when_the_worker_is_gone(
    hasty: Site, end: signal.Signals
) -> None:
    worker = hasty.worker()
    until_handed_over(hasty, worker, PAGES[0])
    os.kill(worker.pid, end)
    for path in PAGES[1:4]:
        assert hasty.renew(path).page["pid"] != worker.pid


def test_what_a_killed_worker_was_at_is_rendered_by_the_next_without_a_visit(hasty: Site) -> None:
    path, worker = PAGES[0], hasty.worker()
    until_handed_over(hasty, worker, PAGES[1])
    hasty.world.knob(path, sleep=2.0)
    count = rendering_in(hasty, worker, path)
    os.kill(worker.pid, signal.SIGKILL)
    hasty.world.knob(path, sleep=0.0)
    other = hasty.worker()
    eventually(
        lambda: renderers(hasty.world, path)[count:], lambda pids: pids == [other.pid], within=60
    )


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_that_goes_in_mid_render_holds_its_page_up_for_a_lease(
    hasty: Site, end: signal.Signals
) -> None:
    site = hasty
    path, worker = PAGES[0], site.worker()
    until_handed_over(site, worker, PAGES[1])
    with site.world.held(path, text="before"):
        count = rendering_in(site, worker, path)
        os.kill(worker.pid, end)
        site.world.knob(path, text="after")
        new = eventually(
            lambda: site.server.get(path), lambda it: it.page["text"] == "after", within=60
        )
    assert new.page["pid"] != worker.pid
    assert len(renderers(site.world, path)) == count + 1
    if end is signal.SIGSTOP:  # what it still has in hand is older, and changes nothing
        os.kill(worker.pid, signal.SIGCONT)
        eventually(
            lambda: len(site.world.renders(path, "end")),
            lambda ended: ended == count + 1,
            within=60,
        )
        assert worker.stop() == 0
        # The other web process may show its old page once more, but then nobody does.
        eventually(
            lambda: {site.server.get(path).page["text"] for _ in range(8)},
            lambda seen: seen == {"after"},
            within=60,
        )


def test_two_workers_share_the_work_and_render_no_page_twice(site: Site) -> None:
    workers = [site.worker(threads=1), site.worker(threads=1)]
    until_handed_over(site, workers[0], PAGES[0])
    for path in PAGES:
        site.world.knob(path, sleep=0.1)
    old = {path: site.server.get(path) for path in PAGES}
    before = {path: len(renderers(site.world, path)) for path in PAGES}
    site.server.do("revalidate_tag", "pages")
    for path in PAGES:
        site.server.get(path)
    for path in PAGES:
        site.newer(path, old[path])
    pids = [pid for path in PAGES for pid in renderers(site.world, path)[before[path] :]]
    assert len(pids) == len(PAGES)
    assert set(pids) >= {worker.pid for worker in workers}


def shown_by_all(site: Site, path: str) -> set[tuple[int, str]]:
    """What whichever web process answers shows, asked from many connections at once."""
    answers = herd(lambda: site.server.get(path), clients=8, requests=16)
    return {(answer.served_by, answer.page["text"]) for answer in answers}


def test_p6_what_is_invalidated_while_the_worker_renders_is_rendered_again(site: Site) -> None:
    path, worker = PAGES[0], site.worker()
    until_handed_over(site, worker, PAGES[1])
    with site.world.held(path, text="one"):
        rendering_in(site, worker, path)
        site.world.knob(path, text="two")
        assert "error" not in site.server.do("purge_path", path)
        # Over Redis the other process hears of it by a message.
        shown = {(pid, "two") for pid in site.server.pids()}
        eventually(lambda: shown_by_all(site, path), lambda found: found == shown, within=60)
    eventually(  # the worker's own render ends, and overwrites nothing
        lambda: (len(site.world.renders(path, "end")), len(site.world.renders(path))),
        lambda counts: counts[0] == counts[1],
        within=60,
    )
    assert shown_by_all(site, path) <= shown


def test_a_worker_outlives_its_redis(serve: Serve, world: World) -> None:
    with running(Redis()) as store:
        env = {"SITE_STORE": store.url, **HASTY}
        server = serve(env=env)
        worker = WorkerProcess(world, env=env)
        site = Site(world, server, {}, [worker])
        try:
            worker.started()
            server.get(PAGES[0])
            until_handed_over(site, worker, PAGES[0])
            store.kill()
            time.sleep(1.5)
            store.start()
            until_handed_over(site, worker, PAGES[0])
            assert worker.stop() == 0
        finally:
            worker.kill()


def test_a_worker_of_another_build_takes_no_jobs(serve: Serve, world: World) -> None:
    server = serve(env={"ISGWARE_BUILD_ID": "one"})
    worker = WorkerProcess(world, env={"ISGWARE_BUILD_ID": "two"})
    site = Site(world, server, {}, [worker])
    try:
        worker.started()
        server.get(PAGES[0])
        assert site.renew(PAGES[0]).page["pid"] in server.pids()
    finally:
        worker.kill()


@pytest.mark.parametrize("app", ["flask", "django"])
def test_frameworks_start_workers_too(serve: Serve, world: World, app: str) -> None:
    server = serve(app=app)
    worker = WorkerProcess(world, app=app)
    site = Site(world, server, {}, [worker.started()])
    try:
        server.get(PAGES[0])
        until_handed_over(site, worker, PAGES[0])
        assert worker.stop() == 0
    finally:
        worker.kill()


def test_a_broken_app_is_one_line_and_status_2(world: World) -> None:
    (world.directory / "broken.py").write_text("1 / 0")
    done = subprocess.run(
        [sys.executable, "-m", "isgware", "worker", "broken:app"],
        cwd=world.directory, env=environment(world, {}), capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: broken cannot be imported: ZeroDivisionError: division by zero\n"
