"""The tables of `isgware.backends.dependents` in the embedded store.

A name is a row id: its 8 bytes as an integer. Functions that are given a connection run in its
transaction.
"""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain, repeat
from typing import Final

from ...core.dependencies import Shape
from ...core.dependency_names import EVERY, SIZE, any_name
from ..dependents import (
    MAX_KNOWN,
    MAX_UNHEARD,
    Begun,
    Depending,
    Kept,
    KnownShapes,
    Teller,
    Told,
)
from . import intents
from .transaction import Damaged

#: ``dependents``: which page has which name, for people; ``depends`` of a page is what counts.
TABLES: Final = """
CREATE TABLE known (name INTEGER PRIMARY KEY);
CREATE TABLE told (name INTEGER PRIMARY KEY, counter INTEGER NOT NULL, said TEXT NOT NULL);
CREATE INDEX told_by_counter ON told (counter);
CREATE TABLE unheard (name INTEGER PRIMARY KEY, number INTEGER NOT NULL);
CREATE INDEX unheard_by_number ON unheard (number);
CREATE TABLE shapes (shape TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE dependents (name INTEGER NOT NULL, page INTEGER NOT NULL, PRIMARY KEY (name, page))
    WITHOUT ROWID;
CREATE TABLE writes (
    number INTEGER NOT NULL, version INTEGER NOT NULL, floor INTEGER NOT NULL,
    unheard_floor INTEGER NOT NULL, known INTEGER NOT NULL, told INTEGER NOT NULL,
    unheard INTEGER NOT NULL);
INSERT INTO writes VALUES (0, 0, 0, 0, 0, 0, 0);
ALTER TABLE pages ADD COLUMN depends BLOB
"""
_AT_ONCE: Final = 500
#: A page of more names is listed under one that is nobody's, and looked into: 1,000 rows in the
#: list took 7 ms to write.
_MAX_LISTED: Final = 100
_MANY_NAMES: Final = 0
#: What the list and the column take for each name of a page, about, as ``max_bytes`` counts it.
BYTES_A_NAME: Final = 28


#: Had by every page, so it is in no list.
_ALL: Final = int.from_bytes(EVERY, "big", signed=True)


class Unannounced(Exception):
    """Somebody depends on a name, and the transaction was not to be announced."""


def _id(name: bytes) -> int:
    return int.from_bytes(name, "big", signed=True)


def _ids(names: Iterable[bytes]) -> list[int]:
    return list(dict.fromkeys(map(_id, names)))


def ids_of(blob: bytes) -> list[int]:
    """`_ids` of the names in the one blob in which a page keeps them."""
    return list(dict.fromkeys(struct.unpack_from(f">{len(blob) // SIZE}q", blob)))


def _one(db: sqlite3.Connection, columns: str) -> tuple[int, ...]:
    found: tuple[int, ...] | None = db.execute(f"SELECT {columns} FROM writes").fetchone()
    if found is None:
        raise Damaged("the table of dependencies is lost")
    return found


def _among(
    db: sqlite3.Connection, query: str, ids: Sequence[int], *given: object
) -> Iterable[tuple[int, ...]]:
    """The rows of a query whose last condition is that some column is IN ids."""
    for some in _parts(ids):
        yield from db.execute(f"{query} IN ({', '.join('?' * len(some))})", (*given, *some))


def _some(rows: Iterable[tuple[int, ...]]) -> bool:
    return next(iter(rows), None) is not None


def begun(db: sqlite3.Connection) -> Begun:
    nonce, number, version = db.execute(
        "SELECT nonce, number, version FROM state, writes"
    ).fetchone() or (None, 0, 0)
    if nonce is None:
        raise Damaged("the table of dependencies is lost")
    return Begun(nonce, number, version)


def shapes(db: sqlite3.Connection) -> KnownShapes:
    now = begun(db)
    rows = db.execute("SELECT shape FROM shapes").fetchall()
    return KnownShapes(now.nonce, now.version, frozenset(_shape(text) for (text,) in rows))


def _shape(text: str) -> Shape:
    table, columns, equals = json.loads(text)
    return Shape(table, tuple(columns), tuple(equals))


def _text(shape: Shape) -> str:
    return json.dumps(shape, separators=(",", ":"))


