"""Where in the app's code a statement is executed, for people."""

from __future__ import annotations

import sys
from types import FrameType

from ..rendering.callers import where


def place() -> str:
    """The first place outside of libraries, as ``views.py:12``."""
    frame: FrameType | None = sys._getframe(1)
    # Wherever SQLAlchemy is installed.
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_PASSING):
        frame = frame.f_back
    return where(frame)


_PASSING = ("isgware.", "sqlalchemy.")
