"""`Current`: keeps an exported tree as current as the store, for ``isgware worker --export``.

An export is due after this worker has rendered a page, after an invalidation in any process (the
store's version changes), and from time to time, since web processes do not report what they render
for their visitors.

A visitor who gets a stale page from the app starts its regeneration, but one who gets a file does
not. So stale pages of the tree are queued here as jobs for the workers, the oldest first.
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..core.stored_page import Entry
from ..errors import ISGError
from ..formatting import printable
from ..regeneration.handoff import queue_of
from ..regeneration.shared_jobs import encode_job
from .exporter import ExportReport, export_app

if TYPE_CHECKING:
    from ..runtime import Runtime

log: Final = logging.getLogger("isgware")
#: Seconds from one export to the next: after a known change, and without one.
PAUSE: Final = 1.0
EVERY: Final = 30.0
#: Share of the time that exports may take.
_SHARE: Final = 4.0


class Current:
    """Exports an app's pages to ``directory`` in a thread of its own, whenever needed."""

    def __init__(self, runtime: Runtime, directory: str | Path) -> None:
        self._runtime = runtime
        self._directory = directory
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="isgware-export", daemon=True)
        self._version = -1
        self._due = 0.0
        self._failing = False
        backend = runtime.engine.page_store.backend
        self._queue = queue_of(runtime.settings, backend, runtime.engine.now)

    def start(self) -> ExportReport:
        """The first export, in this call; later ones are made in the background. Raises as
        `isgware.ISG.export`."""
        report = self._export()
        self._thread.start()
        return report

    def changed(self, page: object = None) -> None:
        """A page was rendered."""
        self._changed.set()

    def close(self) -> None:
        """End as soon as a running export has ended; the next start exports what it missed."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(self._runtime.settings.drain_time)

    def step(self, now: float) -> float:
        """Export if that is due at ``now``, of the monotonic clock. Returns seconds to wait."""
        moved = self._version != self._runtime.engine.page_store.backend.version[0]
        if not (moved or self._changed.is_set() or now >= self._due):
            return PAUSE
        try:
            seconds = self._export().seconds
        except ISGError as error:
            self._complain(error)
            return EVERY / 10
        self._failing = False
        return max(PAUSE, seconds * _SHARE)

    def _export(self) -> ExportReport:
        self._changed.clear()  # before the pages are read: later changes are for the next export
        version = self._runtime.engine.page_store.backend.version[0]
        stale: list[tuple[float, str, bytes]] = []

        def add(entry: Entry) -> None:
            stale.append((entry.rendered_at, entry.key, encode_job(entry.key, entry.request)))

        report = export_app(self._runtime, self._directory, on_stale=add)
        # Half of the queue is left to pages with visitors.
        for _, key, job in sorted(stale)[: self._runtime.settings.queue_size // 2]:
            self._queue.send(key, job)
        self._version, self._due = version, time.monotonic() + EVERY
        return report

    def _complain(self, error: ISGError) -> None:
        self._changed.set()
        if not self._failing:
            self._failing = True
            log.warning("%s It is tried again.", printable(str(error)))

    def _run(self) -> None:
        pause = PAUSE
        while not self._stopping.wait(pause):
            try:
                pause = self.step(time.monotonic())
            except Exception:
                log.exception("The export to %s failed; it is tried again.", self._directory)
                pause = EVERY
