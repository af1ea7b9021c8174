"""Which values count as made of the time of the render."""

import time
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from isgware.core.database_reads import DatabaseReads
from isgware.core.unseen import MAX_NOTES, near, notes_in, without_notes

NOW = datetime(2026, 5, 4, 13, 20, 7, 123456, UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (NOW, True),
        (NOW - timedelta(seconds=3), True),
        (NOW.astimezone(timezone(timedelta(hours=9))), True),
        (NOW.replace(tzinfo=None), True),
        (NOW - timedelta(days=7), True),
        (NOW + timedelta(hours=1), True),
        (NOW.replace(hour=0, minute=0, second=0, microsecond=0), True),
        (NOW - timedelta(minutes=25), False),
        (datetime(2024, 1, 1, tzinfo=UTC), False),
        (datetime(2026, 5, 4, 9, 20, 7, tzinfo=UTC), False),
        (NOW.date(), True),
        (date(2026, 5, 1), False),
        ("2026-05-04", False),
        (None, False),
    ],
)
def test_what_is_near_now(value, expected):
    assert near(value, NOW.timestamp()) is expected


def test_a_time_without_a_zone_is_that_of_here_or_of_greenwich(monkeypatch):
    try:
        monkeypatch.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        for value in (datetime.fromtimestamp(NOW.timestamp()), NOW.replace(tzinfo=None)):
            assert near(value, NOW.timestamp())
            assert not near(value - timedelta(minutes=25), NOW.timestamp())
    finally:
        monkeypatch.undo()
        time.tzset()


def test_notes_are_kept_beside_what_a_page_depends_on_once_each_and_bounded():
    reads = DatabaseReads()
    reads.row("post", 5)
    for number in (1, 1, *range(MAX_NOTES + 5)):
        reads.note(f"cache {number}", lambda number=number: f"it read\n{number}")
    lines = reads.finished({}).texts.splitlines()
    assert without_notes(lines) == ["post:5"]
    assert len(notes_in(lines)) == MAX_NOTES
    assert notes_in(lines)[0] == "it read 1"
