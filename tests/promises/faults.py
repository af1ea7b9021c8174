"""A backend that fails when it is told to, around the one in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from isgware.backends.base import get_with_note, live_version
from isgware.backends.memory import MemoryBackend

OPERATIONS = (
    "get", "put", "delete", "touch", "rows", "sync", "invalidate", "publish", "acquire", "renew",
    "release", "read_note", "write_note", "drop_note", "ping",
)  # fmt: skip


class FaultyBackend:
    """``fault(operation)`` is asked before each call; what it returns, unless it is ``None``, is
    the answer. It may also raise, or sleep. ``along``: it reads a page and a note in one operation,
    as those do that are far away."""

    def __init__(self, *, along: bool = True) -> None:
        self.inner = MemoryBackend()
        if along:
            self.get_with_note = self._get_with_note
        self.calls: list[str] = []
        self.callers: list[int] = []
        self.fault: Callable[[str], Any] = lambda operation: None

    @property
    def versions(self) -> Any:
        return live_version(self.inner)

    @property
    def version(self) -> Any:
        return self.inner.version

    def close(self) -> None:
        pass

    def _get_with_note(self, key: str, note: str, now: float) -> Any:
        return self._do("get_with_note", key, note, now)

    def _do(self, operation: str, *args: Any, **kwargs: Any) -> Any:
        self.calls.append(operation)
        self.callers.append(threading.get_ident())
        answer = self.fault(operation)
        if answer is not None:
            return answer[0]
        if operation == "get_with_note":
            return get_with_note(self.inner, *args)
        return getattr(self.inner, operation)(*args, **kwargs)

    def fail_at(self, nth: int, how: Callable[[], Any], only_once: bool = False) -> None:
        """From the ``nth`` call on (or at it only) behave as ``how`` says."""
        start = len(self.calls)

        def fault(operation: str) -> Any:
            number = len(self.calls) - start
            if number == nth or (number > nth and not only_once):
                return how()
            return None

        self.fault = fault

    def repair(self) -> None:
        self.fault = lambda operation: None


def _operation(name: str) -> Any:
    def call(self: FaultyBackend, *args: Any, **kwargs: Any) -> Any:
        return self._do(name, *args, **kwargs)

    return call


for _name in OPERATIONS:
    setattr(FaultyBackend, _name, _operation(_name))


def broken() -> Any:
    raise OSError("the store is gone")


def slow() -> Any:
    time.sleep(0.32)
    raise TimeoutError


#: Ways to fail, by name. Each is called in place of the operation.
FAULTS: dict[str, Callable[[], Any]] = {
    "raises": broken,
    "none": lambda: (None,),
    "false": lambda: (False,),
    "junk-bytes": lambda: (b"\x00junk",),
    "junk-object": lambda: (object(),),
    "junk-list": lambda: ([1, 2],),
}
