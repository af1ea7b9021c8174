"""Values as people read them, safe to show on a terminal."""

from __future__ import annotations

import re
from typing import Any, Final

_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60))


def printable(text: str) -> str:
    """``text`` with control characters, bidirectional marks and the like written as escapes.

    >>> printable("/a\\x1b[2Jb")
    '/a\\\\x1b[2Jb'
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def without_password(url: Any) -> Any:
    """A URL for errors and logs, without its password. A password may have any character, ``/`` and
    ``@`` included.

    >>> without_password("redis://site:open/sesame@cache:6379")
    'redis://…@cache:6379'
    """
    return re.sub(r":(//)?.*@", r":\1…@", url, flags=re.DOTALL) if isinstance(url, str) else url


def duration(seconds: float | None) -> str:
    """Seconds in the largest unit that leaves two digits; a dash for ``None``."""
    if seconds is None:
        return "-"
    sign, left = ("-", -seconds) if seconds < 0 else ("", seconds)
    for unit, length in _UNITS:
        if left >= 2 * length:
            return f"{sign}{left / length:.0f} {unit}"
    return f"{sign}{left:.0f} s"


def expiry(seconds: float | None) -> str:
    """When a page expires; ``None`` if nothing but an invalidation ends it, as one that was
    restored."""
    return "never expires" if seconds is None else f"expires in {duration(seconds)}"


def size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1_000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1_000
    return f"{count:.1f} GB"
