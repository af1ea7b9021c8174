"""`isgware.core.decide`: the decision table, every combination of its facts."""

from __future__ import annotations

import itertools

import pytest

from isgware.core.decide import Action, Decision, Facts, decide
from isgware.core.freshness import State

FRESH, STALE, EXPIRED, GONE = State.FRESH, State.STALE, State.EXPIRED, State.GONE
OWN, SERVE, RENDER = Action.OWN, Action.SERVE, Action.RENDER

#: Facts, then what is done, what `X-ISG-Cache` says, the detail, and whether a render is started.
TABLE = [
    pytest.param(Facts(None), RENDER, "MISS", "", False, id="nobody rendered it yet"),
    pytest.param(Facts(GONE), RENDER, "REVALIDATED", "purged", False, id="purged"),
    pytest.param(Facts(None, declared=False), OWN, "BYPASS", "learning", True, id="learning"),
    pytest.param(Facts(GONE, declared=False), OWN, "BYPASS", "learning", True,
                 id="learned page purged: a one-shot link is its visitor's alone"),
    pytest.param(Facts(None, dynamic="set-cookie"), OWN, "BYPASS", "set-cookie", False,
                 id="known not to be storable"),
    pytest.param(Facts(GONE, dynamic="private"), OWN, "BYPASS", "private", False,
                 id="purged, and not storable since"),
    pytest.param(Facts(None, dynamic="private", declared=False), OWN, "BYPASS", "private", False,
                 id="not storable: nothing to learn"),
    pytest.param(Facts(None, failing="clean-room-failed", due=False), OWN, "BYPASS",
                 "clean-room-failed", False, id="first render failed a moment ago"),
    pytest.param(Facts(None, failing="clean-room-failed"), RENDER, "MISS", "", False,
                 id="first render failed, retry is due"),
    pytest.param(Facts(FRESH), SERVE, "HIT", "", False, id="fresh"),
    pytest.param(Facts(FRESH, failing="x", due=False), SERVE, "HIT", "", False,
                 id="fresh whatever failed before"),
    pytest.param(Facts(FRESH, declared=False), SERVE, "HIT", "", False, id="learned, fresh"),
    pytest.param(Facts(STALE), SERVE, "STALE", "", True, id="stale"),
    pytest.param(Facts(STALE, declared=False), SERVE, "STALE", "", True, id="learned, stale"),
    pytest.param(Facts(STALE, failing="x"), SERVE, "STALE", "regeneration-failed", True,
                 id="stale, failed, retry is due"),
    pytest.param(Facts(STALE, failing="x", due=False), SERVE, "STALE", "regeneration-failed", False,
                 id="stale, backing off"),
    pytest.param(Facts(STALE, due=False), SERVE, "STALE", "", False,
                 id="stale, rendered elsewhere just now"),
    pytest.param(Facts(EXPIRED), RENDER, "REVALIDATED", "expired", False, id="expired"),
    pytest.param(Facts(EXPIRED, failing="x"), RENDER, "REVALIDATED", "expired", False,
                 id="expired, failed: one tries again"),
    pytest.param(Facts(EXPIRED, failing="x", due=False), SERVE, "STALE", "stale-if-error", False,
                 id="expired, backing off: the old page for want of a better"),
    pytest.param(Facts(EXPIRED, declared=False), OWN, "BYPASS", "expired", True,
                 id="learned, expired"),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "action", "label", "detail", "schedule"), TABLE)
def test_decision(facts: Facts, action: Action, label: str, detail: str, schedule: bool) -> None:
    assert decide(facts) == Decision(action, label, detail, schedule)


EVERYTHING = [
    Facts(state, declared, bypass, dynamic, failing, due)
    for state, declared, bypass, dynamic, failing, due in itertools.product(
        (None, *State), (True, False), ("", "cookie"), ("", "private"), ("", "x"), (True, False)
    )
]


def test_a_bypassing_visitor_gets_their_own_answer_and_starts_nothing() -> None:
    decisions = {decide(facts) for facts in EVERYTHING if facts.bypass}
    assert decisions == {Decision(OWN, "BYPASS", "cookie")}


def test_nothing_gone_or_absent_is_ever_served() -> None:
    served = {facts.state for facts in EVERYTHING if decide(facts).action is SERVE}
    assert served == {FRESH, STALE, EXPIRED}


def test_an_expired_page_is_served_without_a_render_only_while_backing_off() -> None:
    served = [f for f in EVERYTHING if f.state is EXPIRED and decide(f).action is SERVE]
    assert served
    assert all(facts.failing and not facts.due for facts in served)


def test_nobody_waits_for_a_page_of_a_route_that_is_not_declared() -> None:
    waiting = [facts for facts in EVERYTHING if decide(facts).action is RENDER]
    assert waiting
    assert all(facts.declared for facts in waiting)


def test_what_is_known_not_to_be_storable_is_not_rendered_for_the_store() -> None:
    known = [f for f in EVERYTHING if f.dynamic and f.state in (None, GONE)]
    assert not [f for f in known if decide(f).schedule or decide(f).action is RENDER]


def test_every_decision_says_what_happened() -> None:
    labels = {decide(facts).label for facts in EVERYTHING}
    assert labels == {"HIT", "STALE", "MISS", "REVALIDATED", "BYPASS"}


def test_a_page_that_is_not_hit_says_why() -> None:
    silent = {decide(f).label for f in EVERYTHING if not decide(f).detail}
    assert silent == {"HIT", "MISS", "STALE"}
