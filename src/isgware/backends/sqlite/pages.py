"""The pages of the embedded store: written, renewed, and made room for.

A page's row has what stands before its bodies (see `core.stored_page`), or the mark of a page that
is stored elsewhere. The bodies have a row of their own, so that a page that is found unchanged is
written anew without them. What belongs to a page goes with its row, by triggers: they run in
processes of an earlier release, too, which write a whole page into ``data``.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Final

from ...core.depended import packed, unpacked
from ...core.dependency_names import SIZE
from ...core.stored_page import head_size
from ..base import Before, Limits, Row, Standing, is_newer
from . import dependents, versions
from .database import Damaged
from .invalidations import state

TABLES: Final = (
    "ALTER TABLE pages ADD COLUMN head BLOB",
    "CREATE TABLE bodies (page INTEGER PRIMARY KEY, data BLOB NOT NULL)",
    *versions.TABLES,
    "CREATE TRIGGER page_gone AFTER DELETE ON pages BEGIN "
    "DELETE FROM bodies WHERE page = old.id; DELETE FROM versions WHERE page = old.id; END",
    "CREATE TRIGGER page_of_earlier_release AFTER UPDATE OF data ON pages "
    "WHEN new.data IS NOT NULL BEGIN "
    "DELETE FROM bodies WHERE page = new.id; DELETE FROM versions WHERE page = new.id; END",
)
ROUTE: Final = ("ALTER TABLE pages ADD COLUMN route TEXT NOT NULL DEFAULT ''",)
COLUMNS: Final = (
    "key, page_key, path, url, query, variant, status, size, rendered_at, revalidate, expire, "
    "keep_until, render_seconds, generation, ordinal, nonce, fingerprint, build_id, error_quota, "
    "tags, depends, route"
)
_WRITTEN: Final = COLUMNS + ", used, bytes, data, head"
_SET: Final = ", ".join(f"{name} = excluded.{name}" for name in _WRITTEN.split(", "))
_PUT: Final = (
    f"INSERT INTO pages ({_WRITTEN}) VALUES ({', '.join('?' * 26)}) "
    f"ON CONFLICT (key) DO UPDATE SET {_SET} RETURNING id"
)
_RENEW: Final = (
    f"UPDATE pages SET ({COLUMNS}) = ({', '.join('?' * 22)}), used = ?, bytes = ?, head = ? "
    "WHERE id = ?"
)
_GET: Final = (
    "SELECT pages.data, head, bodies.data FROM pages LEFT JOIN bodies ON page = id "
    "WHERE key = ? AND keep_until > ?"
)
#: Seconds by which a page counts as older than it is until somebody asks for it again, so that a
#: flood of pages nobody returns to cannot push out the ones that are visited.
_PROBATION: Final = 60.0
_BATCH: Final = 500
#: Kinds of totals: error pages are kind 1, as in ``error_quota``; `SQLiteCache` counts its own.
ITEMS: Final = 2


def get(db: sqlite3.Connection, key: str, now: float) -> bytes | None:
    found = db.execute(_GET, (key, now)).fetchone()
    if found is None:
        return None
    whole, head, bodies = found
    if whole is None and isinstance(head, bytes):
        return head + bodies if isinstance(bodies, bytes) else head
    return whole if isinstance(whole, bytes) else None


def put(
    db: sqlite3.Connection, row: Row, data: bytes, size: int, now: float, limits: Limits,
    before: Before | None,
) -> list[str] | None:  # fmt: skip
    """See `Coordinator.put_row`."""
    old = _kept(db, row.key)
    if old:
        if is_newer(old[1:4], row, state(db).nonce):
            return None
        count(db, old[4], -1, -old[5])
        db.execute("DELETE FROM tags WHERE page = ?", (old[0],))
    used = now if old else now - _PROBATION
    size += _of_names(row)
    split = head_size(data)
    head, bodies = (data[:split], data[split:]) if split else (data, None)
    values = _values(row)
    page = db.execute(_PUT, (*values, used, size, None, head)).fetchone()[0]
    dependents.list_page(db, page, old[6] if old else None, values[20])
    if bodies is not None:
        db.execute("INSERT OR REPLACE INTO bodies VALUES (?, ?)", (page, bodies))
    if old:
        versions.keep(db, page, before if before and before.standing == old[1:4] else None)
    _tag(db, page, row)
    totals = count(db, int(row.error_quota), 1, size)
    return _make_room(db, row, now, totals, limits)


def put_head(db: sqlite3.Connection, row: Row, head: bytes, standing: Standing, now: float) -> bool:
    """See `Renewals.put_head`."""
    old = _kept(db, row.key)
    if not old or old[1:4] != standing or is_newer(standing, row, state(db).nonce):
        return False
    page, kind, size = old[0], old[4], old[5]
    if kind != int(row.error_quota):
        return False
    there = db.execute(
        "SELECT length(bodies.data) FROM pages JOIN bodies ON page = id "
        "WHERE id = ? AND pages.data IS NULL",
        (page,),
    ).fetchone()
    if there is None:  # written by an earlier release, or stored elsewhere
        return False
    renewed = len(head) + there[0] + _of_names(row)
    db.execute("DELETE FROM tags WHERE page = ?", (page,))
    values = _values(row)
    db.execute(_RENEW, (*values, now, renewed, head, page))
    dependents.list_page(db, page, old[6], values[20])
    _tag(db, page, row)
    count(db, kind, 0, renewed - size)
    return True


def _of_names(row: Row) -> int:
    """Bytes that the names of a page take beside it."""
    return dependents.BYTES_A_NAME * (len(row.depended.names) // SIZE) if row.depended else 0


def _kept(db: sqlite3.Connection, key: str) -> Any:
    columns = "id, nonce, generation, ordinal, error_quota, bytes, depends"
    return db.execute(f"SELECT {columns} FROM pages WHERE key = ?", (key,)).fetchone()


def _tag(db: sqlite3.Connection, page: int, row: Row) -> None:
    db.executemany("INSERT OR IGNORE INTO tags VALUES (?, ?)", [(tag, page) for tag in row.tags])


def _make_room(
    db: sqlite3.Connection, added: Row, now: float, totals: tuple[int, int], limits: Limits
) -> list[str]:
    """Keep to the limits. ``totals``: pages and bytes of the kind that ``added`` is of; the
    other kind has not grown."""
    gone = remove(
        db, db.execute("SELECT id FROM pages WHERE keep_until <= ? LIMIT 8", (now,)).fetchall()
    )
    if added.variant:
        gone += remove(
            db,
            db.execute(
                "SELECT id FROM pages WHERE page_key = ? AND variant != '' AND key != ? "
                "ORDER BY used > ?, used DESC LIMIT -1 OFFSET ?",
                (added.page_key, added.key, now + _PROBATION, limits.variants - 1),
            ).fetchall(),
        )
    kind = int(added.error_quota)
    caps = ((limits.pages, limits.bytes), (limits.error_pages, limits.error_bytes))
    max_pages, max_bytes = caps[kind]
    pages, size = total(db, kind) if gone else totals
    if not kind and size + total(db, versions.KIND)[1] > max_bytes:
        versions.shrink(db, max_bytes - size)
    while (excess := max(pages - max_pages, 1 if size > max_bytes else 0)) > 0:
        # By a clock that has since been put back: they would push out all that is new.
        db.execute(
            "UPDATE pages SET used = ? WHERE error_quota = ? AND used > ?",
            (now - 2 * _PROBATION, kind, now + _PROBATION),
        )
        oldest = db.execute(
            "SELECT id FROM pages WHERE error_quota = ? AND key != ? ORDER BY used LIMIT ?",
            (kind, added.key, min(excess, _BATCH)),
        ).fetchall()
        if not oldest:
            break
        gone += remove(db, oldest)
        pages, size = total(db, kind)
    return gone


def _values(row: Row) -> tuple[Any, ...]:
    return (
        row.key, row.page_key, row.path, row.url, row.query, row.variant, row.status, row.size,
        row.rendered_at, row.revalidate, row.expire, row.keep_until, row.render_seconds,
        row.generation, row.order, row.nonce, row.fingerprint, row.build_id, int(row.error_quota),
        json.dumps(row.tags), packed(row.depended), row.route,
    )  # fmt: skip


def row_from(found: tuple[Any, ...]) -> Row | None:
    """``None`` for a line that was damaged without SQLite's noticing."""
    try:
        tags, depended = tuple(json.loads(found[19])), unpacked(found[20])
        fields = (*found[:18], bool(found[18]), tags, depended, found[21])
    except (ValueError, TypeError):
        return None
    return Row(*fields) if isinstance(found[2], str) else None  # in the order of COLUMNS


