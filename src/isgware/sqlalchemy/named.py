"""Where in the app's code a statement is executed, for people."""

from __future__ import annotations

import sys

from ..rendering.callers import where


def place() -> str:
    """The first place outside of libraries, as ``views.py:12``."""
    return where(sys._getframe(1))
