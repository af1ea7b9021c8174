"""`SQLiteCache`: the embedded store as a cachelib cache, usable wherever cachelib is."""

from __future__ import annotations

import json
import math
import sqlite3
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from cachelib import BaseCache

from .sqlite import SQLiteBackend


class SQLiteCache(BaseCache):
    """A cache in one SQLite file under ``directory``, shared by all processes of a host.

    Values are ``bytes`` or what JSON holds (``None``, booleans, numbers, strings, lists, and
    dictionaries with string keys); others raise `TypeError`, since nothing here is ever pickled.
    Over ``threshold`` items the least recently written go; 0 means no threshold. Every write is
    one transaction, and ``add`` and ``inc`` are atomic between processes.
    """

    def __init__(
        self,
        directory: str | Path,
        threshold: int = 100_000,
        default_timeout: int | timedelta = 300,
        ignore_delete_many_errors: bool = True,
    ) -> None:
        super().__init__(default_timeout, ignore_delete_many_errors=ignore_delete_many_errors)
        self.directory = Path(directory)
        self._threshold = threshold
        self._database = SQLiteBackend(self.directory).database

    def get(self, key: str) -> Any:
        now = time.time()
        row = self._database.read(
            lambda db: db.execute(
                "SELECT value FROM items WHERE key = ? AND until > ?", (_text(key), now)
            ).fetchone()
        )
        return _loads(row[0]) if row else None

    def has(self, key: str) -> bool:
        now = time.time()
        return self._database.read(
            lambda db: (
                db.execute(
                    "SELECT 1 FROM items WHERE key = ? AND until > ?", (_text(key), now)
                ).fetchone()
                is not None
            )
        )

    def set(self, key: str, value: Any, timeout: int | timedelta | None = None) -> bool:
        data, until = _dumps(value), self._until(timeout)
        self._database.write(lambda db: self._store(db, _text(key), data, until))
        return True

    def add(self, key: str, value: Any, timeout: int | timedelta | None = None) -> bool:
        data, until, now = _dumps(value), self._until(timeout), time.time()

        def work(db: sqlite3.Connection) -> bool:
            if db.execute(
                "SELECT 1 FROM items WHERE key = ? AND until > ?", (_text(key), now)
            ).fetchone():
                return False
            self._store(db, key, data, until)
            return True

        return self._database.write(work)

    def delete(self, key: str) -> bool:
        return self._database.write(
            lambda db: db.execute("DELETE FROM items WHERE key = ?", (_text(key),)).rowcount > 0
        )

    def clear(self) -> bool:
        self._database.write(lambda db: db.execute("DELETE FROM items"))
        return True

    def inc(self, key: str, delta: int = 1) -> int | None:
        now, until = time.time(), self._until(None)

        def work(db: sqlite3.Connection) -> int:
            row = db.execute(
                "SELECT value, until FROM items WHERE key = ? AND until > ?", (_text(key), now)
            ).fetchone()
            value = int((_loads(row[0]) if row else 0) or 0) + delta
            self._store(db, key, _dumps(value), row[1] if row else until)
            return value

        return self._database.write(work)

    def dec(self, key: str, delta: int = 1) -> int | None:
        return self.inc(key, -delta)

    def _until(self, timeout: int | timedelta | None) -> float:
        seconds = self._normalize_timeout(timeout)
        return time.time() + seconds if seconds else math.inf

    def _store(self, db: sqlite3.Connection, key: str, data: bytes, until: float) -> None:
        now = time.time()
        db.execute(
            "INSERT INTO items (key, until, used, value) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO "
            "UPDATE SET until = excluded.until, used = excluded.used, value = excluded.value",
            (key, until, now, data),
        )
        if self._threshold and self._threshold < _count(db):
            db.execute("DELETE FROM items WHERE until <= ?", (now,))
            excess = _count(db) - self._threshold
            db.execute(
                "DELETE FROM items WHERE id IN (SELECT id FROM items ORDER BY used LIMIT ?)",
                (max(0, excess),),
            )


def _count(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT count(*) FROM items").fetchone()[0])


def _text(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"A cache key is a string, not {type(key).__name__}.")
    return key


def _dumps(value: Any) -> bytes:
    if isinstance(value, bytes):
        return b"b" + value
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if json.loads(text) != value:
        raise TypeError(
            f"{type(value).__name__} does not survive JSON; store bytes, or plain lists, "
            "dictionaries with string keys, strings and numbers."
        )
    return b"j" + text.encode("utf-8", "surrogatepass")


def _loads(data: Any) -> Any:
    if not isinstance(data, bytes) or data[:1] not in (b"b", b"j"):
        return None
    if data[:1] == b"b":
        return data[1:]
    try:
        return json.loads(data[1:].decode("utf-8", "surrogatepass"))
    except ValueError:
        return None
