"""Ways to harm a store, for the tests of faults."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import unavailable

SQLITE_MAGIC = b"SQLite format 3\x00"
PAGE_SIZE = 4096


@contextlib.contextmanager
def small_disk(directory: Path, size: str) -> Iterator[Path]:
    """A filesystem of its own with hardly any room; skips the test where it may not be mounted."""
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(directory)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        refusal = done.stderr.strip() if done.returncode else ""
    except FileNotFoundError:
        refusal = "there is no mount command"
    if refusal:
        unavailable(f"a tiny filesystem cannot be mounted here: {refusal}")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def fill(directory: Path) -> Path:
    """Take all the room there is; whoever removes the file gives it back."""
    filler = directory / "filler"
    with filler.open("wb", buffering=0) as file:
        for chunk in (65536, 4096, 512, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * chunk)
    return filler


def databases(store: Path) -> list[Path]:
    """The SQLite files of a store, known by their magic."""
    found = [
        file
        for file in store.rglob("*")
        if file.is_file() and file.read_bytes()[:16] == SQLITE_MAGIC
    ]
    assert found, f"no database in {store}"
    return found


def checkpointed(store: Path) -> Path:
    """The store's database, its log written back: damage to the file is damage to the pages."""
    largest = max(databases(store), key=lambda file: file.stat().st_size)
    with contextlib.closing(sqlite3.connect(largest, timeout=60)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return largest


def flip(database: Path) -> None:
    """Flip bytes all over the file, its header aside, in place."""
    draw = random.Random(7)
    with database.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        for offset in range(PAGE_SIZE, size, 512):
            file.seek(offset + draw.randrange(min(512, size - offset)))
            file.write(b"\xa5")


def overwrite(database: Path) -> None:
    """Write noise over the whole file, in place."""
    with database.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        file.write(random.Random(7).randbytes(size))


def halve(database: Path) -> None:
    os.truncate(database, database.stat().st_size // 2)


def empty(database: Path) -> None:
    os.truncate(database, 0)


@contextlib.contextmanager
def write_locked(store: Path) -> Iterator[None]:
    """Hold the write lock of the store's database, as a stuck process would."""
    connections = [
        sqlite3.connect(file, isolation_level=None, timeout=60) for file in databases(store)
    ]
    for connection in connections:
        connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        for connection in connections:
            connection.rollback()
            connection.close()


def children(pid: int) -> list[int]:
    """The processes that this one has forked: the workers of a master."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]