def any_known(db: sqlite3.Connection, names: Iterable[bytes]) -> bool:
    return (
        next(iter(_among(db, "SELECT name FROM known WHERE name", _ids(names))), None) is not None
    )


def tell(
    db: sqlite3.Connection, names: Mapping[bytes, str], nonce: str, version: int, limit: int,
    teller: Teller | None, *, announced: bool,
) -> Told | KnownShapes:  # fmt: skip
    """See `Dependents.tell`. Raises `Unannounced`, having done nothing."""
    now = begun(db)
    if (now.nonce, now.version) != (nonce, version):
        return shapes(db)
    told = tell_names(db, names, limit, announced=announced)
    if teller is not None:
        intents.end(db, teller.intents)
        intents.note_times(db, _ids(names), teller.page, teller.now, now.writes + 1)
    return told


def tell_overdue(db: sqlite3.Connection, now: float, limit: int) -> int:
    """See `Dependents.tell_overdue`."""
    overdue = intents.take_overdue(db, begun(db).version, now)
    for names in overdue:
        tell_names(db, names, limit, announced=True)
        intents.note_times(db, _ids(names), b"", now, 0)
    return len(overdue)


def tell_names(
    db: sqlite3.Connection, names: Mapping[bytes, str], limit: int, *, announced: bool
) -> Told:
    """Raises `Unannounced`, having done nothing."""
    said = {_id(name): (name, text) for name, text in names.items()}
    heard = [row[0] for row in _among(db, "SELECT name FROM known WHERE name", list(said))]
    if heard and not announced:
        raise Unannounced
    # Counts may be too high, since what is replaced is counted twice.
    number, unheard, told, floor = db.execute(
        "UPDATE writes SET number = number + 1, unheard = unheard + ?, told = told + ? "
        "RETURNING number, unheard, told, floor",
        (len(said) - len(heard), len(heard)),
    ).fetchone()
    nobody = said.keys() - heard
    db.executemany(
        "INSERT OR REPLACE INTO unheard VALUES (?, ?)", [(name, number) for name in nobody]
    )
    if unheard > MAX_UNHEARD:
        _trim(db, "unheard", "number", MAX_UNHEARD, "unheard_floor")
    if not heard:
        (counter,) = db.execute("SELECT counter FROM state").fetchone()
        return Told(counter, (), floor)
    (counter,) = db.execute("UPDATE state SET counter = counter + 1 RETURNING counter").fetchone()
    db.executemany(
        "INSERT OR REPLACE INTO told VALUES (?, ?, ?)",
        [(name, counter, said[name][1]) for name in heard],
    )
    if told > limit:
        _trim(db, "told", "counter", limit, "floor")
        (floor,) = _one(db, "floor")
    return Told(counter, tuple(said[name][0] for name in heard), floor)


