"""`connect`: a store without its app."""

from __future__ import annotations

from pathlib import Path

import pytest

from isgware import connect


@pytest.mark.parametrize("exists", [False, True], ids=["no directory", "an empty directory"])
def test_a_directory_without_a_store_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, exists: bool
) -> None:
    where = tmp_path / "typo"
    if exists:
        where.mkdir(0o700)
    with connect(f"file:{where}", backend_timeout=10) as pages:
        assert len(caplog.messages) == 1
        assert f"there is no store in {where} yet" in caplog.messages[0]
        pages.purge_tag("a")
    caplog.clear()
    connect(f"file:{where}").close()
    assert caplog.messages == []


def test_the_coordinator_of_a_cache_counts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    connect("memcached://127.0.0.1:1", coordinator=f"file:{tmp_path}/typo").close()
    assert any("there is no store in" in line for line in caplog.messages)


def test_other_stores_are_not(caplog: pytest.LogCaptureFixture) -> None:
    connect("memory:").close()
    assert caplog.messages == []
