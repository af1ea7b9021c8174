"""``file:DIR``: pages, leases, invalidations and the catalogue in one SQLite file.

For one host, any number of processes, and restarts. Pages lie in a rowid table with an index on
the key, and their bodies in another, so that the catalogue is read without touching bodies.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ...core.freshness import Changes
from ..base import Before, Held, Job, Lease, Limits, Row, Standing
from . import counts, invalidations, jobs, leases, pages, versions
from .database import Database
from .dependent_pages import DependentPages, SeenNames
from .followers import SocketFollowers
from .invalidations import state
from .pages import COLUMNS, row_from
from .schema import SCHEMA, add_tables

#: Seconds for which a page that another process has touched need not be touched again.
_RECENT: Final = 4.0
_BATCH: Final = 500
#: Above every id.
_LAST: Final = 2**62


class SQLiteBackend(DependentPages):
    """The protocol over a `Database`. ``timeout`` bounds each operation, in seconds."""

    def __init__(
        self, directory: str | Path, limits: Limits | None = None, timeout: float = 0.25
    ) -> None:
        self.database = Database(directory, SCHEMA, timeout, add_tables)
        self.versions = self.database.versions
        self.followers = SocketFollowers(self.database.directory)
        self._limits = limits or Limits()
        self._seen = SeenNames()

    @property
    def version(self) -> Sequence[int]:
        return self.database.version

    def get(self, key: str, now: float) -> bytes | None:
        return self.database.read(lambda db: pages.get(db, key, now))

    def rows_of(self, keys: Sequence[str], now: float) -> dict[str, Row]:
        """The rows of those pages that are there."""
        found: dict[str, Row] = {}
        for start in range(0, len(keys), _BATCH):
            some = keys[start : start + _BATCH]
            query = (
                f"SELECT {COLUMNS} FROM pages WHERE key IN ({', '.join('?' * len(some))}) "
                "AND keep_until > ?"
            )
            for values in self.database.read(
                lambda db, q=query, v=(*some, now): db.execute(q, v).fetchall()  # type: ignore[misc]
            ):
                row = row_from(values)
                if row is not None:
                    found[row.key] = row
        return found

    def together(self, work: Callable[[], None], announces: bool) -> None:
        """Run ``work`` with all its operations on this backend in one transaction.
        ``announces``: there are invalidations or publications among them."""
        self.database.together(work, announces)

    def standing(self, key: str) -> tuple[str, int, int] | None:
        """Nonce, generation and order of the page under ``key``."""
        found: tuple[str, int, int] | None = self.database.read(
            lambda db: db.execute(
                "SELECT nonce, generation, ordinal FROM pages WHERE key = ?", (key,)
            ).fetchone()
        )
        return found

    def nonce(self) -> str:
        return self.database.read(lambda db: state(db).nonce)

    def put(self, row: Row, data: bytes, now: float, before: Before | None = None) -> bool:
        return self.put_row(row, data, len(data), now, before) is not None

    def history(self, key: str, now: float) -> list[bytes]:
        """See `History`."""
        return self.database.read(lambda db: versions.of(db, key, now))

    def put_row(
        self, row: Row, data: bytes, size: int, now: float, before: Before | None = None
    ) -> list[str] | None:
        """Keep a row with its page of ``size`` bytes (or with what identifies it elsewhere).
        Returns the keys that had to go, or ``None`` if a newer render is there already."""
        return self.database.write(
            lambda db: pages.put(db, row, data, size, now, self._limits, before)
        )

    def put_head(self, row: Row, head: bytes, standing: Standing, now: float) -> bool:
        """See `Renewals`. The body is in a row of its own, which is not touched."""
        return self.database.write(lambda db: pages.put_head(db, row, head, standing, now))

    def delete(self, key: str) -> None:
        self.database.write(
            lambda db: pages.remove(
                db, db.execute("SELECT id FROM pages WHERE key = ?", (key,)).fetchall()
            )
        )

    def touch(self, keys: Sequence[str], now: float) -> None:
        rows = [(now, key, now - _RECENT, now) for key in keys]
        change = "UPDATE pages SET used = ? WHERE key = ? AND (used <= ? OR used > ?)"
        self.database.write(lambda db: db.executemany(change, rows))

    def rows(self, prefix: str = "", tag: str | None = None) -> Iterator[Row]:
        return self._rows_from((prefix, -1), prefix, tag)

    def rows_after(
        self, after: tuple[str, str], prefix: str = "", tag: str | None = None
    ) -> Iterator[Row]:
        """`rows` behind the page of that path and key; if it is gone, behind its path."""
        path, key = after
        found = self.database.read(
            lambda db: db.execute("SELECT id FROM pages WHERE key = ?", (key,)).fetchone()
        )
        return self._rows_from((path, found[0] if found else _LAST), prefix, tag)

    def sizes(self) -> tuple[int, int]:
        """Pages and their bytes."""
        query = "SELECT sum(pages), sum(bytes) FROM totals WHERE kind IN (0, 1)"
        found = self.database.read(lambda db: db.execute(query).fetchone())
        return int(found[0] or 0), int(found[1] or 0)

    def _rows_from(self, last: tuple[str, int], prefix: str, tag: str | None) -> Iterator[Row]:
        where = "(path, id) > (?, ?)"
        if tag is not None:
            where += " AND id IN (SELECT page FROM tags WHERE tag = ?)"
        query = f"SELECT {COLUMNS}, id FROM pages WHERE {where} ORDER BY path, id LIMIT {_BATCH}"
        while True:
            values = last if tag is None else (*last, tag)
            batch = self.database.read(
                lambda db, values=values: db.execute(query, values).fetchall()  # type: ignore[misc]
            )
            for found in batch:
                row = row_from(found)
                if row is None:
                    continue
                if not row.path.startswith(prefix):
                    return  # in the order of paths, those below a prefix stand together
                yield row
            if len(batch) < _BATCH:
                return
            last = (batch[-1][2], batch[-1][-1])

    def _rows_by_id(self, ids: list[int]) -> list[Row]:
        query = f"SELECT {COLUMNS} FROM pages WHERE id IN ({', '.join('?' * len(ids))})"
        found = self.database.read(lambda db: db.execute(query, ids).fetchall())
        return [row for row in map(row_from, found) if row is not None]

    def sync(self, nonce: str, since: int) -> Changes:
        return self.database.read(lambda db: invalidations.changes(db, nonce, since))

    def invalidate(self, names: Iterable[str], hard: bool) -> int:
        return self._announce("hard" if hard else "soft", names)

    def publish(self, names: Iterable[str]) -> int:
        return self._announce("published", names)

    def _announce(self, column: str, names: Iterable[str]) -> int:
        wanted, limit = list(names), self._limits.names
        return self.database.announce(lambda db: invalidations.note(db, column, wanted, limit))

    def acquire(
        self, key: str, ttl: float, now: float, *, generation: int, overtake_before: int
    ) -> Lease | Held:
        return self.acquire_all(
            [key], ttl, now, generation=generation, overtake_before=overtake_before
        )[0]

    def acquire_all(
        self, keys: Sequence[str], ttl: float, now: float, *, generation: int, overtake_before: int
    ) -> list[Lease | Held]:
        """`acquire` of each: many in few statements."""
        return self.database.write(
            lambda db: leases.acquire(db, keys, ttl, now, generation, overtake_before)
        )

    def renew(self, lease: Lease, ttl: float, now: float) -> bool:
        return self.database.write(lambda db: leases.renew(db, lease, ttl, now))

    def release(self, lease: Lease) -> None:
        self.database.write(lambda db: leases.release(db, lease))

    def read_note(self, name: str, now: float) -> bytes | None:
        row = self.database.read(
            lambda db: db.execute(
                "SELECT value FROM notes WHERE name = ? AND until > ?", (name, now)
            ).fetchone()
        )
        return bytes(row[0]) if row and isinstance(row[0], bytes) else None

    def read_notes(self, names: Sequence[str], now: float) -> list[bytes | None]:
        """`read_note` of each: many in one statement."""
        found: dict[str, Any] = {}
        for start in range(0, len(names), _BATCH):
            some = names[start : start + _BATCH]
            query = (
                f"SELECT name, value FROM notes WHERE name IN ({', '.join('?' * len(some))}) "
                "AND until > ?"
            )
            found |= self.database.read(
                lambda db, q=query, v=(*some, now): db.execute(q, v).fetchall()  # type: ignore[misc]
            )
        values = (found.get(name) for name in names)
        return [bytes(value) if isinstance(value, bytes) else None for value in values]

    def write_note(self, name: str, value: bytes, ttl: float, now: float) -> None:
        def work(db: sqlite3.Connection) -> None:
            db.execute(
                "INSERT INTO notes (name, value, until) VALUES (?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET value = excluded.value, until = excluded.until",
                (name, value, now + ttl),
            )
            # Ended notes first; beyond the limit the oldest (ids only grow).
            db.execute(
                "DELETE FROM notes WHERE id IN (SELECT id FROM notes WHERE until <= ? LIMIT 8)",
                (now,),
            )
            db.execute(
                "DELETE FROM notes WHERE id <= (SELECT max(id) FROM notes) - ?",
                (self._limits.names,),
            )

        self.database.write(work)

    def drop_note(self, name: str) -> None:
        self.database.write(lambda db: db.execute("DELETE FROM notes WHERE name = ?", (name,)))

    def enqueue(self, queue: str, key: str, data: bytes, limit: int, now: float) -> bool:
        return self.database.write(lambda db: jobs.enqueue(db, queue, key, data, limit, now))

    def raise_priority(self, queue: str, requests: Mapping[str, int]) -> None:
        self.database.write(lambda db: jobs.raise_priority(db, queue, requests.items()))

    def dequeue(self, queue: str, now: float, hold: float) -> Job | None:
        if not self.queued(queue, now):  # so that an idle worker writes nothing
            return None
        return self.database.write(lambda db: jobs.dequeue(db, queue, now, hold))

    def done(self, queue: str, job: Job) -> None:
        self.database.write(lambda db: jobs.done(db, queue, job))

    def queued(self, queue: str, now: float) -> int:
        return self.database.read(lambda db: jobs.queued(db, queue, now))

    def add_counts(
        self, process: str, number: int, amounts: Mapping[str, float], now: float
    ) -> None:
        self.database.write(lambda db: counts.add(db, process, number, amounts, now))

    def counts(self, period: int, now: float) -> list[tuple[float, str, float]]:
        return self.database.read(lambda db: counts.rows(db, period, now))

    def counts_between(
        self, period: int, first: float, last: float
    ) -> list[tuple[float, str, float]]:
        """`counts` of the periods that begin from ``first`` to ``last``."""
        return self.database.read(lambda db: counts.between(db, period, first, last))

    def ping(self) -> None:
        self.database.verify()
        self.database.read(state)

    def close(self) -> None:
        self.database.close()
