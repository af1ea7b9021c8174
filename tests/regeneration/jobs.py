"""A pool under test, and jobs that end when they are told to."""

from __future__ import annotations

import threading
import time
from typing import Any, Self

from isgware.regeneration.local_queue import Work
from isgware.regeneration.render_threads import Pool

#: Seconds after which a test gives up; nothing takes that long, but for a machine that stalls.
LONG = 60.0


def nothing() -> None:
    """A job that ends at once."""


class Job:
    """Work that says when it began, and goes on until told to end."""

    def __init__(self, key: str, gate: threading.Event) -> None:
        self.key = key
        self.began, self.ended, self.given_up = (threading.Event() for _ in range(3))
        self.release = threading.Event()
        self.times_given_up = 0
        self.thread = threading.current_thread()
        self._gate = gate

    @property
    def work(self) -> Work:
        return Work(self.key, self._run, self._give_up)

    def _run(self) -> None:
        self.thread = threading.current_thread()
        self.began.set()
        while not (self.release.wait(0.002) or self._gate.is_set()):
            pass
        self.ended.set()

    def _give_up(self) -> None:
        self.times_given_up += 1
        self.given_up.set()


class Scene:
    """Pools and jobs that are all gone at its end. A pool's ``timeout`` of 0 means that whatever
    runs has run for too long."""

    def __init__(self) -> None:
        self._gate = threading.Event()
        self._pools: list[Pool] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._gate.set()
        for pool in self._pools:
            pool.close(LONG)

    def job(self, key: str) -> Job:
        return Job(key, self._gate)

    def pool(
        self, workers: int = 2, queue: int = 10, timeout: float = 60.0, executor: Any = None,
        *, gives_way: bool = True,
    ) -> Pool:  # fmt: skip
        self._pools.append(Pool(workers, queue, timeout, LONG, executor, gives_way=gives_way))
        return self._pools[-1]

    def running(self, pool: Pool, key: str = "busy") -> Job:
        """A job that is running."""
        job = self.job(key)
        assert pool.submit(job.work)
        assert job.began.wait(LONG)
        return job


def rest(pool: Pool, idle: int) -> None:
    """Return when ``idle`` threads of ``pool`` have nothing to do."""
    deadline = time.monotonic() + LONG
    while pool._idle < idle:
        assert time.monotonic() < deadline
