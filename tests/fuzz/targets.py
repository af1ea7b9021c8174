"""What a fuzzer may throw anything at: each target takes bytes and fails if a promise does.

`tools/fuzz.py` drives them by coverage, for as long as one likes; the suite with a few thousand
inputs, grown from the same seeds.
"""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from isgware.backends.base import row_of
from isgware.cli.printing import details, listing, page_lines, to_json
from isgware.core.cache_key import (
    TRACKING,
    Request,
    Rules,
    Visitor,
    cookie_pairs,
    counting_cookie,
    narrow,
    url_refusal,
)
from isgware.core.freshness import State
from isgware.core.local_path import local_path
from isgware.core.places import BODY, NONCE, Place, between, blanked, joined, sound_places
from isgware.core.preconditions import fitted
from isgware.core.spliced_gzip import SplicedGzip, deflated
from isgware.core.storable import promising
from isgware.core.stored_page import MAGIC, VERSION, Entry, decode, encode
from isgware.core.tokens import find, nonces
from isgware.errors import InvalidPath
from isgware.export.choice import row_reason, site_of, static
from isgware.http.cache_control import effective
from isgware.http.conditional import choose_encoding
from isgware.http.dates import http_date
from isgware.http.fields import sound_headers, sound_status
from isgware.http.vary import selecting
from isgware.regeneration.handoff import Queue
from isgware.regeneration.shared_jobs import decode_job
from isgware.render_context import Rendering
from isgware.rendering.clean_room import environ_for
from isgware.routing.learned_routes import LearnedRoute
from isgware.serving.browser_navigation import is_bot, navigates
from isgware.shared_cache.rules import may_store, wishes
from isgware.storage.catalogue import PageInfo
from isgware.storage.notes import noted_failure, noted_refusal
from isgware.storage.process_cache import Page

NOW: Final = 1_700_000_000.0
KEY: Final = "key"
PREFIXES: Final = tuple(name.removesuffix("*") for name in TRACKING)
RULES: Final = (
    Rules(),
    Rules(query=()),
    Rules(
        query=("a", "utm_x"),
        headers=(("accept-language", ("en", "fr")), ("x-a", None), ("x-b", ("one", "two"))),
        cookies=(("c", None), ("d", ("dark", "light"))),
    ),
)


# What comes out of a store.


def entry(data: bytes) -> None:
    """Any bytes in the place of a page."""
    found = decode(data, KEY)
    if found is not None:
        _usable(found)


def description(data: bytes) -> None:
    """Any description of a page, up to the first newline, with a checksum that is right."""
    described, _, bodies = data.partition(b"\n")
    entry(sealed(described, bodies))


def sealed(described: bytes, bodies: bytes = b"") -> bytes:
    rest = struct.pack(">I", len(described)) + described + bodies
    return MAGIC + bytes([VERSION]) + struct.pack(">I", zlib.crc32(rest)) + rest


def _usable(found: Entry) -> None:
    """Whatever was decoded can be served, listed and printed, and adds no line to a header."""
    assert found.key == KEY
    assert decode(encode(found), KEY) == found
    page = Page(found, 0, "base")
    for accepted in (None, "br, gzip;q=0.5"):
        line, headers, _ = page.answer(accepted, NOW, "HIT", "isgware; hit")
        assert sound_status(line)
        assert sound_headers(headers)
    environ = {"REQUEST_METHOD": "GET", "HTTP_RANGE": "bytes=0-1,3-4", "HTTP_IF_MATCH": "*"}
    assert sound_headers(fitted((line, headers, (found.body,)), found, environ)[1])
    row = row_of(found)
    info = PageInfo(
        row.path, row.url, row.status, "fresh", NOW - row.rendered_at, None, row.size, row.tags,
        row.rendered_at, row.render_seconds, 1, "error", row.variant, row.build_id,
    )  # fmt: skip
    if site_of(row.url):
        static(found, with_app=False)
        row_reason(row, State.FRESH, "http://h")
    for text in (listing([info]), page_lines(info, found), to_json(details(info, found))):
        assert all(line.isprintable() for line in text.split("\n"))


class _Notes:
    """A store that has the same note for whoever asks."""

    def __init__(self, note: bytes) -> None:
        self._note = note

    def read_note(self, name: str, now: float) -> bytes:
        return self._note


def note(data: bytes) -> None:
    """Any bytes in the place of a note or a job."""
    store: Any = _Notes(data)
    learned_route = LearnedRoute.decode(data)
    if learned_route is not None:
        assert LearnedRoute.decode(learned_route.encode()) == learned_route
    noted_failure(store, KEY, NOW, 0.0)
    noted_refusal(store, "/page", NOW)
    Queue(store, "", 10, 5.0, 10.0, lambda: NOW).workers()
    job = decode_job(data)
    if job is not None:
        url_refusal(job[1])
        narrow(job[1], RULES[2])


