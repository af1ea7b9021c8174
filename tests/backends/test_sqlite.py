"""``file:DIR`` keeps the contract, and what is its own: O(1), and pages among processes."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from isgware.backends.base import Backend, Limits, row_of
from isgware.backends.sqlite.backend import SQLiteBackend
from isgware.core.stored_page import decode, encode
from isgware.testing import START, BackendContract, make_entry
from isgware.testing.backend_suite import acquire, nonce_of, put
from isgware.testing.backend_suite_versions import put_head, replace_page
from tests.backends.children import Child, in_child, in_children


class TestSQLiteBackend(BackendContract):
    @pytest.fixture(autouse=True)
    def _directory(self, tmp_path: Path) -> None:
        self.directory = tmp_path / "store"

    def make(self, limits: Limits) -> Backend:
        return SQLiteBackend(self.directory, limits)

    def again(self, backend: Backend) -> Backend:
        return SQLiteBackend(self.directory)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteBackend]:
    backend = SQLiteBackend(tmp_path / "store", timeout=20.0)
    yield backend
    backend.close()


def test_notes_of_many_are_those_of_each(store: SQLiteBackend) -> None:
    names = [f"n{number}" for number in range(0, 1_200, 2)]
    for name in names:
        store.write_note(name, name.encode(), 10, START)
    asked = [f"n{number}" for number in range(1_200)]
    assert store.read_notes(asked, START) == [store.read_note(name, START) for name in asked]
    assert store.read_notes(asked, START + 10) == [None] * 1_200
    assert store.read_notes([], START) == []


# Between processes


def test_what_one_process_puts_another_gets(store: SQLiteBackend) -> None:
    entry = make_entry(nonce=nonce_of(store))
    assert in_child(lambda: put(store, entry))
    assert store.get(entry.key, START) == encode(entry)


def test_of_many_processes_renders_the_newest_stays(store: SQLiteBackend) -> None:
    nonce = nonce_of(store)

    def writer(first: int) -> Callable[[], int]:
        def work() -> int:
            # Each goes its own way through the orders 0 to 39, so that many come late.
            orders = [(first * 13 + step * 7) % 40 for step in range(40)]
            return sum(
                put(store, make_entry(body=b"%d" % order, order=order, generation=1, nonce=nonce))
                for order in orders
            )

        return work

    kept = in_children([writer(number) for number in range(3)])
    entry = decode(store.get(make_entry().key, START), make_entry().key)
    assert entry is not None
    assert (entry.order, entry.body) == (39, b"39")
    assert sum(kept) < 3 * 40


def test_a_lease_is_granted_to_one_of_many_processes(store: SQLiteBackend) -> None:
    nonce_of(store)

    def race() -> list[str]:
        won = [str(key) for key in range(30) if acquire(store, str(key))]
        store.write_note(f"done:{os.getpid()}", b"", 1_000, START)
        while len(_noted(store)) < 4:  # the leases of one that has ended are free
            time.sleep(0.005)
        return won

    won = [key for keys in in_children([race] * 4) for key in keys]
    assert sorted(won) == sorted(str(key) for key in range(30))


def _noted(store: SQLiteBackend) -> list[Any]:
    names = "SELECT name FROM notes WHERE name LIKE 'done:%'"
    return store.database.read(lambda db: db.execute(names).fetchall())


def test_the_lease_of_a_killed_process_ends(store: SQLiteBackend) -> None:
    nonce_of(store)

    def work() -> None:
        acquire(store, ttl=10)
        store.write_note("held", b"yes", 1_000, START)
        time.sleep(60)

    child = Child(work)
    while store.read_note("held", START) is None:
        time.sleep(0.005)
    assert acquire(store, now=START + 9) is None
    child.kill()
    assert acquire(store, now=START + 9) is not None


def test_an_invalidation_is_seen_in_the_word_by_other_processes(store: SQLiteBackend) -> None:
    nonce = nonce_of(store)
    before = store.version[0]
    counter = in_child(lambda: store.invalidate(["tag:a"], hard=True))
    assert store.version[0] not in (before, before + 1)
    assert store.sync(nonce, 0).hard == (("tag:a", counter),)


def test_every_invalidation_of_many_processes_moves_the_word(store: SQLiteBackend) -> None:
    nonce_of(store)
    before = store.version[0]

    def work() -> list[int]:
        return [store.invalidate([f"tag:{number}"], hard=False) for number in range(25)]

    counters = [counter for done in in_children([work] * 4) for counter in done]
    assert sorted(counters) == list(range(1, 101))
    assert store.version[0] == before + 200


def test_kill_9_in_the_middle_of_writes_leaves_whole_pages(store: SQLiteBackend) -> None:
    nonce = nonce_of(store)
    paths = [f"/{number}" for number in range(8)]
    for kill in range(5):

        def write_for_ever(kill: int = kill) -> None:
            order = kill * 1_000_000
            while True:
                order += 1
                for path in paths:
                    body = b"%d;" % order * 5_000
                    put(store, make_entry(path, body, order=order, nonce=nonce, tags=("t",)))

        child = Child(write_for_ever)
        time.sleep(0.05 + 0.03 * kill)
        child.kill()
        rows = list(store.rows(tag="t"))
        assert rows == list(store.rows())
        for row in rows:
            entry = decode(store.get(row.key, START), row.key)
            assert entry is not None
            assert entry.body == b"%d;" % entry.order * 5_000
            assert row == row_of(entry)
        assert put(
            store, make_entry("/after", b"%d;" % kill * 5_000, order=kill, nonce=nonce, tags=("t",))
        )


# The cost of an operation does not grow with the store


class Statements:
    """Every statement that runs, as its text."""

    def __init__(self, store: SQLiteBackend) -> None:
        self.seen: list[str] = []
        self._store = store

    def watch(self, work: Callable[[], Any]) -> list[str]:
        self.seen = []

        def traced(connection: sqlite3.Connection) -> None:
            connection.set_trace_callback(self.seen.append)

        self._store.database.read(traced)
        work()
        self._store.database.read(lambda db: db.set_trace_callback(None))
        return self.seen

    def scans(self, statement: str) -> list[str]:
        """What the plan of a statement goes through from end to end."""
        if statement.startswith(("BEGIN", "COMMIT", "PRAGMA")):
            return []
        plan = self._store.database.read(
            lambda db: db.execute("EXPLAIN QUERY PLAN " + statement).fetchall()
        )
        return [
            detail
            for *_, detail in plan
            if detail.startswith("SCAN")
            and detail not in ("SCAN state", "SCAN writes", "SCAN (subquery-1)")
        ]


def operations(store: SQLiteBackend) -> dict[str, Callable[[], Any]]:
    nonce = nonce_of(store)
    entry = make_entry("/x", variant="de", tags=("a", "b"), nonce=nonce)
    lease = acquire(store, "held")
    assert lease is not None
    return {
        "put": lambda: put(store, entry),
        "put again": lambda: put(store, entry),
        "get": lambda: store.get(entry.key, START),
        "touch": lambda: store.touch([entry.key], START + 1_000),
        "standing": lambda: store.standing(entry.key),
        "delete": lambda: store.delete(entry.key),
        "sync": lambda: store.sync(nonce, 0),
        "purge": lambda: store.invalidate(["tag:a", "tag:b"], hard=True),
        "publish": lambda: store.publish(["key:a"]),
        "acquire": lambda: acquire(store, "other"),
        "renew": lambda: store.renew(lease, 10, START),
        "release": lambda: store.release(lease),
        "note": lambda: store.write_note("n", b"", 10, START),
        "read note": lambda: store.read_note("n", START),
        "drop note": lambda: store.drop_note("n"),
        "ping": store.ping,
    }


def test_no_statement_of_the_request_path_goes_through_a_table(tmp_path: Path) -> None:
    # Over every limit, so that the statements that make room are seen as well.
    store = SQLiteBackend(tmp_path / "store", Limits(pages=5, variants=2, names=4))
    nonce = nonce_of(store)
    for number in range(8):
        put(store, make_entry("/x", variant=str(number), nonce=nonce), START + number)
        put(store, make_entry(f"/{number}", nonce=nonce), START + number)
    watch = Statements(store)
    scanned = {}
    for name, operation in operations(store).items():
        statements = watch.watch(operation)
        assert statements, name
        scanned[name] = [found for text in statements for found in watch.scans(text)]
    store.close()
    assert scanned == {name: [] for name in scanned}


def test_an_operation_runs_as_many_statements_with_20_000_pages_as_with_100(
    tmp_path: Path,
) -> None:
    counts = []
    for pages in (100, 20_000):
        store = SQLiteBackend(tmp_path / str(pages))
        _fill(store, pages)
        watch = Statements(store)
        counts.append(
            {name: len(watch.watch(operation)) for name, operation in operations(store).items()}
        )
        store.close()
    assert counts[0] == counts[1]
    assert max(counts[0].values()) < 30


def _fill(store: SQLiteBackend, pages: int) -> None:
    """Many copies of one row: what matters here is their number."""
    put(store, make_entry("/first", nonce=nonce_of(store)))

    def work(db: sqlite3.Connection) -> None:
        names = [row[1] for row in db.execute("PRAGMA table_info(pages)")][3:]
        columns = ", ".join(names)
        db.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            f"INSERT INTO pages (key, page_key, {columns}) "
            f"SELECT 'k' || i, 'p' || i, {columns} FROM n, pages",
            (pages,),
        )
        db.execute("UPDATE totals SET pages = ? WHERE kind = 0", (pages + 1,))

    store.database.write(work)
    assert sum(1 for _ in store.rows()) == pages + 1


# Details


def test_a_page_that_was_touched_just_now_is_not_written_again(store: SQLiteBackend) -> None:
    entry = make_entry(nonce=nonce_of(store))
    put(store, entry)

    def used() -> float:
        return float(
            store.database.read(lambda db: db.execute("SELECT used FROM pages").fetchone()[0])
        )

    times = []
    for seconds in (0, 1, 3.9, 4):
        store.touch([entry.key], START + seconds)
        times.append(used() - START)
    assert times == [0, 0, 0, 4]


def test_a_flood_of_pages_nobody_returns_to_keeps_the_visited_ones(tmp_path: Path) -> None:
    store = SQLiteBackend(tmp_path / "store", Limits(pages=20))
    nonce = nonce_of(store)
    hot = make_entry("/hot", nonce=nonce)
    put(store, hot)
    store.touch([hot.key], START + 5)
    for number in range(300):
        put(store, make_entry(f"/{number}", nonce=nonce), START + 6 + number / 10)
    assert store.get(hot.key, START) == encode(hot)
    store.close()


def test_totals_that_are_wrong_end_no_put_in_a_loop(tmp_path: Path) -> None:
    store = SQLiteBackend(tmp_path / "store", Limits(pages=3))
    entry = make_entry(nonce=nonce_of(store))
    store.database.write(lambda db: db.execute("UPDATE totals SET pages = 1000, bytes = 1 << 50"))
    assert put(store, entry)
    assert store.get(entry.key, START) == encode(entry)
    store.close()


def test_a_row_that_was_damaged_is_passed_over(store: SQLiteBackend) -> None:
    nonce = nonce_of(store)
    for path in ("/1", "/2", "/3"):
        put(store, make_entry(path, nonce=nonce))
    store.database.write(lambda db: db.execute("UPDATE pages SET tags = '[' WHERE path = '/2'"))
    assert [row.path for row in store.rows()] == ["/1", "/3"]


def test_leases_of_the_dead_are_cleared_away(store: SQLiteBackend) -> None:
    for number in range(100):
        acquire(store, str(number), ttl=1, now=START + 2 * number)
    held = store.database.read(lambda db: db.execute("SELECT count(*) FROM leases").fetchone()[0])
    assert held == 1


def test_pages_survive_a_restart(tmp_path: Path) -> None:
    first = SQLiteBackend(tmp_path / "store")
    entry = make_entry(nonce=nonce_of(first))
    put(first, entry)
    first.invalidate(["tag:a"], hard=True)
    first.close()
    second = SQLiteBackend(tmp_path / "store")
    assert second.get(entry.key, START) == encode(entry)
    assert second.sync(entry.nonce, 0).hard == (("tag:a", 1),)
    second.close()


def test_a_page_kept_for_ever_ends_never(store: SQLiteBackend) -> None:
    entry = make_entry(nonce=nonce_of(store), revalidate=None, expire=1e14)
    put(store, entry)
    assert store.get(entry.key, START * 100) == encode(entry)
    assert [row.revalidate for row in store.rows()] == [None]


def test_an_older_table_of_invalidations_gives_way(store: SQLiteBackend) -> None:
    lost = make_entry(nonce="lost", generation=99, order=99)
    put(store, lost)
    new = replace(lost, nonce=nonce_of(store), generation=0, order=0, body=b"new")
    assert put(store, new)
    assert store.get(new.key, START) == encode(new)


def test_a_store_of_an_earlier_release_gets_the_tables_that_came_later(
    store: SQLiteBackend, tmp_path: Path
) -> None:
    entry = make_entry(nonce=nonce_of(store))
    put(store, entry)
    store.close()
    with sqlite3.connect(tmp_path / "store" / "isgware-1.db") as earlier:
        earlier.execute("DROP TABLE regenerations")
    earlier.close()
    assert store.enqueue("q", "key", b"job", 10, START)
    assert store.get(entry.key, START) == encode(entry)
    assert store.dequeue("q", START, 10.0) is not None


def test_an_idle_worker_waits_for_no_writer(store: SQLiteBackend, tmp_path: Path) -> None:
    assert store.dequeue("q", START, 10.0) is None
    idle = SQLiteBackend(tmp_path / "store", timeout=0.05)
    writer = sqlite3.connect(tmp_path / "store" / "isgware-1.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    assert idle.dequeue("q", START, 10.0) is None
    writer.close()
    idle.close()


def test_a_store_of_an_earlier_release_learns_to_tell_soft_from_hard(tmp_path: Path) -> None:
    old = SQLiteBackend(tmp_path / "old")
    nonce = nonce_of(old)
    old.invalidate(["tag:a"], hard=True)
    old.invalidate(["tag:b"], hard=False)
    for column in ("soft_floor", "hard_names"):
        old.database.write(lambda db, c=column: db.execute(f"ALTER TABLE state DROP COLUMN {c}"))  # type: ignore[misc]
    old.close()
    new = SQLiteBackend(tmp_path / "old")
    changes = new.sync(nonce, 0)
    assert (changes.nonce, changes.soft_floor, changes.hard) == (nonce, 0, (("tag:a", 1),))
    assert new.database.read(lambda db: db.execute("SELECT hard_names FROM state").fetchone()) == (
        1,
    )
    new.close()


def test_a_page_that_an_earlier_release_has_written_is_read_and_renewed(tmp_path: Path) -> None:
    with closing(SQLiteBackend(tmp_path, timeout=20.0)) as store:
        page = make_entry(body=b"first", nonce=nonce_of(store))
        assert put(store, page)
        page = replace_page(store, page, b"version", body=b"second")
        old = replace(page, body=b"of an earlier release", order=9)
        store.database.write(
            lambda db: db.execute("UPDATE pages SET data = ?, ordinal = 9", (encode(old),))
        )
        assert store.get(page.key, START) == encode(old)
        assert store.history(page.key, START) == []  # it knew nothing of versions
        new = replace(old, order=10)
        assert not put_head(store, new, old)  # its body is not apart yet
        assert put(store, new)
        newer = replace(new, order=11, rendered_at=START + 1)
        assert put_head(store, newer, new)
        assert store.get(page.key, START) == encode(newer)


def test_a_store_of_an_earlier_release_gets_what_it_lacks(tmp_path: Path) -> None:
    with closing(SQLiteBackend(tmp_path, timeout=20.0)) as store:
        page = make_entry(nonce=nonce_of(store))
        assert put(store, page)

        def go_back(db: sqlite3.Connection) -> None:
            for name in ("page_gone", "page_of_earlier_release", "version_kept", "version_gone"):
                db.execute(f"DROP TRIGGER {name}")
            db.execute("UPDATE pages SET data = ?", (encode(page),))
            db.execute("DROP TABLE bodies")
            db.execute("DROP TABLE versions")
            db.execute("DELETE FROM totals WHERE kind = 3")
            db.execute("ALTER TABLE pages DROP COLUMN head")
            db.execute("ALTER TABLE pages DROP COLUMN route")

        store.database.write(go_back)
    with closing(SQLiteBackend(tmp_path, timeout=20.0)) as store:
        assert store.get(page.key, START) == encode(page)
        assert [row.route for row in store.rows()] == [""]
        replace_page(store, page, b"version", route="post")
        assert store.history(page.key, START) == [b"version"]
        assert [row.route for row in store.rows()] == ["post"]
