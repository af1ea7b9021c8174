"""Cache-Control and its targeted forms: syntax only, no meaning.

RFC 9111, section 5.2: directive names are case-insensitive, an argument may be a token or a
quoted string whatever the directive says of itself, several fields are one list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_DIRECTIVE = re.compile(
    r"""\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^,"]*)))?\s*(?:,|\Z)"""
)
#: Targeted fields (RFC 9213) that this cache obeys, the most specific first.
TARGETED = ("isg-cache-control", "cdn-cache-control")

Directives = dict[str, str | None]


def parse(values: Iterable[str]) -> Directives:
    """Directives by lower-case name; of a repeated one the first counts (RFC 9111, 4.2.1).

    What does not parse is skipped up to its next comma, so that a typing error in one directive
    cannot hide a refusal in another.
    """
    found: Directives = {}
    for text in values:
        position = 0
        while position < len(text):
            match = _DIRECTIVE.match(text, position)
            if match is None:
                comma = text.find(",", position)
                position = len(text) if comma < 0 else comma + 1
                continue
            name, quoted, token = match.groups()
            argument = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else token
            found.setdefault(name.lower(), None if argument is None else argument.strip())
            position = match.end()
    return found


def effective(headers: Iterable[tuple[str, str]]) -> tuple[Directives, bool]:
    """The directives that count for this cache, and whether a targeted field gave them.

    A targeted field replaces Cache-Control altogether (RFC 9213, section 2.2).
    """
    fields: dict[str, list[str]] = {}
    for name, value in headers:
        fields.setdefault(name.lower(), []).append(value)
    for targeted in TARGETED:
        if directives := parse(fields.get(targeted, ())):
            return directives, True
    return parse(fields.get("cache-control", ())), False


def delta_seconds(value: str | None) -> float | None:
    """A number of seconds (RFC 9111, section 1.2.2), or ``None`` for anything else."""
    if value is None or not value.isascii() or not value.isdigit():
        return None
    return float(min(int(value[:12]), 2**31))


def shared_lifetime(directives: Directives, targeted: bool) -> float | None:
    """Freshness lifetime addressed to shared caches, in seconds; ``None`` if not said.

    A lifetime that is said and malformed counts as 0 (RFC 9111, section 4.2.1).
    """
    for name in ("s-maxage", "max-age") if targeted else ("s-maxage",):
        if name in directives:
            return delta_seconds(directives[name]) or 0.0
    return None
