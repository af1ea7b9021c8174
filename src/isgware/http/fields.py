"""Header fields: their type, which values are valid, and which fields a cache never stores."""

from __future__ import annotations

import re
from collections.abc import Sequence
from operator import itemgetter, methodcaller
from typing import Any, Final

Headers = tuple[tuple[str, str], ...]
#: Longer values of request fields, in characters, are never part of a key.
MAX_KEYED_VALUE: Final = 1024
#: Never stored: hop-by-hop fields (RFC 9110, 7.6.1), and fields made anew for every answer.
DROPPED: Final = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authentication-info",
    "proxy-authorization", "proxy-connection", "te", "trailer", "trailers",
    "transfer-encoding", "upgrade", "date", "age", "x-isg-cache",
    "cache-status", "content-length", "etag",
})  # fmt: skip
_FIRST: Final = itemgetter(0)
_LOWER: Final = methodcaller("lower")  # of bytes, too: such names are refused elsewhere
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*\Z")
_STATUS = re.compile(r"[1-5][0-9][0-9]( [\t\x20-\x7e\x80-\xff]*)?\Z")


def values(headers: Sequence[tuple[str, str]], name: str) -> list[str]:
    """All lines of a field, whose ``name`` is given in lower case. Most headers lack the field that
    is looked for, or have one line of it: that is found out without a loop in Python."""
    names = list(map(_LOWER, map(_FIRST, headers)))
    count = names.count(name)
    if count < 2:
        return [headers[names.index(name)][1]] if count else []
    return [pair[1] for known, pair in zip(names, headers, strict=True) if known == name]


def sound_headers(headers: Any) -> bool:
    """Whether no header can end its line early (RFC 9110, section 5.5)."""
    return all(
        isinstance(name, str)
        and isinstance(value, str)
        and _NAME.match(name)
        and _VALUE.match(value)
        for name, value in headers
    )


def sound_status(status: Any) -> bool:
    return isinstance(status, str) and _STATUS.match(status) is not None
