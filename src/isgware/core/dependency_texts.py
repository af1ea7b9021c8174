"""How people write what pages depend on (``post:5``, ``post[*]``), and read what has changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .dependencies import (
    UNKNOWN,
    Deleted,
    EverythingChanged,
    Inserted,
    RowsChanged,
    RowWrite,
    TableChanged,
    Updated,
    Write,
)

#: Behind a table that became whole since a page would have had too many dependencies.
TOO_MANY: Final = " (more than 1,000 dependencies)"
#: Characters of a text that is kept with each name.
_LONGEST: Final = 200


def key_text(key: object) -> str:
    return ",".join(map(str, key)) if isinstance(key, tuple) else str(key)


def said_of(write: Write) -> str:
    """What was written, on one line."""
    return _said(write)[:_LONGEST]


def _said(write: Write) -> str:
    if isinstance(write, EverythingChanged):
        return (
            f"anything may have changed: {write.why}" if write.why else "anything may have changed"
        )
    if isinstance(write, TableChanged):
        return f"{write.table}[*] changed"
    if isinstance(write, RowsChanged):
        if write.columns is None:
            return f"rows of {write.table} changed"
        return f"{', '.join(sorted(write.columns))} of rows of {write.table} changed"
    if isinstance(write, Updated):
        if write.columns is None:
            return f"{_row(write)} changed"
        return f"{', '.join(sorted(write.columns))} of {_row(write)} changed"
    return f"{_row(write)} {_VERBS[type(write)]}"


_VERBS: Final[Mapping[type, str]] = {Inserted: "was inserted", Deleted: "was deleted"}


def _row(write: RowWrite) -> str:
    return (
        f"a row of {write.table}"
        if write.key is UNKNOWN
        else f"{write.table}:{key_text(write.key)}"
    )


def parsed(text: str) -> tuple[str, str | None] | None:
    """Table, or what people call it, and key of ``blog.Post:5``; the key is `None` of
    ``blog.Post[*]``. `None` for what is neither."""
    if text.endswith("[*]") and len(text) > 3:
        return text[:-3], None
    table, colon, key = text.partition(":")
    return (table, key) if colon and table and key else None
