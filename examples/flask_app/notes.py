"""Visitors' notes on the items, in one SQLite file."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

LENGTH = 500  # characters in a note
PER_ITEM = 20  # notes kept for an item: a new one pushes the oldest out

SCHEMA = """
CREATE TABLE IF NOT EXISTS note (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    code TEXT NOT NULL,
    text TEXT NOT NULL,
    written TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX IF NOT EXISTS note_item ON note (kind, code);
"""


@dataclass(frozen=True)
class Note:
    id: int
    kind: str
    code: str
    text: str
    written: str


def create(file: str) -> None:
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    with _connect(file) as db:
        db.executescript(SCHEMA)


def of_item(file: str, kind: str, code: str) -> list[Note]:
    return _select(file, "WHERE kind = ? AND code = ? ORDER BY id", kind, code)


def latest(file: str, count: int = 5) -> list[Note]:
    return _select(file, "ORDER BY id DESC LIMIT ?", count)


def get(file: str, note_id: int) -> Note | None:
    found = _select(file, "WHERE id = ?", note_id)
    return found[0] if found else None


def add(file: str, kind: str, code: str, text: str) -> None:
    with _connect(file) as db:
        db.execute("INSERT INTO note (kind, code, text) VALUES (?, ?, ?)", (kind, code, text))
        db.execute(
            "DELETE FROM note WHERE kind = :kind AND code = :code AND id NOT IN"
            " (SELECT id FROM note WHERE kind = :kind AND code = :code"
            "  ORDER BY id DESC LIMIT :kept)",
            {"kind": kind, "code": code, "kept": PER_ITEM},
        )


def change(file: str, note_id: int, text: str) -> None:
    with _connect(file) as db:
        db.execute("UPDATE note SET text = ? WHERE id = ?", (text, note_id))


def remove(file: str, note_id: int) -> None:
    with _connect(file) as db:
        db.execute("DELETE FROM note WHERE id = ?", (note_id,))


def _select(file: str, rest: str, *values: object) -> list[Note]:
    with _connect(file) as db:
        rows = db.execute(f"SELECT id, kind, code, text, written FROM note {rest}", values)
        return [Note(*row) for row in rows]


@contextmanager
def _connect(file: str) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file)) as db, db:
        yield db
