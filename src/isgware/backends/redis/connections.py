"""A process's client of one store in Redis, and how many operations use it at a time.

A user's ``max_connections`` is never exceeded: when all are in use, an operation waits, for no
longer than it may take. The subscription to the store's channel has one more, since a subscribed
connection can do nothing else.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, Final, TypeVar

from ...after_fork import settling
from ..base import NotTaken
from .client import Connect
from .pools import close

T = TypeVar("T")
#: A limit beyond this is none; redis-py before version 8 had one of two thousand millions.
_NO_LIMIT: Final = 10_000


class Connections:
    """One client for each process, made when the first operation needs it. After a failure it is
    made anew: the server may have moved (a replica was promoted, a slot was migrated)."""

    def __init__(self, connect: Connect) -> None:
        self.connect = connect
        self._limit = getattr(connect, "limit", _NO_LIMIT)
        self._patience = getattr(connect, "timeout", 0.0)
        self._slots: threading.Semaphore | None = None
        self._client: Any = None
        #: The same client: closed when this is collected, before its sockets would be.
        self._to_close: list[Any] = []
        weakref.finalize(self, _close_each, self._to_close).atexit = False
        self._pid = 0

    def ask(self, work: Callable[[Any], T]) -> T:
        """Run ``work``, which uses one connection at a time, on the client."""
        self._own_process()
        slots = self._slots
        if slots is None:
            return self._ask(work)
        if not slots.acquire(timeout=self._patience):
            raise TimeoutError(f"all {self._limit} connections (max_connections) are in use")
        try:
            return self._ask(work)
        finally:
            slots.release()

    def _ask(self, work: Callable[[Any], T]) -> T:
        client = self.client()
        try:
            return work(client)
        except NotTaken:  # by a server that is well
            raise
        except Exception:
            if self._client is client:
                self._client = None
            raise
        finally:
            if self._client is not client:  # given up meanwhile: its users close it
                close(client, idle=True)

    def client(self) -> Any:
        """This process's client."""
        self._own_process()
        client = self._client
        if client is None:
            made = self.connect()
            with settling():
                client = self._client = self._client or made
                self._to_close[:] = [client]
        return client

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None and self._pid == os.getpid():
            close(client)

    def _own_process(self) -> None:
        if self._pid != os.getpid():
            with settling():
                if self._pid != os.getpid():
                    self._client = None  # not closed: the sockets are the parent's
                    self._to_close.clear()
                    limited = self._limit < _NO_LIMIT
                    self._slots = threading.BoundedSemaphore(self._limit) if limited else None
                    self._pid = os.getpid()  # last: other threads skip the lock from here on


def _close_each(clients: list[Any]) -> None:
    for client in clients:
        close(client)
