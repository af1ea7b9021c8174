"""The tables of the embedded store."""

from __future__ import annotations

import sqlite3
from typing import Final

from . import counts, dependents, intents, pages

SCHEMA: Final = """
CREATE TABLE pages (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, page_key TEXT NOT NULL, path TEXT NOT NULL,
    url TEXT NOT NULL, query TEXT NOT NULL, variant TEXT NOT NULL, status INTEGER NOT NULL,
    size INTEGER NOT NULL, rendered_at REAL NOT NULL, revalidate REAL, expire REAL NOT NULL,
    keep_until REAL NOT NULL, render_seconds REAL NOT NULL, generation INTEGER NOT NULL,
    ordinal INTEGER NOT NULL, nonce TEXT NOT NULL, fingerprint TEXT NOT NULL,
    build_id TEXT NOT NULL, error_quota INTEGER NOT NULL, tags TEXT NOT NULL,
    used REAL NOT NULL, bytes INTEGER NOT NULL, data BLOB);
CREATE INDEX pages_by_path ON pages (path, id);
CREATE INDEX pages_by_use ON pages (error_quota, used);
CREATE INDEX pages_by_end ON pages (keep_until);
CREATE INDEX pages_by_variant ON pages (page_key, used) WHERE variant != '';
CREATE TABLE tags (tag TEXT NOT NULL, page INTEGER NOT NULL, PRIMARY KEY (tag, page)) WITHOUT ROWID;
CREATE INDEX tags_by_page ON tags (page);
CREATE TABLE names (
    name TEXT PRIMARY KEY, soft INTEGER NOT NULL DEFAULT 0, hard INTEGER NOT NULL DEFAULT 0,
    published INTEGER NOT NULL DEFAULT 0, last INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX names_by_last ON names (last);
CREATE TABLE leases (
    key TEXT PRIMARY KEY, token TEXT NOT NULL, until REAL NOT NULL,
    generation INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX leases_by_end ON leases (until);
CREATE TABLE notes (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, value BLOB NOT NULL,
    until REAL NOT NULL);
CREATE INDEX notes_by_end ON notes (until);
CREATE TABLE items (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, until REAL NOT NULL,
    used REAL NOT NULL, value BLOB NOT NULL);
CREATE INDEX items_by_use ON items (used);
CREATE INDEX items_by_end ON items (until);
CREATE TABLE totals (kind INTEGER PRIMARY KEY, pages INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO totals VALUES (0, 0, 0), (1, 0, 0), (2, 0, 0);
CREATE TABLE state (
    nonce TEXT NOT NULL, counter INTEGER NOT NULL, floor INTEGER NOT NULL,
    forgotten INTEGER NOT NULL, ordinal INTEGER NOT NULL, names INTEGER NOT NULL);
INSERT INTO state VALUES (lower(hex(randomblob(8))), 0, 0, 0, 0, 0)
"""
#: ``hard_names``: how many of ``names`` were ever invalidated hard.
_SOFT_FLOOR: Final = """
ALTER TABLE state ADD COLUMN soft_floor INTEGER NOT NULL DEFAULT 0;
ALTER TABLE state ADD COLUMN hard_names INTEGER NOT NULL DEFAULT 0;
UPDATE state SET hard_names = (SELECT count(*) FROM names WHERE hard > 0)
"""
_JOBS: Final = """
CREATE TABLE IF NOT EXISTS regenerations (
    id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, key TEXT NOT NULL,
    until REAL NOT NULL, wants INTEGER NOT NULL, takes INTEGER NOT NULL, held REAL NOT NULL,
    data BLOB NOT NULL, UNIQUE (queue, key));
CREATE INDEX IF NOT EXISTS regenerations_by_end ON regenerations (until);
CREATE INDEX IF NOT EXISTS regenerations_by_wants ON regenerations (queue, wants DESC, id)
"""


def add_tables(connection: sqlite3.Connection) -> None:
    """Make what came later in a store that lacks it. Processes of an earlier release work on with
    such a store, so its version stays what it is."""
    known = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'regenerations'"
    if not connection.execute(known).fetchone():
        connection.executescript(f"BEGIN IMMEDIATE; {_JOBS}; COMMIT")
    if not connection.execute(known.replace("regenerations", "counted")).fetchone():
        connection.executescript(f"BEGIN IMMEDIATE; {counts.TABLES}; COMMIT")
    for there, statements in (
        (_has_soft_floor, _SOFT_FLOOR.split(";")),
        (_has_bodies, pages.TABLES),
        (_has_dependents, dependents.TABLES.split(";")),
        (_has_routes, pages.ROUTE),
        (_has_counted_routes, counts.ROUTES),
        (_has_intents, intents.TABLES.split(";")),
    ):
        if not there(connection):
            connection.execute("BEGIN IMMEDIATE")
            if not there(connection):  # another process may have been faster
                for statement in statements:
                    connection.execute(statement)
            connection.execute("COMMIT")


def _has_soft_floor(connection: sqlite3.Connection) -> bool:
    known = "SELECT 1 FROM pragma_table_info('state') WHERE name = 'soft_floor'"
    return connection.execute(known).fetchone() is not None


def _has_bodies(connection: sqlite3.Connection) -> bool:
    known = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'bodies'"
    return connection.execute(known).fetchone() is not None


def _has_intents(connection: sqlite3.Connection) -> bool:
    known = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'intents'"
    return connection.execute(known).fetchone() is not None


def _has_dependents(connection: sqlite3.Connection) -> bool:
    known = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'dependents'"
    return connection.execute(known).fetchone() is not None


def _has_routes(connection: sqlite3.Connection) -> bool:
    known = "SELECT 1 FROM pragma_table_info('pages') WHERE name = 'route'"
    return connection.execute(known).fetchone() is not None


def _has_counted_routes(connection: sqlite3.Connection) -> bool:
    known = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'counted_routes'"
    return connection.execute(known).fetchone() is not None
