"""Applies a request's conditions and ranges to an answer from a stored page (RFC 9110, sections 13
and 14).

It takes the whole answer and returns it, a 304, a 412, a partial answer, or the headers alone.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from ..http.conditional import NOT_MODIFIED_FIELDS, precondition
from ..http.ranges import Unsatisfiable, content_range, covers, multipart, wanted
from .stored_page import Entry

#: Status line, headers, body chunks, as passed to the server.
Answer = tuple[str, list[tuple[str, str]], tuple[bytes, ...]]
#: With one of these in the environ, the answer may differ from the whole page.
CONDITIONS: Final = frozenset({
    "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE",
    "HTTP_RANGE",
})  # fmt: skip
_OURS: Final = frozenset({"age", "x-isg-cache", "cache-status", "x-accel-expires"})
_KEPT_IN_304: Final = NOT_MODIFIED_FIELDS | _OURS
NOT_MODIFIED: Final = "304 Not Modified"
#: Fields that a 416 or 412 keeps: those that do not describe the page's bytes.
_OF_THE_BYTES: Final = frozenset({
    "content-length", "content-type", "content-encoding", "content-range",
})  # fmt: skip


def fitted(answer: Answer, entry: Entry, environ: dict[str, Any]) -> Answer:
    """The answer to this request, in the order of RFC 9110, section 13.2.2."""
    if environ.keys().isdisjoint(CONDITIONS) or answer[0][:3] != "200":
        return without_body(answer) if environ["REQUEST_METHOD"] == "HEAD" else answer
    fields = {name.lower(): value for name, value in answer[1]}
    etag, last_modified = fields.get("etag", ""), fields.get("last-modified", "")
    code = precondition(etag, last_modified, entry.rendered_at, environ)
    if code == 304:
        return NOT_MODIFIED, unchanged(answer[1]), ()
    if code == 412:
        return _refused("412 Precondition Failed", answer, [])
    if environ["REQUEST_METHOD"] == "HEAD":
        return without_body(answer)  # Range is for GET alone (14.2)
    asked = environ.get("HTTP_RANGE")
    if asked is None:
        return answer
    if_range = environ.get("HTTP_IF_RANGE")
    made = entry.rendered_at
    if if_range is not None and not covers(if_range, etag, last_modified, made, made):
        return answer
    return _partial(answer, asked, etag, fields.get("content-type", ""))


def unchanged(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The fields of a 304 for this page (RFC 9110, section 15.4.5)."""
    return [pair for pair in headers if pair[0].lower() in _KEPT_IN_304]


def _partial(answer: Answer, asked: str, etag: str, content_type: str) -> Answer:
    body = b"".join(answer[2])
    spans = wanted(asked, len(body))
    if spans is None:
        return answer
    if isinstance(spans, Unsatisfiable):
        whole = ("Content-Range", f"bytes */{len(body)}")
        return _refused("416 Range Not Satisfiable", answer, [whole])
    if len(spans) == 1:
        first, last = spans[0]
        part, replaced = body[first : last + 1], {"content-length"}
        told = [("Content-Range", content_range(spans[0], len(body)))]
    else:
        boundary = hashlib.blake2b(f"{etag}{spans}".encode(), digest_size=12).hexdigest()
        media_type, part = multipart(body, spans, content_type, boundary)
        replaced, told = {"content-length", "content-type"}, [("Content-Type", media_type)]
    replaced.add("content-range")  # a whole page has none, but an app may have sent one
    headers = [pair for pair in answer[1] if pair[0].lower() not in replaced]
    return "206 Partial Content", [*headers, *told, ("Content-Length", str(len(part)))], (part,)


def _refused(status: str, answer: Answer, told: list[tuple[str, str]]) -> Answer:
    headers = [pair for pair in answer[1] if pair[0].lower() not in _OF_THE_BYTES]
    return status, [*headers, *told, ("Content-Length", "0")], ()


def without_body(answer: Answer) -> Answer:
    """The answer to HEAD: all header fields of the GET, no body (RFC 9110, section 9.3.2)."""
    return answer[0], answer[1], ()
