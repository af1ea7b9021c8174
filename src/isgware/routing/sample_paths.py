"""Example paths of a URL pattern, to find out which other patterns match its URLs.

Patterns are Werkzeug's or Django's: ``<converter:name>`` stands for an argument. In a regular
expression the groups are replaced and the rest is taken literally. That suffices for patterns that
match everything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

PLACEHOLDER: Final = re.compile(r"<(?:([^<>:(]*)(?:\(([^<>]*)\))?:)?([^<>:]+)>")
_UUID: Final = "123e4567-e89b-42d3-a456-426614174000"
#: Values by converter. The texts include a number, since narrower patterns may be for numbers.
_VALUES: Final[dict[str, Sequence[str]]] = {
    "int": ("1",),
    "float": ("1.5",),
    "uuid": (_UUID,),
    "path": ("a-b", "1", "a/b"),
}
_TEXTS: Final = ("a-b", "1", _UUID)


def sample_paths(rule: str) -> list[str]:
    """Paths that ``rule`` may match: one, or one for each kind of value of its arguments."""

    def filled(number: int) -> str:
        def value(found: re.Match[str]) -> str:
            converter, given, _ = found.groups()
            if converter == "any" and given:
                return given.split(",")[0].strip(" '\"")
            values = _VALUES.get(converter or "", _TEXTS)
            return values[number % len(values)]

        return PLACEHOLDER.sub(value, rule)

    return list(dict.fromkeys(filled(number) for number in range(len(_TEXTS))))
