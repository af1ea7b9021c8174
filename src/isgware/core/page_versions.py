"""Previous versions of a page: their bytes, which of them may be shown, and one that is restored.

A purge tells no page: it raises the counter of a name. So a version is judged as a page is, by its
own names and generation. What a purge has reached must not come back by way of an older version, so
a version counts only while everything newer than it does, the page itself included.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from .depended import NOTHING
from .downstream import with_seconds
from .freshness import Generations, State, judge
from .storable import KEPT
from .stored_page import Entry, decode, encode

#: A version that takes more bytes than this is none of ours.
_LARGEST: Final = 256 * 1024**2
#: A hundred years, in seconds: a restored version is served until told otherwise.
_LASTING: Final = 3_153_600_000.0
_ONE_YEAR: Final = 31_536_000.0


def packed(entry: Entry) -> bytes:
    """A page as a version: without encodings, and compressed as a whole."""
    return zlib.compress(encode(replace(entry, encodings={}, pieces=())), 6)


def unpacked(data: bytes, key: str) -> Entry | None:
    """The page that `packed` took; ``None`` for anything else."""
    stream = zlib.decompressobj()
    try:
        found = stream.decompress(data, _LARGEST)
    except zlib.error:
        return None
    return decode(found, key) if stream.eof else None


def has_versions(entry: Entry) -> bool:
    """Whether versions of this page are kept: not of errors, of redirects for a while, or of
    answers to visitors."""
    return entry.code in KEPT and not entry.own and not entry.anonymous and entry.version > 0


def usable(
    page: Entry,
    versions: Iterable[bytes],
    names: Callable[[Entry], Iterable[str]],
    mirror: Generations,
) -> list[Entry]:
    """The versions of a stored page that may be shown and restored, newest first."""

    def purged(entry: Entry) -> bool:
        state = judge(entry, names(entry), mirror, entry.rendered_at, entry.fingerprint)
        return state is State.GONE or entry.nonce != mirror.nonce

    found: list[Entry] = []
    if not has_versions(page) or purged(page):
        return found
    for data in versions:
        entry = unpacked(data, page.key)
        if entry is None or purged(entry) or not has_versions(entry):
            break
        found.append(entry)
    return found


def restored(
    version: Entry, page: Entry, generation: int, nonce: str, order: int, downstream: float,
    date: str,
) -> Entry:  # fmt: skip
    """``version`` in place of ``page``, fresh until told: by what concerns either. ``date`` is now,
    for those who know the page by its Last-Modified."""
    headers = with_seconds(version.headers, downstream, _ONE_YEAR)
    modified = version.last_modified and date
    depended = page.depended or version.depended
    return replace(
        version,
        headers=tuple(
            (name, modified if name.lower() == "last-modified" else value)
            for name, value in headers
        ),
        last_modified=modified,
        revalidate=None,
        expire=_LASTING,
        generation=generation,
        nonce=nonce,
        order=order,
        fingerprint=page.fingerprint,
        tags=tuple(dict.fromkeys((*version.tags, *page.tags))),
        depended=None if depended is None else replace(depended, late=NOTHING, due=0.0),
        version=page.version + 1,
        restored=version.version,
        interval=page.interval,
        renders=page.renders,
    )
