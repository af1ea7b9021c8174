"""`Observing`: hands decisions and renders to observers, on a thread of its own.

Whoever tells an event appends it to a bounded queue, and is done: what finds no place is dropped
and counted, and what an observer raises is logged once. The thread begins with the first event
and ends after some idle seconds, so that it keeps nobody's app alive.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from ..after_fork import settling

if TYPE_CHECKING:
    from ..events import Event

log: Final = logging.getLogger("isgware")
Observer = Callable[..., object]
#: Takes events that wait, for those who follow the log.
Follow = Callable[["Sequence[Event]", int], object]
#: Events that wait; more are dropped.
MAX_WAITING: Final = 10_000
#: Seconds in which events gather, so that a thread is not woken for each.
_GATHER: Final = 0.05
#: Seconds after which an idle thread ends.
_IDLE: Final = 5.0
#: Seconds that `close` and the end of the process wait for observers.
_PATIENCE: Final = 1.0
_BATCH: Final = 500


class Observing:
    """``active`` is the flag that is tested: whether anybody wants to know. An observer that has
    ``capture`` has it called with the event at once, by the thread of the request or render, and
    is given what it returned together with the event. One that has ``span`` has it called with the
    path of each render, for a context manager around that; what this gives is called within the
    empty context in which the app runs.

    ``on_change`` is called when ``active`` has changed.
    """

    def __init__(self, observers: Sequence[Observer], limit: int = MAX_WAITING) -> None:
        self.active = bool(observers)
        self.dropped = 0
        self.on_change: Callable[[], object] = lambda: None
        self._observers = tuple(observers)
        self._captures = [getattr(observer, "capture", None) for observer in observers]
        self._capturing = any(self._captures)
        self.spans = [
            (number, observer.span)
            for number, observer in enumerate(observers)
            if hasattr(observer, "span")
        ]
        self._follow: Follow | None = None
        self._limit = limit
        self._failed: set[int] = set()
        self._reset()
        self._pid = 0  # locks are made on first use: see `after_fork`
        _all.add(self)

    def _reset(self) -> None:
        self._queue: deque[tuple[Event, Sequence[Any]]] = deque()
        self._running = False
        self._starting = threading.Lock()
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._pid = os.getpid()  # last: from here on other threads look no further

    def _own_process(self) -> None:
        """After a fork the child has an empty queue: what waited is its parent's to tell."""
        if self._pid != os.getpid():
            with settling():
                if self._pid != os.getpid():
                    self._reset()

    def follow(self, follow: Follow | None) -> None:
        """Have ``follow`` be given all events from now on, beside the observers; or nobody."""
        was, self._follow = self.active, follow
        self.active = bool(self._observers) or follow is not None
        if was != self.active:
            self.on_change()

    def tell(self, event: Event) -> None:
        """Returns at once."""
        self._own_process()
        queue = self._queue
        if len(queue) >= self._limit:
            with self._starting:
                self.dropped += 1
            return
        queue.append((event, self._captured(event) if self._capturing else ()))
        if not self._running:
            self._start()
        if not self._wake.is_set():
            self._wake.set()

    def _captured(self, event: Event) -> list[Any]:
        found: list[Any] = []
        for number, capture in enumerate(self._captures):
            try:
                found.append(capture(event) if capture is not None else None)
            except Exception:
                found.append(None)
                self._complain(number)
        return found

    @contextmanager
    def around(self, path: str) -> Iterator[Callable[[], object]]:
        """Around a render, with what its own context is to be entered by."""
        entered: list[tuple[int, Any, Any]] = []
        for number, span in self.spans:
            try:
                made = span(path)
                entered.append((number, made, made.__enter__()))
            except Exception:
                self._complain(number)

        def enter() -> None:
            for number, _, each in entered:
                self._quietly(number, each)

        try:
            yield enter
        finally:
            for number, made, _ in reversed(entered):
                self._quietly(number, made.__exit__, None, None, None)

    def _start(self) -> None:
        with self._starting:
            if self._running:
                return
            self._running = True
            self._idle.clear()
            try:
                threading.Thread(target=self._run, name="isgware-observers", daemon=True).start()
            except RuntimeError:  # none to be had now, or the process ends: with the next event
                self._running = False
                self._idle.set()

    def _run(self) -> None:
        wake, idle = self._wake, self._idle
        while True:
            if not wake.wait(_IDLE):
                self._running = False
                if not self._queue or self._running:  # what came meanwhile has started another
                    return
                self._running = True
            idle.clear()
            time.sleep(_GATHER)
            wake.clear()
            self._hand_over()
            if not self._queue:
                idle.set()

    def _hand_over(self) -> None:
        queue = self._queue
        while queue:
            events = [queue.popleft() for _ in range(min(_BATCH, len(queue)))]
            if self._follow is not None:
                self._quietly(-1, self._follow, [event for event, _ in events], self.dropped)
            for event, captured in events:
                for number, observer in enumerate(self._observers):
                    if self._captures[number] is None:
                        self._quietly(number, observer, event)
                    else:
                        self._quietly(number, observer, event, captured[number])

    def _quietly(self, number: int, work: Callable[..., object], *arguments: Any) -> None:
        try:
            work(*arguments)
        except Exception:
            self._complain(number)

    def _complain(self, number: int) -> None:
        if number not in self._failed:
            self._failed.add(number)
            told = repr(self._observers[number]) if number >= 0 else "isgware log"
            log.exception("The observer %s failed. This is logged once.", told)

    def close(self, timeout: float = _PATIENCE) -> None:
        """Wait so long at most until observers were told all."""
        deadline = time.monotonic() + timeout
        while self._pid == os.getpid() and (self._queue or not self._idle.is_set()):
            if not self._running or time.monotonic() >= deadline:
                return
            time.sleep(_GATHER / 10)


_all: Final[weakref.WeakSet[Observing]] = weakref.WeakSet()


def tell_at_exit() -> None:
    """The process ends: observers have a moment for what waits."""
    deadline = time.monotonic() + _PATIENCE
    for each in list(_all):
        each.close(max(0.0, deadline - time.monotonic()))
