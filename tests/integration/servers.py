"""Real servers: each a subprocess on a free loopback port, stopped by the pid it started with."""

from __future__ import annotations

import contextlib
import functools
import http.client
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.conftest import PATIENT
from tests.integration.client import Answer, herd, request
from tests.integration.world import World
from tests.stores import free_port

HERE = Path(__file__).resolve().parent
SITES = HERE / "sites"
SOURCE = HERE.parents[1] / "src"
STARTS_WITHIN = 180.0
#: Less than the grace of any server, after which it kills its workers.
STOPS_WITHIN = 25.0

APPS = {
    "plain": "plain_site:application",
    "http": "http_site:application",
    "echo": "echo_site:application",
    "flask": "flask_site:app",
    "django": "django_wsgi:application",
    "celery": "celery_site:application",
}


@dataclass(frozen=True)
class Launch:
    """What a server's command line is made from."""

    app: str
    port: int
    workers: int
    threads: int

    @property
    def bind(self) -> str:
        return f"127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Kind:
    """One kind of server: its test id, the package it needs, its command, what it can serve."""

    id: str
    needs: str
    command: Callable[[Launch], list[str]]
    apps: tuple[str, ...] = ("plain", "flask", "django")
    alone: bool = False  # one process whatever is asked for

    @property
    def missing(self) -> str | None:
        """Why this server cannot be had here, if it cannot."""
        return None if importlib.util.find_spec(self.needs) else f"{self.needs} is not installed"


def gunicorn(launch: Launch, *, worker: str, preload: bool) -> list[str]:
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        launch.app,
        "-b",
        launch.bind,
        "-k",
        worker,
        "--no-control-socket",
    ]
    command += ["-w", str(launch.workers), "--log-level", "warning"]
    command += ["--threads", str(launch.threads)] if worker == "gthread" else []
    return [*command, "--preload"] if preload else command


def uwsgi(launch: Launch, *flags: str) -> list[str]:
    module, _, name = launch.app.partition(":")
    run = "import sys, pyuwsgi; sys.exit(pyuwsgi.run())"
    command = [
        sys.executable,
        "-c",
        run,
        "--http-socket",
        launch.bind,
        "--module",
        module,
        "--callable",
        name,
    ]
    command += ["--virtualenv", sys.prefix, "--pythonpath", str(SITES), "--pythonpath", str(SOURCE)]
    return [
        *command,
        "--enable-threads",
        "--threads",
        str(launch.threads),
        "--need-app",
        "--disable-logging",
        *flags,
    ]


def uwsgi_master(launch: Launch, *flags: str) -> list[str]:
    return uwsgi(
        launch,
        "--master",
        "--die-on-term",
        "--no-orphans",
        "--processes",
        str(launch.workers),
        *flags,
    )


def waitress(launch: Launch) -> list[str]:
    options = [f"--listen={launch.bind}", f"--threads={launch.threads}"]
    return [sys.executable, "-m", "waitress", *options, launch.app]


def granian(launch: Launch) -> list[str]:
    command = [sys.executable, "-m", "granian", "--interface", "wsgi"]
    command += ["--host", "127.0.0.1", "--port", str(launch.port)]
    command += ["--workers", str(launch.workers), "--blocking-threads", str(launch.threads)]
    return [*command, "--log-level", "warning", launch.app]


def wsgiref(launch: Launch) -> list[str]:
    return [sys.executable, str(SITES / "run_wsgiref.py"), launch.app, str(launch.port)]


def flask_run(launch: Launch) -> list[str]:
    return [sys.executable, "-m", "flask", "--app", launch.app, "run", "--port", str(launch.port)]


def runserver(launch: Launch) -> list[str]:
    return [sys.executable, "-m", "django", "runserver", "--noreload", launch.bind]


def _kinds() -> list[Kind]:
    part = functools.partial
    made = []
    for worker, needs in (("sync", "gunicorn"), ("gthread", "gunicorn"), ("gevent", "gevent")):
        for preload in (False, True):
            name = f"gunicorn-{worker}" + ("-preload" if preload else "")
            made.append(Kind(name, needs, part(gunicorn, worker=worker, preload=preload)))
    made += [
        Kind("uwsgi", "pyuwsgi", uwsgi, alone=True),
        Kind("uwsgi-master", "pyuwsgi", uwsgi_master),
        Kind(
            "uwsgi-master-lazy-apps", "pyuwsgi", lambda launch: uwsgi_master(launch, "--lazy-apps")
        ),
        Kind("waitress", "waitress", waitress, alone=True),
        Kind("granian", "granian", granian),
        Kind("wsgiref", "wsgiref", wsgiref, alone=True),
        Kind("flask-run", "flask", flask_run, apps=("flask",), alone=True),
        Kind("runserver", "django", runserver, apps=("django",), alone=True),
    ]
    return made


