"""A stored page, and its format in the store.

Format: magic, version, CRC-32 of all that follows, length of the description, the description as
JSON, then the bodies one after the other. Nothing is ever unpickled. Data that does not decode
cleanly (truncated, damaged, foreign, newer, stored under another key) is a miss, never an error.
"""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeGuard

from ..http.fields import Headers, sound_headers, sound_status
from .cache_key import Request
from .client_holes import sound_client_holes
from .depended import Depended, depended_from, described_dependencies
from .hole_places import sound_holes
from .interned_strings import shared
from .places import Places, in_body, place_from, sound_places
from .reads import NOTHING_READ, Reads, reads_from_json, reads_to_json

MAGIC: Final = b"ISGW"
VERSION: Final = 3
_HEAD: Final = struct.Struct(">4sBI")

_NATIVE = re.compile(r"[\x00-\xff]*\Z")


@dataclass(frozen=True, slots=True)
class Entry:
    """One rendered page. Times are wall-clock seconds. ``generation`` and ``nonce`` identify the
    invalidations that its render had seen; ``order`` tells which of two renders began later.

    ``own``: the response to a visitor's own request (RFC 9111), not a clean-room render. Then
    ``rendered_at`` is when it was generated, by the app or by a server behind it. ``validator`` is
    the app's own ETag, which may differ from ``etag``. ``reads``: what its render read of its
    visitor; ``None`` where that could not be recorded.

    ``places``: where values are inserted when the page is served. The only other encoding of such a
    page is gzip, in pieces of the lengths ``pieces`` (see `spliced_gzip.deflated`).

    ``version``: incremented by each render that found the page changed; 0 where versions are not
    counted. ``interval``: the seconds fresh that an `Adaptive` has reached. ``restored``: the
    number of the version that was restored; such a page is fresh until something invalidates it.

    ``holes``: the placeholders in the body. ``hole_reads``: what filling them reads of a visitor. A
    visitor who has any of that gets the page of `filled_page.for_holes`.

    ``client_holes``: the elements in the body of holes that the browser fills. ``client_reads``:
    what filling them reads of a visitor; ``None`` if they are filled for every visitor.

    ``renders``: the last renders of the page, as `core.render_log` writes them.

    ``depended``: what of a database its render has read; ``None`` where that was not recorded.
    """

    key: str
    request: Request
    status: str
    headers: Headers
    body: bytes
    rendered_at: float
    revalidate: float | None
    expire: float
    encodings: Mapping[str, bytes] = field(default_factory=dict)
    etag: str = ""
    last_modified: str = ""
    tags: tuple[str, ...] = ()
    generation: int = 0
    nonce: str = ""
    order: int = 0
    fingerprint: str = ""
    build_id: str = ""
    route: str = ""
    render_seconds: float = 0.0
    vary_cookie: bool = False
    anonymous: bool = False
    error_quota: bool = False
    tombstone: bool = False
    own: bool = False
    validator: str = ""
    places: Places = ()
    pieces: tuple[int, ...] = ()
    reads: Reads | None = None
    holes: Places = ()
    hole_reads: Reads = NOTHING_READ
    client_holes: Places = ()
    client_reads: Reads | None = None
    version: int = 0
    depended: Depended | None = None
    interval: float | None = None
    restored: int = 0
    renders: str = ""

    @property
    def code(self) -> int:
        return int(self.status[:3])

    @property
    def revalidate_at(self) -> float:
        """Infinity for ``revalidate=None``, which means "until invalidated"."""
        if self.revalidate is None:
            return float("inf")
        return self.rendered_at + self.revalidate

    @property
    def fresh_until(self) -> float:
        """`revalidate_at`, or earlier because of `Depended.due`."""
        until = self.revalidate_at
        due = 0.0 if self.depended is None else self.depended.due
        return min(until, due) if due else until

    @property
    def lifetime(self) -> float | None:
        """Seconds fresh from the render; `None` until invalidated."""
        if self.depended is None or not self.depended.due:
            return self.revalidate
        return max(0.0, self.fresh_until - self.rendered_at)

    @property
    def expires_at(self) -> float:
        return self.rendered_at + self.expire

    @property
    def size(self) -> int:
        beside = self.depended.size if self.depended is not None else 0
        return len(self.body) + sum(map(len, self.encodings.values())) + beside


