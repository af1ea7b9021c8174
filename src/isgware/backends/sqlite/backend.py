"""``file:DIR``: pages, leases, invalidations and the catalogue in one SQLite file.

For one host, any number of processes, and restarts. Pages lie in a rowid table with an index on
the key, the body last, so that the catalogue is read without touching bodies.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ...core.depended import packed, unpacked
from ...core.freshness import Changes
from ..base import Held, Job, Lease, Limits, Row, is_newer
from ..dependents import Depending, Kept
from . import counts, dependents, invalidations, jobs, leases
from .database import Damaged, Database
from .dependent_pages import DependentPages
from .dependents import Late
from .invalidations import state
from .schema import SCHEMA, add_tables

_COLUMNS: Final = (
    "key, page_key, path, url, query, variant, status, size, rendered_at, revalidate, expire, "
    "keep_until, render_seconds, generation, ordinal, nonce, fingerprint, build_id, error_quota, "
    "tags, depends"
)
_PUT: Final = (
    f"INSERT INTO pages ({_COLUMNS}, used, bytes, data) VALUES ({', '.join('?' * 24)}) "
    "ON CONFLICT (key) DO UPDATE SET "
    + ", ".join(
        f"{name} = excluded.{name}" for name in (_COLUMNS + ", used, bytes, data").split(", ")
    )
    + " RETURNING id"
)
#: Seconds by which a page counts as older than it is until somebody asks for it again, so that a
#: flood of pages nobody returns to cannot push out the ones that are visited.
_PROBATION: Final = 60.0
#: Seconds for which a page that another process has touched need not be touched again.
_RECENT: Final = 4.0
_BATCH: Final = 500
#: Kinds of totals: error pages are kind 1, as in ``error_quota``; `SQLiteCache` counts its own.
ITEMS: Final = 2


class SQLiteBackend(DependentPages):
    """The protocol over a `Database`. ``timeout`` bounds each operation, in seconds."""

    def __init__(
        self, directory: str | Path, limits: Limits | None = None, timeout: float = 0.25
    ) -> None:
        self.database = Database(directory, SCHEMA, timeout, add_tables)
        self.versions = self.database.versions
        self._limits = limits or Limits()

    @property
    def version(self) -> Sequence[int]:
        return self.database.version

    def get(self, key: str, now: float) -> bytes | None:
        row = self.database.read(
            lambda db: db.execute(
                "SELECT data FROM pages WHERE key = ? AND keep_until > ?", (key, now)
            ).fetchone()
        )
        return row[0] if row and isinstance(row[0], bytes) else None

    def rows_of(self, keys: Sequence[str], now: float) -> dict[str, Row]:
        """The rows of those pages that are there."""
        found: dict[str, Row] = {}
        for start in range(0, len(keys), _BATCH):
            some = keys[start : start + _BATCH]
            query = (
                f"SELECT {_COLUMNS} FROM pages WHERE key IN ({', '.join('?' * len(some))}) "
                "AND keep_until > ?"
            )
            for values in self.database.read(
                lambda db, q=query, v=(*some, now): db.execute(q, v).fetchall()  # type: ignore[misc]
            ):
                row = _row(values)
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

    def put(self, row: Row, data: bytes | None, now: float) -> bool:
        return self.put_row(row, data, len(data or b""), now) is not None

    def put_row(
        self, row: Row, data: bytes | None, size: int, now: float,
        depending: Depending | None = None,
    ) -> list[str] | None:  # fmt: skip
        """Keep a row with its page of ``size`` bytes (or with what identifies it elsewhere).
        Returns the keys that had to go, or ``None`` if a newer render is there already. Raises
        `Late`, having stored nothing, for a page whose dependencies have changed."""

        def work(db: sqlite3.Connection) -> list[str] | None:
            old = db.execute(
                "SELECT id, nonce, generation, ordinal, error_quota, bytes, depends FROM pages "
                "WHERE key = ?",
                (row.key,),
            ).fetchone()
            if old and is_newer(old[1:4], row, state(db).nonce):
                return None
            if depending is not None:
                kept = dependents.met(db, depending, row.nonce, row.generation)
                if kept is not Kept.STORED:
                    late.append(kept)
                    return []
            if old:
                count(db, old[4], -1, -old[5])
                db.execute("DELETE FROM tags WHERE page = ?", (old[0],))
            used = now if old else now - _PROBATION
            values = _values(row)
            page = db.execute(_PUT, (*values, used, size, data)).fetchone()[0]
            dependents.list_page(db, page, old[6] if old else None, values[-1])
            db.executemany(
                "INSERT OR IGNORE INTO tags VALUES (?, ?)", [(tag, page) for tag in row.tags]
            )
            totals = count(db, int(row.error_quota), 1, size)
            return self._make_room(db, row, now, totals)

        late: list[Kept] = []
        gone = self.database.write(work)
        if late:
            raise Late(late[0])
        return gone

    def _make_room(
        self, db: sqlite3.Connection, added: Row, now: float, totals: tuple[int, int]
    ) -> list[str]:
        """Keep to the limits. ``totals``: pages and bytes of the kind that ``added`` is of; the
        other kind has not grown."""
        gone = _remove(
            db, db.execute("SELECT id FROM pages WHERE keep_until <= ? LIMIT 8", (now,)).fetchall()
        )
        if added.variant:
            gone += _remove(
                db,
                db.execute(
                    "SELECT id FROM pages WHERE page_key = ? AND variant != '' AND key != ? "
                    "ORDER BY used > ?, used DESC LIMIT -1 OFFSET ?",
                    (added.page_key, added.key, now + _PROBATION, self._limits.variants - 1),
                ).fetchall(),
            )
        limits, kind = self._limits, int(added.error_quota)
        caps = ((limits.pages, limits.bytes), (limits.error_pages, limits.error_bytes))
        max_pages, max_bytes = caps[kind]
        pages, size = total(db, kind) if gone else totals
        while (excess := max(pages - max_pages, 1 if size > max_bytes else 0)) > 0:
            # By a clock that has since been put back: they would push out all that is new.
            db.execute(
                "UPDATE pages SET used = ? WHERE error_quota = ? AND used > ?",
                (now - 2 * _PROBATION, kind, now + _PROBATION),
            )
            oldest = db.execute(
                "SELECT id FROM pages WHERE error_quota = ? AND key != ? ORDER BY used LIMIT ?",
                (kind, added.key, min(excess, _BATCH)),
            ).fetchall()
            if not oldest:
                break
            gone += _remove(db, oldest)
            pages, size = total(db, kind)
        return gone

    def delete(self, key: str) -> None:
        self.database.write(
            lambda db: _remove(
                db, db.execute("SELECT id FROM pages WHERE key = ?", (key,)).fetchall()
            )
        )

    def touch(self, keys: Sequence[str], now: float) -> None:
        rows = [(now, key, now - _RECENT, now) for key in keys]
        change = "UPDATE pages SET used = ? WHERE key = ? AND (used <= ? OR used > ?)"
        self.database.write(lambda db: db.executemany(change, rows))

    def rows(self, prefix: str = "", tag: str | None = None) -> Iterator[Row]:
        last: tuple[str, int] = (prefix, -1)
        where = "(path, id) > (?, ?)"
        if tag is not None:
            where += " AND id IN (SELECT page FROM tags WHERE tag = ?)"
        query = f"SELECT {_COLUMNS}, id FROM pages WHERE {where} ORDER BY path, id LIMIT {_BATCH}"
        while True:
            values = last if tag is None else (*last, tag)
            batch = self.database.read(
                lambda db, values=values: db.execute(query, values).fetchall()  # type: ignore[misc]
            )
            for found in batch:
                row = _row(found)
                if row is None:
                    continue
                if not row.path.startswith(prefix):
                    return  # in the order of paths, those below a prefix stand together
                yield row
            if len(batch) < _BATCH:
                return
            last = (batch[-1][2], batch[-1][-1])

    def _rows_by_id(self, ids: list[int]) -> list[Row]:
        query = f"SELECT {_COLUMNS} FROM pages WHERE id IN ({', '.join('?' * len(ids))})"
        found = self.database.read(lambda db: db.execute(query, ids).fetchall())
        return [row for row in map(_row, found) if row is not None]

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

    def want(self, queue: str, wants: Mapping[str, int]) -> None:
        self.database.write(lambda db: jobs.want(db, queue, wants.items()))

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

    def ping(self) -> None:
        self.database.verify()
        self.database.read(state)

    def close(self) -> None:
        self.database.close()


def _values(row: Row) -> tuple[Any, ...]:
    return (
        row.key, row.page_key, row.path, row.url, row.query, row.variant, row.status, row.size,
        row.rendered_at, row.revalidate, row.expire, row.keep_until, row.render_seconds,
        row.generation, row.order, row.nonce, row.fingerprint, row.build_id, int(row.error_quota),
        json.dumps(row.tags), packed(row.depended),
    )  # fmt: skip


def _row(found: tuple[Any, ...]) -> Row | None:
    """``None`` for a line that was damaged without SQLite's noticing."""
    try:
        tags, depended = tuple(json.loads(found[19])), unpacked(found[20])
        fields = (*found[:18], bool(found[18]), tags, depended)
    except (ValueError, TypeError):
        return None
    return Row(*fields) if isinstance(found[2], str) else None  # in the order of _COLUMNS


