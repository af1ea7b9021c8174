"""The decision table: what a GET or HEAD gets, given what is known about its page.

Facts in, `Decision` out. Read it top to bottom; the first row that applies counts.

    bypass reason known (cookie, draft, ...)        BYPASS
    nothing stored, or purged:
        the clean room failed a moment ago          BYPASS, own answer
        known not to be storable                    BYPASS, own answer
        not declared (learned)                      BYPASS, own answer, render behind it
        else                                        RENDER, or what `fallback` has instead
    fresh                                           HIT
    stale                                           STALE, render behind it if one is due
    expired:
        backing off                                 STALE, the old page for want of a better
        not declared (learned)                      BYPASS, own answer, render behind it
        else                                        RENDER, old page if that fails
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .freshness import State


class Action(Enum):
    SERVE = "serve"  # the stored page
    RENDER = "render"  # in the clean room, the visitor waits
    OWN = "own"  # the app's answer to the visitor's own request


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """``state`` is ``None`` when nothing is stored. ``dynamic`` says why the page was found not
    storable a while ago, ``failing`` why its last render failed, ``due`` whether to retry it."""

    state: State | None
    declared: bool = True
    bypass: str = ""
    dynamic: str = ""
    failing: str = ""
    due: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    action: Action
    label: str
    detail: str = ""
    schedule: bool = False


def decide(facts: Facts) -> Decision:
    if facts.bypass:
        return Decision(Action.OWN, "BYPASS", facts.bypass)
    if facts.state is None or facts.state is State.GONE:
        return _without_page(facts)
    if facts.state is State.FRESH:
        return Decision(Action.SERVE, "HIT")
    if facts.state is State.STALE:
        detail = "regeneration-failed" if facts.failing else ""
        return Decision(Action.SERVE, "STALE", detail, schedule=facts.due)
    if facts.failing and not facts.due:
        return Decision(Action.SERVE, "STALE", "stale-if-error")
    if not facts.declared:
        return Decision(Action.OWN, "BYPASS", "expired", schedule=True)
    return Decision(Action.RENDER, "REVALIDATED", "expired")


def _without_page(facts: Facts) -> Decision:
    if facts.failing and not facts.due:
        return Decision(Action.OWN, "BYPASS", facts.failing)
    if facts.dynamic:
        return Decision(Action.OWN, "BYPASS", facts.dynamic)
    if not facts.declared:
        return Decision(Action.OWN, "BYPASS", "learning", schedule=True)
    if facts.state is State.GONE:
        return Decision(Action.RENDER, "REVALIDATED", "purged")
    return Decision(Action.RENDER, "MISS")
