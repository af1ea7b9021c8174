"""``isgware log``: tells decisions to those who follow them elsewhere, and reads what was told.

A process looks about once a second whether anybody follows (in the maintenance thread); while
nobody does, all that a decision pays is the test of `Observing.active`, and a prepared hit nothing.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import secrets
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from ..backends.breaker import Breaker
from .observing import Observing

if TYPE_CHECKING:
    from ..events import DecisionEvent, Event

log: Final = logging.getLogger("isgware")
#: Decisions in one message, and characters of a path or query in it: a datagram has 200 kB.
_TOGETHER: Final = 16
_LONGEST: Final = 1_000


class Telling:
    """The side of a process that serves."""

    def __init__(self, store: Breaker, observing: Observing) -> None:
        self._store = store
        self._observing = observing
        self._follows = False
        self._lost = 0
        self._name = secrets.token_hex(4)

    def look(self) -> None:
        """Does anybody follow?"""
        if self._store.open_since is not None:
            return
        try:
            follows = self._store.followers.there()
        except Exception as error:  # it keeps none, or is out of reach
            log.debug("Whether anybody follows is not known: %s", error)
            return
        if follows != self._follows:
            self._follows = follows
            self._observing.follow(self._tell if follows else None)

    def _tell(self, events: Sequence[Event], dropped: int) -> None:
        from ..events import DecisionEvent

        told = [_as_json(event) for event in events if isinstance(event, DecisionEvent)]
        process = f"{os.getpid()}-{self._name}"
        for start in range(0, len(told), _TOGETHER):
            some = told[start : start + _TOGETHER]
            message = {"process": process, "lost": dropped + self._lost, "decisions": some}
            try:
                arrived = self._store.followers.tell(json.dumps(message).encode())
            except Exception as error:
                log.debug("Those who follow were not told: %s", error)
                arrived = False
            if not arrived:
                self._lost += len(some)


def _as_json(event: DecisionEvent) -> dict[str, Any]:
    found = dataclasses.asdict(event)
    return found | {name: found[name][:_LONGEST] for name in ("path", "query", "host")}


class Log:
    """The side of who follows, from now on. Raises `BackendUnavailable`."""

    def __init__(self, store: Breaker) -> None:
        self._follower = store.followers.follow()
        self._known: dict[str, int] = {}
        #: Decisions of which it is known that they came too fast to be told.
        self.lost = 0

    def read(self, seconds: float) -> Iterator[DecisionEvent]:
        """What comes within so many seconds, at once if there is something."""
        from ..events import DecisionEvent

        message = self._follower.read(seconds)
        if message is None:
            return
        try:
            said = json.loads(message)
            decisions = [DecisionEvent(**each) for each in said["decisions"]]
            process, lost = str(said["process"]), int(said["lost"])
        except (ValueError, TypeError, KeyError):  # of another version
            return
        self.lost += lost - self._known.setdefault(process, lost)
        self._known[process] = lost
        yield from decisions

    def close(self) -> None:
        self._follower.close()
