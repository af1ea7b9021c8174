"""The sites that `bench.feel` and `bench.storm` load, each in a process of its own under waitress,
and the workers beside them.

What a process is to serve is said in its environment: ``BENCH_STORE``, the URL of the store;
``BENCH_RENDERS``, a file to which every render adds its path; ``BENCH_CPU`` and ``BENCH_WAIT``,
seconds of each that a render takes; ``BENCH_INTERVAL``, seconds, to set Python's switch interval;
``BENCH_RELEASE``, which stands in the policy, so that pages of another one are stale;
``BENCH_NICE``, the priority of threads that render in the background; ``BENCH_FORK``, to have a
child process do the work of each such render.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .apps import BODY
from .load import HOST
from .machine import ROOT

THREADS = 8


def burn(seconds: float) -> None:
    """Pure CPU, as a template engine takes it: no call in it lets go of the interpreter's lock."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        sum(range(200))


def work() -> None:
    """What a render takes."""
    burn(float(os.environ.get("BENCH_CPU", 0)))
    time.sleep(float(os.environ.get("BENCH_WAIT", 0)))


def apart(work: Callable[[], None]) -> None:
    """Do ``work`` in a child process, and wait for it: an experiment, which looks after nothing
    that the child has inherited."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def site(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    path = environ["PATH_INFO"]
    if path != "/hot":
        behind = threading.current_thread().name.startswith("isgware-")
        if behind and "BENCH_NICE" in os.environ:
            thread, nice = threading.get_native_id(), int(os.environ["BENCH_NICE"])
            os.setpriority(os.PRIO_PROCESS, thread, nice)
        if behind and "BENCH_FORK" in os.environ:
            apart(work)
        else:
            work()
    log = os.open(os.environ["BENCH_RENDERS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, f"{path}\n".encode())
    os.close(log)
    start_response("200 OK", [("Content-Type", "text/html")])
    return [BODY[:10_000]]


def application() -> Any:
    """For ``isgware worker`` and for `main`: the site under an `ISG`."""
    from isgware import ISG, Policy

    release = os.environ.get("BENCH_RELEASE", "one")
    return ISG(
        site,
        store=os.environ["BENCH_STORE"],
        base_url=f"http://{HOST}",
        compress=False,
        routes={
            "/hot": Policy(revalidate=3600),
            "/burn/<n>": Policy(revalidate=1),
            "/page/<n>": Policy(revalidate=3600, tags=[f"release:{release}"]),
        },
    )


def main() -> None:
    import waitress

    if "BENCH_INTERVAL" in os.environ:
        sys.setswitchinterval(float(os.environ["BENCH_INTERVAL"]))
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = waitress.create_server(
        application(), host="127.0.0.1", port=0, threads=THREADS, connection_limit=2_000
    )
    print(server.effective_port, flush=True)
    server.run()


@contextlib.contextmanager
def serving(place: str, **said: object) -> Iterator[int]:
    """A server over the store in ``place``; its port. ``said`` goes into its environment."""
    with _process([sys.executable, "-m", "bench.kit.serving"], place, said) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())


@contextlib.contextmanager
def working(place: str, **said: object) -> Iterator[None]:
    """An ``isgware worker`` beside the server, that has said that it is there."""
    command = [sys.executable, "-m", "isgware", "worker", "bench.kit.serving:working_app"]
    with _process(command, place, said) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(1.5)  # the server looks for workers once a second
        yield


@contextlib.contextmanager
def _process(
    command: list[str], place: str, said: dict[str, object]
) -> Iterator[subprocess.Popen[str]]:
    words = {f"BENCH_{name.upper()}": str(value) for name, value in said.items()}
    words = {"BENCH_STORE": f"file:{place}/store", "BENCH_RENDERS": f"{place}/renders", **words}
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **words}, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def renders(place: str) -> list[str]:
    """The paths that were rendered so far, in their order."""
    path = Path(place) / "renders"
    return path.read_text().splitlines() if path.exists() else []


def get(port: int, path: str) -> None:
    """One visit before the load begins."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Host": HOST})
    with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(request) as answer:
        answer.read()


def __getattr__(name: str) -> Any:  # made when a worker asks for it, not on import
    if name == "working_app":
        return application()
    raise AttributeError(name)


if __name__ == "__main__":
    main()
