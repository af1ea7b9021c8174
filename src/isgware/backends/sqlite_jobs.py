"""The queue of regenerations in the embedded store: a table in which each key stands once."""

from __future__ import annotations

import sqlite3
from typing import Final

from .base import JOB_TIME

_OLDEST: Final = "SELECT id FROM jobs WHERE queue = ? AND until > ? ORDER BY id LIMIT 1"


def enqueue(
    db: sqlite3.Connection, queue: str, key: str, data: bytes, limit: int, now: float
) -> bool:
    """See `Backend.enqueue`. Clears away what nobody took in time, of every queue."""
    db.execute("DELETE FROM jobs WHERE until <= ?", (now,))
    if db.execute("SELECT 1 FROM jobs WHERE queue = ? AND key = ?", (queue, key)).fetchone():
        return True
    if queued(db, queue, now) >= limit:
        return False
    db.execute(
        "INSERT INTO jobs (queue, key, until, data) VALUES (?, ?, ?, ?)",
        (queue, key, now + JOB_TIME, data),
    )
    return True


def dequeue(db: sqlite3.Connection, queue: str, now: float) -> bytes | None:
    row = db.execute(
        f"DELETE FROM jobs WHERE id = ({_OLDEST}) RETURNING data", (queue, now)
    ).fetchone()
    return bytes(row[0]) if row and isinstance(row[0], bytes) else None


def queued(db: sqlite3.Connection, queue: str, now: float) -> int:
    count: int = db.execute(
        "SELECT count(*) FROM jobs WHERE queue = ? AND until > ?", (queue, now)
    ).fetchone()[0]
    return count