KINDS = {kind.id: kind for kind in _kinds()}


class Server:
    """A running server. `stop` ends it as an operator would, by force if that takes too long."""

    def __init__(
        self,
        kind: str,
        world: World,
        *,
        app: str = "plain",
        workers: int = 1,
        threads: int = 8,
        env: dict[str, str] | None = None,
        wrapper: tuple[str, ...] = (),
    ) -> None:
        self.kind = KINDS[kind]
        self.world = world
        self.workers, self.threads = 1 if self.kind.alone else workers, threads
        self.app = APPS[app]
        self.env = environment(world, env or {})
        self.wrapper = wrapper
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self._log = world.directory / "stderr"

    def start(self) -> Server:
        for _ in range(3):  # the free port may be taken by somebody else before the server binds it
            self.port = free_port()
            self._launch()
            if self._answers():
                if self.workers > 1:
                    self.pids()  # a worker that is only starting may miss a signal
                return self
            text = self.stderr()
            self.kill()
            if "in use" not in text:
                break
        raise AssertionError(f"{self.kind.id} does not answer; it said:\n{text}")

    def _launch(self) -> None:
        number = len(list(self.world.directory.glob("stderr-*")))
        self._log = self.world.directory / f"stderr-{number}"
        command = self.kind.command(Launch(self.app, self.port, self.workers, self.threads))
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, *command],
                env=self.env,
                cwd=self.world.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _answers(self) -> bool:
        assert self.process is not None
        deadline = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                answer = request(self.port, "/-/pid", timeout=10)
                if os.getsid(int(answer.body)) == self.process.pid:  # not another's on this port
                    return True
            except (OSError, http.client.HTTPException, ValueError):
                pass
            time.sleep(0.05)
        return False

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def get(self, path: str, **keywords: Any) -> Answer:
        return request(self.port, path, **keywords)

    def do(self, verb: str, *arguments: str, timeout: float = 90) -> dict[str, Any]:
        """Call a verb of the `ISG` in whichever process of this server answers."""
        query = urllib.parse.urlencode(
            [("verb", verb), *(("arg", argument) for argument in arguments)]
        )
        answer: dict[str, Any] = json.loads(
            request(self.port, f"/-/do?{query}", timeout=timeout).body
        )
        return answer

    def pids(self) -> set[int]:
        """The processes that answer, asked from many connections at once so that all get some."""
        seen: set[int] = set()
        deadline = time.monotonic() + 60
        while len(seen) < self.workers and time.monotonic() < deadline:
            asked = herd(lambda: request(self.port, "/-/pid?wait"), clients=16, requests=48)
            seen |= {int(answer.body) for answer in asked}
        return seen

    def stderr(self) -> str:
        """What the server, and the logger `isgware` in it, have said so far."""
        return self._log.read_text(errors="replace")

    def stop(self, *, within: float = STOPS_WITHIN) -> float:
        """SIGTERM, as from systemd: seconds until it had ended. Fails if it had to be killed."""
        assert self.process is not None
        started = time.monotonic()
        self.process.terminate()
        try:
            self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"{self.kind.id} was still there {within} s after SIGTERM:\n{self.stderr()}"
            ) from None
        seconds = time.monotonic() - started
        self.kill()
        return seconds

    def kill(self) -> None:
        """SIGKILL to what this server started, its own session: nothing else is in it."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Serve(Protocol):
    """The fixture `serve`: start a server in the test's world; it ends with the test."""

    def __call__(self, kind: str = ..., **options: Any) -> Server: ...


def environment(world: World, extra: dict[str, str]) -> dict[str, str]:
    """What a server inherits: nothing of the test run's own settings, of isgware's its patience."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST", "ISGWARE", "COV_"))
    }
    return {
        **kept,
        **PATIENT,
        "PYTHONPATH": os.pathsep.join([str(SITES), str(SOURCE)]),
        "PYTHONUNBUFFERED": "1",
        "DJANGO_SETTINGS_MODULE": "django_settings",
        "SITE_WORLD": str(world.directory),
        "SITE_STORE": world.store_url,
        **extra,
    }


def run_script(world: World, script: str, *arguments: str, timeout: float = 300) -> dict[str, Any]:
    """Run one of the sites' scripts to its end; what it printed last, as JSON."""
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", str(SITES / script), *arguments],
        env=environment(world, {}),
        cwd=world.directory,
        capture_output=True,
        timeout=timeout,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{script} ended with {done.returncode}:\n{done.stderr}"
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result
