"""Values of the Redis store as bytes: pages with what stands behind them, notes, rows."""

from __future__ import annotations

import json
import struct
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Final

from ...core.depended import Depended, packed, unpacked
from ...core.dependency_names import SIZE, split
from ...core.stored_page import head_size
from ..base import NotTaken, Row
from ..cachelib import MARK

#: Bytes behind an entry: nonce, generation, order and end as JSON, filled up with spaces.
TAIL: Final = 128
UNTIL: Final = struct.Struct(">d")
#: What `page_index` takes for each name of a page, about, as ``max_bytes`` counts it.
BYTES_A_NAME: Final = 24
_FIELDS: Final = tuple(field.name for field in fields(Row))


class Asked:
    """Stands in for the client when cachelib writes: what it asks for goes out with the row."""

    name = ""
    ttl = 0
    value = b""

    def set(self, name: str, value: bytes, ex: int) -> None:
        self.name, self.value, self.ttl = name, value, ex

    def setex(self, name: str, time: int, value: bytes) -> None:  # cachelib before 0.14
        self.set(name, value, time)


def read(get: Callable[[str], Any], key: str) -> Any:
    """``None`` for what is of another type: it is overwritten with the next put."""
    try:
        return get(key)
    except Exception as error:
        if str(error).startswith("WRONGTYPE"):
            return None
        raise


def dumped(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def dumped_row(row: Row, size: int) -> bytes:
    """A row with the ``size`` of its page; what the index of its names takes is counted, too."""
    kept = {name: getattr(row, name) for name in _FIELDS if name != "depended"}
    if row.depended is not None:
        kept["depends"] = _text_of(row.depended)
        size += BYTES_A_NAME * (len(row.depended.names) // SIZE)
    return dumped(kept | {"bytes": size})


def name_text(name: bytes) -> str:
    """A name as scripts know it, 12 characters."""
    return b64encode(name + b"\0").decode()


def _text_of(depended: Depended) -> str:
    """A digit for the flags, then the `name_text` of each name, which all have one length."""
    flags, *_ = packed(depended) or b""
    names = b"".join(name + b"\0" for name in split(depended.names))
    return f"{flags}{b64encode(names).decode()}"


def _depended_from(text: str) -> Depended | None:
    padded = b64decode(text[1:], validate=True)
    names = (padded[at : at + SIZE] for at in range(0, len(padded), SIZE + 1))
    return unpacked(bytes([int(text[:1])]) + b"".join(names))


def loaded(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def page_of(page: Any, head: Any, now: float) -> bytes | None:
    """The entry, without what stands behind it; ``None`` if it has ended, or is not ours. ``head``:
    what was written later to stand before its bodies, behind their mark."""
    if not isinstance(page, bytes) or len(page) < TAIL:
        return None
    data, tail = page[:-TAIL], page[-TAIL:]
    if isinstance(head, bytes) and len(head) > MARK + TAIL and head[:MARK] == page[:MARK]:
        data, tail = head[MARK:-TAIL] + data[head_size(data) :], head[-TAIL:]
    try:
        return data if now < loaded(tail)[3] else None
    except (TypeError, IndexError, KeyError):
        return None


def note_of(found: Any, now: float) -> bytes | None:
    if not isinstance(found, bytes) or len(found) < UNTIL.size:
        return None
    return found[UNTIL.size :] if now < UNTIL.unpack_from(found)[0] else None


def row_from(text: bytes) -> Row | None:
    """``None`` for a line that is not as we write it."""
    found = loaded(text)
    try:
        held = found.pop("depends", None)
        depended = _depended_from(held) if held is not None else None
        found.setdefault("route", "")  # an earlier release does not say it
        kept = {name: found[name] for name in _FIELDS if name != "depended"}
        row = Row(**kept | {"tags": tuple(found["tags"]), "depended": depended})
    except (TypeError, KeyError, ValueError, AttributeError):
        return None
    return row if isinstance(row.path, str) else None


def tail_of(row: Row) -> bytes:
    tail = json.dumps([row.nonce, row.generation, row.order, row.keep_until]).encode()
    if len(tail) > TAIL:
        raise NotTaken("the page's nonce is too long")
    return tail.ljust(TAIL)
