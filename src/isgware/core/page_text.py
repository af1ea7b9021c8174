"""A stored page as lines of text, and how two of them differ. Tokens of visitors are left out."""

from __future__ import annotations

import difflib
import re
from typing import Final

from .downstream import without_seconds
from .places import Place, between, in_body, in_headers
from .stored_page import Entry
from .unchanged import NOT_COMPARED

_CHARSET: Final = re.compile(r"charset\s*=\s*\"?([^\s\";]+)", re.IGNORECASE)
_TEXTUAL: Final = ("json", "xml", "javascript", "html")


def difference(old: Entry, new: Entry, old_name: str, new_name: str) -> str:
    """A unified diff of status, headers and text; empty if they are the same. Of bodies that are no
    text only the lengths are told."""
    lines = difflib.unified_diff(_lines(old), _lines(new), old_name, new_name, lineterm="")
    return "".join(f"{line}\n" for line in lines)


def _lines(entry: Entry) -> list[str]:
    places = in_headers(entry.places)
    lines = [entry.status]
    for index, (name, value) in enumerate(entry.headers):
        if name.lower() not in NOT_COMPARED:
            data = _without(value.encode("latin-1"), places.get(index, ()))
            said = data.decode("latin-1")
            if without_seconds(said) == said:  # else it is the lifetime that isgware gives
                lines.append(f"{name}: {said}")
    return [*lines, "", *_text(entry)]


def _text(entry: Entry) -> list[str]:
    kind = next((value for name, value in entry.headers if name.lower() == "content-type"), "")
    coded = any(name.lower() == "content-encoding" for name, _ in entry.headers)
    textual = kind.lower().startswith("text/") or any(part in kind.lower() for part in _TEXTUAL)
    if coded or not textual:
        return [f"({len(entry.body):,} bytes, ETag {entry.etag})"] if entry.body else []
    charset = _CHARSET.search(kind)
    data = _without(entry.body, in_body(entry.places))
    try:
        return data.decode(charset[1] if charset else "utf-8", "replace").splitlines()
    except LookupError:
        return data.decode("utf-8", "replace").splitlines()


def _without(data: bytes, places: tuple[Place, ...]) -> bytes:
    """With the kind of each value in its place."""
    pieces = between(data, places)
    parts = [bytes(pieces[0])]
    for place, piece in zip(places, pieces[1:], strict=True):
        parts += [f"[{place.kind}]".encode(), bytes(piece)]
    return b"".join(parts)
