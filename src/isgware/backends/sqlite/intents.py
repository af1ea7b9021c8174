"""Intents, and when names were told, in the embedded store: see `isgware.backends.dependents`.

Functions that are given a connection run in its transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

from ...core.dependency_names import split
from ..dependents import INTENT_LAST, MAX_INTENTS, MAX_TIMES, Intent, Lagging, due_after

#: ``lag``: the longest of any page that was stored; of changes until ``floor`` nothing is known;
#: shapes up to ``version`` are older than ``new_shapes``.
TABLES: Final = """
CREATE TABLE intents (
    token TEXT PRIMARY KEY, version INTEGER NOT NULL, born REAL NOT NULL, due REAL NOT NULL,
    names BLOB NOT NULL, tables BLOB NOT NULL, said TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE told_times (
    name INTEGER PRIMARY KEY, page BLOB NOT NULL, at REAL NOT NULL, other REAL NOT NULL);
CREATE INDEX told_times_by_at ON told_times (at);
CREATE TABLE lags (
    lag REAL NOT NULL, floor REAL NOT NULL, version INTEGER NOT NULL, new_shapes REAL NOT NULL);
INSERT INTO lags VALUES (0, 0, -1, 0)
"""
_AT_ONCE: Final = 500
#: Counting the rows takes time: so many writes later, or after one of so many names.
_TRIMMED: Final = 16
_MANY: Final = 100
_NOTE: Final = """
INSERT INTO told_times VALUES (?, ?, ?, 0) ON CONFLICT (name) DO UPDATE SET
    other = CASE WHEN page = excluded.page THEN other ELSE at END,
    page = excluded.page, at = excluded.at
"""
_OVERDUE: Final = "FROM intents WHERE due <= :now OR due > :now + :longest"


def add(db: sqlite3.Connection, intent: Intent, version: int, now: float, seconds: float) -> bool:
    """See `Dependents.announce`."""
    added = db.execute(
        "INSERT OR REPLACE INTO intents SELECT ?, ?, ?, ?, ?, ?, ? "
        "WHERE (SELECT count(*) FROM intents) < ?",
        (intent.token, version, now, now + seconds, intent.names, intent.tables, intent.said,
         MAX_INTENTS),
    )  # fmt: skip
    return added.rowcount > 0


def end(db: sqlite3.Connection, tokens: Iterable[str]) -> None:
    db.executemany("DELETE FROM intents WHERE token = ?", [(token,) for token in tokens])


def any_overdue(db: sqlite3.Connection, now: float) -> bool:
    return db.execute(f"SELECT 1 {_OVERDUE} LIMIT 1", _times(now)).fetchone() is not None


def take_overdue(db: sqlite3.Connection, version: int, now: float) -> list[dict[bytes, str]]:
    """The names of each that is to be told now. ``version``: of the shapes."""
    found = []
    rows = db.execute(
        f"SELECT token, version, born, names, tables, said {_OVERDUE}", _times(now)
    ).fetchall()
    for token, known, born, names, tables, said in rows:
        found.append(dict.fromkeys(split(names if known == version else tables), str(said)))
        due = due_after(born, now)
        if due is None:
            end(db, (token,))
        else:
            db.execute("UPDATE intents SET due = ? WHERE token = ?", (due, token))
    return found


def _times(now: float) -> dict[str, float]:
    return {"now": now, "longest": 2 * INTENT_LAST}


def note_times(
    db: sqlite3.Connection, ids: Sequence[int], page: bytes, now: float, number: int
) -> None:
    """They were told now, by the write of this ``number``."""
    if not db.execute("SELECT lag FROM lags").fetchone()[0]:
        return
    db.executemany(_NOTE, [(name, page, now) for name in ids])
    if number % _TRIMMED and len(ids) < _MANY:
        return
    (count,) = db.execute("SELECT count(*) FROM told_times").fetchone()
    if count > MAX_TIMES:
        (last,) = db.execute(
            "SELECT at FROM told_times ORDER BY at LIMIT 1 OFFSET ?", (count - MAX_TIMES * 9 // 10,)
        ).fetchone()
        db.execute("DELETE FROM told_times WHERE at <= ?", (last,))
        db.execute("UPDATE lags SET floor = max(floor, ?)", (last,))


def seconds_left(
    db: sqlite3.Connection, page: Lagging, version: int, now: float
) -> tuple[float | None, bool]:
    """See `Dependents.seconds_left`; and whether there is something to `remember`."""
    lag, floor, known, new_shapes = db.execute("SELECT * FROM lags").fetchone()
    remember = known != version or page.lag > lag
    new_shapes = now if known != version else new_shapes
    floor = now if page.lag > lag else floor
    since = page.began - page.lag
    names = page.names + (page.asked if new_shapes > since else b"")
    latest = max(floor, _latest(db, names, page.page))
    return (latest + page.lag - now if latest > since else None), remember


def remember(db: sqlite3.Connection, page: Lagging, version: int, now: float) -> None:
    """That there are replicas, and that there are new shapes."""
    db.execute(
        "UPDATE lags SET new_shapes = ?, version = ? WHERE version != ?", (now, version, version)
    )
    db.execute("UPDATE lags SET lag = ?, floor = ? WHERE lag < ?", (page.lag, now, page.lag))


def _latest(db: sqlite3.Connection, names: bytes, page: bytes) -> float:
    ids = [int.from_bytes(name, "big", signed=True) for name in split(names)]
    latest = 0.0
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(some))
        (at,) = db.execute(
            "SELECT max(CASE WHEN page = ? AND page != x'' THEN other ELSE at END) "
            f"FROM told_times WHERE name IN ({marks})",
            (page, *some),
        ).fetchone()
        latest = max(latest, at or 0.0)
    return latest
