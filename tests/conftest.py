"""What all tests share."""

import os
from typing import NoReturn

import pytest


def unavailable(reason: str) -> NoReturn:
    """Skip the test for want of what ``reason`` names; with ``CI=true``, where all is had, fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"not to be had, though CI must have it: {reason}", pytrace=False)
    pytest.skip(reason)
