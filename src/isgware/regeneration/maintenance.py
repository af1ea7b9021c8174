"""The maintenance thread: about once a second it renews leases, probes a failed store, gives up
hung renders, and reports to the store which pages were visited. One daemon thread per process,
started when there is something to do."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Final

from ..after_fork import settling
from ..backends.base import Lease
from ..errors import BackendUnavailable

log: Final = logging.getLogger("isgware")
#: Longest time between two ticks, in seconds: at most twice as much of the counts can be lost.
_LONGEST: Final = 5.0


class Maintenance:
    """``renew`` extends a lease, ``release`` ends it; ``tasks`` run on each tick, their errors
    logged.

    A lease is kept for ``longest`` seconds at most: a render that hangs in a visitor's thread must
    not block its page for ever.

    The thread ends with its owner: between two ticks it has only a weak reference, so that an `ISG`
    without other references can be collected.
    """

    def __init__(
        self,
        interval: float,
        lease_time: float,
        longest: float,
        renew: Callable[[Lease], bool],
        release: Callable[[Lease], None],
    ) -> None:
        self._pause = min(interval, lease_time / 3, _LONGEST)
        self._longest = longest
        self._renew = renew
        self._release = release
        self.tasks: list[Callable[[], object]] = []
        self._reset()
        self._pid = 0  # locks are made on first use: see `after_fork`

    def _reset(self) -> None:
        self._thread: threading.Thread | None = None
        self._held: dict[str, tuple[Lease, float]] = {}
        self._starting = threading.Lock()
        self._stop = threading.Event()
        self._pid = os.getpid()  # last: other threads skip the lock from here on

    def _own_process(self) -> None:
        if self._pid != os.getpid():
            with settling():
                if self._pid != os.getpid():
                    self._reset()

    def start(self, pid: int = 0) -> None:
        """Make sure that the thread of this process runs. ``pid``: its id, if the caller knows."""
        if self._thread is not None and self._pid == (pid or os.getpid()):
            return
        self._own_process()
        if self._thread is not None or self._stop.is_set():
            return
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(
                    target=_tick_until,
                    args=(self._stop, self._pause, weakref.ref(self)),
                    name="isgware-maintenance",
                    daemon=True,
                )
                try:
                    thread.start()
                except RuntimeError:  # no thread can be started now; tried again with the next page
                    return
                self._thread = thread

    def hold(self, lease: Lease) -> None:
        """Renew ``lease`` until `let_go` or `end`."""
        self.start()
        self._held[lease.token] = (lease, time.monotonic())

    def let_go(self, lease: Lease) -> None:
        """Stop renewing ``lease``: it is released elsewhere, or lost."""
        self._held.pop(lease.token, None)

    def end(self, lease: Lease | None) -> None:
        """Release ``lease``: its render has ended, or was given up."""
        if lease is not None:
            self.let_go(lease)
            self._release(lease)

    def close(self) -> None:
        self._own_process()
        self._stop.set()

    def tick(self) -> None:
        now = time.monotonic()
        for lease, since in list(self._held.values()):
            if now - since > self._longest:
                self.end(lease)
            elif not self._renewed(lease):
                self.let_go(lease)
        for task in self.tasks:
            try:
                task()
            except BackendUnavailable as error:
                log.debug("Housekeeping: %s", error)
            except Exception:
                log.exception("Housekeeping failed.")

    def _renewed(self, lease: Lease) -> bool:
        try:
            return self._renew(lease)
        except BackendUnavailable:
            return True  # tried again on the next tick


def _tick_until(stop: threading.Event, pause: float, owner: weakref.ref[Maintenance]) -> None:
    while not stop.wait(pause):
        maintenance = owner()
        if maintenance is None:
            return
        maintenance.tick()
        del maintenance  # no reference while this thread waits