def _trim(db: sqlite3.Connection, table: str, column: str, limit: int, floor: str) -> None:
    """Forget the oldest tenth of a table if it is too long; they raise its floor."""
    (count,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()
    if count > limit:
        going = count - limit * 9 // 10
        (last,) = db.execute(
            f"SELECT {column} FROM {table} ORDER BY {column} LIMIT 1 OFFSET ?", (going - 1,)
        ).fetchone()
        db.execute(f"DELETE FROM {table} WHERE {column} <= ?", (last,))
        db.execute(f"UPDATE writes SET {floor} = max({floor}, ?)", (last,))
    db.execute(f"UPDATE writes SET {table} = (SELECT count(*) FROM {table})")


def if_known(
    db: sqlite3.Connection, depending: Depending, nonce: str, generation: int
) -> Kept | None:
    """What `Dependents.depend` says of a page whose names the store knows all; else `None`."""
    names = ids_of(depending.names)
    known = sum(1 for _ in _among(db, "SELECT name FROM known WHERE name", names))
    return _kept(db, depending, names, nonce, generation) if known == len(names) else None


def _kept(
    db: sqlite3.Connection, depending: Depending, names: list[int], nonce: str, generation: int
) -> Kept:
    now, began = begun(db), depending.begun
    if began.nonce != now.nonce or nonce != now.nonce:
        return Kept.MAYBE
    if began.writes < _one(db, "unheard_floor")[0]:
        return Kept.MAYBE
    suspects = _ids(map(any_name, {shape.table for shape in depending.shapes if shape.table}))
    unheard = "SELECT name FROM unheard WHERE number > ? AND name"
    told = "SELECT name FROM told WHERE counter > ? AND name"
    since = now.writes > began.writes  # else nothing was told, and of many names none is looked up
    if since and _some(_among(db, unheard, [*names, *suspects], began.writes)):
        return Kept.CHANGED
    return Kept.CHANGED if _some(_among(db, told, suspects, generation)) else Kept.AS_IT_WAS


def depend(db: sqlite3.Connection, depending: Depending, nonce: str, generation: int) -> Kept:
    """See `Dependents.depend`."""
    names = ids_of(depending.names)
    kept = _kept(db, depending, names, nonce, generation)
    added = db.executemany(
        "INSERT OR IGNORE INTO shapes VALUES (?)", [(_text(shape),) for shape in depending.shapes]
    ).rowcount
    if added > 0:
        db.execute("UPDATE writes SET version = version + 1")
    learned = 0
    for some in _parts(sorted(names)):
        rows = ", ".join(["(?)"] * len(some))
        learned += db.execute(f"INSERT OR IGNORE INTO known VALUES {rows}", some).rowcount
    if learned > 0:
        db.execute("UPDATE writes SET known = known + ?", (learned,))
    return kept


def list_page(db: sqlite3.Connection, page: int, old: bytes | None, new: bytes | None) -> None:
    """Bring the list of who depends on what up to date; ``old`` and ``new`` are packed."""
    if old == new:
        return
    before, after = _listed(old), _listed(new)
    gone, added = before - after, after - before
    if gone:
        delete = "DELETE FROM dependents WHERE name = ? AND page = ?"
        db.executemany(delete, [(name, page) for name in gone])
    if added:  # at most `_MAX_LISTED`
        pairs = chain.from_iterable(zip(sorted(added), repeat(page)))
        db.execute(_listing(len(added)), tuple(pairs))


@lru_cache(maxsize=_MAX_LISTED)
def _listing(count: int) -> str:
    """One text for all pages of as many names: SQLite keeps what it has compiled."""
    # Not by number, of which Python 3.12 warns.
    rows = ", ".join(["(?, ?)"] * count)
    return f"INSERT OR IGNORE INTO dependents VALUES {rows}"


def _listed(packed: bytes | None) -> set[int]:
    """Under which names a page is listed."""
    if not isinstance(packed, bytes):
        return set()
    if len(packed) > _MAX_LISTED * SIZE:
        return {_MANY_NAMES}
    return {*ids_of(packed[1:])} - {_ALL}


def _parts(ids: Sequence[int]) -> Iterable[Sequence[int]]:
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))


def full(db: sqlite3.Connection) -> bool:
    return _one(db, "known")[0] > MAX_KNOWN


def forget(db: sqlite3.Connection) -> int:
    """See `Dependents.forget`."""
    db.execute("UPDATE state SET counter = counter + 1")
    (counter,) = db.execute("SELECT counter FROM state").fetchone()
    for table in ("known", "shapes"):
        db.execute(f"DELETE FROM {table}")
    db.execute("UPDATE writes SET known = 0, version = version + 1, floor = ?", (counter,))
    return int(counter)


def told_since(
    db: sqlite3.Connection, after: int
) -> tuple[tuple[tuple[bytes, int, str], ...], int]:
    """What was told since the counter was ``after``, and the floor."""
    rows = db.execute("SELECT name, counter, said FROM told WHERE counter > ?", (after,)).fetchall()
    told = tuple((name.to_bytes(8, "big", signed=True), at, said) for name, at, said in rows)
    return told, _one(db, "floor")[0]


def listed_under(names: Iterable[bytes]) -> list[int]:
    """Where pages stand that have any of ``names``: to be looked into, those of many names."""
    wanted = set(names)
    return [_ALL] if EVERY in wanted else [*_ids(wanted), _MANY_NAMES]


def pages_after(db: sqlite3.Connection, name: int, page: int, limit: int) -> list[int]:
    """The ids of the next pages behind ``page`` that stand under a name."""
    if name == _ALL:
        query = "SELECT id FROM pages WHERE depends IS NOT NULL AND id > ? ORDER BY id LIMIT ?"
        found = db.execute(query, (page, limit))
    else:
        query = "SELECT page FROM dependents WHERE name = ? AND page > ? ORDER BY page LIMIT ?"
        found = db.execute(query, (name, page, limit))
    return [row[0] for row in found]
