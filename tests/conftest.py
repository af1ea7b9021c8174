"""What all tests share."""

import os
import signal
import threading
from collections.abc import Iterator
from typing import NoReturn

import pytest

from isgware.backends.read_ahead import current
from isgware.routing import visitor_check

#: A machine that has a lot to do, or stalls, is no store out of reach, no process that died and no
#: render that hangs. Tests of these limits set their own.
PATIENT = {
    "ISGWARE_BACKEND_TIMEOUT": "30",
    "ISGWARE_LEASE_TIME": "60",
    "ISGWARE_WAIT_TIME": "60",
}
os.environ.update(PATIENT)
#: In the background of a shell Ctrl-C is ignored, also by what is started from there.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure() -> None:
    """Hypothesis tries the same examples in every run, however slow the machine is.
    ``--hypothesis-profile=default`` tries others."""
    from hypothesis import HealthCheck, settings  # not for benchmarks, which import this module

    settings.register_profile(
        "same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("same")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Three for two processors: tests wait for servers about as long as they compute."""
    return len(os.sched_getaffinity(0)) * 3 // 2


@pytest.fixture(autouse=True)
def sessions_may_take_long_to_open() -> Iterator[None]:
    """Those in Redis or a database, when the machine stalls: no reason for five seconds of the
    app's own answers. Not by ``monkeypatch``, which would end after the fixtures of the test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(visitor_check, "_SLOW", 30.0)
        yield


@pytest.fixture(autouse=True)
def house_is_kept_no_longer() -> Iterator[None]:
    """An ISG that a test leaves open would probe its store, and log, beside tests that follow."""
    before = set(threading.enumerate())
    current.set(None)  # the time that the store took in tests before is not this one's
    yield
    for thread in set(threading.enumerate()) - before:
        if thread.name == "isgware-maintenance":
            for stop in getattr(thread, "_args", ())[:1]:  # none once it has ended
                stop.set()
            thread.join(60)


def unavailable(reason: str) -> NoReturn:
    """Skip the test for want of what ``reason`` names; with ``CI=true``, where all is had, fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"not to be had, though CI must have it: {reason}", pytrace=False)
    pytest.skip(reason)
