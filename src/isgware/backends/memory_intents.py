"""Intents, and when names were told, in dictionaries: see `dependents`. Whoever uses them holds a
lock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..core.dependency_names import split
from .dependents import INTENT_LAST, MAX_INTENTS, MAX_TIMES, Intent, Lagging, due_after


@dataclass(slots=True)
class _Kept:
    intent: Intent
    version: int
    born: float
    due: float


class Intents:
    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    def add(self, intent: Intent, version: int, now: float, seconds: float) -> bool:
        if len(self._kept) >= MAX_INTENTS:
            return False
        self._kept[intent.token] = _Kept(intent, version, now, now + seconds)
        return True

    def end(self, tokens: Iterable[str]) -> None:
        for token in tokens:
            self._kept.pop(token, None)

    def overdue(self, version: int, now: float) -> list[dict[bytes, str]]:
        """The names of each that is to be told now. ``version``: of the shapes."""
        found = []
        for token, kept in list(self._kept.items()):
            if kept.due <= now or kept.due > now + 2 * INTENT_LAST:
                known = kept.version == version
                names = kept.intent.names if known else kept.intent.tables
                found.append(dict.fromkeys(split(names), kept.intent.said))
                due = due_after(kept.born, now)
                if due is None:
                    del self._kept[token]
                else:
                    kept.due = due
        return found


class ToldTimes:
    """Of each name: the page whose render has told it last, when, and when another did."""

    def __init__(self, limit: int = MAX_TIMES) -> None:
        self._times: dict[bytes, tuple[bytes, float, float]] = {}
        self._limit = limit
        self._lag = 0.0
        self._floor = 0.0
        self._version, self._new_shapes = -1, 0.0

    def note(self, names: Iterable[bytes], page: bytes, now: float) -> None:
        if not self._lag:
            return
        for name in names:
            last, at, other = self._times.pop(name, (page, 0.0, 0.0))
            self._times[name] = page, now, other if last == page else at
        while len(self._times) > self._limit:
            _, at, _ = self._times.pop(next(iter(self._times)))
            self._floor = max(self._floor, at)

    def left(self, page: Lagging, version: int, now: float) -> float | None:
        """See `Dependents.seconds_left`. ``version``: of the shapes."""
        since = page.began - page.lag
        if version != self._version:
            self._version, self._new_shapes = version, now
        if page.lag > self._lag:
            self._lag, self._floor = page.lag, now
        names = page.names + (page.asked if self._new_shapes > since else b"")
        told = max((self._told(name, page.page) for name in split(names)), default=0.0)
        latest = max(told, self._floor)
        return latest + page.lag - now if latest > since else None

    def _told(self, name: bytes, page: bytes) -> float:
        last, at, other = self._times.get(name, (b"", 0.0, 0.0))
        return other if page and last == page else at
