"""Nothing that a cachelib cache holds is ever unpickled."""

from __future__ import annotations

import os
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
from cachelib import FileSystemCache, SimpleCache

from isgware.backends.cachelib import MARK, BytesSerializer, CachelibBackend
from isgware.backends.sqlite.backend import SQLiteBackend
from isgware.core.stored_page import MAGIC, encode
from isgware.testing import START, make_entry
from isgware.testing.backend_suite import nonce_of, put


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.trace),)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    trace = tmp_path / "exploded"
    pickle.loads(pickle.dumps(Bomb(trace)))
    assert trace.exists()
    trace.rmdir()
    return trace


def test_a_pickle_in_a_simple_cache_is_a_miss_and_does_not_run(
    trace: Path, beside: SQLiteBackend
) -> None:
    cache = SimpleCache()
    backend = CachelibBackend(cache, beside)
    entry = make_entry(nonce=nonce_of(backend))
    put(backend, entry)
    (name,) = cache._cache
    cache._cache[name] = (0, pickle.dumps(Bomb(trace)))
    assert backend.get(entry.key, START) is None
    assert not trace.exists()


def test_a_pickle_in_a_file_is_a_miss_and_does_not_run(
    trace: Path, beside: SQLiteBackend, tmp_path: Path
) -> None:
    backend = CachelibBackend(FileSystemCache(str(tmp_path / "pages")), beside)
    entry = make_entry(nonce=nonce_of(backend))
    put(backend, entry)
    for file in (tmp_path / "pages").iterdir():
        file.write_bytes(struct.pack("I", 0) + pickle.dumps(Bomb(trace)))
    assert backend.get(entry.key, START) is None
    assert not trace.exists()


def test_a_pickle_in_the_file_that_counts_files_does_not_run(
    trace: Path, beside: SQLiteBackend, tmp_path: Path
) -> None:
    cache = FileSystemCache(str(tmp_path / "pages"), threshold=3)
    backend = CachelibBackend(cache, beside)
    count = Path(cache._get_filename(cache._fs_count_file))
    count.write_bytes(struct.pack("I", 0) + pickle.dumps(Bomb(trace)))
    entry = make_entry(nonce=nonce_of(backend))
    assert put(backend, entry)
    backend.delete(entry.key)
    assert not trace.exists()


def test_a_pickled_page_with_the_right_mark_is_not_unpickled_either(
    trace: Path, beside: SQLiteBackend
) -> None:
    backend = CachelibBackend(SimpleCache(), beside)
    entry = make_entry(nonce=nonce_of(backend))
    put(backend, entry)
    name = backend._key(entry.key)
    backend.cache._cache[name] = (0, encode(entry)[:MARK] + pickle.dumps(Bomb(trace)))  # type: ignore[attr-defined]
    assert backend.get(entry.key, START) is not None  # bytes, which the codec's checksum refuses
    assert not trace.exists()


@pytest.mark.parametrize("number", [0, 1, 255, 256, 65_535, 65_536, 2**31 - 1, -1])
def test_the_count_of_files_is_read_without_unpickling(number: int) -> None:
    serializer = BytesSerializer()
    for protocol in range(6):
        assert serializer.loads(pickle.dumps(number, protocol)) == number
    assert pickle.loads(serializer.dumps(number)) == number


@pytest.mark.parametrize(
    "data",
    [b"", b"junk", None, 5, "text", pickle.dumps("a"), pickle.dumps([1]), pickle.dumps(1.5),
     pickle.dumps((1, 2)), pickle.dumps(1)[:-1], b"\x80\x02K\x01K\x02.", b"\xff" * 40],
)  # fmt: skip
def test_what_is_neither_page_nor_number_is_nothing(data: Any) -> None:
    assert BytesSerializer().loads(data) is None


def test_only_pages_and_numbers_are_written() -> None:
    for value in ("text", 1.5, None, [1], True):
        with pytest.raises(TypeError, match="only pages"):
            BytesSerializer().dumps(value)
    assert BytesSerializer().dumps(MAGIC) == MAGIC
