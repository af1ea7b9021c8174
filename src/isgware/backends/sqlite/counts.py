"""Counts of all processes in the embedded store: totals, and periods of a minute and of an hour.

Totals are the rows of period 0 that begin at 0.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Final

from ...core.series import MAX_ROUTES, MAX_SERIES, SINCE, overflow_of, route_of
from ..base import KEPT, TOLD_TIME

TABLES: Final = """
CREATE TABLE IF NOT EXISTS counts (
    period INTEGER NOT NULL, start REAL NOT NULL, name TEXT NOT NULL, amount REAL NOT NULL,
    PRIMARY KEY (period, start, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counted (
    process TEXT PRIMARY KEY, number INTEGER NOT NULL, at REAL NOT NULL) WITHOUT ROWID
"""
ROUTES: Final = ("CREATE TABLE counted_routes (route TEXT PRIMARY KEY) WITHOUT ROWID",)
_ADD: Final = (
    "INSERT INTO counts VALUES (?, ?, ?, ?) "
    "ON CONFLICT (period, start, name) DO UPDATE SET amount = amount + excluded.amount"
)


def add(
    db: sqlite3.Connection, process: str, number: int, amounts: Mapping[str, float], now: float
) -> None:
    """See `Counters.add_counts`."""
    told = db.execute("SELECT number FROM counted WHERE process = ?", (process,)).fetchone()
    if told and told[0] >= number:
        return
    db.execute("DELETE FROM counted WHERE abs(at - ?) > ?", (now, TOLD_TIME))
    db.execute("INSERT OR REPLACE INTO counted VALUES (?, ?, ?)", (process, number, now))
    db.execute("INSERT OR IGNORE INTO counts VALUES (0, 0, ?, ?)", (SINCE, now))
    names = dict(zip(amounts, _names(db, list(amounts)), strict=True))
    for period in (0, *KEPT):
        start = now // period * period if period else 0.0
        rows = [(period, start, names[name], amount) for name, amount in amounts.items()]
        db.executemany(_ADD, rows)
    for period, kept in KEPT.items():
        db.execute(
            "DELETE FROM counts WHERE period = ? AND abs(start - ?) > ?", (period, now, kept)
        )


def _names(db: sqlite3.Connection, names: list[str]) -> list[str]:
    """Under which name each is counted."""
    full = _without_room(db, {route_of(name) for name in names} - {""})
    names = [overflow_of(name) if route_of(name) in full else name for name in names]
    total = "SELECT count(*) FROM counts WHERE period = 0 AND start = 0"
    room: int = MAX_SERIES - db.execute(total).fetchone()[0]
    if room >= len(names):
        return names
    known = {name for (name,) in db.execute("SELECT name FROM counts WHERE period = 0")}
    found = []
    for name in names:
        if name not in known:
            room -= 1
            name = name if room >= 0 else overflow_of(name)
        found.append(name)
    return found


def _without_room(db: sqlite3.Connection, routes: set[str]) -> set[str]:
    """Those of the routes that are new and too many. The others are known from now on."""
    known = "SELECT 1 FROM counted_routes WHERE route = ?"
    new = [route for route in sorted(routes) if not db.execute(known, (route,)).fetchone()]
    if not new:
        return set()
    there: int = db.execute("SELECT count(*) FROM counted_routes").fetchone()[0]
    room = max(0, MAX_ROUTES - there)
    db.executemany("INSERT INTO counted_routes VALUES (?)", [(route,) for route in new[:room]])
    return set(new[room:])


def rows(db: sqlite3.Connection, period: int, now: float) -> list[tuple[float, str, float]]:
    """See `Counters.counts`."""
    begin, end = (now - KEPT[period], now) if period else (0.0, 0.0)
    return between(db, period, begin, end)


def between(
    db: sqlite3.Connection, period: int, first: float, last: float
) -> list[tuple[float, str, float]]:
    return db.execute(
        "SELECT start, name, amount FROM counts WHERE period = ? AND start BETWEEN ? AND ? "
        "ORDER BY start, name",
        (period, first, last),
    ).fetchall()
