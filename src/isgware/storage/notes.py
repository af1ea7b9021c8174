"""Notes in the store about pages: failures and refusals, as any process or command reads them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ..backends.base import Backend, notes_of
from ..core.freshness import CLOCK_TOLERANCE
from ..errors import BackendUnavailable

#: Seconds for which a failure is noted: twice the longest back-off.
NOTED: Final = 600.0
#: And one that is over: as long as counts of an hour are kept.
PAST: Final = 14 * 86_400.0


@dataclass(frozen=True, slots=True)
class Failure:
    """Failed renders of a key: how many in a row, until when none is tried, and the last one, which
    ended ``at``, took so many ``seconds`` (0 if that is not known) and was asked for ``by``: see
    `core.render_log`."""

    count: int
    until: float
    error: str
    unproven: bool = False
    at: float = field(default=0.0, compare=False)
    by: str = field(default="", compare=False)
    seconds: float = field(default=0.0, compare=False)


def noted_failure(backend: Backend, key: str, now: float, rendered_at: float) -> Failure | None:
    """The failure that a process has noted, if it is later than the page."""
    return noted_failures(backend, [(key, rendered_at)], now)[0]


def noted_failures(
    backend: Backend, pages: Sequence[tuple[str, float]], now: float
) -> list[Failure | None]:
    """The same for many pages, each a key and the time of its render. ``None`` for each if the
    backend cannot be read."""
    try:
        notes = notes_of(backend, ["f:" + key for key, _ in pages], now)
    except BackendUnavailable:
        return [None] * len(pages)
    return [_failure(note, at) for note, (_, at) in zip(notes, pages, strict=True)]


def last_failure(backend: Backend, key: str, now: float) -> Failure | None:
    """The last failure of a page, also if it has been rendered since: its ``count`` is 0 then."""
    try:
        return _failure_in(backend.read_note("f:" + key, now))
    except BackendUnavailable:
        return None


def _failure(note: bytes | None, rendered_at: float) -> Failure | None:
    failure = _failure_in(note)
    return failure if failure and failure.count and failure.at >= rendered_at else None


def _failure_in(note: bytes | None) -> Failure | None:
    try:
        count, until, error, at, *more = json.loads(note or b"null")
        by, seconds = more[:2] if len(more) > 1 else ("", 0.0)  # an earlier release has neither
        return Failure(
            int(count), float(until), str(error), at=float(at), by=str(by), seconds=float(seconds)
        )
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a page was not stored: ``reason`` as in ``detail=``; ``error``: the exception of its
    render, or more text for people."""

    reason: str
    error: str
    at: float
    key: str
    url: str

    @property
    def failed(self) -> bool:
        """Whether there was an error, rather than an answer that may not be stored."""
        return self.reason in ("render-failed", "clean-room-failed")


def noted_refusal(backend: Backend, route: str, now: float) -> Refusal | None:
    """The note about the last page of a declared route that a process could not store."""
    try:
        reason, error, at, key, url = json.loads(backend.read_note("r:" + route, now) or b"null")
        if at > now + CLOCK_TOLERANCE:  # noted before the clock was put back
            return None
        return Refusal(str(reason), str(error), float(at), str(key), str(url))
    except (BackendUnavailable, ValueError, TypeError, OverflowError, RecursionError):
        return None
