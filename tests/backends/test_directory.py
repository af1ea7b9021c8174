"""Which directories a store accepts, and which files it makes there."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from isgware.backends.sqlite.backend import SQLiteBackend
from isgware.backends.sqlite.files import LOCK, NAME, VERSION_FILE
from isgware.errors import ConfigurationError
from isgware.testing import make_entry
from isgware.testing.backend_suite import nonce_of, put
from tests.backends.children import (
    drop_privileges,
    in_child,
    in_children,
    place_of_nobody,
)
from tests.backends.files import locks, modes

# At construction


def test_nothing_is_opened_before_the_first_operation(directory: Path) -> None:
    SQLiteBackend(directory)
    assert not directory.exists()


def test_a_file_in_its_place_is_refused(directory: Path) -> None:
    directory.touch()
    with pytest.raises(ConfigurationError, match="is not a directory"):
        SQLiteBackend(directory)


def test_a_file_in_the_place_of_a_parent_is_refused(directory: Path) -> None:
    directory.touch()
    with pytest.raises(ConfigurationError, match="Not a directory"):
        SQLiteBackend(directory / "below")


@pytest.mark.parametrize("target", ["there", "nowhere"])
def test_a_symbolic_link_is_refused(target: str, directory: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    directory.symlink_to(tmp_path / target)
    with pytest.raises(ConfigurationError, match="symbolic link"):
        SQLiteBackend(directory)


def test_a_parent_may_be_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    backend = SQLiteBackend(tmp_path / "link" / "store")
    backend.ping()
    backend.close()
    assert (tmp_path / "there" / "store" / NAME).exists()


def test_a_directory_of_somebody_else_is_refused(directory: Path) -> None:
    if os.geteuid() == 0:
        directory.mkdir()
        os.chown(directory, 65534, 65534)
    else:
        directory = Path("/usr")
    with pytest.raises(ConfigurationError, match="not ours to write"):
        SQLiteBackend(directory)


def test_a_directory_that_may_not_be_written_is_refused() -> None:
    def refused(place: Path) -> str:
        drop_privileges()
        place.chmod(0o500)
        messages = []
        for directory in (place, place / "new"):
            with pytest.raises(ConfigurationError) as caught:
                SQLiteBackend(directory)
            messages.append(str(caught.value))
        place.chmod(0o700)
        return "\n".join(messages)

    with place_of_nobody() as place:
        said = in_child(lambda: refused(place))
    assert "not ours to write" in said
    assert "is not writable" in said


# Files


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o377])
def test_nobody_else_may_read_it_whatever_the_umask(umask: int, directory: Path) -> None:
    def work() -> dict[str, int]:
        os.umask(umask)
        backend = SQLiteBackend(directory)
        put(backend, make_entry())
        found = modes(directory)
        backend.close()
        return found

    found = in_child(work)
    assert set(found) >= {NAME, VERSION_FILE, LOCK, NAME + "-wal"}
    assert set(found.values()) == {0o600}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_files_that_others_could_read_are_closed_to_them(directory: Path) -> None:
    directory.mkdir()
    for name in (NAME, VERSION_FILE, LOCK):
        (directory / name).touch(0o644)
    backend = SQLiteBackend(directory)
    backend.ping()
    found = modes(directory)
    backend.close()
    assert set(found.values()) == {0o600}


@pytest.mark.parametrize("name", [NAME, VERSION_FILE, LOCK])
def test_a_file_that_is_a_symbolic_link_is_not_followed(
    name: str, directory: Path, tmp_path: Path
) -> None:
    directory.mkdir()
    target = tmp_path / "target"
    target.write_bytes(b"")
    (directory / name).symlink_to(target)
    backend = SQLiteBackend(directory)
    with pytest.raises((OSError, ConfigurationError)):
        backend.ping()
    assert target.read_bytes() == b""


def test_files_of_a_store_are_created_once_by_many_processes_at_once(directory: Path) -> None:
    def work() -> str:
        backend = SQLiteBackend(directory, timeout=20.0)
        return nonce_of(backend)

    for _ in range(5):
        nonces = in_children([work] * 4)
        assert len(set(nonces)) == 1
        for file in directory.iterdir():
            file.unlink()


def test_files_of_a_store_are_created_once_by_many_threads_at_once(directory: Path) -> None:
    backend = SQLiteBackend(directory, timeout=20.0)
    start, nonces = threading.Barrier(6), []

    def work() -> None:
        start.wait()
        nonces.append(nonce_of(backend))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    backend.close()
    assert len(nonces) == 6
    assert len(set(nonces)) == 1


def test_a_second_store_on_the_directory_keeps_the_locks_of_the_first(directory: Path) -> None:
    """Closing a descriptor of a file drops all POSIX locks that the process has on it."""
    first = SQLiteBackend(directory)
    entry = make_entry(nonce=nonce_of(first))
    put(first, entry)
    before = locks(directory / NAME)
    second = SQLiteBackend(directory)
    put(second, make_entry("/other", nonce=entry.nonce))
    assert before >= 1
    assert locks(directory / NAME) >= before
    second.close()
    first.close()
