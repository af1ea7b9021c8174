"""`Adaptive`: what can be said, and which interval follows."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from isgware import Adaptive, ConfigurationError, Policy, revalidate
from isgware.adaptive import written
from isgware.policy import policy_of
from isgware.settings import Settings


@pytest.mark.parametrize("bounds", [
    (20, 10), (0, 10), (-1, 10), (0, 0), ("10", 20), (10, "20"), (None, 10), (True, 10),
    (10, False), (float("nan"), 10), (10, float("inf")), ([], 1),
])  # fmt: skip
def test_bounds_that_cannot_be_meant_are_refused(bounds: Any) -> None:
    with pytest.raises(ConfigurationError, match="Adaptive"):
        Adaptive(*bounds)


def test_bounds_are_seconds_or_times() -> None:
    assert Adaptive(datetime.timedelta(seconds=10), datetime.timedelta(hours=1)) == Adaptive(
        10, 3600
    )
    assert repr(Adaptive(10, 3600)) == "Adaptive(10, 3600)"
    assert Adaptive(5, 5).after(5, unchanged=True) == 5


def test_an_interval_doubles_or_is_halved_within_the_bounds() -> None:
    fit = Adaptive(10, 35)
    assert fit.after(None, unchanged=True) == 10
    assert [fit.after(seconds, unchanged=True) for seconds in (10, 20, 35)] == [20, 35, 35]
    assert [fit.after(seconds, unchanged=False) for seconds in (35, 20, 10)] == [17.5, 10, 10]
    assert [fit.within(seconds) for seconds in (None, 1, 12, 99)] == [10, 10, 12, 35]


def test_it_goes_wherever_a_lifetime_does() -> None:
    fit = Adaptive(10, 3600)
    assert Policy(revalidate=fit).revalidate == fit

    @revalidate(fit, tags=["a"])
    def view() -> str:
        return ""

    assert policy_of(view) == Policy(revalidate=fit, tags=["a"])
    assert Settings.load({"revalidate": fit}).revalidate == fit
    from_environment = Settings.load({}, environ={"ISGWARE_REVALIDATE": "Adaptive(10, 3600)"})
    assert from_environment.revalidate == fit
    assert written("Adaptive(1.5,2)") == Adaptive(1.5, 2)
    assert written("60") is None


def test_other_bounds_are_another_policy() -> None:
    policies = [Policy(revalidate=Adaptive(10, high)) for high in (3600, 7200)]
    assert policies[0].fingerprint != policies[1].fingerprint


def test_a_page_cannot_be_dropped_before_it_may_be_stale() -> None:
    with pytest.raises(ConfigurationError, match=r"expire=60 is shorter than revalidate=Adaptive"):
        Policy(revalidate=Adaptive(10, 3600), expire=60)
    assert Policy(revalidate=Adaptive(10, 1e9)).expire == 1e9
