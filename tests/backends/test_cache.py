"""`SQLiteCache` is a cachelib cache: what cachelib promises, atomic between processes."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cachelib import BaseCache

from isgware.backends import SQLiteCache
from isgware.backends.sqlite import cache as module
from isgware.backends.sqlite.files import NAME
from isgware.errors import ConfigurationError
from isgware.testing import FakeClock
from tests.backends.children import in_child, in_children


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    monkeypatch.setattr(module, "time", SimpleNamespace(time=clock))
    return clock


@pytest.fixture
def cache(tmp_path: Path, clock: FakeClock) -> Iterator[SQLiteCache]:
    cache = SQLiteCache(tmp_path / "cache")
    yield cache
    cache.close()


VALUES: list[Any] = [
    b"\x00\xff", b"", "text", "ü\U0001f600", "\ud800", "", 0, 1, -1, 2**80, 1.5, float("inf"),
    True, False, None, [], [1, [2, None]], {}, {"a": {"b": [1.0, "c"]}},
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=ascii)
def test_get_returns_what_was_set(value: Any, cache: SQLiteCache) -> None:
    assert cache.set("key", value) is True
    found = cache.get("key")
    assert found == value
    assert type(found) is type(value)
    assert cache.has("key")


@pytest.mark.parametrize(
    "value",
    [(1, 2), [(1,)], {"a": ()}, {1: "a"}, {None: 1}, {1, 2}, float("nan"), 1j,
     bytearray(b"x"), [b"bytes"], print, Path("/"), timedelta(1)],
    ids=ascii,
)  # fmt: skip
def test_what_json_cannot_hold_is_a_type_error(value: Any, cache: SQLiteCache) -> None:
    for store in (cache.set, cache.add):
        with pytest.raises(TypeError, match=r"JSON|serializable"):
            store("key", value)
    assert not cache.has("key")


def test_a_value_that_holds_itself_is_a_type_error(cache: SQLiteCache) -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(TypeError, match="survive"):
        cache.set("key", circle)
    assert cache.get("key") is None


@pytest.mark.parametrize("key", [1, None, b"key", ("a",)], ids=repr)
def test_a_key_is_a_string(key: Any, cache: SQLiteCache) -> None:
    for work in (cache.get, cache.has, cache.delete, cache.inc):
        with pytest.raises(TypeError, match="string"):
            work(key)
    for store in (cache.set, cache.add):
        with pytest.raises(TypeError, match="string"):
            store(key, "value")
    assert isinstance(cache, BaseCache)


def test_set_overwrites_and_add_does_not(cache: SQLiteCache) -> None:
    assert cache.set("key", "first")
    assert cache.set("key", "second")
    assert cache.add("key", "third") is False
    assert cache.get("key") == "second"
    assert cache.add("new", "value") is True
    assert cache.get("new") == "value"


def test_add_takes_the_place_of_what_ended(cache: SQLiteCache, clock: FakeClock) -> None:
    cache.set("key", "old", timeout=10)
    clock.advance(10)
    assert cache.add("key", "new", timeout=10) is True
    assert cache.get("key") == "new"


def test_delete_says_whether_there_was_something(cache: SQLiteCache) -> None:
    cache.set("key", 1)
    assert cache.delete("key") is True
    assert cache.delete("key") is False
    assert cache.get("key") is None


def test_many_at_once(cache: SQLiteCache) -> None:
    assert cache.set_many({"a": 1, "b": 2}) == ["a", "b"]
    assert cache.get_many("a", "missing", "b") == [1, None, 2]
    assert cache.get_dict("a", "missing") == {"a": 1, "missing": None}
    assert cache.delete_many("a", "missing") == ["a", "missing"]
    assert cache.get_dict("a", "b") == {"a": None, "b": 2}


def test_clear_empties_it(cache: SQLiteCache) -> None:
    cache.set_many({str(number): number for number in range(20)})
    assert cache.clear() is True
    assert not any(cache.has(str(number)) for number in range(20))


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [(None, 300), (5, 5), (timedelta(minutes=1), 60), (timedelta(milliseconds=200), 1)],
)
def test_a_value_ends_after_its_timeout(
    timeout: int | timedelta | None, seconds: int, cache: SQLiteCache, clock: FakeClock
) -> None:
    cache.set("set", 1, timeout)
    cache.add("added", 1, timeout)
    clock.advance(seconds - 0.5)
    assert cache.get_many("set", "added") == [1, 1]
    clock.advance(0.5)
    assert cache.get_many("set", "added") == [None, None]
    assert not cache.has("set")


def test_timeout_0_is_never(cache: SQLiteCache, clock: FakeClock) -> None:
    cache.set("set", 1, timeout=0)
    cache.add("added", 1, timeout=timedelta(0))
    clock.advance(100 * 365 * 86_400)
    assert cache.get_many("set", "added") == [1, 1]


def test_the_default_timeout_is_the_callers(tmp_path: Path, clock: FakeClock) -> None:
    for directory, timeout in (("a", 7), ("b", timedelta(seconds=7))):
        cache = SQLiteCache(tmp_path / directory, default_timeout=timeout)
        cache.set("key", 1)
        clock.advance(6)
        assert cache.has("key")
        clock.advance(1)
        assert not cache.has("key")
        cache.close()


def test_a_fraction_of_a_second_is_refused(cache: SQLiteCache) -> None:
    with pytest.raises(TypeError, match="timedelta"):
        cache.set("key", 1, timeout=0.5)  # type: ignore[arg-type]
    assert not cache.has("key")


def test_inc_and_dec(cache: SQLiteCache) -> None:
    assert cache.inc("new") == 1
    assert cache.inc("new", 10) == 11
    assert cache.dec("new") == 10
    assert cache.dec("other", 2) == -2
    assert cache.get("new") == 10


def test_inc_keeps_the_time_that_is_left(cache: SQLiteCache, clock: FakeClock) -> None:
    cache.set("key", 1, timeout=10)
    clock.advance(9)
    assert cache.inc("key") == 2
    clock.advance(1)
    assert cache.get("key") is None
    assert cache.inc("key") == 1


@pytest.mark.parametrize("value", ["5", [1], b"1"], ids=repr)
def test_inc_of_what_is_no_number_is_a_type_error(value: Any, cache: SQLiteCache) -> None:
    cache.set("key", value)
    with pytest.raises(TypeError, match="no number"):
        cache.inc("key")
    assert cache.get("key") == value


def test_inc_loses_nothing_between_processes(cache: SQLiteCache) -> None:
    def work() -> list[int | None]:
        return [cache.inc("hits") for _ in range(50)]

    counted = [number for numbers in in_children([work] * 3) for number in numbers]
    assert sorted(counted) == list(range(1, 151))
    assert cache.get("hits") == 150


def test_add_has_one_winner_between_processes(cache: SQLiteCache, clock: FakeClock) -> None:
    for number in range(0, 30, 2):
        cache.set(str(number), "old", timeout=10)
    clock.advance(10)  # ended values have one winner too

    def work() -> list[str]:
        return [str(number) for number in range(30) if cache.add(str(number), "mine")]

    won = [key for keys in in_children([work] * 4) for key in keys]
    assert sorted(won) == sorted(str(number) for number in range(30))


def test_over_the_threshold_the_least_recently_written_go(tmp_path: Path, clock: FakeClock) -> None:
    cache = SQLiteCache(tmp_path / "cache", threshold=3)
    for key in ("never", "a", "b"):
        cache.set(key, key, timeout=0)
        clock.advance(1)
    cache.set("never", "again", timeout=0)
    clock.advance(1)
    cache.set("c", "c")
    assert cache.get_dict("never", "a", "b", "c") == {
        "never": "again",
        "a": None,
        "b": "b",
        "c": "c",
    }
    cache.close()


def test_over_the_threshold_what_ended_goes_first(tmp_path: Path, clock: FakeClock) -> None:
    cache = SQLiteCache(tmp_path / "cache", threshold=2)
    cache.set("kept", 1, timeout=1_000)
    clock.advance(1)
    cache.set("ended", 1, timeout=1)
    clock.advance(1)
    cache.set("new", 1)
    assert cache.get_dict("kept", "ended", "new") == {"kept": 1, "ended": None, "new": 1}
    cache.close()


def test_no_threshold_keeps_everything(tmp_path: Path) -> None:
    cache = SQLiteCache(tmp_path / "cache", threshold=0)
    cache.set_many({str(number): number for number in range(200)})
    assert cache.get_many(*map(str, range(200))) == list(range(200))
    cache.close()


def test_the_number_of_items_is_kept_and_not_counted(tmp_path: Path, clock: FakeClock) -> None:
    cache = SQLiteCache(tmp_path / "cache", threshold=5)
    for number in range(20):
        cache.set(str(number), 1)
        clock.advance(1)
    cache.delete("19")
    cache.delete("missing")
    assert cache.set_many({"a": 1, "b": 1, "c": 1}) == ["a", "b", "c"]
    statements: list[str] = []
    cache._database.read(lambda db: db.set_trace_callback(statements.append))
    cache.set("d", 1)
    cache._database.read(lambda db: db.set_trace_callback(None))
    held = cache._database.read(
        lambda db: (
            db.execute("SELECT count(*) FROM items").fetchone()[0],
            db.execute("SELECT pages FROM totals WHERE kind = 2").fetchone()[0],
        )
    )
    assert held == (5, 5)
    assert not [text for text in statements if "count(" in text]
    cache.close()


@pytest.mark.parametrize(
    "data",
    [b"", b"jx", b"\x80\x04N.", b"j\xff", "text", 5, b"j" + b"[" * 100_000],
    ids=["empty", "no JSON", "pickle", "no UTF-8", "text", "number", "deep"],
)
def test_a_value_that_is_not_ours_is_a_miss_and_never_unpickled(
    data: object, cache: SQLiteCache
) -> None:
    cache.set("key", 1)
    cache._database.write(lambda db: db.execute("UPDATE items SET value = ?", (data,)))
    assert cache.get("key") is None


def test_a_store_that_fails_is_logged_and_finds_nothing(
    cache: SQLiteCache, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.set("key", 1)

    def fail(work: object) -> None:
        raise sqlite3.OperationalError("disk full")

    monkeypatch.setattr(cache, "_database", SimpleNamespace(read=fail, write=fail, close=fail))
    assert cache.get("key") is None
    assert cache.has("key") is False
    assert cache.set("key", 1) is False
    assert cache.add("key", 1) is False
    assert cache.delete("key") is False
    assert cache.clear() is False
    assert cache.inc("key") is None
    assert "disk full" in caplog.text
    monkeypatch.undo()


def test_it_lies_in_one_file_that_others_may_not_read(tmp_path: Path) -> None:
    cache = SQLiteCache(tmp_path / "cache")
    cache.set("key", 1)
    mode = stat.S_IMODE((tmp_path / "cache" / NAME).stat().st_mode)
    cache.close()
    assert mode == 0o600


def test_a_directory_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="not a directory"):
        SQLiteCache(tmp_path / "file")


def test_what_a_parent_set_a_child_gets(cache: SQLiteCache) -> None:
    cache.set("key", {"a": 1})
    assert in_child(lambda: cache.get("key")) == {"a": 1}
