"""`live_version`: what a hit reads of a store's word stays that of the store that is there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from isgware.backends.base import live_version
from isgware.backends.memory import MemoryBackend
from isgware.backends.sqlite.backend import SQLiteBackend


def test_a_word_moves_with_an_invalidation(tmp_path: Path) -> None:
    for backend in (MemoryBackend(), SQLiteBackend(tmp_path / "store")):
        backend.sync("", 0)
        versions = live_version(backend)
        before = versions[0][0]
        backend.invalidate(["all"], True)
        assert versions[0][0] != before
        backend.close()


def test_a_store_that_was_deleted_is_not_read_from_its_grave(tmp_path: Path) -> None:
    backend = SQLiteBackend(tmp_path / "store")
    versions = live_version(backend)
    backend.sync("", 0)
    before = versions[0][0]
    shutil.rmtree(tmp_path / "store")
    backend.database.verify()
    assert versions[0][0] % 2, "nobody takes it for a settled word"
    backend.sync("", 0)
    assert versions[0][0] == backend.version[0] != before
    backend.close()


def test_a_child_sees_what_its_parent_invalidates(tmp_path: Path) -> None:
    backend = SQLiteBackend(tmp_path / "store")
    backend.sync("", 0)
    versions = live_version(backend)
    before = versions[0][0]
    to_child, to_parent = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(to_parent[1], b"?")
        os.read(to_child[0], 1)
        os._exit(0 if versions[0][0] != before else 1)
    os.read(to_parent[0], 1)
    backend.invalidate(["all"], True)
    os.write(to_child[1], b"!")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    backend.close()


def test_a_backend_that_keeps_no_list_is_asked_each_time() -> None:
    class Foreign:
        count = 2

        @property
        def version(self) -> list[int]:
            return [self.count]

    foreign: Any = Foreign()
    versions = live_version(foreign)
    assert versions[0][0] == 2
    foreign.count = 4
    assert versions[0][0] == 4