# What comes from a client.


def request(data: bytes) -> None:
    """A request line and headers, one in a line: what a render sees is what its key covers."""
    lines = [line.decode("latin-1") for line in data.split(b"\n")]
    host, script_name, path, query, *rest = (*lines, "", "", "", "")
    names = ("HTTP_COOKIE", "HTTP_ACCEPT_LANGUAGE", "HTTP_X_A", "HTTP_X_B", "HTTP_USER_AGENT")
    headers = dict(zip(names, rest, strict=False))
    visitor = Visitor("GET", "https", host, script_name, path, query, headers)
    navigates(visitor)
    is_bot(visitor)
    counting_cookie(headers.get("HTTP_COOKIE"), None)
    odd = url_refusal(visitor)
    for rules in RULES:
        narrowed = narrow(visitor, rules)
        if isinstance(narrowed, str):
            continue
        _covered(narrowed, visitor, rules)
        if not odd:
            assert narrowed.url.isascii()
            assert narrowed.url.isprintable()
            urlsplit(narrowed.url)
            _usable(_page_of(narrowed))


def _covered(narrowed: Request, visitor: Visitor, rules: Rules) -> None:
    environ = environ_for(narrowed, Rendering(True, "https", visitor.host, ""))
    shown = {name: value for name, value in environ.items() if name in visitor.headers}
    if rules.query == "all":
        named = parse_qsl(narrowed.query, keep_blank_values=True, max_num_fields=None)
        assert not any(name.startswith(PREFIXES[:6]) for name, _ in named)
    if rules is not RULES[2]:
        assert set(shown) <= {"HTTP_USER_AGENT"}
        assert environ["HTTP_USER_AGENT"].startswith("isgware/")
    # A render that another process takes over is of the same page.
    again = Visitor(
        "GET", narrowed.scheme, narrowed.host, narrowed.script_name, narrowed.path, narrowed.query,
        environ,
    )  # fmt: skip
    assert narrow(again, rules) == narrowed
    assert {name for name, _ in cookie_pairs(environ.get("HTTP_COOKIE"))} <= {"c", "d"}


def _page_of(narrowed: Request) -> Entry:
    moved = (("Location", "/elsewhere"), ("Content-Type", "text/html"))
    return Entry(KEY, narrowed, "301 Moved", moved, b"", NOW, revalidate=1.0, expire=1.0)


def fields(data: bytes) -> None:
    """Field values, of a request and of a response: none raises, all are answered soundly."""
    value = data.decode("latin-1")
    wishes(value, None)
    wishes(None, value)
    choose_encoding(value, ("br", "gzip"))
    http_date(value, NOW)
    selecting(("accept-language", "x-a"), lambda name: value)
    for name in ("Cache-Control", "CDN-Cache-Control", "Expires", "Age", "Vary", "Last-Modified"):
        headers = (("Date", "Tue, 14 Nov 2023 22:13:20 GMT"), (name, value))
        effective(headers)
        promising("200 OK", headers, default=60, obey=True, full=True, now=NOW)
        may_store("200 OK", headers, credentials=False, requested=NOW, received=NOW)
    modified = "Mon, 01 Jan 2024 00:00:00 GMT"
    page = Entry(
        KEY, Request("http", "h", "", "/"), "200 OK", (), b"0123456789" * 10, NOW, None, 1e9
    )
    answer = "200 OK", [("ETag", '"tag"'), ("Last-Modified", modified)], (page.body,)
    for name in ("IF_NONE_MATCH", "IF_MATCH", "IF_MODIFIED_SINCE", "IF_UNMODIFIED_SINCE", "RANGE"):
        environ = {"REQUEST_METHOD": "GET", f"HTTP_{name}": value}
        line, said, body = fitted(answer, page, environ)
        assert line[:3] in ("200", "206", "304", "412", "416")
        assert sound_headers(said)
        assert sum(map(len, body)) <= 100 + 8 * 200
    fitted(
        answer, page, {"REQUEST_METHOD": "GET", "HTTP_RANGE": "bytes=1-", "HTTP_IF_RANGE": value}
    )


def path(data: bytes) -> None:
    """A path that a webhook hands on: what is taken for local is."""
    try:
        text, _ = local_path(data.decode("utf-8", "surrogateescape"))
    except InvalidPath:
        return
    assert text.startswith("/")
    assert text.isprintable()
    assert not {".", ".."} & set(text.split("/"))


# What is put into a page.


