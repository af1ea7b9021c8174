"""The files of an embedded store: how they are made, locked and identified.

The *version* is eight bytes that all processes of the host map into memory. Reading this integer
shows whether anything was invalidated since. Writers change it like a seqlock, under a file lock:
odd, then commit, then even. A reader who sees an odd version asks SQLite. A version that a crash
left odd stays so until the next writer makes it even, which only costs reads.

Rule: only SQLite opens the database file. POSIX drops all locks that a process has on a file as
soon as it closes any descriptor of it, and without them another process may delete the write-ahead
log (sqlite.org/howtocorrupt.html, section 2.2).
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import secrets
import sqlite3
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from ...errors import ConfigurationError
from ..base import NotTaken
from .directory import check_directory

#: Device and inode of a directory and its files.
Identity = tuple[tuple[int, int], ...]
NAME: Final = "isgware-1.db"
VERSION_FILE: Final = "isgware-1.word"
LOCK: Final = "isgware-1.lock"
#: The store writes nothing to a disk with less left than this share of it, within these bytes.
_SHARE: Final = 4_096
_LEAST: Final = 64 * 1024
_MOST: Final = 64 * 1024**2


class DiskFull(NotTaken, sqlite3.OperationalError):
    """The store can be read, but stores nothing until there is space again."""


def make(directory: Path, timeout: float) -> tuple[Sequence[int], Identity]:
    """Create missing files; returns the version, and the identity of the files."""
    check_directory(directory)
    if not directory.exists():
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)  # whatever the umask
    _make_database_file(directory)
    lock = _open_file(directory, LOCK)
    if stat.S_IMODE(os.fstat(lock).st_mode) != 0o600:  # it is opened again before all are looked at
        os.fchmod(lock, 0o600)
    os.close(lock)
    version = _map_version(directory, timeout)
    for name in (NAME, LOCK, VERSION_FILE):
        path = directory / name
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise ConfigurationError(
                f"{str(path)!r} is not a regular file; remove it, the store makes its own."
            )
        if stat.S_IMODE(status.st_mode) != 0o600:
            path.chmod(0o600)
    return version, on_disk(directory)


def on_disk(directory: Path) -> Identity:
    """The identity of the files that have the names now."""
    place, found = str(directory), []  # as `Path`s they were a sixth of an invalidation
    for path in (place, *(f"{place}/{name}" for name in (NAME, VERSION_FILE, LOCK))):
        try:
            status = os.lstat(path)
        except OSError:
            return ((0, 0),)
        found.append((status.st_dev, status.st_ino))
    return tuple(found)


@contextlib.contextmanager
def locked(directory: Path, timeout: float) -> Iterator[None]:
    """The file lock of this store, waited for no longer than an operation may take."""
    descriptor = _open_file(directory, LOCK)
    deadline = time.monotonic() + timeout
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise sqlite3.OperationalError("the store's lock file is held") from None
                time.sleep(0.002)
        yield
    finally:
        os.close(descriptor)


def check_room(directory: Path) -> None:
    """Raise `DiskFull` unless there is room to write into mapped files: the version, and SQLite's
    index of its log. Where a file system copies on write (btrfs), a page that was written back
    needs a new block, and a disk that has none left kills the process (SIGBUS)."""
    try:
        disk = os.statvfs(directory)
    except OSError:  # not there yet
        return
    total, left = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
    if left < min(max(total // _SHARE, _LEAST), _MOST):
        raise DiskFull(f"the disk of {str(directory)!r} is full: {left // 1024} KiB are left")


def flush(directory: Path) -> None:
    """Sync the write-ahead log to the disk. (It may be closed at any time: locks are elsewhere.)"""
    try:
        descriptor = os.open(directory / (NAME + "-wal"), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # written back meanwhile
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(directory: Path) -> None:
    """Remove all files except the lock, which the caller holds."""
    for name in (NAME, NAME + "-wal", NAME + "-shm", VERSION_FILE):
        (directory / name).unlink(missing_ok=True)


def _make_database_file(directory: Path) -> None:
    """Created closed and linked into place: see the rule above."""
    path = directory / NAME
    if path.exists() or path.is_symlink():
        return
    spare = path.with_suffix(f".{secrets.token_hex(4)}.new")
    os.close(os.open(spare, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        with contextlib.suppress(FileExistsError):
            os.link(spare, path)
    finally:
        spare.unlink()


def _open_file(directory: Path, name: str) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(directory / name, flags, 0o600)


def _map_version(directory: Path, timeout: float) -> Sequence[int]:
    descriptor = _open_file(directory, VERSION_FILE)
    try:
        with locked(directory, timeout):
            if os.fstat(descriptor).st_size < mmap.PAGESIZE:
                # Written, not truncated to size: a sparse page on a full disk is a SIGBUS.
                # From a random start: no reader takes it for the version it knew before.
                start = secrets.randbits(28) << 1
                page = start.to_bytes(8, sys.byteorder).ljust(mmap.PAGESIZE, b"\0")
                os.pwrite(descriptor, page, 0)
        return memoryview(mmap.mmap(descriptor, mmap.PAGESIZE)).cast("Q")
    finally:
        os.close(descriptor)
