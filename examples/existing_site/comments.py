"""Readers' comments on the journal, in one SQLite file."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

KEPT = 20  # comments of a post: a new one pushes the oldest out

SCHEMA = """
CREATE TABLE IF NOT EXISTS comment (
    id INTEGER PRIMARY KEY,
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS comment_slug ON comment (slug);
"""


@dataclass(frozen=True)
class Comment:
    name: str
    text: str


def create(file: str) -> None:
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    with _connect(file) as db:
        db.executescript(SCHEMA)


def of_post(file: str, slug: str) -> list[Comment]:
    with _connect(file) as db:
        rows = db.execute("SELECT name, text FROM comment WHERE slug = ? ORDER BY id", [slug])
        return [Comment(*row) for row in rows]


def add(file: str, slug: str, name: str, text: str) -> None:
    with _connect(file) as db:
        db.execute("INSERT INTO comment (slug, name, text) VALUES (?, ?, ?)", [slug, name, text])
        db.execute(
            "DELETE FROM comment WHERE slug = :slug AND id NOT IN"
            " (SELECT id FROM comment WHERE slug = :slug ORDER BY id DESC LIMIT :kept)",
            {"slug": slug, "kept": KEPT},
        )


@contextmanager
def _connect(file: str) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file)) as db, db:
        yield db
