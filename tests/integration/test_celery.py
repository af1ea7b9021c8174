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

LEASE = 4.0
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

    def renew(self, path: str, within: float = 15) -> Answer:
        """Make a page stale, and visit it until it is new."""
        old = eventually(lambda: self.server.get(path), lambda it: it.state == "HIT", within=10)
        assert "error" not in self.server.do("revalidate_path", path)

        def look() -> Answer:
            answer = self.server.get(path)
            assert answer.seconds < 2, "a stale page keeps nobody waiting"
            return answer

        return eventually(look, lambda it: it.nonce != old.nonce, within=within)

    def is_web(self, answer: Answer) -> bool:
        return answer.page["pid"] in self.server.pids()


@pytest.fixture
def site(serve: Serve, world: World) -> Iterator[Site]:
    with contextlib.ExitStack() as stack:
        broker, store = (stack.enter_context(running(Redis())) for _ in range(2))
        env = {
            "ISGWARE_LEASE_TIME": str(LEASE),
            "ISGWARE_BACKEND_TIMEOUT": "2",  # a busy machine is no fault of the store
            "SITE_STORE": store.url,
            "SITE_BROKER": broker.url,
        }
        celery = CeleryWorker(world, env)
        stack.callback(celery.kill)
        server = serve(app="celery", workers=2, threads=4, env=env)
        for path in PAGES:
            server.get(path)
        yield Site(world, server, broker, celery)


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
            within=10,
        )
    assert {len(site.world.renders(path)) for path in PAGES} == {2}


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
def test_web_processes_render_when_celery_does_not(site: Site, end: signal.Signals) -> None:
    assert not site.is_web(site.renew(PAGES[0]))
    site.celery.signal(end)
    assert site.is_web(site.renew(PAGES[1]))


@pytest.mark.parametrize("end", ["killed", "stopped"])
def test_web_processes_render_when_the_broker_takes_nothing(site: Site, end: str) -> None:
    assert not site.is_web(site.renew(PAGES[0]))
    site.broker.kill() if end == "killed" else site.broker.suspend()
    assert site.is_web(site.renew(PAGES[1], within=5))
    assert "broker does not take tasks" in site.server.stderr()