_PLAIN: Final = (
    "key", "status", "rendered_at", "revalidate", "expire", "etag", "last_modified", "generation",
    "nonce", "order", "fingerprint", "build_id", "route", "render_seconds", "vary_cookie",
    "anonymous", "error_quota", "tombstone", "own", "validator",
)  # fmt: skip
#: Values for fields that pages stored by an earlier release do not have.
_LATER: Final[dict[str, Any]] = {"version": 0, "interval": None, "restored": 0, "renders": ""}
#: Shared by many pages, so that a process with many of them holds each value once.
_SHARED: Final = ("status", "nonce", "fingerprint", "build_id", "route")
#: As if it were an encoding: a release that knows no dependencies takes such a page for no page.
_DEPENDED: Final = "=depended"
_REQUEST: Final = ("scheme", "host", "script_name", "path", "query")


def encode(entry: Entry) -> bytes:
    """The bytes to store."""
    return b"".join((head_of(entry), *entry.encodings.values(), entry.body))


def head_of(entry: Entry) -> bytes:
    """The bytes before the bodies. They include the checksum of the bodies."""
    description = {name: getattr(entry, name) for name in _PLAIN}
    for name, unsaid in _LATER.items():
        if getattr(entry, name) != unsaid:
            description[name] = getattr(entry, name)
    description["request"] = [getattr(entry.request, name) for name in _REQUEST]
    description["keyed"] = [entry.request.headers, entry.request.cookies]
    if entry.request.variants:
        description["keyed"].append(entry.request.variants)
    description["headers"] = entry.headers
    description["tags"] = entry.tags
    if entry.places:
        description["places"] = [place.described() for place in entry.places]
        description["pieces"] = entry.pieces
    description["reads"] = reads_to_json(entry.reads)
    if entry.holes:
        description["holes"] = [place.described() for place in entry.holes]
        description["hole_reads"] = reads_to_json(entry.hole_reads)
    if entry.client_holes:
        description["client_holes"] = [place.described() for place in entry.client_holes]
        description["client_reads"] = reads_to_json(entry.client_reads)
    description["bodies"] = [[name, len(data)] for name, data in entry.encodings.items()]
    if entry.depended:
        description["depended"] = described_dependencies(entry.depended)
        description["bodies"].append([_DEPENDED, 0])
    described = json.dumps(description, separators=(",", ":")).encode()
    length = len(described).to_bytes(4, "big")
    checksum = zlib.crc32(length + described)
    for body in (*entry.encodings.values(), entry.body):
        checksum = zlib.crc32(body, checksum)
    return _HEAD.pack(MAGIC, VERSION, checksum) + length + described


def head_size(data: bytes) -> int:
    """How many of the stored bytes precede the bodies; 0 if this is not a page."""
    start = _HEAD.size + 4
    if len(data) < start or not data.startswith(MAGIC):
        return 0
    return start + int.from_bytes(data[_HEAD.size : start], "big")


def decode(data: Any, key: str) -> Entry | None:
    """The entry stored in ``data`` under ``key``; ``None`` if it is damaged or another one."""
    if not isinstance(data, bytes) or len(data) < _HEAD.size:
        return None
    magic, version, checksum = _HEAD.unpack_from(data)
    rest = memoryview(data)[_HEAD.size :]
    if magic != MAGIC or version != VERSION or zlib.crc32(rest) != checksum:
        return None
    try:
        start = 4 + int.from_bytes(rest[:4], "big")
        described = json.loads(bytes(rest[4:start]))
        entry = _from_description(described, rest[start:])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None
    return entry if entry.key == key and _sound(entry) else None


