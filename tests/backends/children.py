"""Real processes for tests: forked, so that what the parent holds is there in the child."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn


class Child:
    """A forked process that runs ``work`` and hands back what it returns."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._read, write = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # pytest-xdist has threads
            self.pid = os.fork()
        if not self.pid:
            os.close(self._read)
            _run(work, write)
        os.close(write)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._read)

    def result(self) -> Any:
        with os.fdopen(self._read, "rb") as stream:
            data = stream.read()
        _, status = os.waitpid(self.pid, 0)
        if not data:
            raise AssertionError(f"the child ended with status {status}")
        done, value = pickle.loads(data)
        if not done:
            raise AssertionError(f"in the child: {value}")
        return value


def _run(work: Callable[[], Any], write: int) -> NoReturn:
    signal.alarm(300)
    try:
        answer = pickle.dumps((True, work()))
    except BaseException:
        answer = pickle.dumps((False, traceback.format_exc()))
    with os.fdopen(write, "wb") as stream:
        stream.write(answer)
    os._exit(0)


def in_child(work: Callable[[], Any]) -> Any:
    return Child(work).result()


def in_children(works: list[Callable[[], Any]]) -> list[Any]:
    """Run all at the same time."""
    children = [Child(work) for work in works]
    return [child.result() for child in children]


NOBODY = 65534


def drop_privileges() -> None:
    """Become nobody, if this is root, whom no permission stops."""
    if os.geteuid() == 0:
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)


@contextmanager
def place_of_nobody() -> Iterator[Path]:
    """A directory that whoever dropped their privileges may use."""
    with tempfile.TemporaryDirectory() as place:
        if os.geteuid() == 0:
            os.chown(place, NOBODY, NOBODY)
        yield Path(place)
