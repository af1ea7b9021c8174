"""Parts of a stored page: Range and If-Range (RFC 9110, section 14, and 13.1.5).

`wanted` reads a Range field, `covers` an If-Range one; `part` and `parts` make the body.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import Final

from .dates import http_date

_SPEC = re.compile(r"([0-9]{0,18})-([0-9]{0,18})")
#: With more ranges than this, or ranges that together exceed the page, the request is an attack or
#: a mistake: the answer is the whole page (section 14.2).
MAX_RANGES: Final = 8

#: First and last byte, inclusive.
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Unsatisfiable:
    """No range lies within the page: 416."""


def wanted(field: str, length: int) -> tuple[Span, ...] | Unsatisfiable | None:
    """The ranges of a body of ``length`` bytes that ``field`` asks for, in its order. ``None`` if
    the field is ignored: it has another unit, is malformed, or asks for too much."""
    unit, equals, specs = field.partition("=")
    if unit.strip().lower() != "bytes" or not equals:
        return None
    items = [item.strip() for item in specs.split(",") if item.strip()]
    if not items or len(items) > MAX_RANGES:
        return None
    spans = []
    for item in items:
        match = _SPEC.fullmatch(item)
        if match is None or item == "-":
            return None
        if match[1] and match[2] and int(match[1]) > int(match[2]):
            return None
        if span := _span(match[1], match[2], length):
            spans.append(span)
    if not spans:
        return Unsatisfiable()
    if len(spans) > 1 and (_overlap(spans) or _size(spans) > length):
        return None
    return tuple(spans)


def _span(first: str, last: str, length: int) -> Span | None:
    if not first:  # the last so many bytes
        count = min(int(last), length)
        return (length - count, length - 1) if count else None
    if int(first) >= length:
        return None
    return int(first), min(int(last), length - 1) if last else length - 1


def _overlap(spans: list[Span]) -> bool:
    ordered = sorted(spans)
    return any(left[1] >= right[0] for left, right in itertools.pairwise(ordered))


def _size(spans: list[Span]) -> int:
    return sum(last - first + 1 for first, last in spans)


def covers(if_range: str, etag: str, last_modified: str, now: float, made: float) -> bool:
    """Whether a client's part is of this representation (13.1.5, 8.8.2.2): the strong tags are
    equal, or the dates are equal and more than a second before the page was made."""
    if_range = if_range.strip()
    if if_range.startswith(('"', "W/")):
        return if_range == etag and etag.startswith('"')
    since, modified = http_date(if_range, now), http_date(last_modified, now)
    return since is not None and since == modified and made - modified >= 1.0


def content_range(span: Span, length: int) -> str:
    return f"bytes {span[0]}-{span[1]}/{length}"


def multipart(
    body: bytes, spans: tuple[Span, ...], content_type: str, boundary: str
) -> tuple[str, bytes]:
    """Media type and body of an answer with several parts (14.6)."""
    pieces = []
    for span in spans:
        head = f"\r\n--{boundary}\r\n"
        if content_type:
            head += f"Content-Type: {content_type}\r\n"
        head += f"Content-Range: {content_range(span, len(body))}\r\n\r\n"
        pieces += [head.encode("latin-1"), body[span[0] : span[1] + 1]]
    pieces.append(f"\r\n--{boundary}--\r\n".encode("latin-1"))
    return f"multipart/byteranges; boundary={boundary}", b"".join(pieces)
