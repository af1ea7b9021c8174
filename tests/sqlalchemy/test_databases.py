"""What differs from SQLite: locks of rows, transactions that see each other, the drivers' types.

Runs on the server that ``ISGWARE_TEST_DATABASE`` names: ``python tools/dependency_databases.py``.
"""

import asyncio
import threading
from contextlib import contextmanager
from decimal import Decimal

import pytest
from sqlalchemy import (
    JSON,
    TIMESTAMP,
    Column,
    ForeignKey,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Uuid,
    create_engine,
    delete,
    func,
    insert,
    select,
    text,
    update,
)  # fmt: skip
from sqlalchemy.exc import DBAPIError, OperationalError

from isgware.core.dependencies import (
    Deleted,
    EverythingChanged,
    Inserted,
    RowsChanged,
    TableChanged,
    Updated,
)  # fmt: skip
from isgware.render_context import untracked
from isgware.sqlalchemy import old_rows

from ..databases import BACKEND, SERVER, upsert
from .models import Author, Book, Shelf
from .recording import clean_room, telling

postgresql = pytest.mark.skipif(BACKEND != "postgresql", reason="a matter of PostgreSQL")
mysql = pytest.mark.skipif(BACKEND != "mysql", reason="a matter of MySQL and MariaDB")


@pytest.fixture
def told(engine):
    with telling() as told:
        with engine.begin() as connection:
            connection.execute(insert(Author), [{"name": "Ann"}, {"name": "Bob"}])
            connection.execute(
                insert(Book),
                [{"title": title, "author_id": 1, "kind": "book"} for title in ("a", "b")],
            )
        told()
        yield told


@contextmanager
def beside(function):
    """Run it in a thread, which will have to wait for what the block holds."""
    raised = []

    def run():
        try:
            function()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join(60)
    assert not thread.is_alive()
    assert not raised


def row(likes=0, author_id=1, id=1):
    return {"id": id, "author_id": author_id, "likes": likes}


@pytest.mark.parametrize("by", [Book.id == 1, Book.title == "a"], ids=["key", "condition"])
def test_an_old_value_is_read_under_the_lock(told, engine, by):
    """The second writer waits for the first, and changes what that has left."""
    started = threading.Event()

    def second():
        with engine.begin() as connection:
            started.set()
            connection.execute(update(Book).where(by).values(author_id=None))

    with engine.begin() as connection:
        connection.execute(update(Book).where(Book.id == 1).values(author_id=2))
        with beside(second):
            started.wait(60)
            connection.commit()
    assert told() == [
        Updated("book", 1, {"author_id"}, row(), row(author_id=2)),
        Updated("book", 1, {"author_id"}, row(author_id=2), row(author_id=None)),
    ]


@postgresql
def test_rows_that_others_make_fit_meanwhile_are_counted(told, engine, monkeypatch):
    """They are found by the UPDATE, and were not by the question before it."""
    asked = old_rows.OldRows.before
    first = engine.connect()
    first.execute(update(Book).where(Book.id == 1).values(likes=3))
    told()

    def before(self, *given):
        rows = asked(self, *given)
        first.commit()
        return rows

    with engine.begin() as connection:
        monkeypatch.setattr(old_rows.OldRows, "before", before)
        connection.execute(update(Book).where(Book.likes >= 3).values(author_id=None))
    first.close()
    assert told()[1:] == [RowsChanged("book", {"author_id"})]


def test_other_tables_are_not_locked_so_that_what_they_decide_is_not_known(told, engine):
    anns = Book.author_id.in_(select(Author.id).where(Author.name == "Ann"))
    with engine.begin() as connection:
        connection.execute(update(Book).where(anns).values(likes=1))
        connection.execute(delete(Book).where(anns, func.random() >= 0) if BACKEND ==
                           "postgresql" else delete(Book).where(anns))  # fmt: skip
    assert told() == [RowsChanged("book", {"likes"}), RowsChanged("book", None)]


@postgresql
def test_a_serialization_failure_is_the_apps_to_retry(told, engine):
    again = create_engine(engine.url, isolation_level="REPEATABLE READ")
    with again.connect() as connection:
        connection.scalars(select(Book.title)).all()
        with engine.begin() as other:
            other.execute(update(Book).where(Book.id == 1).values(likes=7))
        with pytest.raises(OperationalError) as failed:
            connection.execute(update(Book).where(Book.id == 1).values(likes=8))
        assert failed.value.orig.sqlstate == "40001"
    again.dispose()