def total(db: sqlite3.Connection, kind: int) -> tuple[int, int]:
    """How many there are of a kind, and their bytes."""
    found = db.execute("SELECT pages, bytes FROM totals WHERE kind = ?", (kind,)).fetchone()
    if found is None:
        raise Damaged("the totals are lost")
    return found  # type: ignore[no-any-return]


def count(db: sqlite3.Connection, kind: int, pages: int, size: int) -> tuple[int, int]:
    """Add to what there is of a kind, and say how much it is then."""
    found = db.execute(
        "UPDATE totals SET pages = pages + ?, bytes = bytes + ? WHERE kind = ? "
        "RETURNING pages, bytes",
        (pages, size, kind),
    ).fetchone()
    if found is None:
        raise Damaged("the totals are lost")
    return found  # type: ignore[no-any-return]


def _remove(db: sqlite3.Connection, ids: list[tuple[int]]) -> list[str]:
    keys = []
    for (page,) in ids:
        found = db.execute(
            "DELETE FROM pages WHERE id = ? RETURNING key, error_quota, bytes, depends", (page,)
        ).fetchone()
        if found is None:
            raise Damaged("an index names a page that is not there")
        db.execute("DELETE FROM tags WHERE page = ?", (page,))
        dependents.list_page(db, page, found[3], None)
        count(db, found[1], -1, -found[2])
        keys.append(found[0])
    return keys
