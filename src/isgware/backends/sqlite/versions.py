"""Previous versions of pages in the embedded store. They go with their page, by a trigger."""

from __future__ import annotations

import sqlite3
from typing import Final

from ..base import Before

#: Their kind in the totals, which triggers keep.
KIND: Final = 3
TABLES: Final = (
    "CREATE TABLE versions (id INTEGER PRIMARY KEY, page INTEGER NOT NULL, "
    "bytes INTEGER NOT NULL, data BLOB NOT NULL)",
    "CREATE INDEX versions_by_page ON versions (page, id)",
    f"INSERT OR IGNORE INTO totals VALUES ({KIND}, 0, 0)",
    "CREATE TRIGGER version_kept AFTER INSERT ON versions BEGIN UPDATE totals "
    f"SET pages = pages + 1, bytes = bytes + new.bytes WHERE kind = {KIND}; END",
    "CREATE TRIGGER version_gone AFTER DELETE ON versions BEGIN UPDATE totals "
    f"SET pages = pages - 1, bytes = bytes - old.bytes WHERE kind = {KIND}; END",
)


def of(db: sqlite3.Connection, key: str, now: float) -> list[bytes]:
    """Those of a page that is there, newest first."""
    found = db.execute(
        "SELECT versions.data FROM versions JOIN pages ON pages.id = page "
        "WHERE key = ? AND keep_until > ? ORDER BY versions.id DESC",
        (key, now),
    ).fetchall()
    return [data for (data,) in found if isinstance(data, bytes)]


def keep(db: sqlite3.Connection, page: int, before: Before | None) -> None:
    """Add the version that a page has replaced; without ``before`` no version stays."""
    if before is not None and before.data:
        values = (page, len(before.data), before.data)
        db.execute("INSERT INTO versions (page, bytes, data) VALUES (?, ?, ?)", values)
    db.execute(
        "DELETE FROM versions WHERE id IN "
        "(SELECT id FROM versions WHERE page = ? ORDER BY id DESC LIMIT -1 OFFSET ?)",
        (page, before.keep if before is not None else 0),
    )


def shrink(db: sqlite3.Connection, limit: int) -> None:
    """Keep to so many bytes: the oldest go, whosever they are."""
    (left,) = db.execute("SELECT bytes FROM totals WHERE kind = ?", (KIND,)).fetchone()
    while left > max(limit, 0):
        oldest = db.execute("SELECT id, bytes FROM versions ORDER BY id LIMIT 1").fetchone()
        if oldest is None:
            return
        db.execute("DELETE FROM versions WHERE id = ?", (oldest[0],))
        left -= oldest[1]