def splice(data: bytes) -> None:
    """Places anywhere in any body: compressed or not, a filled page is what replacing makes."""
    cuts, _, body = data.partition(b"\n")
    offsets = sorted(min(cut, len(body)) for cut in cuts[:100])
    places = tuple(
        Place(BODY, start, end - start, NONCE, (), fixed=bool(start % 3))
        for start, end in zip(offsets[::2], offsets[1::2], strict=False)
    )
    assert sound_places(places, body, ())
    values = [
        body[: place.length].rjust(place.length, b"<") if place.fixed else cuts[:number] * number
        for number, place in enumerate(places)
    ]
    wanted, start = b"", 0
    for place, value in zip(places, values, strict=True):
        wanted, start = wanted + body[start : place.offset] + value, place.end
    wanted += body[start:]
    pieces = between(body, places)
    assert joined(pieces, values) == wanted
    filled = SplicedGzip(pieces, deflated(blanked(body, places), places)).filled(values)
    assert gzip.decompress(filled) == wanted


def page_with_nonces(data: bytes) -> None:
    """A policy and a body: each of its nonces is found wherever it stands, or the page refused."""
    policy, _, body = data.partition(b"\n")
    headers = (("Content-Type", "text/html"), ("Content-Security-Policy", policy.decode("latin-1")))
    tokens = nonces(headers, body)
    places = find(tokens, headers, body)
    if places is None:
        return
    assert sound_places(places, body, headers)
    left = blanked(body, [place for place in places if place.where == BODY])
    assert not any(token.text.encode() in left for token in tokens if token.text.strip("0="))


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "entry": entry,
    "description": description,
    "note": note,
    "request": request,
    "fields": fields,
    "path": path,
    "splice": splice,
    "page_with_nonces": page_with_nonces,
}


# Where to begin.


def _sample() -> bytes:
    asked = Request("https", "a.b", "/s", "/p\xe9", "a=1&a=%26", (("x-a", "v"),), (("c", "d"),))
    made = Entry(
        KEY, asked, "200 OK", (("Vary", "X-A, Cookie"), ("X-B", "\xe9")), b"body", NOW, 60.0, 99.0,
        encodings={"br": b"b", "gzip": b"gz"}, etag='"tag"', tags=("t", "posts:1"), generation=3,
        last_modified="Mon, 01 Jan 2024 00:00:00 GMT", order=7, nonce="n", fingerprint="f",
    )  # fmt: skip
    return encode(made)


def _described() -> bytes:
    whole = _sample()
    start = whole.index(b"{")
    end = start + struct.unpack(">I", whole[start - 4 : start])[0]
    return whole[start:end] + b"\n" + whole[end:]


SEEDS: Final[dict[str, tuple[bytes, ...]]] = {
    "entry": (_sample(), b"", b"ISGW"),
    "description": (_described(), b"{}\n", b"[]"),
    "note": (
        LearnedRoute(("x-a",), "f", True, True, True, ("accept",)).encode(),
        json.dumps([2, NOW, "error", NOW]).encode(),
        json.dumps(["set-cookie", "", NOW, KEY, "http://h/"]).encode(),
        json.dumps({"host-1": NOW}).encode(),
        json.dumps([1, KEY, "http", "h", "", "/", "a=1", [["x-a", "1"]], [["c", "1"]]]).encode(),
    ),
    "request": (
        b"site.test:80\n\n/page\na=1&utm_x=2;b=3\nc=1; d=dark; _ga=2\nfr, en;q=0.5\nx\none\nMe",
        b"[::1]\n/s\n/p/../x\n%75tm_x=1&a=%26\nc\n*\n\n\n",
        b"a,evil\n/\n//x\\\x00\n\xff",
    ),
    "fields": (
        b'max-age=60, s-maxage="5", private="a, b", no-cache',
        b"Mon, 01 Jan 2024 00:00:00 GMT",
        b"Monday, 01-Jan-24 00:00:00 GMT",
        b"Mon, 01 Jan 2024 00:00:00 +0100",
        b"bytes=0-1, 5-9, -3",
        b'W/"a", "tag", *',
        b"br;q=0.5, gzip;q=1.000, *;q=0",
        b"max-age=60;a=1, x=(1 2);b, y=:YQ==:, z=?1",
    ),
    "path": (b"/a/b?c=d", b"/%2e%2e/x", b"//evil/", "/\u00e9\u202e".encode(), b"/a\\b"),
    "splice": (
        b"\x05\x0a\x0a\x14\n<p>one</p><p>two</p><p>one</p><p>two</p>",
        b"\x00\x10\x10\x20\n" + b"<script nonce=0123></script>" * 40,
        b"\x01\x02\n" + bytes(range(256)),
    ),
    "page_with_nonces": (
        b"script-src 'nonce-0123456789abcdef' 'nonce-Rm9vYmFyYmF6cXV4Zm9vYg=='\n"
        b"<script nonce=0123456789abcdef></script><style nonce='Rm9vYmFyYmF6cXV4Zm9vYg=='>",
        b"default-src 'self'\n<meta http-equiv=content-security-policy "
        b'content="script-src &#39;nonce-0123456789abcdef&#39;"><script nonce=0123456789abcdef>',
        b"script-src 'nonce-0123456789abcdef=='\n<script nonce=0123456789abcdef\\u003d>",
    ),
}
