"""Who asks: the module that reads something of its visitor, and the place in the app's code.

What a framework does for itself is no read. That is decided by the module that calls, never by
what is read; libraries that only pass a call on are looked through.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from functools import lru_cache
from types import FrameType
from typing import Final

#: They report what happens and make no page: what they look at is no read.
OBSERVERS: Final = frozenset({
    "bugsnag", "ddtrace", "debug_toolbar", "elasticapm", "flask_debugtoolbar", "newrelic",
    "opentelemetry", "rollbar", "scout_apm", "sentry_sdk",
})  # fmt: skip
_INSTALLED: Final = tuple(
    {
        os.path.join(sysconfig.get_path(name), "")
        for name in ("stdlib", "platstdlib", "purelib", "platlib")
    }
)
_OWN: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Callers:
    """Looks at the stack on behalf of one framework. ``through`` are modules (and all below them)
    that pass calls on, ``framework`` those whose calls are no reads; of these, ``opening`` is the
    one that looks for a visitor's session."""

    def __init__(
        self, through: frozenset[str], framework: frozenset[str], opening: str = ""
    ) -> None:
        self._opening = opening
        self._through = lru_cache(maxsize=1_024)(lambda name: _below(name, through))
        self._framework = lru_cache(maxsize=1_024)(lambda name: _below(name, framework | OBSERVERS))

    def caller(self) -> FrameType | None:
        """The frame that asks; ``None`` if it belongs to the framework itself."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            name = frame.f_globals.get("__name__", "")
            if not (self._through(name) or frame.f_code.co_filename.startswith(_OWN)):
                return None if self._framework(name) else frame
            frame = frame.f_back
        return None

    def opens(self) -> bool:
        """Whether it is for the session that the framework asks."""
        return bool(self._opening) and self.module() == self._opening

    def module(self) -> str:
        """The name of the module that asks, the framework's included."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            name: str = frame.f_globals.get("__name__", "")
            if not (self._through(name) or frame.f_code.co_filename.startswith(_OWN)):
                return name
            frame = frame.f_back
        return ""


def where(frame: FrameType | None) -> str:
    """The first place in the app's own code (or a template of it) from ``frame`` upwards, as
    ``views.py:12``; where there is none, the module that asks."""
    asking = frame
    while frame is not None:
        name = frame.f_code.co_filename
        if is_app(name):
            template = frame.f_globals.get("__jinja_template__")
            line = frame.f_lineno
            if template is not None:
                line = template.get_corresponding_lineno(line)
            return f"{_shown(name)}:{line}"
        frame = frame.f_back
    return str(asking.f_globals.get("__name__", "")) if asking is not None else ""


@lru_cache(maxsize=4_096)
def is_app(filename: str) -> bool:
    """Whether a file is part of neither Python, nor an installed library, nor isgware."""
    if filename.startswith("<"):
        return False
    path = os.path.abspath(filename)
    return not path.startswith((*_INSTALLED, os.path.join(_OWN, "")))


def _shown(filename: str) -> str:
    """A path below the working directory relative to it."""
    path = os.path.abspath(filename)
    here = os.path.join(os.getcwd(), "")
    return path.removeprefix(here)


@lru_cache(maxsize=4_096)
def _parents(name: str) -> frozenset[str]:
    parts = name.split(".")
    return frozenset(".".join(parts[:count]) for count in range(1, len(parts) + 1))


def _below(name: str, modules: frozenset[str]) -> bool:
    return not _parents(name).isdisjoint(modules)
