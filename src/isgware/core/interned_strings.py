"""Interns strings that many pages have in common, to save memory."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

#: Longer ones are seldom the same, and would make the table large: it takes 1 MiB at most.
_LONGEST: Final = 256


def shared(text: Any) -> str:
    """``text``, or a string equal to it that is in use already.

    Raises `TypeError` for what is no string.
    """
    if not isinstance(text, str):
        raise TypeError("not a string")
    return text if len(text) > _LONGEST else _known(text)


@lru_cache(maxsize=4_096)
def _known(text: str) -> str:
    return text
