"""The headers of a stored page in one of its encodings, without its length."""

from __future__ import annotations

from typing import Final

from ..http.conditional import etag_for
from .stored_page import Entry

# Pairs that most answers have: one object for all.
_VARY: Final = ("Vary", "Accept-Encoding")
_CODED: Final = {name: ("Content-Encoding", name) for name in ("br", "zstd", "gzip")}


def encoded_headers(entry: Entry, encoding: str) -> list[tuple[str, str]]:
    """Those of ``entry`` but ``Vary`` are kept as they are, in their order."""
    headers = list(entry.headers)
    if entry.encodings:
        vary = [value for name, value in headers if name.lower() == "vary"]
        headers = [pair for pair in headers if pair[0].lower() != "vary"]
        if not any("accept-encoding" in value.lower() for value in vary):
            vary.append("Accept-Encoding")
        headers.append(_VARY if vary == ["Accept-Encoding"] else ("Vary", ", ".join(vary)))
    if encoding != "identity":
        headers.append(_CODED[encoding])
    if entry.etag:
        headers.append(("ETag", etag_for(entry.etag, encoding)))
    return headers
