"""The generations of the embedded store: the counter, and which names it was counted for."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from ...core.freshness import Changes
from .database import Damaged


def state(db: sqlite3.Connection) -> tuple[str, int, int, int, int]:
    """Nonce, counter, floor, what was forgotten, and how many names there are."""
    found = db.execute("SELECT nonce, counter, floor, forgotten, names FROM state").fetchone()
    if found is None or [type(value) for value in found] != [str, int, int, int, int]:
        raise Damaged("the table of invalidations is lost")
    return found  # type: ignore[no-any-return]


def changes(db: sqlite3.Connection, nonce: str, since: int) -> Changes:
    """See `Backend.sync`."""
    own = not db.in_transaction  # else it is read within `together`
    if own:
        db.execute("BEGIN")
    current, counter, floor, forgotten, _ = state(db)
    after = since if current == nonce else 0
    rows = db.execute(
        "SELECT name, soft, hard, published FROM names WHERE last > ?", (after,)
    ).fetchall()
    if own:
        db.execute("COMMIT")
    tables = [tuple((row[0], row[at]) for row in rows if row[at] > after) for at in (1, 2, 3)]
    return Changes(current, counter, floor, forgotten, *tables)


def note(db: sqlite3.Connection, column: str, names: Sequence[str], limit: int) -> int:
    """Count one step, and note it for ``names``. Beyond ``limit`` names the oldest tenth goes."""
    db.execute("UPDATE state SET counter = counter + 1")
    _, counter, _, _, known = state(db)
    for name in names:
        updated = db.execute(
            f"UPDATE names SET {column} = ?, last = ? WHERE name = ?", (counter, counter, name)
        ).rowcount
        if not updated:
            known += 1
            db.execute(
                f"INSERT INTO names (name, {column}, last) VALUES (?, ?, ?)",
                (name, counter, counter),
            )
    if known > limit:
        known -= _forget(db, max(1, known - limit * 9 // 10))
    db.execute("UPDATE state SET names = ?", (known,))
    return int(counter)


def _forget(db: sqlite3.Connection, count: int) -> int:
    """Drop the ``count`` names that were touched longest ago. What they covered can no longer be
    told from what they did not, so everything rendered before them is gone: the floor."""
    forgotten, floor = db.execute(
        "SELECT max(last), max(max(soft, hard)) FROM (SELECT * FROM names ORDER BY last LIMIT ?)",
        (count,),
    ).fetchone()
    dropped = db.execute("DELETE FROM names WHERE last <= ?", (forgotten,)).rowcount
    db.execute(
        "UPDATE state SET floor = max(floor, ?), forgotten = max(forgotten, ?)", (floor, forgotten)
    )
    return dropped
