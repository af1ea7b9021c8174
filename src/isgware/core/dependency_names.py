"""The names under which a page and a change meet: a page is renewed if it has one of a change's.

A name is the hash of a text, 8 bytes. What may change what (`dependencies.concerns`) becomes
equality of names, so that a change costs the same however many pages there are:

=========================  ==================================  ================================
name                       a page has it that depends on       a change has it that is
=========================  ==================================  ================================
`EVERY`                    anything at all                     not known at all
`STAR`                     nobody knows what                   any
of a table                 anything in the table               of a table as a whole
its rows                   a row of it                         of rows, nobody knows which
any change of it           all of its rows, all questions      any in the table
a row                      that row                            of that row
a shape with values        questions with these equalities     of a row with these values
a shape                    questions of this kind              of a row whose values are unknown
=========================  ==================================  ================================

So who changes a row has to know the shapes of the questions that pages ask.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from .depended import SIZE as SIZE
from .depended import split as split
from .dependencies import (
    KEY,
    UPDATES_ONLY,
    EverythingChanged,
    Inserted,
    RowsChanged,
    RowWrite,
    Shape,
    TableChanged,
    Updated,
    Write,
    canonical,
    value_in,
    versions_of,
)

#: In `Shape.columns`: all of them.
ALL_COLUMNS: Final = "*"

#: Shapes by their table.
Shapes = Mapping[str, Collection[Shape]]


def hashed(*parts: str) -> bytes:
    """A name. Parts are told apart whatever they hold."""
    return _begun(_joined(parts)).digest()


def _joined(parts: Iterable[str]) -> str:
    return "\0".join([f"{len(part)}:{part}" for part in parts])


def _begun(text: str) -> blake2b:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=SIZE)


def _digests(start: blake2b, texts: Iterable[str]) -> list[bytes]:
    """Of texts that begin with what ``start`` has seen: a copy of a hash takes half as long as a
    new one."""
    found = []
    for text in texts:
        name = start.copy()
        name.update(text.encode("utf-8", "surrogatepass"))
        found.append(name.digest())
    return found


EVERY: Final = hashed("every")
STAR: Final = hashed("star")

# A page may have a thousand names of few tables and shapes: what they have in common is kept.
_kept: Final = lru_cache(maxsize=4_096)


@_kept
def table_name(table: str) -> bytes:
    return hashed("table", table)


@_kept
def rows_name(table: str) -> bytes:
    return hashed("rows", table)


@_kept
def any_name(table: str) -> bytes:
    return hashed("any", table)


def row_name(table: str, key: str) -> bytes:
    """``key`` is canonical."""
    return row_names(table, (key,))[0]


def row_names(table: str, keys: Iterable[str]) -> list[bytes]:
    return _digests(_of_rows(table), [f"{len(key)}:{key}" for key in keys])


@_kept
def _of_rows(table: str) -> blake2b:
    return _begun(_joined(("row", table, ""))[:-2])


def shape_name(shape: Shape, values: Iterable[str] | None = None) -> bytes:
    """The questions of a shape that ask for ``values``; without, all of them."""
    return _any_of_shape(shape) if values is None else shape_names(shape, (values,))[0]


def shape_names(shape: Shape, several: Iterable[Iterable[str]]) -> list[bytes]:
    """The questions of a shape, for each of ``several`` lists of values."""
    texts = ["".join([f"\0{len(value)}:{value}" for value in values]) for values in several]
    return _digests(_asked_of_shape(shape), texts)


@_kept
def _any_of_shape(shape: Shape) -> bytes:
    return hashed("shape", *_parts_of(shape))


@_kept
def _asked_of_shape(shape: Shape) -> blake2b:
    return _begun(_joined(("asked", *_parts_of(shape))))


def _parts_of(shape: Shape) -> tuple[str, str, str]:
    return shape.table, "\0".join(shape.columns), "\0".join(shape.equals)


def names_of_writes(writes: Iterable[Write], shapes: Shapes) -> dict[bytes, Write]:
    """The names of a commit's writes, each with the first write that has it."""
    names: dict[bytes, Write] = {}
    for write in writes:
        for name in _names_of(write, shapes):
            names.setdefault(name, write)
    return names


def _names_of(write: Write, shapes: Shapes) -> Iterable[bytes]:
    if isinstance(write, EverythingChanged):
        return (EVERY,)
    names = [STAR, any_name(write.table)]
    if isinstance(write, TableChanged):
        return (*names, table_name(write.table))
    known = shapes.get(write.table, ())
    if isinstance(write, RowsChanged):
        names.append(rows_name(write.table))
        for shape in known:
            if write.columns is None or _looks_at(shape, write.columns):
                names.append(shape_name(shape))
                if not shape.equals:
                    names.append(shape_name(shape, ()))
        return names
    key = value_in(write, {}, KEY)
    if key is not None:
        names.append(row_name(write.table, key))
    elif not isinstance(write, Inserted):
        names.append(rows_name(write.table))
    for shape in known:
        if not isinstance(write, Updated):
            if UPDATES_ONLY not in shape.columns:
                names += _asked(write, shape)
        elif write.columns is None:
            names += _asked(write, shape)
        elif _looks_at(shape, write.columns):
            names += _asked(write, shape)
    return names


def _looks_at(shape: Shape, columns: Collection[str]) -> bool:
    looked_at = shape.columns
    return ALL_COLUMNS in looked_at or any(column in columns for column in looked_at)


def _asked(write: RowWrite, shape: Shape) -> Iterable[bytes]:
    """The questions of ``shape`` that the row belongs to, or belonged to."""
    for known in versions_of(write):
        values = [value_in(write, known, column) for column in shape.equals]
        if None in values:
            yield shape_name(shape)
        else:
            yield shape_name(shape, map(str, values))


def touched_row(table: str, key: str) -> Write:
    """What is said of a row of which nobody knows how it changed, nor if it was there."""
    return Updated(table, key, None)


def key_text(key: object) -> str | None:
    """The canonical key of a row that was read; see `canonical`."""
    return canonical(key)
