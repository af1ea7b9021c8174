"""Leases as rows of the embedded store."""

from __future__ import annotations

import secrets
import sqlite3

from .base import HELD, Held, Lease
from .transaction import Damaged


def acquire(
    db: sqlite3.Connection, key: str, ttl: float, now: float, generation: int, overtake_before: int
) -> Lease | Held:
    held = db.execute("SELECT until, generation FROM leases WHERE key = ?", (key,)).fetchone()
    # An end further away than any lease lasts was set by a clock that has since been put back; it
    # holds nobody up.
    if held and now < held[0] <= now + 2 * ttl and held[1] >= overtake_before:
        return HELD
    order = db.execute("UPDATE state SET ordinal = ordinal + 1 RETURNING ordinal").fetchone()
    if order is None or type(order[0]) is not int:
        raise Damaged("the table of invalidations is lost")
    lease = Lease(key, secrets.token_hex(8), order[0])
    db.execute(
        "DELETE FROM leases WHERE key IN (SELECT key FROM leases WHERE until <= ? LIMIT 8)", (now,)
    )
    db.execute(
        "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?)",
        (key, lease.token, now + ttl, generation),
    )
    return lease


def renew(db: sqlite3.Connection, lease: Lease, ttl: float, now: float) -> bool:
    renewed = db.execute(
        "UPDATE leases SET until = ? WHERE key = ? AND token = ?",
        (now + ttl, lease.key, lease.token),
    )
    return renewed.rowcount == 1


def release(db: sqlite3.Connection, lease: Lease) -> None:
    db.execute("DELETE FROM leases WHERE key = ? AND token = ?", (lease.key, lease.token))
