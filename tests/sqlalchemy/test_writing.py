"""What each kind of write is told as, once it is committed."""

import logging
import uuid

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
    Uuid,
    bindparam,
    create_engine,
    delete,
    event,
    func,
    insert,
    literal_column,
    select,
    text,
    update,
)  # fmt: skip
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from isgware.core.dependencies import (
    UNKNOWN,
    Deleted,
    EverythingChanged,
    Inserted,
    RowsChanged,
    TableChanged,
    Updated,
)  # fmt: skip
from isgware.management import record_writes
from isgware.render_context import untracked
from isgware.sqlalchemy import old_rows, writing

from ..databases import BACKEND, upsert
from .models import Atlas, Author, Book, Shelf, add, on_shelf
from .recording import telling


@pytest.fixture
def told(session):
    with telling() as told:
        shelf = Shelf(id=1)
        add(session, Author(id=1, name="Ann"), Book(id=1, title="a", author_id=1, shelves=[shelf]))
        told()
        yield told


class Tens(TypeDecorator):
    """A tenth of what the database holds."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return value and value * 10


def upserted(target, set_=None, **values):
    statement = upsert(Book).values(kind="book", **values)
    set_ = set_ or {"likes": statement.excluded.likes}
    return statement.on_conflict_do_update(index_elements=target, set_=set_)


def row(likes=0, author_id=1, id=1):
    return {"id": id, "author_id": author_id, "likes": likes}


def test_rows_that_are_added_are_told_with_their_keys(told, session):
    add(session, Book(title="b", author_id=1), Book(title="c", likes=2))
    assert told() == [
        Inserted("book", 2, row(0, 1, 2)),
        Inserted("book", 3, row(2, None, 3)),
    ]


def test_an_object_that_is_changed_is_told_with_the_columns_and_both_values(told, session):
    book = session.get(Book, 1)
    book.likes, book.title = 5, "z"
    session.commit()
    assert told() == [Updated("book", 1, {"likes", "title"}, row(0), row(5))]


def test_an_old_value_is_what_the_database_holds(told, engine, session):
    """Two writers: what the object was loaded with is not what the row is changed from."""
    book = session.get(Book, 1)
    assert book.likes == 0
    session.commit()
    held = Session(engine, expire_on_commit=False)
    stale = held.get(Book, 1)
    held.commit()
    book.likes = 7
    session.commit()
    told()
    stale.likes = 3
    held.commit()
    held.close()
    assert told() == [Updated("book", 1, {"likes"}, row(7), row(3))]


def test_a_column_that_is_set_to_what_it_is_has_not_changed(told, session):
    session.execute(update(Book).where(Book.id == 1).values(likes=0, title="a"))
    session.commit()
    assert told() == []
    session.execute(update(Book).where(Book.id == 1).values(likes=0, title="b"))
    session.commit()
    assert told() == [Updated("book", 1, {"title"}, row(), row())]


def test_a_value_that_the_database_computes_is_not_known(told, session):
    session.execute(update(Book).where(Book.id == 1).values(likes=Book.likes + 1))
    session.commit()
    new = {"id": 1, "author_id": 1}
    assert told() == [Updated("book", 1, {"likes"}, row(0), new)]


def test_an_inherited_row_is_a_row_of_each_table(told, session):
    add(session, Atlas(id=2, title="b", scale=4))
    assert told() == [
        Inserted("book", 2, row(0, None, 2)), Inserted("atlas", 2, {"id": 2, "scale": 4}),
    ]  # fmt: skip
    session.get(Atlas, 2).scale = 5
    session.commit()
    assert told() == [Updated("atlas", 2, {"scale"}, {"id": 2, "scale": 4}, {"id": 2, "scale": 5})]
    session.delete(session.get(Atlas, 2))
    session.commit()
    assert told() == [
        Deleted("atlas", 2, {"id": 2, "scale": 5}), Deleted("book", 2, row(0, None, 2)),
    ]  # fmt: skip


def test_many_to_many_is_rows_of_the_table_between(told, session):
    shelf = session.get(Shelf, 1)
    shelf.books = []
    session.commit()
    assert told() == [Deleted("on_shelf", (1, 1), {"book_id": 1, "shelf_id": 1})]
    session.execute(insert(on_shelf), [{"book_id": 1, "shelf_id": 1}])
    session.commit()
    assert told() == [Inserted("on_shelf", (1, 1), {"book_id": 1, "shelf_id": 1})]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            update(Book).where(Book.title.in_(["a"]), Book.likes < 3).values(author_id=None),
            [Updated("book", 1, {"author_id"}, row(), row(0, None))],
        ),
        (delete(Book).where(Book.author_id == 1), [Deleted("book", 1, row())]),
        (delete(Book).where(Book.author_id == 2), []),
        (
            delete(Book).where(
                Book.id.in_(bindparam("x", [1], expanding=True, literal_execute=True))
            ),
            [RowsChanged("book", None)],
        ),
        (
            delete(Book).where(Book.author_id.in_(select(Author.id).where(Author.name == "Ann"))),
            [Deleted("book", 1, row())],
        ),
        (
            update(Book).values(id=9).where(Book.id == 1),
            [RowsChanged("book", None)],
        ),
        (
            insert(Book).from_select(["title"], select(Author.name)),
            [Inserted("book", UNKNOWN, {})],
        ),
        (insert(Shelf).values([{"id": 5}, {"id": 6}]), [Inserted("shelf", UNKNOWN, {})] * 1),
        (
            upserted(["id"], id=1, title="z", likes=4),
            [Updated("book", 1, {"likes"}, row(0), row(4))],
        ),
        (upserted(["title"], title="a", likes=4), [Updated("book", 1, {"likes"}, row(0), row(4))]),
        (upserted(["title"], title="a", likes=0), []),
        (
            upserted(["title"], title="b", likes=4),
            [
                *([] if BACKEND == "sqlite" else [RowsChanged("book", {"likes"})]),
                Inserted("book", 2, {"id": 2, "likes": 4}),
            ],
        ),
        (upserted(["title"], set_={"id": 9}, title="a"), [TableChanged("book")]),
        (
            upserted(["title"], set_={"likes": Book.likes + 1}, title="a"),
            [Updated("book", 1, {"likes"}, row(0), {"id": 1, "author_id": 1})],
        ),
        (upsert(Shelf).values(id=7).on_conflict_do_nothing(), [Inserted("shelf", 7, {"id": 7})]),
        (insert(Shelf).values(id=1).prefix_with("OR REPLACE"), [TableChanged("shelf")]),
        (
            update(Book).where(func.random() != 0).values(likes=1),
            [RowsChanged("book", {"likes"})],
        ),
        (
            update(Book).where(func.lower(Book.title) == "a").values(likes=1),
            [Updated("book", 1, {"likes"}, row(), row(1))],
        ),
        (
            upserted(["title"], set_={"likes": Book.author_id}, title="a", author_id=7),
            [Updated("book", 1, {"likes"}, row(), {"id": 1, "author_id": 1})],
        ),
        (
            update(Book).where(Book.author_id == 1).values(likes=bindparam(None, 8, type_=Tens())),
            [Updated("book", 1, {"likes"}, row(), {"id": 1, "author_id": 1})],
        ),
        (
            delete(Book).where(Book.id == bindparam(None, 1, type_=Tens())),
            [],
        ),
        (
            insert(Shelf).values(id=bindparam(None, 8, type_=Tens())),
            [Inserted("shelf", UNKNOWN, {})],
        ),
        (text("DELETE FROM book"), [EverythingChanged()]),
        (text("PRAGMA foreign_keys"), []),
    ],
)
def test_a_statement_tells_what_it_changes(told, session, statement, expected):
    session.execute(statement)
    session.commit()
    assert told() == expected


def test_rows_of_a_condition_that_are_too_many_are_all_rows(told, session, monkeypatch):
    monkeypatch.setattr(old_rows, "MOST", 1)
    add(session, Book(title="b"))
    told()
    session.execute(update(Book).values(likes=4).where(Book.likes == 0))
    session.execute(delete(Book).where(Book.likes == 4))
    session.commit()
    assert told() == [RowsChanged("book", {"likes"}), RowsChanged("book", None)]


def test_a_statement_within_another_changes_tables_as_a_whole(told, session):
    table = Book.__table__
    gone = delete(table).where(table.c.id == 1).returning(table.c.id).cte()
    statement = select(gone.c.id)
    with pytest.raises(Exception, match=r"near|syntax"):  # SQLite knows none
        session.execute(statement)
    session.rollback()
    assert told() == []


def test_an_update_of_joined_tables_may_change_each(told, session):
    joined = update(Book).where(Book.author_id == Author.id, Author.name == "Ann")
    session.execute(joined.values(likes=5), execution_options={"synchronize_session": False})
    session.commit()
    assert set(told()) == {TableChanged("author"), TableChanged("book")}


def test_a_parameter_of_a_select_is_no_value_of_its_rows(engine):
    table = Table(
        "ranked", MetaData(), Column("id", Integer, primary_key=True),
        Column("rank", Integer, server_default="7"),
    )  # fmt: skip
    table.create(engine)
    found = select(Author.id).where(Author.id == bindparam("rank"))
    with telling() as told, engine.connect() as connection:
        connection.execute(insert(Author).values(id=1, name="Ann"))
        connection.execute(insert(table).from_select(["id"], found), {"rank": 1})
        assert connection.execute(select(table.c.rank)).all() == [(7,)]
        connection.commit()
        assert Inserted("ranked", UNKNOWN, {}) in told()


def test_what_a_foreign_key_cascades_to_is_told(engine):
    metadata = MetaData()
    parent = Table("parent", metadata, Column("id", Uuid, primary_key=True))
    child = Table(
        "child", metadata,
        Column("id", Uuid, ForeignKey("parent.id", ondelete="CASCADE"), primary_key=True),
        Column("next", ForeignKey("child.id", ondelete="SET NULL", onupdate="CASCADE")),
    )  # fmt: skip
    metadata.create_all(engine)
    one, two = uuid.UUID(int=1), uuid.UUID(int=2)
    with telling() as told, engine.connect() as connection:
        connection.execute(insert(parent), [{"id": one}, {"id": two}])
        connection.execute(insert(child), [{"id": one, "next": None}, {"id": two, "next": one}])
        connection.commit()
        told()
        connection.execute(delete(parent).where(parent.c.id == one))
        connection.commit()
        gone = {"id": one.hex, "next": None}
        before, after = {"id": two.hex, "next": one.hex}, {"id": two.hex, "next": None}
        assert told() == [
            Deleted("parent", one.hex, {"id": one.hex}),
            Deleted("child", one.hex, gone),
            Updated("child", two.hex, {"next"}, before, after),
        ]
        connection.execute(update(child).values(id=uuid.UUID(int=3)).where(child.c.id == two))
        connection.commit()
        assert told() == [TableChanged("child")]


def test_a_key_is_what_the_database_holds(engine):
    class Shouted(TypeDecorator):
        impl = String
        cache_ok = True

        def process_bind_param(self, value, dialect):
            return value and value.upper() + "!"

    table = Table(
        "shouted", MetaData(), Column("id", Shouted, primary_key=True), Column("n", String)
    )
    table.create(engine)
    with telling() as told, engine.begin() as connection:
        connection.execute(insert(table).values(id="a", n="1"))
        connection.execute(update(table).where(table.c.id == "a").values(n="2"))
        connection.commit()
        assert told() == [Inserted("shouted", "A!"), Updated("shouted", "A!", {"n"})]


def test_untracked_writes_are_told_to_nobody(told, session):
    with untracked():
        session.get(Book, 1).likes = 9
        session.commit()
    assert told() == []


def test_raw_sql_is_named_once(told, session, caplog):
    writing._named.clear()
    for _ in range(2):
        session.execute(text("UPDATE book SET likes = 1"))
        session.commit()
    assert told() == [EverythingChanged()] * 2
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "test_writing.py:" in record.getMessage()
    assert "isgware.touched" in record.getMessage()


def test_a_statement_that_nobody_understands_is_everything(told, session, monkeypatch):
    monkeypatch.setattr(writing, "changes_of", lambda compiled: literal_column("x").nothing)
    session.get(Book, 1).likes = 9
    session.commit()
    assert told() == [EverythingChanged()]


def test_a_database_that_refuses_to_be_asked_is_heard(told, engine, session, monkeypatch):
    """Elsewhere than in SQLite its transaction has failed: what follows would be in another."""

    def deadlock(*_):
        raise OperationalError("SELECT", {}, Exception("deadlock"))

    monkeypatch.setattr(old_rows.OldRows, "before", deadlock)
    session.execute(update(Book).values(likes=1))
    monkeypatch.setattr(engine.dialect, "name", "postgresql")
    with pytest.raises(OperationalError, match="deadlock"):
        session.execute(update(Book).values(likes=2))
    session.rollback()
    assert told() == []


def test_rows_that_a_table_replaces_are_not_known(engine):
    table = Table(
        "replacing", MetaData(), Column("id", Uuid, primary_key=True),
        Column("code", String, unique=True, sqlite_on_conflict_unique="REPLACE"),
    )  # fmt: skip
    table.create(engine)
    with telling() as told, engine.begin() as connection:
        connection.execute(insert(table).values(id=uuid.UUID(int=1), code="a"))
        connection.commit()
        assert told() == [TableChanged("replacing")]


def test_rows_that_are_upserted_twice_are_not_known(told, session):
    statement = upsert(Book)
    session.execute(
        statement.on_conflict_do_update(["title"], set_={"likes": statement.excluded.likes}),
        [{"title": "z", "kind": "book", "likes": n, "author_id": n} for n in (1, 2)],
    )
    session.commit()
    assert told()[0] == RowsChanged("book", None)


def test_nothing_is_looked_up_while_nobody_listens(engine, session, monkeypatch):
    monkeypatch.setattr(record_writes, "_listeners", [])
    add(session, Book(id=1, title="a"))
    statements = []
    with telling():
        pass
    listener = lambda *arguments: statements.append(arguments[2])  # noqa: E731
    event.listen(engine, "before_cursor_execute", listener)
    session.get(Book, 1).likes = 9
    session.commit()
    assert [each.split()[0] for each in statements if each != "BEGIN"] == ["SELECT", "UPDATE"]


def test_an_in_memory_database_is_told_of_like_any_other():
    engine = create_engine("sqlite://")
    table = Table("one", MetaData(), Column("id", Uuid, primary_key=True))
    table.create(engine)
    with telling() as told, engine.begin() as connection:
        connection.execute(table.delete())
        connection.commit()
        assert told() == []
    engine.dispose()


@pytest.mark.skipif(BACKEND != "sqlite", reason="a schema of one's own is one ATTACH with SQLite")
def test_rows_of_another_schema_are_not_those_of_a_table_of_the_same_name(session, told):
    session.connection().exec_driver_sql("COMMIT")
    session.connection().exec_driver_sql("ATTACH ':memory:' AS tenant")
    session.connection().exec_driver_sql("CREATE TABLE tenant.author (id INTEGER, name TEXT)")
    session.connection().exec_driver_sql("INSERT INTO tenant.author VALUES (7, 'Bob')")
    session.rollback()
    told()
    statement = update(Author).where(Author.name == "Bob").values(name="Rob")
    options = {"schema_translate_map": {None: "tenant"}, "synchronize_session": False}
    session.execute(statement, execution_options=options)
    session.commit()
    assert told() == [RowsChanged("author", {"name"})]
