"""Writes are told when they are committed, and not when they are not."""

import pytest
from sqlalchemy import create_engine, event, insert, select, text, update
from sqlalchemy.orm import Session

from isgware.core.dependencies import UNKNOWN, EverythingChanged, Inserted, RowsChanged, Updated
from isgware.sqlalchemy import transactions

from .models import Author, Base, Shelf, add
from .recording import telling


@pytest.fixture
def plain(tmp_path):
    """SQLite as its driver has it: a transaction begins with the first write."""
    engine = create_engine(f"sqlite:///{tmp_path / 'plain'}")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def told(engine, plain):
    with telling() as told:
        yield told


def shelf(number):
    return Inserted("shelf", number, {"id": number})


def test_a_flush_tells_nothing(told, session):
    session.add(Shelf(id=1))
    session.flush()
    assert told() == []
    session.commit()
    assert told() == [shelf(1)]


def test_what_is_rolled_back_is_told_to_nobody(told, session):
    session.add(Shelf(id=1))
    session.flush()
    session.rollback()
    add(session, Shelf(id=2))
    assert told() == [shelf(2)]


def test_it_is_told_after_the_commit(told, engine, session, monkeypatch):
    seen = []
    monkeypatch.setattr(transactions, "tell", lambda writes, _: seen.append(rows()))

    def rows():
        with Session(engine) as other:
            return other.scalars(select(Shelf.id)).all()

    add(session, Shelf(id=1))
    assert seen == [[1]]


def test_a_commit_that_fails_may_have_happened(told, engine, monkeypatch):
    with engine.connect() as connection:
        connection.execute(insert(Shelf).values(id=1))
        inner = transactions._committing

        def failing(pooled):
            pooled.commit()
            raise OSError("the connection is gone")

        monkeypatch.setattr(engine.dialect, "do_commit", lambda pooled: inner(failing, pooled))
        with pytest.raises(OSError, match="gone"):
            connection.commit()
    assert told() == [shelf(1)]


def test_hooks_that_raise_do_not_keep_it_from_being_told(told, session):
    @event.listens_for(session, "after_commit")
    def raising(session):
        raise RuntimeError("a hook")

    session.add(Shelf(id=1))
    with pytest.raises(RuntimeError, match="a hook"):
        session.commit()
    assert told() == [shelf(1)]


def test_savepoints_are_told_with_their_transaction(told, session):
    with session.begin_nested():
        session.add(Shelf(id=1))
        with session.begin_nested():
            session.add(Shelf(id=2))
    assert told() == []
    savepoint = session.begin_nested()
    session.add(Shelf(id=3))
    session.flush()
    savepoint.rollback()
    session.commit()
    assert told() == [shelf(1), shelf(2)]


def test_an_outermost_savepoint_of_sqlite_commits_with_its_release(told, plain):
    with Session(plain) as session:
        with session.begin_nested():
            session.add(Shelf(id=1))
        with Session(plain) as other:
            assert other.scalars(select(Shelf.id)).all() == [1]
        assert told() == [shelf(1)]
        session.rollback()


def test_autocommit_tells_at_once(told, plain):
    with plain.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(insert(Shelf).values(id=1))
        assert told() == [shelf(1)]
        result = connection.execute(insert(Author).values(name="Ann").returning(Author.name))
        with plain.connect() as other:
            assert other.scalar(select(Author.name)) == "Ann"
        assert told() == [Inserted("author", UNKNOWN, {})]
        assert result.all() == [("Ann",)]
        connection.execute(update(Author).values(name="Eve").where(Author.name == "Ann"))
        assert told() == [RowsChanged("author", {"name"})]  # nobody holds a lock
        connection.execute(update(Author).values(name="Eve").where(Author.id == 1))
        assert told() == [Updated("author", 1, {"name"}, {"id": 1}, {"id": 1})]
        connection.execute(insert(Author).returning(Author.id), [{"name": "A"}, {"name": "B"}])
        assert len(told()) == 2
        connection.exec_driver_sql("DELETE FROM shelf")
        assert told() == [EverythingChanged()]
        connection.execute(text("DELETE FROM shelf"))
        assert told() == [EverythingChanged()]


def test_a_commit_in_plain_words_tells(told, plain):
    with plain.connect() as connection:
        connection.execute(insert(Shelf).values(id=1))
        assert told() == []
        connection.exec_driver_sql("COMMIT")
        assert told() == [shelf(1)]


def test_the_drivers_own_transactions_lock_before_the_old_row_is_read(told, plain):
    with Session(plain) as session:
        add(session, Author(id=1, name="Ann"))
        told()
        session.get(Author, 1).name = "Eve"
        session.commit()
    assert told() == [Updated("author", 1, {"name"}, {"id": 1}, {"id": 1})]


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_the_lock_is_taken_anew_in_each_transaction(told, plain, end):
    with plain.connect() as connection:
        connection.execute(update(Author).values(name="Eve").where(Author.name == "nobody"))
        pending = transactions.pending_of(connection)
        assert pending.locked
        getattr(connection, end)()
        assert not pending.locked


def test_connections_of_a_pool_keep_nothing(told, plain):
    with plain.connect() as connection:
        connection.execute(insert(Shelf).values(id=1))
    with plain.connect() as connection:
        connection.commit()
    assert told() == []


class Dialect:
    """One that commits in two phases; SQLite does not."""

    def do_commit(self, pooled):
        pass

    do_rollback = do_commit

    def do_prepare_twophase(self, connection, xid):
        pass

    do_rollback_twophase = do_prepare_twophase

    def do_commit_twophase(self, connection, xid, is_prepared=True, recover=False):
        pass


class Connection:
    def __init__(self):
        self.dialect, self.info = Dialect(), {}
        self.engine = self


def test_a_commit_in_two_phases_tells_with_the_second(told):
    connection = Connection()
    pending = transactions.pending_of(connection)
    pending.innermost.add(shelf(1))
    connection.dialect.do_prepare_twophase(connection, "x")
    assert told() == []
    connection.dialect.do_commit_twophase(connection, "x", True)
    assert told() == [shelf(1)]
    connection.dialect.do_commit_twophase(connection, "prepared elsewhere", True, True)
    assert told() == [EverythingChanged()]
    pending.innermost.add(shelf(1))
    connection.dialect.do_commit_twophase(connection, "never prepared", False)
    assert told() == [shelf(1)]
    pending.innermost.add(shelf(1))
    connection.dialect.do_prepare_twophase(connection, "y")
    connection.dialect.do_rollback_twophase(connection, "y")
    assert told() == []


def test_what_a_dialect_asks_to_know_its_database_is_no_write(told, monkeypatch):
    """PostgreSQL's does, on a connection that is of no pool."""
    engine = create_engine("sqlite://")
    initialize = engine.dialect.initialize

    def asking(connection):
        initialize(connection)
        connection.exec_driver_sql("PRAGMA user_version")

    monkeypatch.setattr(engine.dialect, "initialize", asking)
    with engine.connect() as connection:
        assert connection.scalar(select(1)) == 1
    assert told() == []
    engine.dispose()
