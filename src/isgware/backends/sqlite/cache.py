"""`SQLiteCache`: the embedded store as a cachelib cache, usable wherever cachelib is."""

from __future__ import annotations

import json
import logging
import math
import sqlite3
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from cachelib import BaseCache

from ...errors import ConfigurationError
from .backend import SQLiteBackend
from .pages import ITEMS, count, total

T = TypeVar("T")
log: Final = logging.getLogger("isgware")
#: What was written later than now was timed by a clock that has since been put back. What has no
#: end stays all the same.
_LIVE: Final = (
    "SELECT value, until FROM items WHERE key = :key AND until > :now "
    "AND (used <= :now + 60 OR until = 9e999)"
)


class SQLiteCache(BaseCache):
    """A cache in one SQLite file under ``directory``, shared by all processes of a host.

    Values are ``bytes`` or what JSON holds (``None``, booleans, numbers, strings, lists, and
    dictionaries with string keys); others raise `TypeError`, since nothing here is ever pickled.
    Over ``threshold`` items the least recently written go; 0 means no threshold. Every write is
    one transaction, and ``add`` and ``inc`` are atomic between processes. As with cachelib's own
    caches, a store that fails is logged: ``get`` finds nothing then, and ``set`` returns False.
    """

    def __init__(
        self,
        directory: str | Path,
        threshold: int = 100_000,
        default_timeout: int | timedelta = 300,
        ignore_delete_many_errors: bool = True,
    ) -> None:
        super().__init__(_seconds(default_timeout))
        self.ignore_delete_many_errors = ignore_delete_many_errors
        self.directory = Path(directory)
        self._threshold = threshold
        self._database = SQLiteBackend(self.directory).database

    def get(self, key: str) -> Any:
        found = self._find(key)
        return _loads(found[0]) if found else None

    def has(self, key: str) -> bool:
        return self._find(key) is not None

    def set(self, key: str, value: Any, timeout: int | timedelta | None = None) -> bool:
        name, data, until = _text(key), _dumps(value), self._until(timeout)

        def work(db: sqlite3.Connection) -> bool:
            self._store(db, name, data, until)
            return True

        return self._write(work, False)

    def add(self, key: str, value: Any, timeout: int | timedelta | None = None) -> bool:
        name, data, until = _text(key), _dumps(value), self._until(timeout)

        def work(db: sqlite3.Connection) -> bool:
            if db.execute(_LIVE, {"key": name, "now": time.time()}).fetchone():
                return False
            self._store(db, name, data, until)
            return True

        return self._write(work, False)

    def delete(self, key: str) -> bool:
        name = _text(key)

        def work(db: sqlite3.Connection) -> bool:
            return _drop(db, "key = ?", (name,)) > 0

        return self._write(work, False)

    def clear(self) -> bool:
        def work(db: sqlite3.Connection) -> bool:
            _drop(db, "true", ())
            return True

        return self._write(work, False)

    def inc(self, key: str, delta: int = 1) -> int | None:
        """Add to a number, which keeps the time it has; ``None`` if the store failed."""
        name, until = _text(key), self._until(None)

        def work(db: sqlite3.Connection) -> int | str:
            found = db.execute(_LIVE, {"key": name, "now": time.time()}).fetchone()
            value = (_loads(found[0]) if found else 0) or 0
            if not isinstance(value, int | float):
                return type(value).__name__
            self._store(db, name, _dumps(value + delta), found[1] if found else until)
            return value + delta  # type: ignore[return-value]

        value = self._write(work, None)
        if isinstance(value, str):
            raise TypeError(f"The value of {key!r} is no number but {value}.")
        return value

    def dec(self, key: str, delta: int = 1) -> int | None:
        return self.inc(key, -delta)

    def close(self) -> None:
        """Let go of the files; the next operation opens them again."""
        self._database.close()

    def _find(self, key: str) -> tuple[Any, float] | None:
        values = {"key": _text(key), "now": time.time()}

        def work(db: sqlite3.Connection) -> tuple[Any, float] | None:
            found: tuple[Any, float] | None = db.execute(_LIVE, values).fetchone()
            return found

        return _attempt(lambda: self._database.read(work), None)

    def _write(self, work: Callable[[sqlite3.Connection], T], failed: T) -> T:
        return _attempt(lambda: self._database.write(work), failed)

    def _until(self, timeout: int | timedelta | None) -> float:
        seconds = self.default_timeout if timeout is None else _seconds(timeout)
        return time.time() + seconds if seconds else math.inf

    def _store(self, db: sqlite3.Connection, key: str, data: bytes, until: float) -> None:
        now = time.time()
        values = (until, now, data, key)
        change = "UPDATE items SET until = ?, used = ?, value = ? WHERE key = ?"
        if db.execute(change, values).rowcount:
            return
        db.execute("INSERT INTO items (until, used, value, key) VALUES (?, ?, ?, ?)", values)
        count(db, ITEMS, 1, 0)
        if 0 < self._threshold < total(db, ITEMS)[0]:
            _drop(db, "until <= ?", (now,))
            excess = total(db, ITEMS)[0] - self._threshold
            oldest = "id IN (SELECT id FROM items WHERE key != ? ORDER BY used LIMIT ?)"
            _drop(db, oldest, (key, max(0, excess)))


def _attempt(work: Callable[[], T], failed: T) -> T:
    try:
        return work()
    except UnicodeError:
        raise  # the key's fault, not the store's
    except (sqlite3.Error, OSError, ConfigurationError) as error:
        log.warning("SQLiteCache: %s: %s", type(error).__name__, error)
        return failed


def _drop(db: sqlite3.Connection, where: str, values: tuple[Any, ...]) -> int:
    gone = db.execute(f"DELETE FROM items WHERE {where}", values).rowcount
    if gone:
        count(db, ITEMS, -gone, 0)
    return gone


def _seconds(timeout: int | timedelta) -> int:
    if isinstance(timeout, timedelta):
        return math.ceil(timeout.total_seconds())
    if not isinstance(timeout, int):
        raise TypeError(f"A timeout is an int or a timedelta, not {type(timeout).__name__}.")
    return timeout


def _text(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"A cache key is a string, not {type(key).__name__}.")
    return key


def _dumps(value: Any) -> bytes:
    if isinstance(value, bytes):
        return b"b" + value
    text = None
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        survives = json.loads(text) == value
    except (ValueError, RecursionError):
        survives = False
    if text is None or not survives:
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
    except (ValueError, RecursionError):
        return None
