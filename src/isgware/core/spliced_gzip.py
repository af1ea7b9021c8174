"""Compressed pages with places: compressed once, filled without compressing again.

A deflate stream (RFC 1951) is a sequence of blocks. The text between places is compressed when the
page is stored, each piece up to a byte boundary. A value is inserted as a stored (uncompressed)
block. The checksum of the gzip member (RFC 1952, section 2.3.1) is combined from the checksums of
the pieces, so that the cost of filling a page is proportional to the length of its values.

Values are never compressed, and no compressed data refers to a value: the length of an answer
reveals nothing about the values (BREACH).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Final

from .places import Place, between

_LEVEL: Final = 6
#: A header without name and time, made by an unknown system (RFC 1952, section 2.3).
_HEAD: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_TRAILER: Final = struct.Struct("<II")
_STORED: Final = struct.Struct("<BHH")
_MOST_STORED: Final = 0xFFFF
_POLYNOMIAL: Final = 0xEDB88320
_ONE: Final = 1 << 31
#: For fewer bytes `zlib.crc32` is faster than the tables (2 microseconds).
_MIN_TABLED: Final = 4_096
Tables = tuple[tuple[int, ...], ...]


def deflated(body: bytes, places: Sequence[Place]) -> list[bytes]:
    """The pieces before, between and after the places of ``body``, each as whole deflate blocks.

    A piece may refer to an earlier one only if everything between them has a fixed length. Values
    are not known yet: a byte that does not occur in the body stands for them, so that no piece can
    refer to one.
    """
    blank = _unused(body) if any(place.fixed for place in places) else None
    pieces = between(body, places)
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    made = []
    for piece, place in zip(pieces, places, strict=False):
        primes = place.fixed and blank is not None
        how = zlib.Z_SYNC_FLUSH if primes else zlib.Z_FULL_FLUSH
        made.append(compressor.compress(piece) + compressor.flush(how))
        if primes and place.length:
            assert blank is not None
            compressor.compress(blank * place.length)
            compressor.flush(zlib.Z_SYNC_FLUSH)
    made.append(compressor.compress(pieces[-1]) + compressor.flush(zlib.Z_FINISH))
    return made


def _unused(body: bytes) -> bytes | None:
    """A byte that does not occur in ``body``; UTF-8 never has 0xFF."""
    return next((byte for n in range(255, -1, -1) if (byte := bytes([n])) not in body), None)


class SplicedGzip:
    """A compressed page that is ready to be filled. ``plain`` and ``compressed`` are the pieces
    that `between` and `deflated` have made of the same body."""

    __slots__ = ("_compressed", "_length", "_plain", "_tables")

    def __init__(
        self, plain: Sequence[bytes | memoryview], compressed: Sequence[bytes | memoryview]
    ) -> None:
        self._plain = plain
        self._compressed = compressed
        self._length = sum(map(len, plain))
        #: For each long piece: its checksum, and its effect on the checksum of what precedes it.
        self._tables = [
            (zlib.crc32(piece), _tables(len(piece))) if len(piece) >= _MIN_TABLED else None
            for piece in plain
        ]

    def filled(self, values: Sequence[bytes]) -> bytes:
        """The gzip member of the page with ``values`` in its places. The caller ensures that a
        value at a fixed place has the length of the text that it replaces."""
        parts: list[bytes | memoryview] = [_HEAD]
        crc, length, last = 0, self._length, len(values)
        for index, piece in enumerate(self._compressed):
            parts.append(piece)
            tabled = self._tables[index]
            if tabled is None:
                crc = zlib.crc32(self._plain[index], crc)
            else:
                crc = _shifted(tabled[1], crc) ^ tabled[0]
            if index < last and (value := values[index]):
                crc = zlib.crc32(value, crc)
                length += len(value)
                parts += stored(value)
        parts.append(_TRAILER.pack(crc, length & 0xFFFFFFFF))
        return b"".join(parts)


def stored(value: bytes) -> list[bytes]:
    """``value`` as stored blocks (RFC 1951, section 3.2.4), none of them the last."""
    if len(value) <= _MOST_STORED:
        return [_STORED.pack(0, len(value), len(value) ^ 0xFFFF), value]
    starts = range(0, len(value), _MOST_STORED)
    return [part for start in starts for part in stored(value[start : start + _MOST_STORED])]


# Checksums of joined data. CRC-32 is linear: appending n bytes multiplies the checksum by x to the
# power of 8n, modulo the polynomial. Bits are reversed: the highest is x to the power of 0.


def _times_x(factor: int) -> int:
    return (factor >> 1) ^ (_POLYNOMIAL if factor & 1 else 0)


def _product(one: int, other: int) -> int:
    product = 0
    while one:
        if one & _ONE:
            product ^= other
        one = (one << 1) & 0xFFFFFFFF
        other = _times_x(other)
    return product


def _powers() -> list[int]:
    """x to the power of 8, 16, 32 and so on: the factors for 1, 2, 4 and so on appended bytes."""
    power = _ONE >> 8
    powers = []
    for _ in range(40):
        powers.append(power)
        power = _product(power, power)
    return powers


_POWERS: Final = _powers()


def _tables(length: int) -> Tables:
    """For each group of four bits of a checksum: its value after ``length`` appended bytes."""
    factor, index = _ONE, 0
    while length >> index:
        if length >> index & 1:
            factor = _product(_POWERS[index], factor)
        index += 1
    rows = [factor]  # of the bits of a checksum, the highest first
    for _ in range(31):
        rows.append(_times_x(rows[-1]))
    tables = []
    for low in range(0, 32, 4):
        table = [0]
        for bit in range(low, low + 4):
            table += [value ^ rows[31 - bit] for value in table]
        tables.append(tuple(table))
    return tuple(tables)


def _shifted(tables: Tables, crc: int) -> int:
    a, b, c, d, e, f, g, h = tables
    return (
        a[crc & 15] ^ b[crc >> 4 & 15] ^ c[crc >> 8 & 15] ^ d[crc >> 12 & 15]
        ^ e[crc >> 16 & 15] ^ f[crc >> 20 & 15] ^ g[crc >> 24 & 15] ^ h[crc >> 28]
    )  # fmt: skip
