"""The workers that render the batches of a build, and how lost ones are replaced.

A worker has its current batch and one more. Batches are made only when a worker has room, so that
no others are in memory. A worker that dies, or that sends nothing for as long as a render may take,
is replaced. Its current batch is rendered again page by page, to find the page that was the cause:
that page counts as failed, and the others go on.
"""

from __future__ import annotations

import dataclasses
import queue
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final

from ..errors import ISGError
from .build_report import Made
from .page_targets import Batch

Render = Callable[[Batch, Callable[[], None]], list[Made]]
#: Batches that a worker may have: one in progress, one in reserve.
_DEPTH: Final = 2
#: A build ends after so many lost workers in a row without a result.
_HOPELESS: Final = 20
_PATIENCE: Final = 2.0
TOO_LONG: Final = "the render took too long and was given up"


class NoWorkersLeft(ISGError):
    """Workers are lost repeatedly, whatever they render."""


class Worker(ABC):
    """``since``: the time of its last message, in seconds of the monotonic clock."""

    def __init__(self) -> None:
        self.batches: deque[Batch] = deque()
        self.since = time.monotonic()

    def give(self, batch: Batch) -> None:
        if not self.batches:
            self.since = time.monotonic()
        self.batches.append(batch)
        self.send(batch)

    @abstractmethod
    def send(self, batch: Batch) -> None:
        """Send it a batch, without waiting for the result."""

    def lost(self) -> str:
        """Why the worker is lost; empty if it is not."""
        return ""

    @abstractmethod
    def dismiss(self, patience: float = 0.0) -> None:
        """Make it end. ``patience``: seconds that it may take to finish its batch."""


class BuildWorkers(ABC):
    """``jobs`` workers. ``timeout``: seconds without a message after which a worker is given up."""

    def __init__(self, jobs: int, timeout: float) -> None:
        self._timeout = timeout
        self._workers = [self._hire() for _ in range(jobs)]
        self._again: list[Batch] = []
        self._lost = 0

    @abstractmethod
    def _hire(self) -> Worker:
        """Start a new worker, which is idle."""

    @abstractmethod
    def _wait(self, seconds: float) -> list[tuple[Worker, list[Made]]]:
        """The results, each of a worker's first batch; empty if time is up."""

    def run(self, batches: Iterator[Batch]) -> Iterator[tuple[Batch, list[Made]]]:
        """Render all batches, in any order. Raises `NoWorkersLeft`."""
        while True:
            self._hand_out(batches)
            if not any(worker.batches for worker in self._workers):
                return
            for worker, made in self._wait(min(1.0, self._timeout / 2)):
                self._lost = 0
                yield worker.batches.popleft(), made
            yield from self._replace_lost()

    def _hand_out(self, batches: Iterator[Batch]) -> None:
        for depth in range(_DEPTH):
            for worker in self._workers:
                if len(worker.batches) == depth:
                    batch = self._again.pop() if self._again else next(batches, None)
                    if batch is None:
                        return
                    worker.give(batch)

    def _replace_lost(self) -> Iterator[tuple[Batch, list[Made]]]:
        for at, worker in enumerate(self._workers):
            late = worker.batches and time.monotonic() - worker.since > self._timeout
            reason = worker.lost() or (TOO_LONG if late else "")
            if not reason:
                continue
            worker.dismiss()
            self._workers[at] = self._hire()
            self._lost += 1
            first = worker.batches.popleft() if worker.batches else None
            self._again += worker.batches
            if first is not None and len(first.paths) > 1:
                self._again += _singly(first)
            elif first is not None:
                yield first, [Made("failed", first.paths[0], reason)]
            if self._lost >= _HOPELESS:
                raise NoWorkersLeft(f"{self._lost} workers were lost in a row: {reason}")

    def close(self) -> None:
        """End all workers; interrupted ones may finish their batch."""
        for worker in self._workers:
            worker.dismiss(_PATIENCE)


def _singly(batch: Batch) -> list[Batch]:
    """The batch as one batch per page, which wait for no other render."""
    return [dataclasses.replace(batch, paths=(path,), overtake=True) for path in batch.paths]


class Threads(BuildWorkers):
    """Threads of this process: they share its store and its memory, and wait concurrently."""

    def __init__(self, render: Render, jobs: int, timeout: float) -> None:
        self._render = render
        self._done: queue.SimpleQueue[tuple[Worker, Any]] = queue.SimpleQueue()
        super().__init__(jobs, timeout)

    def _hire(self) -> Worker:
        return _Thread(self._render, self._done)

    def _wait(self, seconds: float) -> list[tuple[Worker, list[Made]]]:
        try:
            worker, found = self._done.get(timeout=seconds)
        except queue.Empty:
            return []
        if worker not in self._workers:
            return []  # it was given up, and its result does not count
        if isinstance(found, BaseException):
            raise found
        return [(worker, found)]


class _Thread(Worker):
    def __init__(self, render: Render, done: queue.SimpleQueue[tuple[Worker, Any]]) -> None:
        super().__init__()
        self._render = render
        self._done = done
        self._todo: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        threading.Thread(target=self._loop, name="isgware-build", daemon=True).start()

    def send(self, batch: Batch) -> None:
        self._todo.put(batch)

    def dismiss(self, patience: float = 0.0) -> None:
        self._todo.put(None)

    def _loop(self) -> None:
        while (batch := self._todo.get()) is not None:
            try:
                found: Any = self._render(batch, self._beat)
            except BaseException as error:  # a defect of ours; raised where it is seen
                found = error
            self._beat()
            self._done.put((self, found))

    def _beat(self) -> None:
        self.since = time.monotonic()
