"""Where in a template, or in the app's code, something stands that is wrong: for error messages."""

from __future__ import annotations

import os
import sys
from types import FrameType
from typing import Any, Final

#: Code that stands between a template, or a view, and what it calls.
_BETWEEN: Final = ("isgware", "jinja2", "django.template", "markupsafe")


def location() -> str:
    """Template and line, or file and line, from which isgware was called; empty if that cannot be
    told. Looks at the stack, so only where something is wrong or a page is rendered."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        found = _jinja(frame) or _django(frame)
        if found:
            return found
        name = str(frame.f_globals.get("__name__", ""))
        if not name.startswith(_BETWEEN):
            return f"{os.path.basename(frame.f_code.co_filename)}, line {frame.f_lineno}"
        frame = frame.f_back
    return ""


def defined(function: Any) -> str:
    """File and line of a function, or its name if it has none."""
    code = getattr(function, "__code__", None)
    if code is None:
        return str(getattr(function, "__qualname__", function))
    return f"{function.__qualname__} ({code.co_filename}, line {code.co_firstlineno})"


def _jinja(frame: FrameType) -> str:
    template = frame.f_globals.get("__jinja_template__")
    if template is None:
        return ""
    line = template.get_corresponding_lineno(frame.f_lineno)
    return f"{template.name or 'a template'}, line {line}"


def _django(frame: FrameType) -> str:
    found = django_template(frame)
    return f"{found[0]}, line {found[1]}" if found else ""


def django_template(frame: FrameType) -> tuple[str, int] | None:
    """Name and line of the template whose node the frame renders: nodes know where they stand."""
    if frame.f_code.co_name != "render":
        return None
    node = frame.f_locals.get("self")
    token, origin = getattr(node, "token", None), getattr(node, "origin", None)
    if token is None or origin is None:
        return None
    name = getattr(origin, "template_name", None) or getattr(origin, "name", "a template")
    return str(name), token.lineno
