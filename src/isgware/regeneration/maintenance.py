"""What has to be done about once a second: renew leases, probe a failed store, give up hung
renders, pass recency on. One daemon thread per process, started when there is something to do."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Final

from ..after_fork import settling
from ..backends.base import Lease
from ..errors import BackendUnavailable

log: Final = logging.getLogger("isgware")


class Maintenance:
    """``renew`` extends a lease; ``chores`` are run on each tick, their errors logged.

    A lease is renewed for ``longest`` seconds at most: a render that hangs for ever in a
    visitor's thread must not keep its page from everybody for ever.
    """

    def __init__(
        self, interval: float, lease_time: float, longest: float, renew: Callable[[Lease], bool]
    ) -> None:
        self._interval = interval
        self._lease_time = lease_time
        self._longest = longest
        self._renew = renew
        self.tasks: list[Callable[[], None]] = []
        self._reset()

    def _reset(self) -> None:
        self._thread: threading.Thread | None = None
        self._held: dict[str, tuple[Lease, float]] = {}
        self._starting = threading.Lock()
        self._stop = threading.Event()
        self._pid = os.getpid()  # last: from here on other threads look no further

    def start(self) -> None:
        """Make sure that the thread of this process runs."""
        if self._pid != os.getpid():
            with settling():
                if self._pid != os.getpid():
                    self._reset()
        if self._thread is not None or self._stop.is_set():
            return
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(target=self._loop, name="isgware-keeper", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # no thread to be had now; asked for again with the next page
                    return
                self._thread = thread

    def hold(self, lease: Lease) -> None:
        """Keep ``lease`` alive until it is let go."""
        self.start()
        self._held[lease.token] = (lease, time.monotonic())

    def let_go(self, lease: Lease) -> None:
        self._held.pop(lease.token, None)

    def close(self) -> None:
        self._stop.set()

    def tick(self) -> None:
        now = time.monotonic()
        for lease, since in list(self._held.values()):
            if now - since > self._longest or not self._renewed(lease):
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
            return True  # asked again with the next tick

    def _loop(self) -> None:
        stop = self._stop
        while not stop.wait(min(self._interval, self._lease_time / 3)):
            self.tick()
