"""Cursors that an app takes from the pool's connections."""

import pytest
from sqlalchemy import insert

from isgware.core.dependencies import EverythingChanged, Inserted
from isgware.render_context import untracked
from isgware.sqlalchemy import raw_cursors

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


def test_a_connection_that_executes_is_its_cursor(told, engine):
    raw = engine.raw_connection()
    with clean_room() as found:
        assert raw.execute("SELECT 1").fetchall() == [(1,)]
    assert "test_raw_cursors.py:" in found[0]
    raw.execute("DELETE FROM shelf").execute("BEGIN")
    assert told() == [EverythingChanged()]
    raw.close()


@pytest.mark.parametrize("name", ["driver_connection", "dbapi_connection"])
def test_who_takes_the_drivers_own_connection_reads_and_writes_what_nobody_sees(told, engine, name):
    raw = engine.raw_connection()
    with clean_room() as found:
        getattr(raw, name).execute("SELECT 1")
    assert "the driver's connection" in found[0]
    assert "test_raw_cursors.py:" in found[0]
    getattr(raw, name).execute("DELETE FROM shelf")
    assert told() == []
    raw.close()  # which rolls back what was not committed
    assert told() == [EverythingChanged()]
    with engine.connect() as connection, untracked():
        assert getattr(connection.connection, name).execute("SELECT 1")
    assert told() == []


def test_what_is_written_while_a_cursor_is_open_is_told_at_its_end_too(told, engine):
    class Cursor:
        def copy(self, statement):
            return self

    raw = engine.raw_connection()
    cursor = raw_cursors.RawCursor(Cursor(), raw)
    assert cursor.copy("COPY shelf FROM STDIN") is cursor
    assert told() == [EverythingChanged()]
    raw.close()
    assert told() == [EverythingChanged()]