def total(db: sqlite3.Connection, kind: int) -> tuple[int, int]:
    """How many there are of a kind, and their bytes."""
    found = db.execute("SELECT pages, bytes FROM totals WHERE kind = ?", (kind,)).fetchone()
    if found is None:
        raise Damaged("the totals are lost")
    return found  # type: ignore[no-any-return]


def count(db: sqlite3.Connection, kind: int, pages: int, size: int) -> tuple[int, int]:
    """Add to what there is of a kind, and say how much it is then."""
    found = db.execute(
        "UPDATE totals SET pages = pages + ?, bytes = bytes + ? WHERE kind = ? "
        "RETURNING pages, bytes",
        (pages, size, kind),
    ).fetchone()
    if found is None:
        raise Damaged("the totals are lost")
    return found  # type: ignore[no-any-return]


def remove(db: sqlite3.Connection, ids: list[tuple[int]]) -> list[str]:
    keys = []
    for (page,) in ids:
        found = db.execute(
            "DELETE FROM pages WHERE id = ? RETURNING key, error_quota, bytes, depends", (page,)
        ).fetchone()
        if found is None:
            raise Damaged("an index names a page that is not there")
        db.execute("DELETE FROM tags WHERE page = ?", (page,))
        dependents.list_page(db, page, found[3], None)
        count(db, found[1], -1, -found[2])
        keys.append(found[0])
    return keys
