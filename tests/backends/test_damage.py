"""A store that is harmed raises or misses, and is whole again within a probe or two (P3, P4)."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from isgware.backends.breaker import Breaker
from isgware.backends.sqlite.backend import SQLiteBackend
from isgware.backends.sqlite.database import APPLICATION_ID
from isgware.backends.sqlite.files import LOCK, NAME, VERSION_FILE, DiskFull, check_room
from isgware.core.stored_page import decode
from isgware.errors import BackendUnavailable
from isgware.testing import START, make_entry
from isgware.testing.backend_suite import acquire, nonce_of, put
from tests.backends.children import drop_privileges, in_child, place_of_nobody
from tests.conftest import unavailable

PAGES = 20
ORDERS = itertools.count(1)
OPERATIONS: list[Callable[[Breaker], object]] = [
    lambda store: [store.get(make_entry(f"/{n}").key, START) for n in range(PAGES)],
    lambda store: put(store, make_entry("/new", b"new" * 1_000, nonce=nonce_of(store))),
    lambda store: list(store.rows()),
    lambda store: store.invalidate(["tag:a"], hard=True),
    lambda store: store.write_note("n", b"v", 10, START),
    lambda store: acquire(store),
    lambda store: store.touch([make_entry("/1").key], START + 1_000),
]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "store"
    backend = SQLiteBackend(directory)
    nonce = nonce_of(backend)
    for number in range(PAGES):
        put(backend, make_entry(f"/{number}", b"body " * 2_000, nonce=nonce, tags=("a", "b")))
    backend.invalidate(["tag:z"], hard=False)
    backend.close()  # writes the log back, so that the file is all there is
    assert {file.name for file in directory.iterdir()} == {NAME, VERSION_FILE, LOCK}
    return directory


@pytest.fixture
def store(directory: Path) -> Iterator[Breaker]:
    store = Breaker(SQLiteBackend(directory), limit=60.0)
    yield store
    store.close()


def recovered(store: Breaker) -> int:
    """Use the store for all that it is there for. Returns how many rounds that took, probes
    included; a page that is read is whole."""
    for attempt in range(1, 6):
        try:
            for operation in OPERATIONS:
                operation(store)
            entry = make_entry("/kept", b"kept", nonce=nonce_of(store), order=next(ORDERS))
            assert put(store, entry)
            assert decode(store.get(entry.key, START), entry.key) == entry
            return attempt
        except BackendUnavailable:
            store.probe()
    raise AssertionError("the store did not recover")


def test_an_unharmed_store_needs_one_round(store: Breaker) -> None:
    assert recovered(store) == 1


def _truncate(size: float) -> Callable[[Path], None]:
    return lambda file: os.truncate(file, int(file.stat().st_size * size))


def _overwrite(offset: int, data: bytes) -> Callable[[Path], None]:
    def harm(file: Path) -> None:
        with file.open("r+b") as stream:
            stream.seek(offset)
            stream.write(data)

    return harm


def _foreign(statements: str) -> Callable[[Path], None]:
    def harm(file: Path) -> None:
        file.unlink()
        connection = sqlite3.connect(file)
        connection.executescript(statements)
        connection.close()

    return harm


def _alter(statements: str) -> Callable[[Path], None]:
    def harm(file: Path) -> None:
        connection = sqlite3.connect(file)
        connection.executescript(statements)
        connection.close()

    return harm


HARMS: dict[str, Callable[[Path], object]] = {
    "empty": lambda file: os.truncate(file, 0),
    "cut in the header": lambda file: os.truncate(file, 50),
    "cut to a page": lambda file: os.truncate(file, 4096),
    "cut to a half": _truncate(0.5),
    "cut by a little": _truncate(0.98),
    "garbage": lambda file: file.write_bytes(random.Random(1).randbytes(100_000)),
    "text": lambda file: file.write_text("this is no database\n" * 1_000),
    "zeros": lambda file: file.write_bytes(bytes(100_000)),
    "garbage in the header": _overwrite(16, b"\xff" * 40),
    "garbage in the schema": _overwrite(150, b"\xff" * 2_000),
    "another's database": _foreign("CREATE TABLE pages (a); CREATE TABLE mine (b)"),
    "another's database of our version": _foreign("CREATE TABLE t (a); PRAGMA user_version = 1"),
    "a database with our marks and nothing in it": _foreign(
        f"PRAGMA user_version = 1; PRAGMA application_id = {APPLICATION_ID}"
    ),
    "a newer version": _alter("PRAGMA user_version = 2"),
    "no state": _alter("DELETE FROM state"),
    "state of another kind": _alter("UPDATE state SET counter = 'many'"),
    "no totals": _alter("DELETE FROM totals"),
    "a table missing": _alter("DROP TABLE leases"),
    "a column missing": _alter("ALTER TABLE pages RENAME COLUMN used TO was_used"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_harmed_file_is_made_again(harm: str, directory: Path, store: Breaker) -> None:
    HARMS[harm](directory / NAME)
    assert recovered(store) <= 3


@pytest.mark.parametrize("harm", HARMS)
def test_a_file_harmed_while_open_is_made_again(harm: str, directory: Path, store: Breaker) -> None:
    assert recovered(store) == 1
    # In another process: closing the file here would drop SQLite's locks on it.
    in_child(lambda: HARMS[harm](directory / NAME))
    assert recovered(store) <= 3


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bytes_anywhere_harm_nobody(seed: int, directory: Path, store: Breaker) -> None:
    chance = random.Random(seed)
    size = (directory / NAME).stat().st_size
    for _ in range(1 + seed // 4):
        page = chance.randrange(size // 4096) * 4096
        offset = page + (chance.randrange(120) if seed % 2 else chance.randrange(4096))
        _overwrite(offset, chance.randbytes(chance.choice((1, 8, 100))))(directory / NAME)
    assert recovered(store) <= 4


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_a_log_that_is_deleted_while_open_costs_no_more_than_pages(
    suffix: str, directory: Path, store: Breaker
) -> None:
    assert recovered(store) == 1
    (directory / (NAME + suffix)).unlink()
    assert recovered(store) <= 3
    other = Breaker(SQLiteBackend(directory), limit=60.0)
    assert recovered(other) <= 4
    assert recovered(store) <= 4
    other.close()


def test_a_log_of_garbage_is_passed_over(directory: Path, store: Breaker) -> None:
    (directory / (NAME + "-wal")).write_bytes(random.Random(1).randbytes(50_000))
    assert recovered(store) <= 2


def test_a_deleted_directory_is_made_again(directory: Path, store: Breaker) -> None:
    assert recovered(store) == 1
    for file in directory.iterdir():
        file.unlink()
    directory.rmdir()
    store.trip(OSError("noticed"))
    assert store.probe()
    assert recovered(store) == 1
    assert (directory / NAME).exists()


@pytest.mark.parametrize("content", [b"", b"short", bytes(10_000)])
def test_a_word_file_of_another_size_is_taken_as_it_is(content: bytes, directory: Path) -> None:
    (directory / VERSION_FILE).write_bytes(content)
    store = Breaker(SQLiteBackend(directory), limit=60.0)
    assert recovered(store) == 1
    before = store.version[0]
    store.invalidate(["tag:a"], hard=True)
    assert store.version[0] == before + 2
    store.close()


def test_two_processes_agree_after_one_has_made_it_again(directory: Path, store: Breaker) -> None:
    assert recovered(store) == 1

    def elsewhere() -> str:
        HARMS["garbage"](directory / NAME)
        other = Breaker(SQLiteBackend(directory), limit=60.0)
        recovered(other)
        nonce = nonce_of(other)
        other.close()
        return nonce

    nonce = in_child(elsewhere)
    store.trip(OSError("noticed"))
    assert store.probe()
    assert nonce_of(store) == nonce


# Want of something


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=600k,mode=755", "tmpfs", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        unavailable(f"a tiny filesystem, which only root may mount: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def _fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(bytes(4096))
    return filler


def put_many(store: Breaker, count: int) -> None:
    nonce = nonce_of(store)
    for number in range(count):
        put(store, make_entry(f"/big/{number}", bytes(50_000), nonce=nonce))


def test_a_full_disk_refuses_and_recovers(small_disk: Path) -> None:
    store = Breaker(SQLiteBackend(small_disk / "store"), limit=60.0)
    nonce = nonce_of(store)
    old = make_entry("/old", b"old", nonce=nonce)
    assert put(store, old)
    filler = _fill(small_disk)
    with pytest.raises(BackendUnavailable):
        put_many(store, 1_000)
    assert store.probe()
    assert decode(store.get(old.key, START), old.key) == old
    filler.unlink()
    assert recovered(store) <= 3
    assert nonce_of(store) == nonce
    store.close()


def test_a_disk_that_is_full_from_the_start_refuses_and_recovers(small_disk: Path) -> None:
    filler = _fill(small_disk)
    store = Breaker(SQLiteBackend(small_disk / "store"), limit=60.0)
    for _ in range(3):
        with pytest.raises(BackendUnavailable):
            store.sync("", 0)
        assert not store.probe()
    filler.unlink()
    assert store.probe()
    assert recovered(store) <= 2
    store.close()


def test_files_that_may_not_grow_refuse_and_recover(directory: Path) -> None:
    def work() -> int:
        store = Breaker(SQLiteBackend(directory), limit=60.0)
        assert recovered(store) == 1
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
        with pytest.raises(BackendUnavailable):
            put_many(store, 100)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        store.probe()
        rounds = recovered(store)
        store.close()
        return rounds

    assert in_child(work) <= 3


def test_without_file_descriptors_it_refuses_and_recovers(directory: Path) -> None:
    def work() -> int:
        store = Breaker(SQLiteBackend(directory), limit=60.0)
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, most))
        for _ in range(3):
            with pytest.raises(BackendUnavailable):
                store.sync("", 0)
            assert not store.probe()
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        assert store.probe()
        rounds = recovered(store)
        store.close()
        return rounds

    assert in_child(work) == 1


def test_a_directory_that_became_read_only_refuses_and_recovers() -> None:
    def work(directory: Path) -> int:
        drop_privileges()
        first = SQLiteBackend(directory)
        put(first, make_entry(nonce=nonce_of(first)))
        first.close()
        store = Breaker(SQLiteBackend(directory), limit=60.0)
        directory.chmod(0o500)
        for _ in range(3):
            with pytest.raises(BackendUnavailable):
                store.sync("", 0)
            assert not store.probe()
        directory.chmod(0o700)
        assert store.probe()
        rounds = recovered(store)
        store.close()
        return rounds

    with place_of_nobody() as place:
        assert in_child(lambda: work(place / "store")) == 1


def test_a_store_that_was_harmed_logs_no_traceback_in_another_interpreter(directory: Path) -> None:
    HARMS["garbage"](directory / NAME)
    code = (
        "import sys; from isgware.backends.sqlite.backend import SQLiteBackend\n"
        "from isgware.backends.breaker import Breaker\n"
        "store = Breaker(SQLiteBackend(sys.argv[1]), 60.0)\n"
        "print(store.probe(), store.sync('', 0).counter); store.close()"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "0"]
    assert "Traceback" not in done.stderr


# Damage that few operations meet


def _change(directory: Path, at: bytes, offset: int, new: bytes) -> None:
    """Write over a place in the database that another process has written back."""
    path = directory / NAME
    raw = path.read_bytes()
    place = raw.index(at) + offset
    path.write_bytes(raw[:place] + new + raw[place + len(new) :])


def test_a_schema_that_is_no_text_any_more_is_replaced_by_the_first_who_opens_it(
    directory: Path, store: Breaker
) -> None:
    """What SQLite says of it holds a piece of it, and Python raises no error of SQLite's."""
    _change(directory, b"CREATE TABLE pages", 9, b"\xab")
    assert recovered(store) == 1


