"""A stored page, and the bytes it is stored as.

Format: magic, version, CRC-32 of all that follows, length of the description, the description as
JSON, then the bodies one after the other. Nothing is ever unpickled. Whatever does not decode
cleanly (cut off, flipped, foreign, newer, found under another key) is a miss, never an error.
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
from .depended import Depended
from .depended import sound as sound_dependencies
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
    """One rendered page. Times are wall-clock seconds; ``generation`` and ``nonce`` say which
    invalidations its render had seen, ``order`` which of two renders began later.

    ``own``: the response to a visitor's own request (RFC 9111), not a clean-room render; then
    ``rendered_at`` is when the app, or whoever it got it from, generated it. ``validator`` is the
    app's own ETag, which ``etag`` need not be. ``reads``: what its render asked of its visitor;
    ``None`` where that could not be recorded.

    ``places``: what is put in when the page is served. Such a page has no other encoding than
    gzip, in pieces of the lengths ``pieces`` (see `spliced_gzip.deflated`).

    ``holes``: what of the body is a placeholder; ``hole_reads`` is what filling them asks of a
    visitor. A visitor who has any of that gets the page of `filled_page.for_holes`.

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
    depended: Depended | None = None

    @property
    def code(self) -> int:
        return int(self.status[:3])

    @property
    def fresh_until(self) -> float:
        """``revalidate=None`` stands for "until told"."""
        if self.revalidate is None:
            return float("inf")
        return self.rendered_at + self.revalidate

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
#: The same for many pages, so that a process with many of them holds them once.
_SHARED: Final = ("status", "nonce", "fingerprint", "build_id", "route")
#: In place of an encoding: a release that knows no dependencies takes such a page for no page.
_NAMES: Final = "=names"
_TEXTS: Final = "=texts"
_REQUEST: Final = ("scheme", "host", "script_name", "path", "query")


def encode(entry: Entry) -> bytes:
    """The bytes to store."""
    description = {name: getattr(entry, name) for name in _PLAIN}
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
    bodies = entry.encodings
    if found := entry.depended:
        description["depended"] = [found.soft, found.late]
        bodies = {_NAMES: found.names, _TEXTS: found.texts, **bodies}
    description["bodies"] = [[name, len(data)] for name, data in bodies.items()]
    described = json.dumps(description, separators=(",", ":")).encode()
    length = len(described).to_bytes(4, "big")
    rest = b"".join((length, described, *bodies.values(), entry.body))
    return _HEAD.pack(MAGIC, VERSION, zlib.crc32(rest)) + rest


def decode(data: Any, key: str) -> Entry | None:
    """The entry that ``data`` holds under ``key``; ``None`` for anything but exactly that."""
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
    depended = None
    if found := described.get("depended"):
        depended = Depended(encodings.pop(_NAMES), encodings.pop(_TEXTS), *found)
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
        depended=depended,
        **{name: described[name] for name in _PLAIN},
    )


def _pairs(raw: Any) -> Headers:
    # Raises TypeError for what is no string.
    return tuple((shared(name), shared(value)) for name, value in raw)


_NUMBERS: Final = ("rendered_at", "expire", "render_seconds")
_STRINGS: Final = (
    "key", "status", "etag", "last_modified", "nonce", "fingerprint", "build_id", "route",
    "validator",
)  # fmt: skip


def _sound(entry: Entry) -> bool:
    return (
        all(_number(getattr(entry, name)) for name in _NUMBERS)
        and (entry.revalidate is None or _number(entry.revalidate))
        and type(entry.generation) is int
        and type(entry.order) is int
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
        and sound_dependencies(entry.depended)
    )


def _sound_pieces(entry: Entry) -> bool:
    """Whether a page with places is compressed as `spliced_gzip` does it, or not at all."""
    if not entry.places or not entry.pieces:
        return not entry.pieces and not (entry.places and entry.encodings)
    return (
        set(entry.encodings) == {"gzip"}
        and all(type(length) is int and length >= 0 for length in entry.pieces)
        and len(entry.pieces) == len(in_body(entry.places)) + 1
        and sum(entry.pieces) == len(entry.encodings["gzip"])
    )


def _native(value: Any) -> bool:
    """Whether this is a string as WSGI has them: bytes decoded as latin-1 (PEP 3333)."""
    return isinstance(value, str) and _NATIVE.match(value) is not None


def _number(value: Any) -> TypeGuard[float]:
    return type(value) in (int, float) and abs(value) < 1e15


def newer(one: Entry, other: Entry) -> bool:
    """Whether ``one`` came of a later render that knew the same table of invalidations."""
    return one.nonce == other.nonce and (one.generation, one.order) > (
        other.generation,
        other.order,
    )


def same_render(one: Entry, other: Entry) -> bool:
    """Whether two copies of a page came of one render."""
    return (one.nonce, one.generation, one.order, one.rendered_at) == (
        other.nonce,
        other.generation,
        other.order,
        other.rendered_at,
    )