def test_a_deadlock_is_the_apps_to_retry(told, engine):
    """MySQL has rolled the transaction back then: what is executed next is in another."""
    first, second, failed = engine.connect(), engine.connect(), []

    def write(connection, number):
        try:
            connection.execute(update(Book).where(Book.id == number).values(likes=5))
        except OperationalError as error:
            failed.append(error.orig)
            connection.rollback()

    write(first, 1)
    write(second, 2)
    with beside(lambda: write(first, 2)):
        write(second, 1)
        second.commit()
    first.commit()
    (error,) = failed
    assert getattr(error, "sqlstate", None) == "40P01" or error.args[0] == 1213
    changed = {write.key for write in told()}
    with engine.connect() as connection:
        assert changed == set(connection.scalars(select(Book.id).where(Book.likes == 5)))
    for connection in (first, second):
        connection.close()


@postgresql
def test_rows_may_refer_to_one_that_is_being_changed(told, engine):
    """The lock of the question is no stronger than that of an UPDATE that sets no key."""
    with engine.begin() as connection, engine.begin() as other:
        connection.execute(update(Author).where(Author.id == 1).values(name="Eve"))
        other.execute(text("SET LOCAL lock_timeout = '1s'"))
        other.execute(insert(Book).values(title="c", author_id=1, kind="book"))


def test_a_commit_in_two_phases(told, engine):
    with engine.connect() as connection:
        transaction = connection.begin_twophase()
        connection.execute(insert(Shelf).values(id=1))
        transaction.prepare()
        assert told() == []
        transaction.commit()
    assert told() == [Inserted("shelf", 1, {"id": 1})]


def test_an_upsert(told, engine):
    statement = upsert(Book).values(title="a", author_id=2, likes=4, kind="book")
    if BACKEND == "mysql":
        changing = statement.on_duplicate_key_update(likes=statement.inserted.likes)
        expected = [TableChanged("book")]
    else:
        new = {"likes": statement.excluded.likes}
        changing = statement.on_conflict_do_update(index_elements=["title"], set_=new)
        expected = [Updated("book", 1, {"likes"}, row(), row(4))]
    with engine.begin() as connection:
        connection.execute(changing)
    assert told() == expected


@postgresql
def test_an_upsert_of_a_row_that_another_adds_meanwhile(told, engine):
    def upserting(likes):
        statement = upsert(Book).values(title="new", likes=likes, kind="book")
        new = {"likes": statement.excluded.likes}
        return statement.on_conflict_do_update(index_elements=["title"], set_=new)

    def second():
        with engine.begin() as connection:
            connection.execute(upserting(2))

    with engine.begin() as connection:
        connection.execute(upserting(1))
        with beside(second):
            connection.commit()
    assert told().count(RowsChanged("book", {"likes"})) >= 1


@mysql
def test_a_statement_about_tables_commits(told, engine):
    with engine.connect() as connection:
        connection.execute(insert(Shelf).values(id=1))
        connection.execute(text("CREATE TABLE more (id INTEGER)"))
        assert told() == [EverythingChanged(), Inserted("shelf", 1, {"id": 1})]
        connection.rollback()


def test_autocommit(told, engine):
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(insert(Shelf).values(id=1))
        assert told() == [Inserted("shelf", 1, {"id": 1})]
        connection.execute(update(Book).values(likes=1).where(Book.title == "a"))
        assert told() == [RowsChanged("book", {"likes"})]
        connection.execute(delete(Shelf))
        assert told() == [RowsChanged("shelf", None)]


def test_a_driver_s_own_types(told, engine):
    from uuid import UUID

    number = Numeric(asdecimal=True) if BACKEND == "postgresql" else Numeric(8, 3)
    table = Table(
        "typed", MetaData(), Column("id", Uuid, primary_key=True), Column("flag", Integer),
        Column("data", JSON), Column("amount", number), Column("name", String(20)),
    )  # fmt: skip
    one = UUID(int=5)
    table.create(engine)
    told()
    with engine.connect() as connection:
        connection.execute(
            insert(table).values(id=one, flag=1, data={"a": [1]}, amount=Decimal("1.5"), name="A")
        )
        connection.commit()
        (write,) = [write for write in told() if isinstance(write, Inserted)]
        with clean_room() as found:
            connection.execute(select(table).where(table.c.id == one)).all()
        assert any(line.endswith(str(write.key)) for line in found), (found, write)
        connection.execute(update(table).where(table.c.id == one).values(name="a", flag=1))
        connection.commit()
        (write,) = told()
        assert write.columns == {"name"}  # which may be equal, and is not the same
        connection.execute(update(table).values(amount=Decimal("1.50")))
        connection.commit()
        shown_otherwise = {"amount"} if BACKEND == "postgresql" else set()
        assert {name for write in told() for name in write.columns} == shown_otherwise
        connection.execute(delete(table).where(table.c.flag == 1))
        connection.commit()
        deleted = [write for write in told() if isinstance(write, Deleted)]
    assert len(deleted) == 1


