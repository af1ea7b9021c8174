"""Plain values that the unit tests are made of, and how much hypothesis may do with them."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from isgware.core.cache_key import Request, Visitor
from isgware.core.stored_page import Entry

NOW = 1_700_000_000.0
#: Enough to find what a table of examples misses, little enough for a shared machine.
examples = settings(max_examples=150, deadline=None)

#: What PEP 3333 calls a native string: bytes decoded as latin-1.
native = st.text(st.characters(max_codepoint=0xFF), max_size=12)
#: Field names and cookie names (RFC 9110, section 5.6.2).
tokens = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=6)
requests = st.builds(
    Request,
    scheme=st.sampled_from(["http", "https"]),
    host=native,
    script_name=native,
    path=native,
    query=native,
    headers=st.lists(st.tuples(tokens, native), max_size=3).map(tuple),
    cookies=st.lists(st.tuples(tokens, native), max_size=3).map(tuple),
)


def a_visitor(path: str = "/page", query: str = "", **given: Any) -> Visitor:
    """A plain GET. ``given`` replaces fields; other names are headers: ``accept="text/html"``."""
    fields = {"method": "GET", "scheme": "http", "host": "example.com", "script_name": ""}
    headers = {
        "HTTP_" + name.upper(): given.pop(name) for name in list(given) if name not in fields
    }
    return Visitor(**{**fields, **given}, path=path, query=query, headers=headers)


def an_entry(**given: Any) -> Entry:
    """A page of 60 seconds, rendered at `NOW`, expiring an hour after."""
    fields: dict[str, Any] = {
        "key": "key",
        "request": Request("http", "example.com", "", "/page"),
        "status": "200 OK",
        "headers": (("Content-Type", "text/html"),),
        "body": b"<html>",
        "rendered_at": NOW,
        "revalidate": 60.0,
        "expire": 3600.0,
        "etag": '"tag"',
        "nonce": "nonce",
        "fingerprint": "policy",
    }
    return Entry(**{**fields, **given})
