"""`isgware.routing.planner`: what it remembers is bounded."""

from __future__ import annotations

from isgware import ISG, Policy
from isgware.routing import planner


def test_policies_that_were_combined_are_remembered_up_to_a_limit() -> None:
    """A view that is decorated anew with each call brings another policy each time."""
    found = ISG(lambda environ, start_response: [], store="memory:").runtime.engine.planner
    route, made = Policy(revalidate=60), [Policy(tags=[f"t{n}"]) for n in range(1_500)]
    for policy in made:
        assert found.combined(policy, route) is found.combined(policy, route)
    assert len(found._pairs) <= planner._MAX_PAIRS
