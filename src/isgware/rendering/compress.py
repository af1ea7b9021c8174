"""Encodings of a body, made once when a page is stored."""

from __future__ import annotations

import base64
import gzip
import hashlib
import threading
from collections.abc import Callable
from typing import Final

from ..core.places import Places, between, in_body, joined
from ..core.spliced_gzip import deflated
from ..core.stored_page import Entry
from ..http.cache_control import effective
from ..http.fields import values

Encoder = Callable[[bytes], bytes]
#: Smaller bodies fit into one packet.
_MIN_BYTES: Final = 256
#: How much larger a page with places may be than one that is compressed whole.
_MOST_GROWN: Final = 1.3
_TEXTUAL: Final = (
    "application/javascript", "application/json", "application/xml", "application/xhtml+xml",
    "application/manifest+json", "application/wasm", "image/svg+xml", "font/ttf",
)  # fmt: skip


def encoders(wanted: tuple[str, ...] | bool) -> dict[str, Encoder]:
    """The encoders to use: all that are installed, or those named.

    Raises `ConfigurationError` if one is named whose library is missing.
    """
    found: dict[str, Encoder] = {}
    if wanted is False:
        return found
    for name, load in _LOADERS.items():
        if wanted is True or name in wanted:
            try:
                found[name] = load()
            except ImportError as error:
                if wanted is not True:
                    from ..errors import ConfigurationError

                    raise ConfigurationError(
                        f"compress names {name!r}, whose library is not installed: "
                        f"pip install 'isgware[{_EXTRA[name]}]'."
                    ) from error
    return found


def encoded(entry: Entry, using: dict[str, Encoder]) -> tuple[dict[str, bytes], tuple[int, ...]]:
    """The encoded forms of a page's body; for a page with places also the lengths of the pieces."""
    said, _ = effective(entry.headers)
    whole = bool(values(entry.headers, "content-encoding")) or "no-transform" in said
    content_type = next(iter(values(entry.headers, "content-type")), "")
    if not entry.places:
        return encodings_of(entry.body, content_type, whole, using), ()
    if "gzip" not in using:
        return {}, ()
    return spliced(entry.body, in_body(entry.places), content_type, whole)


def encodings_of(
    body: bytes, content_type: str, encoded: bool, using: dict[str, Encoder]
) -> dict[str, bytes]:
    """Encoded forms of ``body`` that are smaller; none if it is already encoded."""
    kind = content_type.partition(";")[0].strip().lower()
    textual = kind.startswith("text/") or kind in _TEXTUAL or kind.endswith(("+json", "+xml"))
    if encoded or not textual or len(body) < _MIN_BYTES:
        return {}
    made = {name: encode(body) for name, encode in using.items()}
    return {name: data for name, data in made.items() if len(data) < len(body) * 0.95}


def spliced(
    body: bytes, places: Places, content_type: str, encoded: bool
) -> tuple[dict[str, bytes], tuple[int, ...]]:
    """The gzip form of a page with places, and the lengths of its pieces. None if it is not worth
    sending, or much larger than one that was compressed whole: then the page is sent as it is."""
    whole = encodings_of(
        joined(between(body, places), [_random_like(place.length) for place in places]),
        content_type, encoded, {"gzip": _load_gzip()},
    )  # fmt: skip
    if not whole:
        return {}, ()
    pieces = deflated(body, places)
    size = sum(map(len, pieces)) + sum(place.length + 5 for place in places)
    if size > len(whole["gzip"]) * _MOST_GROWN:
        return {}, ()
    return {"gzip": b"".join(pieces)}, tuple(map(len, pieces))


def _random_like(length: int) -> bytes:
    """Text of the length of a token, which compresses as badly as one."""
    return base64.b64encode(hashlib.shake_128(str(length).encode()).digest(length))[:length]


def _load_brotli() -> Encoder:
    import brotli

    return lambda body: bytes(brotli.compress(body, quality=5))


def _load_zstd() -> Encoder:
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        from backports import zstd

    # For a small page, making a compressor takes longer than compressing.
    kept = threading.local()

    def compress(body: bytes) -> bytes:
        compressor = getattr(kept, "compressor", None)
        if compressor is None:
            compressor = kept.compressor = zstd.ZstdCompressor(3)
        return bytes(compressor.compress(body, zstd.ZstdCompressor.FLUSH_FRAME))

    return compress


def _load_gzip() -> Encoder:
    return lambda body: gzip.compress(body, 6, mtime=0)


_LOADERS: Final = {"br": _load_brotli, "zstd": _load_zstd, "gzip": _load_gzip}
_EXTRA: Final = {"br": "brotli", "zstd": "zstd", "gzip": "gzip"}
