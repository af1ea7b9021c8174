"""Cache-Status (RFC 9211) and X-ISG-Cache: the outcome of a request and its reason, as values."""

from __future__ import annotations

import math
import re

_TOKEN = re.compile(r"[A-Za-z*][A-Za-z0-9:/!#$%&'*+.^_`|~-]*\Z")


def hit(ttl: float | None, detail: str = "") -> str:
    """``ttl`` in seconds, negative when stale; ``None`` for pages without a lifetime."""
    said = "isgware; hit" if ttl is None else f"isgware; hit; ttl={_whole(ttl)}"
    return f"{said}; detail={detail}" if detail else said


def forwarded(
    why: str,
    *,
    ttl: float | None = None,
    status: int | None = None,
    stored: bool = False,
    collapsed: bool = False,
    detail: str = "",
) -> str:
    """``why`` is one of RFC 9211's: bypass, method, uri-miss, miss, request, stale."""
    parts = ["isgware", f"fwd={why}"]
    if status is not None:
        parts.append(f"fwd-status={status}")
    if stored:
        parts.append("stored")
    if collapsed:
        parts.append("collapsed")
    if ttl is not None:
        parts.append(f"ttl={_whole(ttl)}")
    if detail:
        parts.append("detail=" + (detail if _TOKEN.match(detail) else _quoted(detail)))
    return "; ".join(parts)


def _whole(ttl: float) -> int:
    """Rounded away from zero, so that ttl and Age add up, and a stale response never has ttl=0."""
    return math.ceil(ttl) if ttl > 0 else math.floor(ttl)


def _quoted(text: str) -> str:
    """A structured-field string (RFC 8941, section 3.3.3)."""
    kept = "".join(char for char in text if " " <= char <= "~")
    return '"' + kept.replace("\\", "\\\\").replace('"', '\\"') + '"'
