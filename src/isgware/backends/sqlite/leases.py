"""Leases as rows of the embedded store."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from ..base import HELD, Held, Lease
from .lease_owner import is_gone, new_token
from .transaction import Damaged

#: Leases that one statement acquires.
_AT_ONCE: Final = 500


def acquire(
    db: sqlite3.Connection,
    keys: Sequence[str],
    ttl: float,
    now: float,
    generation: int,
    overtake_before: int,
) -> list[Lease | Held]:
    """A lease for each of ``keys``, which differ, or `HELD`."""
    held: set[str] = set()
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        # An end further away than any lease lasts was set before the clock was put back; it is
        # ignored.
        query = (
            f"SELECT key, token FROM leases WHERE key IN ({', '.join('?' * len(some))}) "
            "AND until > ? AND until <= ? AND generation >= ?"
        )
        rows = db.execute(query, (*some, now, now + 2 * ttl, overtake_before)).fetchall()
        held |= {key for key, token in rows if not is_gone(token)}
    free = [key for key in keys if key not in held]
    order = _orders(db, len(free)) if free else 0
    leases = {key: Lease(key, new_token(), order + at) for at, key in enumerate(free, 1)}
    if free:
        db.execute(
            "DELETE FROM leases WHERE key IN (SELECT key FROM leases WHERE until <= ? LIMIT ?)",
            (now, 8 * len(free)),
        )
        db.executemany(
            "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?)",
            [(lease.key, lease.token, now + ttl, generation) for lease in leases.values()],
        )
    return [leases.get(key, HELD) for key in keys]


def _orders(db: sqlite3.Connection, count: int) -> int:
    """Take the next ``count`` orders; returns the last one that was taken before."""
    found = db.execute(
        "UPDATE state SET ordinal = ordinal + ? RETURNING ordinal", (count,)
    ).fetchone()
    if found is None or type(found[0]) is not int:
        raise Damaged("the table of invalidations is lost")
    return found[0] - count


def renew(db: sqlite3.Connection, lease: Lease, ttl: float, now: float) -> bool:
    renewed = db.execute(
        "UPDATE leases SET until = ? WHERE key = ? AND token = ?",
        (now + ttl, lease.key, lease.token),
    )
    return renewed.rowcount == 1


def release(db: sqlite3.Connection, lease: Lease) -> None:
    db.execute("DELETE FROM leases WHERE key = ? AND token = ?", (lease.key, lease.token))