@mysql
def test_a_timestamp_changes_with_its_row(told, engine):
    with engine.connect() as connection, untracked():
        stamp = "stamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP"
        connection.execute(
            text(f"CREATE TABLE stamped (id INTEGER PRIMARY KEY, n INTEGER, {stamp})")
        )
        connection.execute(text("INSERT INTO stamped (id, n) VALUES (1, 1)"))
        connection.commit()
    columns = Column("n", Integer), Column("stamp", TIMESTAMP)
    table = Table("stamped", MetaData(), Column("id", Integer, primary_key=True), *columns)
    told()
    with engine.begin() as connection:
        connection.execute(update(table).where(table.c.id == 1).values(n=2))
    (write,) = told()
    assert write.columns == {"n", "stamp"}


def test_rows_that_are_streamed_are_noted(told, engine):
    with clean_room() as found, engine.connect() as connection:
        streaming = connection.execution_options(yield_per=1)
        assert len(streaming.execute(select(Book.id, Book.title)).all()) == 2
    assert [line.split("(")[0] for line in found if ":" in line] == ["book:1", "book:2"]


def test_cascades(told, engine):
    metadata = MetaData()
    parent = Table("parent", metadata, Column("id", Integer, primary_key=True))
    child = Table(
        "child", metadata, Column("id", Integer, primary_key=True),
        Column("parent_id", ForeignKey("parent.id", ondelete="CASCADE")),
    )  # fmt: skip
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(parent).values(id=1))
        connection.execute(insert(child).values(id=3, parent_id=1))
    told()
    with engine.begin() as connection:
        connection.execute(delete(parent).where(parent.c.id == 1))
    gone = {"id": 3, "parent_id": 1}
    assert told() == [Deleted("parent", 1, {"id": 1}), Deleted("child", 3, gone)]


ASYNC = {"postgresql": ("asyncpg", "psycopg"), "mysql": ("asyncmy",)}


@pytest.mark.parametrize("driver", ASYNC.get(BACKEND, ()))
def test_asyncio(told, engine, driver):
    pytest.importorskip(driver)
    from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

    own = create_async_engine(engine.url.set(drivername=f"{SERVER.get_backend_name()}+{driver}"))

    async def work():
        async with AsyncSession(own) as session:
            book = await session.get(Book, 1)
            book.likes = 6
            session.add(Book(title="new", author_id=2))
            await session.commit()
            assert told() == [
                Updated("book", 1, {"likes"}, row(), row(6)),
                Inserted("book", 3, row(0, 2, 3)),
            ]
        with clean_room() as found:
            async with AsyncSession(own) as session:
                assert (await session.get(Book, 1)).likes == 6
                result = await session.stream_scalars(select(Book).where(Book.author_id == 2))
                assert [book.title async for book in result] == ["new"]
        assert {"book:1", "book:3"} <= set(found)
        assert not any(line.startswith("*") for line in found)
        async with own.connect() as connection:
            raw = await connection.get_raw_connection()
            assert raw.driver_connection is not None
        assert told() == [EverythingChanged()]
        await own.dispose()

    asyncio.run(work())


@postgresql
def test_rows_that_are_copied(told, engine):
    raw = engine.raw_connection()
    with raw.cursor() as cursor:
        with cursor.copy("COPY shelf FROM STDIN") as copy:
            copy.write_row((5,))
        assert told() == []
        raw.commit()
    raw.close()
    assert told() == [EverythingChanged()]


def test_schemas(told, engine):
    schema = engine.url.database if BACKEND == "mysql" else "public"
    there = Table("shelf", MetaData(), Column("id", Integer, primary_key=True), schema=schema)
    with engine.begin() as connection:
        connection.execute(insert(there).values(id=4))
    assert told() == [Inserted("shelf", 4, {"id": 4})]


def test_what_the_database_refuses_is_refused(told, engine):
    missing = Table(
        "missing", MetaData(), Column("id", Integer, primary_key=True), Column("n", Integer)
    )
    with engine.connect() as connection, pytest.raises(DBAPIError, match="missing"):
        connection.execute(update(missing).where(missing.c.id > 1).values(n=1))
    with engine.connect() as connection, untracked():
        assert connection.scalar(select(func.count(Book.id))) == 2
    assert told() == []