MEETING: dict[str, tuple[str, Callable[[SQLiteBackend], object]]] = {
    "names": ("names", lambda store: store.invalidate(["tag:a"], hard=True)),
    "published": ("names", lambda store: store.publish(["key"])),
    "leases": ("leases", lambda store: acquire(store)),
    "notes": ("notes", lambda store: store.write_note("n", b"v", 10, START)),
    "jobs": ("regenerations", lambda store: store.enqueue("q", "k", b"job", 10, START)),
    "many": (
        "names",
        lambda store: store.together(lambda: store.publish(["key"]) and None, True),
    ),
    "many-pages": (
        "pages",
        lambda store: store.together(lambda: store.delete(make_entry("/1").key), False),
    ),
}


@pytest.mark.parametrize("met", MEETING)
def test_damage_is_repaired_by_the_operation_that_meets_it_or_by_the_next(
    met: str, directory: Path
) -> None:
    """Nothing but this operation looks at the damaged table. Several in one transaction are not
    run twice, so there the next finds the new database."""
    table, operation = MEETING[met]
    with contextlib.closing(sqlite3.connect(directory / NAME)) as database:
        query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        page = database.execute(query, (table,)).fetchone()[0]
    with (directory / NAME).open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 8)
    store = Breaker(SQLiteBackend(directory), limit=60.0)
    backend = store.backend
    assert isinstance(backend, SQLiteBackend)
    if met.startswith("many"):
        with pytest.raises(sqlite3.DatabaseError):
            operation(backend)
    operation(backend)
    assert recovered(store) == 1
    store.close()


