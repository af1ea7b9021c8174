"""Coalesces calls of `regenerate` for one page: one render in progress, and one more for all calls
made since it began. A call must not get a render that began before it, since that may have read
older data."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import Any

from ..after_fork import settling
from ..backends.base import Lease
from ..routing.planner import Target


@dataclass(eq=False)
class Call:
    """A render that its ``callers`` wait for. ``outcome``: its result, an exception if it raised,
    ``None`` if it did not end in time. ``leases``: those it holds."""

    target: Target
    callers: int = 0
    begun: bool = False
    outcome: Any = None
    leases: list[Lease] = field(default_factory=list)
    done: threading.Event = field(default_factory=lambda: threading.Event())
    given_up: threading.Event = field(default_factory=lambda: threading.Event())


class Calls:
    """The calls of this process, by the key of their page."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, Call] = {}
        self._waiting: dict[str, Call] = {}
        self._pid = os.getpid()  # last: other threads skip the lock from here on

    def join(self, target: Target) -> tuple[Call, bool]:
        """A call whose render has not begun, and whether the caller has to start it now."""
        if self._pid != os.getpid():
            with settling():
                if self._pid != os.getpid():
                    self._reset()
        with self._lock:
            call = self._running.get(target.key)
            leads = call is None
            if call is None:
                call = self._running[target.key] = Call(target)
            elif call.begun:
                call = self._waiting.setdefault(target.key, Call(target))
            if target.forced:
                call.target = target  # for all who wait for it
            call.callers += 1
        return call, leads

    def begin(self, call: Call) -> None:
        """Its render begins: later calls need another render."""
        with self._lock:
            call.begun = True

    def leave(self, call: Call) -> bool:
        """A caller stops waiting. True if it was the last one."""
        with self._lock:
            call.callers -= 1
            return not call.callers

    def end(self, call: Call) -> Call | None:
        """Its render has ended, or was given up. Returns the call to start next."""
        key = call.target.key
        with self._lock:
            if self._running.get(key) is not call:
                return None
            del self._running[key]
            following = self._waiting.pop(key, None)
            if following is not None:
                self._running[key] = following
        return following
