"""WSGI middleware between isgware and the framework: it may personalise pages, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

#: WSGI middleware that reads nothing of a visitor on the app's behalf.
_KNOWN: Final = (
    "opentelemetry.", "sentry_sdk.", "werkzeug.debug.", "werkzeug.middleware.", "whitenoise.",
)  # fmt: skip
#: Where such middleware keeps the app that it wraps.
_WRAPPED: Final = ("app", "application", "wsgi_app")


def foreign_middleware(application: Any, framework: Callable[[Any], bool]) -> str:
    """The unknown WSGI middleware around ``framework``'s own application; empty if there is none,
    or if a known one does not show what it wraps."""
    inner = application
    while inner is not None and not framework(inner):
        kind = inner if hasattr(inner, "__qualname__") else type(inner)
        if not f"{kind.__module__}.".startswith(_KNOWN):
            return f"{kind.__module__}.{kind.__qualname__}"
        wrapped = (getattr(inner, name, None) for name in _WRAPPED)
        inner = next((found for found in wrapped if callable(found)), None)
    return ""
