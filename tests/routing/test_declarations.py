"""`isgware.routing.declarations`: what it remembers is bounded."""

from __future__ import annotations

import pytest

from isgware import ISG, Policy
from isgware.routing import declarations


def test_policies_that_were_combined_are_remembered_up_to_a_limit() -> None:
    """A view that is decorated anew with each call brings another policy each time."""
    found = ISG(
        lambda environ, start_response: [], store="memory:"
    ).runtime.engine.planner.declarations
    route, made = Policy(revalidate=60), [Policy(tags=[f"t{n}"]) for n in range(1_500)]
    for policy in made:
        assert found.combined(policy, route) is found.combined(policy, route)
    assert len(found._pairs) <= declarations._MAX_PAIRS


def test_urls_whose_decorator_ran_here_are_remembered_up_to_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(declarations, "_MAX_MET", 10)
    found = ISG(
        lambda environ, start_response: [], store="memory:"
    ).runtime.engine.planner.declarations
    for number in range(100):
        found.met(f"base-{number}")
        assert found.believes(f"base-{number}")
    assert len(found._met) == 10
