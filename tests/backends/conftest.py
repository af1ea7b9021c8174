"""What the tests of backends share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("isgware.backends")

from isgware.backends.sqlite import SQLiteBackend  # noqa: E402


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(directory: Path) -> Iterator[SQLiteBackend]:
    backend = SQLiteBackend(directory)
    yield backend
    backend.close()


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[SQLiteBackend]:
    coordinator = SQLiteBackend(tmp_path / "beside")
    yield coordinator
    coordinator.close()
