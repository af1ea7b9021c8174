"""What a page has recorded of its dependencies, as far as it is asked of each page, with the option
``dependencies`` or without."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from ..core.stored_page import Entry


class Wanted(Protocol):
    """What the option asks for."""

    @property
    def soft(self) -> bool: ...


def as_recorded(entry: Entry, wanted: Wanted | None) -> bool:
    """Whether what a page depends on was recorded as the option ``dependencies`` wants it."""
    depended = entry.depended
    if entry.own or wanted is None or depended is None:
        return entry.own or (wanted is None and depended is None)
    return depended.soft == wanted.soft


def late(entry: Entry, why: int) -> Entry:
    """The page as one that was never fresh."""
    depended = entry.depended
    return entry if depended is None else replace(entry, depended=replace(depended, late=why))
