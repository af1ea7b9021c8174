"""The generations of the embedded store: the counter, and which names it was counted for."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from ...core.freshness import Changes
from . import dependents
from .transaction import Damaged


@dataclass(frozen=True, slots=True)
class State:
    """What is known of the table of invalidations. See `Changes`; ``names``: how many rows it has,
    ``hard_names``: how many of them were ever invalidated hard."""

    nonce: str
    counter: int
    floor: int
    soft_floor: int
    forgotten: int
    names: int
    hard_names: int


def state(db: sqlite3.Connection) -> State:
    found = db.execute(
        "SELECT nonce, counter, floor, soft_floor, forgotten, names, hard_names FROM state"
    ).fetchone()
    if found is None or [type(value) for value in found] != [str, int, int, int, int, int, int]:
        raise Damaged("the table of invalidations is lost")
    return State(*found)


def changes(db: sqlite3.Connection, nonce: str, since: int) -> Changes:
    """See `Backend.sync`."""
    own = not db.in_transaction  # else it is read within `together`
    if own:
        db.execute("BEGIN")
    now = state(db)
    after = since if now.nonce == nonce else 0
    rows = db.execute(
        "SELECT name, soft, hard, published FROM names WHERE last > ?", (after,)
    ).fetchall()
    told, told_floor = dependents.told_since(db, after)
    if own:
        db.execute("COMMIT")
    tables = [tuple((row[0], row[at]) for row in rows if row[at] > after) for at in (1, 2, 3)]
    soft, hard, published = tables
    return Changes(
        now.nonce, now.counter, now.floor, now.forgotten, soft, hard, published, now.soft_floor,
        told, told_floor,
    )  # fmt: skip


def note(db: sqlite3.Connection, column: str, names: Sequence[str], limit: int) -> int:
    """Count one step, and note it for ``names``. Names that were invalidated hard have a limit of
    their own, so that no number of soft ones makes them forgotten. Beyond it the oldest tenth
    goes."""
    db.execute("UPDATE state SET counter = counter + 1")
    now = state(db)
    added = hardened = 0
    for name in dict.fromkeys(names):
        known = db.execute("SELECT hard FROM names WHERE name = ?", (name,)).fetchone()
        added += known is None
        hardened += column == "hard" and not (known and known[0])
        db.execute(
            f"INSERT INTO names (name, {column}, last) VALUES (?, ?, ?) ON CONFLICT (name) "
            f"DO UPDATE SET {column} = excluded.{column}, last = excluded.last",
            (name, now.counter, now.counter),
        )
    db.execute("UPDATE state SET names = names + ?, hard_names = hard_names + ?", (added, hardened))
    hard = now.hard_names + hardened
    for count, kind in ((hard, "hard > 0"), (now.names + added - hard, "hard = 0")):
        if count > limit:
            _forget(db, kind, max(1, count - limit * 9 // 10))
    return now.counter


def _forget(db: sqlite3.Connection, kind: str, count: int) -> None:
    """Drop the ``count`` names of a kind that were touched longest ago. What they covered can no
    longer be told from what they did not: everything rendered before them is gone, or stale if all
    of them were soft. Those are the floors."""
    (last,) = db.execute(
        f"SELECT max(last) FROM (SELECT last FROM names WHERE {kind} ORDER BY last LIMIT ?)",
        (count,),
    ).fetchone()
    db.execute(
        "UPDATE state SET floor = max(floor, it.hard), soft_floor = max(soft_floor, it.soft), "
        "forgotten = max(forgotten, ?) FROM (SELECT coalesce(max(hard), 0) AS hard, "
        f"coalesce(max(soft), 0) AS soft FROM names WHERE last <= ? AND {kind}) AS it",
        (last or 0, last),
    )
    db.execute(f"DELETE FROM names WHERE last <= ? AND {kind}", (last,))
    # Counted anew: processes of an earlier release do not count the hard ones.
    db.execute(
        "UPDATE state SET names = (SELECT count(*) FROM names), "
        "hard_names = (SELECT count(*) FROM names WHERE hard > 0)"
    )
