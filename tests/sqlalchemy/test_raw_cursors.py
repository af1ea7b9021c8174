"""Cursors that an app takes from the pool's connections."""

import pytest
from sqlalchemy import insert

from isgware.core.dependencies import EverythingChanged, Inserted

from .models import Shelf, add
from .recording import clean_room, telling


@pytest.fixture
def told(engine):
    with telling() as told:
        yield told


def test_what_a_cursor_reads_is_everything(told, engine):
    raw = engine.raw_connection()
    with clean_room() as found:
        assert raw.cursor().execute("SELECT 1").fetchall() == [(1,)]
    raw.close()
    assert found[0].startswith("* a cursor in ")
    assert "test_raw_cursors.py:" in found[0]


def test_what_a_cursor_writes_is_everything_once_it_is_committed(told, engine):
    with engine.connect() as connection:
        connection.execute(insert(Shelf).values(id=1))
        cursor = connection.connection.cursor()
        cursor.executemany("INSERT INTO shelf VALUES (?)", [(2,), (3,)])
        assert told() == []
        connection.commit()
        assert told() == [EverythingChanged(), Inserted("shelf", 1, {"id": 1})]


def test_a_commit_of_the_pools_connection_tells(told, engine):
    raw = engine.raw_connection()
    cursor = raw.cursor()
    cursor.execute("BEGIN")
    cursor.execute("DELETE FROM shelf")
    assert told() == []
    raw.commit()
    assert told() == [EverythingChanged()]
    cursor.execute("DELETE FROM shelf")  # without a transaction
    assert told() == [EverythingChanged()]
    cursor.execute("SELECT id FROM shelf")
    assert list(cursor) == []
    raw.close()
    assert told() == []


def test_what_sqlalchemy_takes_for_itself_is_none(told, engine, session):
    with clean_room() as found:
        add(session, Shelf(id=1))
    assert told() == [Inserted("shelf", 1, {"id": 1})]
    assert found == []
