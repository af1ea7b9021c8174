"""``dependencies_durable``: what will be committed is announced just before."""

import pytest
from sqlalchemy import create_engine, func, insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from isgware.core.dependencies import EverythingChanged, TableChanged
from isgware.sqlalchemy import recorder, transactions

from ..announcements import announcing
from .models import Author, Base, Shelf
from .test_transactions import Connection, shelf

BOTH = ["announced", "told"]


@pytest.fixture
def plain(tmp_path):
    """SQLite as its driver has it: a transaction begins with the first write."""
    engine = create_engine(f"sqlite:///{tmp_path / 'plain'}")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def other(plain):
    """What another connection sees."""
    looks = create_engine(plain.url)

    def count():
        with looks.connect() as connection:
            return connection.scalar(select(func.count()).select_from(Shelf.__table__))

    yield count
    looks.dispose()


@pytest.fixture
def heard(plain, other):
    recorder.install()
    with announcing(other) as heard:
        yield heard


def test_a_commit_is_announced_before_and_told_afterwards(heard, plain):
    with Session(plain) as session:
        session.add(Shelf(id=1))
        session.flush()
        assert heard.events == []
        session.commit()
    assert heard.events == [("announced", [shelf(1)]), ("told", [shelf(1)])]
    assert heard.seen == [0, 1]
    assert heard.ended == ["token 1"]


def test_a_commit_of_nothing_is_not_announced(heard, plain):
    with Session(plain) as session:
        session.scalars(select(Shelf)).all()
        session.commit()
        session.add(Shelf(id=1))
        session.rollback()
    assert heard.events == []


def test_a_commit_that_fails_ends_what_it_announced(heard, plain, monkeypatch):
    with plain.connect() as connection:
        connection.execute(insert(Shelf).values(id=1))
        inner = transactions._committing

        def failing(pooled):
            raise OSError("the connection is gone")

        monkeypatch.setattr(plain.dialect, "do_commit", lambda pooled: inner(failing, pooled))
        with pytest.raises(OSError, match="gone"):
            connection.commit()
    assert heard.take() == BOTH
    assert heard.ended == ["token 1"]


def test_a_statement_that_commits_itself_is_announced_before(heard, plain):
    with plain.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(insert(Shelf).values(id=1))
        assert heard.events == [("announced", [TableChanged("shelf")]), ("told", [shelf(1)])]
        assert heard.seen == [0, 1]
        for statement in (text("DELETE FROM shelf"), Shelf.__table__.delete()):
            heard.take()
            connection.execute(statement)
            assert heard.take() == BOTH
        connection.execute(select(Shelf))
    assert heard.events == []


def test_one_that_fails_is_withdrawn(heard, plain):
    with plain.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(insert(Shelf).values(id=1))
        heard.take()
        with pytest.raises(IntegrityError):
            connection.execute(insert(Shelf).values(id=1))
        connection.rollback()
    assert heard.events == [("announced", [TableChanged("shelf")]), ("withdrawn", ["token 2"])]


def test_the_release_of_an_outermost_savepoint_of_sqlite_is_announced(heard, plain):
    with Session(plain) as session:
        with session.begin_nested():
            with session.begin_nested():
                session.add(Shelf(id=1))
            assert heard.events == []
        assert heard.take() == BOTH
        assert heard.seen == [0, 1]
        session.add(Author(name="Ann"))
        session.flush()
        with session.begin_nested():
            session.add(Shelf(id=2))
        assert heard.events == []
        session.commit()
        assert heard.take() == BOTH


def test_a_commit_in_plain_words_and_ddl_are_announced(heard, plain):
    with plain.connect() as connection:
        connection.execute(insert(Shelf).values(id=1))
        connection.exec_driver_sql("COMMIT")
        assert heard.take() == BOTH
        Base.metadata.create_all(plain, tables=[Shelf.__table__])  # is there
        Base.metadata.drop_all(connection, tables=[Shelf.__table__])
        assert heard.take() == BOTH  # Python's sqlite3 begins no transaction for it


def test_cursors_and_commits_of_the_driver_are_announced(heard, plain):
    raw = plain.raw_connection()
    raw.cursor().execute("INSERT INTO shelf VALUES (1)")
    assert heard.events == []
    raw.commit()
    assert heard.take() == BOTH
    assert heard.seen == [0, 1]
    raw.cursor().executescript("INSERT INTO shelf VALUES (2); DELETE FROM shelf")
    assert heard.take() == BOTH
    cursor = raw.cursor()
    cursor.execute("INSERT INTO shelf VALUES (3)")
    cursor.execute("COMMIT")
    assert heard.take() == BOTH
    raw.close()


def test_a_commit_in_two_phases_is_announced_before_the_second(heard):
    connection = Connection()
    transactions.pending_of(connection).innermost.add(shelf(1))
    connection.dialect.do_prepare_twophase(connection, "x")
    assert heard.events == []
    connection.dialect.do_commit_twophase(connection, "x", True)
    assert heard.events == [("announced", [shelf(1)]), ("told", [shelf(1)])]
    connection.dialect.do_commit_twophase(connection, "prepared elsewhere", True, True)
    assert heard.events[-1] == ("told", [EverythingChanged()])


def test_nothing_is_announced_to_who_does_not_want_to_know(heard, plain):
    heard.announces = False
    with Session(plain) as session:
        session.add(Shelf(id=1))
        session.commit()
    assert heard.events == [("told", [shelf(1)])]
