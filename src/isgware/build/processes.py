"""A group of workers of processes, forked from this one before it starts any thread.

Forking spares each worker the import of the app, and works however the app was found. Batches go
through pipes as JSON. A worker whose pipe ends, since the build was killed, ends with it.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any, Final

from ..routing.declared_paths import last_line
from ..storage import counting
from .build_report import Made
from .page_targets import Batch
from .workers import BuildWorkers, Render, Worker

_FORK: Final = multiprocessing.get_context("fork")
#: Seconds between two heartbeats of a worker whose batch takes long.
_BEAT: Final = 0.5


class Processes(BuildWorkers):
    """``after_fork`` is called in each worker before it renders anything."""

    def __init__(
        self, render: Render, jobs: int, timeout: float, after_fork: Callable[[], None]
    ) -> None:
        self._render = render
        self._after_fork = after_fork
        self._pipes: list[Connection[bytes, bytes]] = []
        super().__init__(jobs, timeout)

    def _hire(self) -> Worker:
        ours, theirs = _FORK.Pipe()
        self._pipes = [pipe for pipe in self._pipes if not pipe.closed]
        not_theirs = [*self._pipes, ours]  # a pipe that a sibling holds open would not end
        process = _FORK.Process(
            target=_serve, args=(theirs, not_theirs, self._render, self._after_fork), daemon=True
        )
        process.start()
        theirs.close()
        self._pipes.append(ours)
        return _Process(process, ours)

    def _wait(self, seconds: float) -> list[tuple[Worker, list[Made]]]:
        by_pipe: dict[Any, _Process] = {
            w.pipe: w for w in self._workers if isinstance(w, _Process) and w.batches
        }
        found: list[tuple[Worker, list[Made]]] = []
        for pipe in wait(list(by_pipe), seconds):
            worker = by_pipe[pipe]
            made = worker.receive()
            if made is not None:
                found.append((worker, made))
        return found


class _Process(Worker):
    def __init__(self, process: multiprocessing.process.BaseProcess, pipe: Connection) -> None:
        super().__init__()
        self._process = process
        self.pipe = pipe
        self._ended = False

    def send(self, batch: Batch) -> None:
        try:
            self.pipe.send_bytes(_encoded(batch))
        except OSError:
            self._ended = True

    def receive(self) -> list[Made] | None:
        """What was made; ``None`` for a sign of life, or of its end."""
        try:
            data = self.pipe.recv_bytes()
        except (EOFError, OSError):
            self._ended = True
            return None
        self.since = time.monotonic()
        return [Made(*made) for made in json.loads(data)] if data else None

    def lost(self) -> str:
        if not self._ended:
            return ""
        self._process.join(1.0)
        code = self._process.exitcode
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            memory = ", perhaps for want of memory" if name == "SIGKILL" else ""
            return f"the process that rendered it was ended by {name}{memory}"
        return f"the process that rendered it ended with status {code}"

    def dismiss(self, patience: float = 0.0) -> None:
        self.pipe.close()  # it ends itself then, unless it hangs
        self._process.join(patience)
        self._process.kill()
        self._process.join(5.0)


def _serve(
    pipe: Connection,
    not_ours: list[Connection],
    render: Render,
    after_fork: Callable[[], None],
) -> None:
    """A worker: renders the batches that come through ``pipe`` until it ends."""
    for other in not_ours:
        other.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted build closes the pipe
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.stdout = sys.stderr  # what views print is not part of the report
    after_fork()
    _let_go_of_engines()
    gc.freeze()  # the app's objects stay: no collection needs to scan them
    last = time.monotonic()

    def beat() -> None:
        nonlocal last
        if (now := time.monotonic()) - last > _BEAT:
            last = now
            pipe.send_bytes(b"")

    try:
        while True:
            batch = _decoded(pipe.recv_bytes())
            try:
                made = render(batch, beat)
            except Exception as error:  # a defect of ours
                made = [Made("failed", path, last_line(error)) for path in batch.paths]
            pipe.send_bytes(json.dumps(made).encode())
            last = time.monotonic()
    except (EOFError, OSError):  # the build has ended
        counting.tell_at_exit()
        os._exit(0)


def _let_go_of_engines() -> None:
    """SQLAlchemy's pools know nothing of forks: what the parent process has in them stays its own.
    The engines are wherever the app keeps them."""
    core = sys.modules.get("sqlalchemy.engine")
    if core is not None:
        for found in gc.get_objects():
            if issubclass(type(found), core.Engine):
                found.dispose(close=False)


def _encoded(batch: Batch) -> bytes:
    flags = [batch.explicit, batch.lenient, batch.overtake]
    return json.dumps([batch.source, batch.paths, *flags]).encode()


def _decoded(data: bytes) -> Batch:
    source, paths, explicit, lenient, overtake = json.loads(data)
    return Batch(source, tuple(paths), explicit, lenient, overtake)
