"""Interns strings that many pages share, to save memory."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

#: Longer strings are rarely equal, and would make the table large. It takes 1 MiB at most.
_LONGEST: Final = 256


def shared(text: Any) -> str:
    """``text``, or an equal string that is already in use. Raises `TypeError` for other types."""
    if not isinstance(text, str):
        raise TypeError("not a string")
    return text if len(text) > _LONGEST else _known(text)


@lru_cache(maxsize=4_096)
def _known(text: str) -> str:
    return text
