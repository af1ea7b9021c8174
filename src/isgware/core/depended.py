"""`Depended`: what a stored page keeps of its dependencies; `Tellings`: what was told of them.

A name that was told at a value of the store's counter makes every page with that name stale, or
gone, whose render began before it. Names have a table and a limit of their own: what was forgotten
raises a floor, below which pages with dependencies are stale, never gone.
"""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from typing import Any, Final

#: What is wrong with a page from the start. ``MAYBE``: the store did not take it, or has forgotten
#: what was written meanwhile; ``CHANGED``: something that it shows was written meanwhile.
NOTHING: Final = 0
MAYBE: Final = 1
CHANGED: Final = 2
#: Names that a mirror keeps although they lie below the floor: their pages are gone, not stale.
_MAX_TOLD: Final = 100_000
#: Names that are sooner found one by one.
_FEW: Final = 10
#: Texts of a page's dependencies are never longer than this once they are decompressed.
_MAX_TEXT: Final = 4 * 1024**2
#: Bytes of texts that are not worth compressing.
_SHORT: Final = 256
#: Bytes of a name; see `core.dependency_names`.
SIZE: Final = 8


def split(blob: bytes) -> Iterable[bytes]:
    """The names in the one blob in which a page keeps them."""
    return (blob[at : at + SIZE] for at in range(0, len(blob), SIZE))


@dataclass(frozen=True, slots=True)
class Depended:
    """``names`` one after the other; ``texts`` a line for each dependency, compressed. ``soft``:
    a change makes the page stale, not gone. ``late``: see `NOTHING` and its like. ``due``: when the
    page is to be renewed, since something of it was changed shortly before its render and replicas
    of the database may lag; 0 if never. By the wall clock, as the times of an `Entry`."""

    names: bytes
    texts: bytes = b""
    soft: bool = False
    late: int = NOTHING
    due: float = 0.0

    def overdue(self, now: float) -> bool:
        return self.due != 0.0 and now >= self.due

    @property
    def size(self) -> int:
        return len(self.names) + len(self.texts)

    def has_any(self, names: Set[bytes]) -> bool:
        """Few names are looked for as bytes, which is faster than to take the blob apart."""
        if len(names) <= _FEW:
            for name in names:
                if name in self.names:
                    break
            else:
                return False
        return not names.isdisjoint(split(self.names))

    def lines(self) -> list[str]:
        """What the page depends on, for people."""
        reader = zlib.decompressobj()
        try:
            text = reader.decompress(self.texts, _MAX_TEXT) if self.texts else b""
        except zlib.error:
            return []
        return text.decode("utf-8", "replace").split("\n") if text else []


def without_texts(depended: Depended | None) -> Depended | None:
    """What its row in the catalogue says. When it is to be renewed is in the row's times."""
    if depended is None or not (depended.texts or depended.due):
        return depended
    return Depended(depended.names, b"", depended.soft, depended.late)


def packed(depended: Depended | None) -> bytes | None:
    """What a row says, in bytes."""
    if depended is None:
        return None
    return bytes([depended.late << 1 | depended.soft]) + depended.names


def unpacked(data: bytes | None) -> Depended | None:
    """What `packed` packed. Raises `ValueError` for anything else."""
    if data is None:
        return None
    flags = data[0] if data else 99
    return _checked(data[1:], b"", bool(flags & 1), flags >> 1)


def compressed(texts: str) -> bytes:
    """With a small window: a compressor's default buffers take longer to get than most pages'
    texts to compress. What is short is kept as it is, in the same format."""
    if not texts:
        return b""
    data = texts.encode("utf-8", "replace")
    compressor = zlib.compressobj(0 if len(data) < _SHORT else 1, zlib.DEFLATED, 12, 5)
    return (compressor.compress(data) + compressor.flush())[: 2 * _MAX_TEXT]


def _checked(names: bytes, texts: bytes, soft: Any, late: Any, due: Any = 0.0) -> Depended:
    """What was read from a store, if it can be judged by. Raises `ValueError` otherwise."""
    known = late in (NOTHING, MAYBE, CHANGED) and type(late) is int
    timed = type(due) in (int, float) and 0 <= due < 1e15
    if not known or not timed or type(soft) is not bool or len(names) % SIZE:
        raise ValueError("no dependencies")
    return Depended(names, texts, soft, late, due)


def described_dependencies(depended: Depended) -> Any:
    """What JSON can hold of it, as part of a stored page."""
    names, texts = (b64encode(data).decode() for data in (depended.names, depended.texts))
    due = [depended.due] if depended.due else []
    return [names, texts, depended.soft, depended.late, *due]


def depended_from(raw: Any) -> Depended | None:
    """What `described_dependencies` described. Raises `TypeError` or `ValueError` for anything
    else."""
    if raw is None:
        return None
    names, texts, soft, late, *due = raw
    blobs = [b64decode(data, validate=True) for data in (names, texts)]
    return _checked(blobs[0], blobs[1], soft, late, due[0] if due else 0.0)


@dataclass(slots=True)
class Tellings:
    """This process's mirror of what was told. As `Generations` it only ever raises values."""

    told: dict[bytes, int] = field(default_factory=dict)
    #: What each was told of, for people.
    said: dict[bytes, str] = field(default_factory=dict)
    floor: int = 0
    last: int = 0

    def apply(self, rows: Iterable[tuple[bytes, int, str]], floor: int) -> None:
        for name, value, text in rows:
            if value > self.told.get(name, 0):
                self.told[name] = value
                self.said[name] = text
                self.last = max(self.last, value)
        if floor > self.floor:
            self.floor = floor
        if len(self.told) > _MAX_TOLD:  # below the floor pages are stale, whatever was told
            for name in [name for name, value in list(self.told.items()) if value <= self.floor]:
                self.told.pop(name, None)
                self.said.pop(name, None)

    def since(self, depended: Depended, generation: int) -> bytes | None:
        """The first name of a page of that generation that was told since; `None` if none was."""
        if generation >= self.last:
            return None
        told = self.told
        for name in split(depended.names):
            if told.get(name, 0) > generation:
                return name
        return None

    def why(self, depended: Depended, generation: int) -> str:
        """Why a page is not fresh, for people; empty if nothing is known."""
        if (name := self.since(depended, generation)) is not None:
            return (
                f"{self.said.get(name) or 'something that it shows was changed'} since the render"
            )
        if depended.late == CHANGED:
            return "something that it shows was changed while it was rendered"
        if depended.late == MAYBE:
            return "the store could not tell whether what it shows was changed meanwhile"
        if generation < self.floor:
            return "so many changes of the database came since that the oldest were forgotten"
        return ""

    def last_of(self, depended: Depended) -> int:
        """The counter's value when any name of a page was last told."""
        told = self.told
        return max((told.get(name, 0) for name in split(depended.names)), default=0)

    def changed(self, depended: Depended, generation: int) -> bool:
        """Whether a page of that generation may show what is not so any more."""
        return (
            depended.late != NOTHING
            or generation < self.floor
            or self.since(depended, generation) is not None
        )

    def gone(self, depended: Depended, generation: int) -> bool:
        """Whether it may not be served any more for that."""
        if depended.soft:
            return False
        return depended.late == CHANGED or self.since(depended, generation) is not None
