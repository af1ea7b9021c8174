"""``isgware worker``: a process that regenerates pages for the web processes.

It takes jobs from the queue in the store and renders them through the engine, as a web process
would. It takes a job only when a thread is free, so that jobs that wait can be taken by other
workers.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from ..backends.base import Job
from ..errors import BackendUnavailable, ConfigurationError
from ..regeneration.handoff import BEAT, queue_of
from ..regeneration.render_threads import Pool
from ..regeneration.shared_jobs import target_of
from ..rendering.result import Outcome, Rendered
from ..routing.planner import Target
from ..runtime import Runtime
from ..storage.open_store import shared
from ..storage.process_cache import Page

log: Final = logging.getLogger("isgware")
#: Seconds between two checks of an empty queue.
_PAUSE: Final = 0.05


class Worker:
    """Renders for the web processes that share the store of ``runtime``.

    ``threads`` renders run at a time; 0 stands for the option ``workers``. ``on_rendered`` is
    called, on such a thread, with each page that was rendered and stored; ``before_leaving`` when
    the worker ends, while the store is still open. Raises `ConfigurationError` if a worker would be
    of no use.
    """

    def __init__(
        self,
        runtime: Runtime,
        threads: int = 0,
        on_rendered: Callable[[Page], None] = lambda page: None,
        before_leaving: Callable[[], None] = lambda: None,
    ) -> None:
        _check(runtime)
        settings = runtime.settings
        self.threads = threads or settings.workers
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        #: Outcomes of the jobs: rendered, not stored, or nothing to do (done elsewhere, or no
        #: longer a page).
        self.counts: Counter[str] = Counter({"rendered": 0, "not kept": 0, "nothing to do": 0})
        self._runtime = runtime
        self._on_rendered = on_rendered
        self._before_leaving = before_leaving
        self._queue = queue_of(settings, runtime.engine.page_store.backend, runtime.engine.now)
        self._pool = Pool(
            self.threads,
            self.threads,
            settings.render_timeout,
            settings.drain_time,
            gives_way=False,
        )
        runtime.engine.background.pool = self._pool  # also for regenerate(), if a view calls it
        runtime.engine.renderer.maintenance.tasks.append(self._pool.give_up_hung)
        self._beat_time = min(BEAT, settings.lease_time / 8)
        self._beaten = float("-inf")
        self._stopping = False
        self._wake = threading.Event()

    def stop(self) -> None:
        """Take no more jobs, and let `run` return. May be called from a signal handler."""
        self._stopping = True  # no lock is taken: the interrupted code may hold it

    def run(self) -> bool:
        """Work until `stop`. False if as many renders hang as there are threads: a thread cannot be
        ended, but the process can be restarted."""
        self._runtime.engine.renderer.maintenance.start()
        while not self._stopping and not self._pool.stuck:
            self._say_that_we_are_here()
            if not self.step():
                self._wake.wait(_PAUSE)
                self._wake.clear()
        self._before_leaving()
        self._leave()
        return not self._pool.stuck

    def step(self) -> bool:
        """Take one job, if a thread is free and one waits."""
        if self._pool.busy >= self.threads:
            return False
        engine = self._runtime.engine
        try:
            job = self._queue.take()
        except BackendUnavailable:
            return False
        if job is None:
            return False
        target = self._planned(job.data)
        if target is None:
            self._done(job, None)
            return True
        return self._pool.submit(
            engine.background.work(target, lambda outcome: self._done(job, outcome))
        )

    def _planned(self, data: bytes) -> Target | None:
        try:
            engine = self._runtime.engine
            return target_of(engine.planner, engine.page_store, engine.outcomes, data)
        except Exception:  # of a framework's router, for example: no job may end the worker
            log.exception("A job could not be planned; it is dropped.")
            return None

    def _done(self, job: Job, outcome: Outcome | None) -> None:
        # A job whose page is leased elsewhere stays: the owner may be dead, and a lease outlasts
        # it.
        if outcome is not None or not self._is_under_way(job.key):
            try:
                self._queue.done(job)
            except BackendUnavailable as error:
                log.debug("A job will be looked at once more: %s", error)
        kind = "nothing to do" if outcome is None else "not kept"
        if isinstance(outcome, Rendered):
            kind = "rendered"
            try:
                self._on_rendered(outcome.page)
            except Exception:
                log.exception("What follows a render failed; the page is kept all the same.")
        self.counts[kind] += 1
        self._wake.set()

    def _is_under_way(self, key: str) -> bool:
        engine = self._runtime.engine
        return key in engine.renderer.flights or engine.outcomes.elsewhere(key)

    def _say_that_we_are_here(self) -> None:
        now = time.monotonic()
        if now - self._beaten >= self._beat_time:
            self._beaten = now
            try:
                self._queue.beat(self.name)
            except BackendUnavailable as error:
                log.debug("Nobody can see that this worker is here: %s", error)

    def _leave(self) -> None:
        try:
            self._queue.beat(self.name, last=True)
        except BackendUnavailable as error:
            log.debug("The web processes notice by themselves that this worker goes: %s", error)
        self._runtime.close()


def _check(runtime: Runtime) -> None:
    if not shared(runtime.engine.page_store.backend.backend):
        raise ConfigurationError(
            "This store lies within one process, so a worker cannot fill it for others; give "
            "store='file:DIR' on one host, or 'redis://HOST' for several."
        )
    if runtime.mode() != "on":
        raise ConfigurationError(
            f"isgware is not at work here (its mode is {runtime.mode()!r}), so there is nothing "
            "to do for a worker; start it as the web processes are started, without debug and "
            "testing."
        )


@contextmanager
def stopped_by_signals(worker: Worker) -> Iterator[None]:
    """SIGTERM and SIGINT stop the worker; the second SIGINT interrupts it. Main thread only."""

    def stop(number: int, frame: Any) -> None:
        worker.stop()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
