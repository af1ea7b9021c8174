"""The version of a store that other hosts change: updated by pub/sub, and by polling once a second.

A thread of this process subscribes to the store's channel, and changes the version with each
message. Once a second it also reads nonce and counter. That detects what no message announces: a
store that was flushed, and a subscription that was cut or is silent. While nonce and counter cannot
be read, the version is odd, so that no process trusts its copy of the table.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
import time
from typing import Any, Final

from ...after_fork import settling
from .connections import Connections
from .pools import close
from .scripts import PING

log: Final = logging.getLogger("isgware")
#: Seconds between two readings of the counter.
INTERVAL: Final = 1.0
#: Seconds until a store that cannot be read is polled again.
_RETRY: Final = 0.5
#: Seconds that the first reader waits for the subscription, to get an even version.
_PATIENCE: Final = 0.05


class Subscription:
    """``version[0]`` changes when the store's counter does. Nothing runs before `start`."""

    def __init__(self, connections: Connections, prefix: str) -> None:
        self.version: list[int] = [1]
        self.sender = secrets.token_hex(8)
        self._connections = connections
        self._channel = prefix + "news"
        self._state = prefix + "state"
        self._changing = threading.Lock()  # held for an addition
        self._thread: threading.Thread | None = None
        #: Made with the thread, on first use: see `after_fork`.
        self._tried: threading.Event | None = None
        self._stop: threading.Event | None = None
        self._listener: _Listener | None = None
        self._stopped = False
        self._known: tuple[bytes | None, bytes | None] | None = None
        self._told = False

    def start(self) -> None:
        """Start the thread, and give it a moment to subscribe."""
        if self._thread is not None or self._stopped:
            return
        mine = None
        with settling():
            if self._tried is None:
                made = self._tried, self._stop = threading.Event(), threading.Event()
                mine = threading.Thread(
                    target=self._run, args=made, name="isgware-pubsub", daemon=True
                )
            tried = self._tried
        if mine is not None:
            try:
                mine.start()
            except RuntimeError:  # no thread can be started now; the version stays odd
                self._tried = None
                tried.set()
                return
            self._thread = mine
        tried.wait(_PATIENCE)

    def abandon(self) -> None:
        """Make the thread end within a second. Takes no lock: garbage collection calls this,
        possibly in that thread."""
        self._stopped = True

    def stop(self) -> None:
        """Make the thread end at once."""
        self._stopped = True
        if self._stop is not None:
            self._stop.set()
        if (listener := self._listener) is not None:
            listener.wake()

    def moved(self) -> None:
        """Count a change; whether the version can be trusted stays the same."""
        with self._changing:
            self.version[0] += 2

    def _sighted(self) -> None:
        with self._changing:
            self.version[0] = (self.version[0] | 1) + 1

    def _blind(self) -> None:
        with self._changing:
            self.version[0] |= 1

    def _run(self, tried: threading.Event, stop: threading.Event) -> None:
        subscription: _Listener | None = None
        while not (stop.is_set() or self._stopped):
            try:
                if self.version[0] % 2:  # the server may be another one, or have lost the table
                    self._connections.ask(
                        lambda client: PING.run(client, self._state, secrets.token_hex(8))
                    )
                self._look()
                if subscription is None:
                    subscription = self._subscribe()
                    self._look()  # for changes before the subscription
                tried.set()
            except Exception as error:
                log.debug("The store's counter cannot be read: %s", error)
                self._blind()
                self._known = None
                subscription = _closed(subscription)
                tried.set()
                stop.wait(_RETRY)
                continue
            try:
                if not self._listen(subscription, stop):
                    subscription = _closed(subscription)
            except Exception as error:
                log.debug("The subscription to invalidations ended: %s", error)
                subscription = _closed(subscription)
        self._blind()
        _closed(subscription)

    def _subscribe(self) -> _Listener | None:
        """A confirmed subscription, or ``None``: then only the counter is polled."""
        subscription = None
        try:
            subscription = _Listener(self._connections.connect())
            subscription.messages.subscribe(self._channel)
            deadline = time.monotonic() + INTERVAL / 2
            while (left := deadline - time.monotonic()) > 0:
                message = subscription.messages.get_message(timeout=left)
                if message and message["type"] == "subscribe":
                    self._known = None  # earlier messages may be lost: read the table
                    self._listener = subscription
                    return subscription
        except Exception as error:
            log.debug("No subscription to invalidations: %s", error)
            if str(error).startswith("NOPERM") or type(error).__name__ == "NoPermissionError":
                self._told_of(error)
        return _closed(subscription)

    def _told_of(self, error: Exception) -> None:
        if not self._told:
            self._told = True
            log.warning(
                "Redis lets this user not subscribe to %r (%s): purges of other hosts are seen "
                "within 2 s instead of 100 ms. ACL SETUSER … &isg:* allows it.",
                self._channel, error,
            )  # fmt: skip

    def _look(self) -> None:
        nonce, counter = self._connections.ask(
            lambda client: client.hmget(self._state, ["nonce", "counter"])
        )
        if self.version[0] % 2:
            self._sighted()
        elif (nonce, counter) != self._known:
            self.moved()
        self._known = (nonce, counter)

    def _listen(self, subscription: _Listener | None, stop: threading.Event) -> bool:
        """Receive messages until the counter is due. False if the subscription is silent."""
        if subscription is None:
            stop.wait(INTERVAL)
            return False
        subscription.messages.ping()
        answered = False
        deadline = time.monotonic() + INTERVAL
        while (left := deadline - time.monotonic()) > 0 and not stop.is_set():
            message = subscription.messages.get_message(timeout=left)
            if message and message["type"] == "message":
                self._take(message["data"])
            elif message and message["type"] == "pong":
                answered = True
        return answered

    def _take(self, data: Any) -> None:
        nonce, _, rest = bytes(data).partition(b" ")
        counter, _, sender = rest.partition(b" ")
        if sender != self.sender.encode():  # its own: changed already
            self.moved()
        self._known = (nonce, counter)


class _Listener:
    """A subscription, and the client with its one connection."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.messages = client.pubsub()

    def wake(self) -> None:
        """Make another thread's wait for a message fail. The connection cannot be used
        afterwards."""
        with contextlib.suppress(Exception):
            self.messages.connection.disconnect()

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self.messages.close()
        close(self._client)


def _closed(subscription: _Listener | None) -> _Listener | None:
    """Close it; returns ``None`` to replace it."""
    if subscription is not None:
        subscription.close()
    return None