def _from_description(described: dict[str, Any], bodies: memoryview) -> Entry:
    encodings, start = {}, 0
    for name, size in described["bodies"]:
        if size < 0 or start + size > len(bodies):
            raise ValueError("a body is cut off")
        encodings[str(name)] = bytes(bodies[start : start + size])
        start += size
    encodings.pop(_DEPENDED, None)
    keyed_headers, keyed_cookies, *variants = described["keyed"]
    scheme, host, script_name, path, query = described["request"]
    for name in _SHARED:
        described[name] = shared(described[name])
    return Entry(
        request=Request(
            shared(scheme),
            shared(host),
            shared(script_name),
            path,
            query,
            _pairs(keyed_headers),
            _pairs(keyed_cookies),
            *map(_pairs, variants),
        ),
        headers=_pairs(described["headers"]),
        tags=tuple(described["tags"]),
        reads=reads_from_json(described["reads"]),
        body=bytes(bodies[start:]),
        encodings=encodings,
        places=tuple(map(place_from, described.get("places", ()))),
        pieces=tuple(described.get("pieces", ())),
        holes=tuple(map(place_from, described.get("holes", ()))),
        hole_reads=reads_from_json(described.get("hole_reads")) or NOTHING_READ,
        client_holes=tuple(map(place_from, described.get("client_holes", ()))),
        client_reads=reads_from_json(described.get("client_reads")),
        depended=depended_from(described.get("depended")),
        **{name: described[name] for name in _PLAIN},
        **{name: described.get(name, unsaid) for name, unsaid in _LATER.items()},
    )


def _pairs(raw: Any) -> Headers:
    # Raises TypeError if it is not a string.
    return tuple((shared(name), shared(value)) for name, value in raw)


_NUMBERS: Final = ("rendered_at", "expire", "render_seconds")
_STRINGS: Final = (
    "key", "status", "etag", "last_modified", "nonce", "fingerprint", "build_id", "route",
    "validator", "renders",
)  # fmt: skip


def _sound(entry: Entry) -> bool:
    return (
        all(_number(getattr(entry, name)) for name in _NUMBERS)
        and (entry.revalidate is None or _number(entry.revalidate))
        and (entry.interval is None or _number(entry.interval))
        and type(entry.generation) is int
        and type(entry.order) is int
        and type(entry.version) is int
        and type(entry.restored) is int
        and all(isinstance(getattr(entry, name), str) for name in _STRINGS)
        and all(_native(getattr(entry.request, name)) for name in _REQUEST)
        and all(isinstance(tag, str) for tag in entry.tags)
        and sound_status(entry.status)
        and sound_headers(entry.headers)
        and sound_headers(
            (
                ("ETag", entry.etag),
                ("ETag", entry.validator),
                ("Last-Modified", entry.last_modified),
            )
        )
        and set(entry.encodings) <= {"br", "zstd", "gzip"}
        and sound_places(entry.places, entry.body, entry.headers)
        and _sound_pieces(entry)
        and sound_holes(entry.holes, entry.places, entry.body)
        and sound_client_holes(entry.client_holes, entry.body)
    )


def _sound_pieces(entry: Entry) -> bool:
    """Whether a page with places is compressed as `spliced_gzip` does it, or not compressed."""
    if not entry.places or not entry.pieces:
        return not entry.pieces and not (entry.places and entry.encodings)
    return (
        set(entry.encodings) == {"gzip"}
        and all(type(length) is int and length >= 0 for length in entry.pieces)
        and len(entry.pieces) == len(in_body(entry.places)) + 1
        and sum(entry.pieces) == len(entry.encodings["gzip"])
    )


def _native(value: Any) -> bool:
    """Whether this is a native string of WSGI: bytes decoded as latin-1 (PEP 3333)."""
    return isinstance(value, str) and _NATIVE.match(value) is not None


def _number(value: Any) -> TypeGuard[float]:
    return type(value) in (int, float) and abs(value) < 1e15
