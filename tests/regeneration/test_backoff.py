"""When a key whose render failed may be tried again (design 5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isgware.regeneration.backoff import Failures
from isgware.storage.notes import Failure
from tests.core.making import NOW, examples


def failed(times: int, lifetime: float | None = None, jitter: float = 0.0) -> Failures:
    failures = Failures(lambda: jitter)
    for _ in range(times):
        failures.add("k", NOW, "status 500", lifetime)
    return failures


def delay(failures: Failures) -> float:
    failure = failures.get("k")
    assert failure is not None
    return failure.until - NOW


def test_a_key_that_never_failed_is_due() -> None:
    assert Failures(lambda: 0.0).due("k", NOW)


@pytest.mark.parametrize(
    ("times", "seconds"), [(1, 1), (2, 2), (3, 4), (4, 8), (8, 128), (9, 256), (10, 300), (99, 300)]
)
def test_back_off_doubles_up_to_five_minutes(times: int, seconds: float) -> None:
    assert delay(failed(times)) == seconds


@pytest.mark.parametrize(
    ("lifetime", "times", "seconds"),
    [(10, 3, 4), (10, 5, 10), (0.5, 1, 0.5), (3600, 20, 300), (None, 20, 300)],
)
def test_back_off_is_no_longer_than_the_page_is_fresh(
    lifetime: float | None, times: int, seconds: float
) -> None:
    assert delay(failed(times, lifetime)) == seconds


@examples
@given(times=st.integers(1, 40), jitter=st.floats(0, 1), lifetime=st.floats(0.1, 1e6))
def test_jitter_adds_a_tenth_at_most(times: int, jitter: float, lifetime: float) -> None:
    plain, spread = delay(failed(times, lifetime)), delay(failed(times, lifetime, jitter))
    assert plain - 1e-6 <= spread <= plain * 1.1 + 1e-6


@pytest.mark.parametrize(
    ("seconds", "due"),
    [
        pytest.param(0, False, id="at once"),
        pytest.param(3.999, False, id="a moment too early"),
        pytest.param(4, True, id="when its time is up"),
        pytest.param(10**6, True, id="long after"),
        pytest.param(-1, False, id="clock put right by a second"),
        pytest.param(-100, True, id="clock put back by minutes"),
        pytest.param(-(10**6), True, id="clock put back by days"),
    ],
)
def test_a_failed_key_is_due_after_its_back_off(seconds: float, due: bool) -> None:
    assert failed(3).due("k", NOW + seconds) is due


def test_a_failure_tells_how_often_and_why() -> None:
    failures = Failures(lambda: 0.0)
    failures.add("k", NOW, "first", None)
    assert failures.add("k", NOW, "second", None, unproven=True) == Failure(
        2, NOW + 2, "second", True
    )


def test_a_success_clears_the_count() -> None:
    failures = failed(5)
    assert failures.clear("k") is not None
    assert failures.due("k", NOW)
    assert failures.add("k", NOW, "again", None).count == 1


def test_clearing_what_never_failed_is_nothing() -> None:
    assert Failures(lambda: 0.0).clear("k") is None


def test_keys_fail_apart() -> None:
    assert failed(3).due("other", NOW)


def test_the_table_is_bounded_and_forgets_the_oldest() -> None:
    failures = Failures(lambda: 0.0)
    for number in range(Failures.LIMIT + 3):
        failures.add(str(number), NOW, "", None)
        failures.put("kept", Failure(1, NOW + 9, ""))
    known = [number for number in range(Failures.LIMIT + 3) if failures.get(str(number))]
    assert known == list(range(4, Failures.LIMIT + 3))
    assert failures.get("kept")


def test_a_lock_held_in_the_parent_does_not_stop_a_forked_child() -> None:
    failures = failed(1)
    failures._lock.acquire()
    failures.reset_lock()
    assert failures.clear("k") is not None
