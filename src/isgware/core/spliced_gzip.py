"""Compressed pages with places: deflated once, filled without being compressed again.

A deflate stream (RFC 1951) is a row of blocks. What stands between places is compressed when the
page is stored, each piece up to a byte boundary. A value is put in as a stored, that is
uncompressed, block. The member's checksum (RFC 1952, section 2.3.1) is combined from checksums of
the pieces, so that filling a page costs what its values are long.

Values are never compressed, and nothing is compressed by means of one: the length of an answer
says nothing about what was put in (BREACH).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Final

from .places import Place, between

_LEVEL: Final = 6
#: A member without name and time, made by an unknown system (RFC 1952, section 2.3).
_HEAD: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_TRAILER: Final = struct.Struct("<II")
_STORED: Final = struct.Struct("<BHH")
_MOST_STORED: Final = 0xFFFF
_POLYNOMIAL: Final = 0xEDB88320
_ONE: Final = 1 << 31
#: For fewer bytes `zlib.crc32` is faster than tables are (2 microseconds).
_MIN_TABLED: Final = 4_096
Tables = tuple[tuple[int, ...], ...]


def deflated(body: bytes, places: Sequence[Place]) -> list[bytes]:
    """What stands before, between and behind places of ``body``, each as whole deflate blocks.

    A piece may refer to what stands before it only if all that lies between has a fixed length.
    What will be put in is unknown: it is stood for by a byte that the body has nowhere, so that
    nothing can refer to it.
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
    """A byte that ``body`` does not have; UTF-8 never has 0xFF."""
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
        #: For each long piece its checksum, and what it does to the checksum before it.
        self._tables = [
            (zlib.crc32(piece), _tables(len(piece))) if len(piece) >= _MIN_TABLED else None
            for piece in plain
        ]

    def filled(self, values: Sequence[bytes]) -> bytes:
        """The gzip member of the page with ``values`` in its places. That those at fixed places
        have the length of what they replace is for the caller to see to."""
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


# Checksums of joined data: CRC-32 is linear, and bytes behind others multiply what those come to
# by a power of x, modulo the polynomial. Bits are reversed: the highest is x to the power of 0.


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
    """x to the power of 8, 16, 32 and so on: of so many bits are 1, 2, 4 and so on bytes."""
    power = _ONE >> 8
    powers = []
    for _ in range(40):
        powers.append(power)
        power = _product(power, power)
    return powers


_POWERS: Final = _powers()


def _tables(length: int) -> Tables:
    """For each four bits of a checksum what they become when ``length`` bytes follow."""
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
