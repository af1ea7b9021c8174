"""A stored page with places, split at them, so that filling it only joins pieces."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Final

from .encoded_headers import encoded_headers
from .place_groups import PlaceGroups, grouped
from .places import between, in_body, in_headers, joined
from .spliced_gzip import SplicedGzip
from .stored_page import Entry

HeaderList = list[tuple[str, str]]
#: Memory that a place takes beside its page, in bytes: pieces, and tables for its checksum.
PLACE_BYTES: Final = 6_000


class Template:
    """The parts of ``entry`` between its places. Made once, filled by any thread."""

    __slots__ = ("_body", "_entry", "_gzip", "_heads", "_in_body", "_lines", "groups")

    def __init__(self, entry: Entry) -> None:
        there = in_body(entry.places)
        self.groups: PlaceGroups = grouped(entry.places)
        self._entry = entry
        self._heads: dict[bool, tuple[HeaderList, list[int]]] = {}
        self._in_body = len(there)
        self._body = between(entry.body, there)
        self._lines = [
            (entry.headers[index], between(entry.headers[index][1].encode("latin-1"), places))
            for index, places in in_headers(entry.places).items()
        ]
        self._gzip: SplicedGzip | None = None

    def filled(self, values: Sequence[bytes], compressed: bool) -> tuple[HeaderList, bytes]:
        """Headers and body with ``values``, one for each place of the entry in order.
        ``compressed``: return the body as a gzip member; the entry must have one."""
        head, where = self._heads.get(compressed) or self._head(compressed)
        headers, inside = head.copy(), values
        if where:
            start = self._in_body
            inside = values[:start]
            for index, (pair, pieces) in zip(where, self._lines, strict=True):
                end = start + len(pieces) - 1
                line = joined(pieces, values[start:end])
                headers[index] = pair[0], line.decode("latin-1")
                start = end
        if not compressed:
            return headers, joined(self._body, inside)
        if self._gzip is None:
            self._gzip = SplicedGzip(self._body, self._compressed())
        return headers, self._gzip.filled(inside)

    def _head(self, compressed: bool) -> tuple[HeaderList, list[int]]:
        """The headers, and where those with places are among them: they are kept as they are."""
        headers = encoded_headers(self._entry, "gzip" if compressed else "identity")
        where, index = [], 0
        for pair, _ in self._lines:
            while headers[index] is not pair:
                index += 1
            where.append(index)
            index += 1
        self._heads[compressed] = made = headers, where
        return made

    def _compressed(self) -> list[memoryview]:
        view = memoryview(self._entry.encodings["gzip"])
        ends = accumulate(self._entry.pieces, initial=0)
        return [view[start:end] for start, end in pairwise(ends)]
