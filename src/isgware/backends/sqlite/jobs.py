"""The queue of regenerations in the embedded store: a table with one row for each key.

A job that a worker has taken stays in the table, held for that worker. If its time ends before the
job is done, the job waits again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final

from ..base import JOB_TIME, MAX_PRIORITY, TAKES, Job

#: Seconds ahead: a later end was set before the clock was put back.
_LONGEST: Final = 2 * JOB_TIME
_OVER: Final = f"(until <= :now OR until > :now + {_LONGEST})"
_WAITS: Final = f"queue = :queue AND NOT {_OVER} AND (held <= :now OR held > :now + {_LONGEST})"
_NEXT: Final = (
    f"SELECT id, key, data, takes FROM regenerations WHERE {_WAITS} ORDER BY wants DESC, id LIMIT 1"
)


def enqueue(
    db: sqlite3.Connection, queue: str, key: str, data: bytes, limit: int, now: float
) -> bool:
    """See `Backend.enqueue`. Deletes jobs of all queues that were not taken in time."""
    db.execute(f"DELETE FROM regenerations WHERE {_OVER}", {"now": now})
    if db.execute(
        f"SELECT 1 FROM regenerations WHERE {_WAITS} AND key = :key",
        {"queue": queue, "now": now, "key": key},
    ).fetchone():
        raise_priority(db, queue, ((key, 1),))
        return True
    db.execute("DELETE FROM regenerations WHERE queue = ? AND key = ?", (queue, key))  # held
    if queued(db, queue, now) >= limit:
        return False
    db.execute(
        "INSERT INTO regenerations (queue, key, until, wants, takes, held, data) "
        "VALUES (?, ?, ?, 1, 0, 0, ?)",
        (queue, key, now + JOB_TIME, data),
    )
    return True


def raise_priority(db: sqlite3.Connection, queue: str, requests: Iterable[tuple[str, int]]) -> None:
    db.executemany(
        f"UPDATE regenerations SET wants = min(wants + ?, {MAX_PRIORITY}) "
        "WHERE queue = ? AND key = ?",
        [(count, queue, key) for key, count in requests],
    )


def dequeue(db: sqlite3.Connection, queue: str, now: float, hold: float) -> Job | None:
    while True:
        row = db.execute(_NEXT, {"queue": queue, "now": now}).fetchone()
        if row is None:
            return None
        ticket, key, data, takes = row
        if takes < TAKES and isinstance(data, bytes):
            db.execute(
                "UPDATE regenerations SET takes = takes + 1, held = ? WHERE id = ?",
                (now + hold, ticket),
            )
            return Job(key, ticket, data)
        db.execute("DELETE FROM regenerations WHERE id = ?", (ticket,))


def done(db: sqlite3.Connection, queue: str, job: Job) -> None:
    # A table that was made anew starts counting at one.
    db.execute(
        "DELETE FROM regenerations WHERE id = ? AND queue = ? AND key = ?",
        (job.ticket, queue, job.key),
    )


def queued(db: sqlite3.Connection, queue: str, now: float) -> int:
    count: int = db.execute(
        f"SELECT count(*) FROM regenerations WHERE {_WAITS}", {"queue": queue, "now": now}
    ).fetchone()[0]
    return count