def test_an_invalidation_that_finds_damage_holds_in_every_process(
    directory: Path, store: Breaker
) -> None:
    """It is made in the database that takes the damaged one's place."""
    before = nonce_of(store)
    with contextlib.closing(sqlite3.connect(directory / NAME)) as database:
        page = database.execute("SELECT rootpage FROM sqlite_master WHERE name='names'").fetchone()
    with (directory / NAME).open("r+b") as file:
        file.seek((page[0] - 1) * 4096)
        file.write(b"\xff" * 8)

    def elsewhere() -> tuple[str, tuple[tuple[str, int], ...]]:
        other = SQLiteBackend(directory)
        other.invalidate(["tag:a"], hard=True)
        changes = other.sync("", 0)
        return changes.nonce, changes.hard

    nonce, hard = in_child(elsewhere)
    assert nonce != before
    assert hard == (("tag:a", 1),)
    store.backend.ping()
    changes = store.sync("", 0)
    assert (changes.nonce, changes.hard) == (nonce, hard)


# A disk that is almost full


class Disk:
    """What ``statvfs`` says of a disk, in blocks of 4 KiB."""

    f_frsize = 4096

    def __init__(self, blocks: int, free: int) -> None:
        self.f_blocks, self.f_bavail = blocks, free


@pytest.mark.parametrize(
    ("size", "least"),
    [(1 << 20, 64 << 10), (16 << 30, 4 << 20), (16 << 40, 64 << 20), (0, 64 << 10)],
)
def test_the_least_that_must_be_free_grows_with_the_disk(
    size: int, least: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(free: int) -> None:
        monkeypatch.setattr(os, "statvfs", lambda path: Disk(size // 4096, free // 4096))
        check_room(tmp_path)

    asked(least)
    with pytest.raises(DiskFull, match=r"is full: \d+ KiB are left"):
        asked(least - 4096)


def test_on_a_full_disk_nothing_is_written_into_mapped_files_and_pages_are_read(
    directory: Path, store: Breaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write into a mapped file kills the process where a file system copies on write."""
    assert recovered(store) == 1
    nonce, version = nonce_of(store), store.version[0]
    kept = make_entry("/kept").key
    with monkeypatch.context() as full:
        full.setattr(os, "statvfs", lambda path: Disk(1 << 20, 0))
        for refused in (
            lambda: store.invalidate(["tag:a"], hard=True),
            lambda: store.publish(["key"]),
            lambda: acquire(store),
            lambda: store.write_note("n", b"v", 10, START),
            lambda: put(store, make_entry("/new", nonce=nonce)),
            lambda: store.together(lambda: None, announces=True),
        ):
            with pytest.raises(BackendUnavailable, match="is full"):
                refused()
        assert store.version[0] == version
        assert store.get(kept, START) is not None
        assert store.open_since is None
    assert recovered(store) == 1
