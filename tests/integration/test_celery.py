"""`isgware.celery` with a real Celery worker, pre-forking, on a real Redis broker, and gunicorn."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.integration.client import Answer, eventually
from tests.integration.servers import STARTS_WITHIN, Serve, Server, environment
from tests.integration.world import World
from tests.stores import Redis, running

#: Where Celery is killed or frozen: half of this time a job may take. Elsewhere that is as long as
#: a machine may stall; and so is the time within which the broker takes a task.
HASTY = {"ISGWARE_LEASE_TIME": "4", "SITE_BROKER_TIMEOUT": "1"}
PAGES = [f"/page/{number}" for number in range(12)]


class CeleryWorker:
    """`celery worker` with two processes, in a session of its own."""

    def __init__(self, world: World, env: dict[str, str]) -> None:
        self.log = world.directory / "celery-log"
        command = ["-m", "celery", "--app", "celery_site:celery", "worker"]
        command += ["--concurrency", "2", "--loglevel", "INFO", "--without-mingle"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *command, "--without-gossip", "--without-heartbeat"],
                env=environment(world, env),
                cwd=world.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + STARTS_WITHIN
        while " ready." not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        """To all processes of the worker: its own session, nothing else is in it."""
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.signal(signal.SIGKILL)
        self.process.wait()


@dataclass
class Site:
    world: World
    server: Server
    broker: Redis
    celery: CeleryWorker

    def renew(self, path: str, within: float = 60) -> Answer:
        """Make a page stale, and visit it until it is new."""
        old = eventually(lambda: self.server.get(path), lambda it: it.state == "HIT", within=60)
        assert "error" not in self.server.do("revalidate_path", path)

        def look() -> Answer:
            answer = self.server.get(path)
            assert answer.state in ("STALE", "HIT"), "a stale page keeps nobody waiting"
            return answer

        return eventually(look, lambda it: it.nonce != old.nonce, within=within)

    def until_handed_over(self, path: str) -> None:
        """The web processes have a page rendered by Celery."""
        eventually(lambda: self.is_web(self.renew(path)), lambda it: not it, within=60)

    def is_web(self, answer: Answer) -> bool:
        return answer.page["pid"] in self.server.pids()


@contextlib.contextmanager
def working(serve: Serve, world: World, **given: str) -> Iterator[Site]:
    with contextlib.ExitStack() as stack:
        broker, store = (stack.enter_context(running(Redis())) for _ in range(2))
        env = {
            "SITE_STORE": store.url,
            "SITE_BROKER": broker.url,
            "SITE_BROKER_TIMEOUT": "30",
            **given,
        }
        celery = CeleryWorker(world, env)
        stack.callback(celery.kill)
        server = serve(app="celery", workers=2, threads=4, env=env)
        for path in PAGES:
            server.get(path)
        yield Site(world, server, broker, celery)


@pytest.fixture
def site(serve: Serve, world: World) -> Iterator[Site]:
    with working(serve, world) as site:
        yield site


@pytest.fixture
def hasty(serve: Serve, world: World) -> Iterator[Site]:
    """Where a Celery that is gone is soon missed."""
    with working(serve, world, **HASTY) as site:
        yield site


def test_celery_renders_and_the_web_processes_do_not(site: Site) -> None:
    assert {site.is_web(site.renew(path)) for path in PAGES[:6]} == {False}
    assert not any(len(site.world.renders(path)) > 2 for path in PAGES)
    assert site.is_web(site.server.get("/page/never-seen"))
    assert "'rendered'" in site.celery.said()
    assert "Traceback" not in site.celery.said()


def test_a_page_that_two_web_processes_ask_for_is_rendered_once(site: Site) -> None:
    for path in PAGES:
        site.world.knob(path, sleep=0.1)
    old = {path: site.server.get(path).nonce for path in PAGES}
    site.server.do("revalidate_tag", "pages")
    for _ in range(4):
        for path in PAGES:
            site.server.get(path)
    for path in PAGES:
        eventually(
            lambda path=path: site.server.get(path).nonce,  # type: ignore[misc]
            lambda nonce, path=path: nonce != old[path],  # type: ignore[misc]
            within=60,
        )
    assert {len(site.world.renders(path)) for path in PAGES} == {2}


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
def test_web_processes_render_when_celery_does_not(hasty: Site, end: signal.Signals) -> None:
    hasty.until_handed_over(PAGES[0])
    hasty.celery.signal(end)
    assert hasty.is_web(hasty.renew(PAGES[1]))


@pytest.mark.parametrize("end", ["killed", "stopped"])
def test_web_processes_render_when_the_broker_takes_nothing(hasty: Site, end: str) -> None:
    hasty.until_handed_over(PAGES[0])
    hasty.broker.kill() if end == "killed" else hasty.broker.suspend()
    assert hasty.is_web(hasty.renew(PAGES[1]))
    assert "broker does not take tasks" in hasty.server.stderr()
