"""Who renders the batches of a build: threads of this process.

Batches are asked for as there are hands for them, so that nothing waits in memory but what is
under way.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from .batch import Batch
from .report import Made

Render = Callable[[Batch, Callable[[], None]], list[Made]]
#: Batches that a worker has beside the one it renders, lest it wait for the next.
AHEAD: Final = 1


class Crew(Protocol):
    """Renders batches, in whatever order they come out."""

    def run(self, batches: Iterator[Batch]) -> Iterator[tuple[Batch, list[Made]]]: ...


class _Worker:
    """A thread and what it does. ``since``: when it was last heard of."""

    def __init__(self, render: Render, done: queue.SimpleQueue[_Done]) -> None:
        self._render = render
        self._done = done
        self.batch: Batch | None = None
        self.since = time.monotonic()
        self.todo: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        threading.Thread(target=self._loop, name="isgware-build", daemon=True).start()

    def give(self, batch: Batch) -> None:
        self.batch, self.since = batch, time.monotonic()
        self.todo.put(batch)

    def _loop(self) -> None:
        while (batch := self.todo.get()) is not None:
            found: list[Made] | BaseException
            try:
                found = self._render(batch, self._beat)
            except BaseException as error:  # a defect of ours; raised where it is seen
                found = error
            self._done.put((self, batch, found))

    def _beat(self) -> None:
        self.since = time.monotonic()


_Done = tuple[_Worker, Batch, "list[Made] | BaseException"]


class Threads:
    """``jobs`` threads. One whose page takes longer than ``timeout`` seconds is left behind and
    replaced; its batch is rendered again page by page, to find which page it was."""

    def __init__(self, render: Render, jobs: int, timeout: float) -> None:
        self._render = render
        self._jobs = jobs
        self._timeout = timeout

    def run(self, batches: Iterator[Batch]) -> Iterator[tuple[Batch, list[Made]]]:
        done: queue.SimpleQueue[_Done] = queue.SimpleQueue()
        idle = [_Worker(self._render, done) for _ in range(self._jobs)]
        busy: set[_Worker] = set()
        again: list[Batch] = []
        try:
            while True:
                while idle and (batch := again.pop() if again else next(batches, None)):
                    worker = idle.pop()
                    worker.give(batch)
                    busy.add(worker)
                if not busy:
                    return
                try:
                    worker, batch, found = done.get(timeout=min(1.0, self._timeout))
                except queue.Empty:
                    for batch in self._given_up(busy):
                        idle.append(_Worker(self._render, done))
                        if len(batch.paths) > 1:
                            again += singly(batch)
                        else:
                            yield batch, [Made("failed", batch.paths[0], TOO_LONG)]
                    continue
                if worker in busy:  # else it was given up, and what it made counts for nothing
                    busy.remove(worker)
                    idle.append(worker)
                    if isinstance(found, BaseException):
                        raise found
                    yield batch, found
        finally:
            for worker in (*idle, *busy):
                worker.todo.put(None)

    def _given_up(self, busy: set[_Worker]) -> list[Batch]:
        late = [w for w in busy if time.monotonic() - w.since > self._timeout]
        busy.difference_update(late)
        return [worker.batch for worker in late if worker.batch is not None]


def singly(batch: Batch) -> list[Batch]:
    """The batch again, page by page."""
    from dataclasses import replace

    return [replace(batch, paths=(path,), overtake=True) for path in batch.paths]


TOO_LONG: Final = "the render took too long and was given up"
