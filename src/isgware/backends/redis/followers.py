"""Who follows the decisions of a fleet that shares a Redis: subscribers of a channel.

A key says that there are any, and ends by itself a few seconds after the last one was killed.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any, Final

from ...errors import BackendUnavailable
from .connections import Connections
from .pools import close

#: Seconds for which the key lasts, and after which it is set again.
_LASTS: Final = 10
_AGAIN: Final = 3.0


class ChannelFollowers:
    def __init__(self, connections: Connections, prefix: str) -> None:
        self._connections = connections
        self._key = prefix + "followed"
        self._channel = prefix + "decisions"

    def there(self) -> bool:
        """Whether anybody follows."""
        return bool(self._connections.ask(lambda client: client.exists(self._key)))

    def tell(self, message: bytes) -> bool:
        """Send ``message`` to all who follow."""
        self._connections.ask(lambda client: client.publish(self._channel, message))
        return True

    def follow(self) -> ChannelFollower:
        """Raises `BackendUnavailable`."""
        try:
            return ChannelFollower(self._connections, self._key, self._channel)
        except Exception as error:
            raise BackendUnavailable(f"Redis cannot be followed: {error}") from error


class ChannelFollower:
    """Receives what is told while it is there."""

    def __init__(self, connections: Connections, key: str, channel: str) -> None:
        self._connections = connections
        self._key = key
        self._client: Any = connections.connect()
        self._messages = self._client.pubsub(ignore_subscribe_messages=True)
        self._messages.subscribe(channel)
        self._due = 0.0
        self._stay()

    def _stay(self) -> None:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _AGAIN
            self._connections.ask(lambda client: client.set(self._key, b"1", ex=_LASTS))

    def read(self, seconds: float) -> bytes | None:
        """The next message, or ``None`` if none came within so many seconds."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._stay()
            message = self._messages.get_message(timeout=min(left, _AGAIN))
            if message and message["type"] == "message":
                return bytes(message["data"])
        return None

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._messages.close()
        close(self._client)
