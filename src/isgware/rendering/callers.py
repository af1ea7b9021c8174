"""Who reads something of the visitor: the module that does, and the place in the app's code.

What a framework reads for itself does not count. The calling module decides that, never the name
that is read; libraries that only pass a call on are skipped.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from functools import lru_cache
from types import FrameType
from typing import Final

from ..template_location import django_template

#: Monitoring and debugging tools: they do not make the page, so their reads do not count.
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
#: Where installers put what starts a server: in its stack, and no code of the app.
_SCRIPTS: Final = os.path.join(sysconfig.get_path("scripts"), "")
_OWN: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Callers:
    """Inspects the stack on behalf of one framework. ``through`` are modules (and all below them)
    that pass calls on; ``framework`` those whose reads do not count; of these, ``opening`` looks
    for a visitor's session."""

    def __init__(
        self, through: frozenset[str], framework: frozenset[str], opening: str = ""
    ) -> None:
        self._opening = opening
        self._through = lru_cache(maxsize=1_024)(lambda name: _below(name, through))
        self._framework = lru_cache(maxsize=1_024)(lambda name: _below(name, framework | OBSERVERS))

    def caller(self) -> FrameType | None:
        """The frame that reads; ``None`` if it belongs to the framework itself."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            name = frame.f_globals.get("__name__", "")
            if not (self._through(name) or frame.f_code.co_filename.startswith(_OWN)):
                return None if self._framework(name) else frame
            frame = frame.f_back
        return None

    def opens(self) -> bool:
        """Whether the framework reads to find a session."""
        return bool(self._opening) and self.module() == self._opening

    def module(self) -> str:
        """The name of the module that reads, also if it is the framework's."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            name: str = frame.f_globals.get("__name__", "")
            if not (self._through(name) or frame.f_code.co_filename.startswith(_OWN)):
                return name
            frame = frame.f_back
        return ""


def where(frame: FrameType | None) -> str:
    """The first place in the app's own code (or in a template of it) from ``frame`` upwards, as
    ``views.py:12``; if there is none, the module that reads."""
    asking = frame
    while frame is not None:
        name = frame.f_code.co_filename
        template = frame.f_globals.get("__jinja_template__")
        if template is not None and name.startswith("<"):  # of a loader without files
            line = template.get_corresponding_lineno(frame.f_lineno)
            return f"{template.name or 'a template'}:{line}"
        if found := django_template(frame):
            return f"{found[0]}:{found[1]}"
        if is_app(name) and not name.startswith(_SCRIPTS):
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
    """The path, relative if it is below the working directory."""
    path = os.path.abspath(filename)
    here = os.path.join(os.getcwd(), "")
    return path.removeprefix(here)


@lru_cache(maxsize=4_096)
def _parents(name: str) -> frozenset[str]:
    parts = name.split(".")
    return frozenset(".".join(parts[:count]) for count in range(1, len(parts) + 1))


def _below(name: str, modules: frozenset[str]) -> bool:
    return not _parents(name).isdisjoint(modules)
