"""What all tests share."""

import os
import signal
from typing import NoReturn

import pytest

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


def unavailable(reason: str) -> NoReturn:
    """Skip the test for want of what ``reason`` names; with ``CI=true``, where all is had, fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"not to be had, though CI must have it: {reason}", pytrace=False)
    pytest.skip(reason)
