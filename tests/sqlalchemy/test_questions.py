"""A question has the values of its execution, however often its statement was executed before."""

import uuid

import pytest
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    Table,
    TypeDecorator,
    Uuid,
    bindparam,
    event,
    select,
)  # fmt: skip
from sqlalchemy.orm import Session

from isgware.sqlalchemy import recorder

from .models import Author, Book, on_shelf
from .recording import clean_room


class Tens(TypeDecorator):
    """A tenth of what the database holds."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return value and value * 10


LIKES = select(Book.id).where(Book.likes == bindparam("x", 1))
LISTED = select(Book.id).where(Book.likes.in_(bindparam("x", expanding=True)))
BOTH = LISTED.where(Book.author_id == bindparam("y"))
OF_THE_APP = select(Book.id).where(Book.likes == bindparam("x", type_=Tens))
TWICE = LISTED.where(Book.author_id.in_(bindparam("y", expanding=True)))


@pytest.fixture
def asked(engine):
    """``asked(statement, **values)``: what an execution of it makes a render depend on."""
    recorder.install()

    def asked(statement, **values):
        with clean_room() as found, Session(engine) as session:
            session.execute(statement, values).all()
        return found

    return asked


@pytest.mark.parametrize(
    ("statement", "values", "expected"),
    [
        (LIKES, {"x": 2}, ["book[likes=2]"]),
        (LIKES, {"x": True}, ["book[likes=1]"]),
        (LIKES, {"x": None}, ["book[likes]"]),
        (LISTED, {"x": [2, 3]}, ["book[likes=2]", "book[likes=3]"]),
        (LISTED, {"x": [2, True]}, ["book[likes=2]", "book[likes=1]"]),
        (LISTED, {"x": [2, None]}, ["book[likes]"]),
        (LISTED, {"x": []}, ["book[likes]"]),
        (LISTED, {"x": list(range(101))}, ["book[likes]"]),
        (BOTH, {"x": [2, 3], "y": 4}, [
            "book[author_id=4, likes=2]", "book[author_id=4, likes=3]",
        ]),
        (BOTH, {"x": [2, 3], "y": None}, ["book[likes=2; author_id]", "book[likes=3; author_id]"]),
        (OF_THE_APP, {"x": 2}, ["book[likes]"]),
        (
            select(Book.id).where(Book.likes.in_(bindparam("x", type_=Tens, expanding=True))),
            {"x": [2]}, ["book[likes]"],
        ),
        (TWICE, {"x": [2, 3], "y": [4, 5]}, [
            "book[author_id=4; likes]", "book[author_id=5; likes]",
        ]),
        (select(Book.id).where(Book.likes.is_(None)), {}, ["book[likes]"]),
        (select(Author.id).where(Author.id == 3), {}, ["author:3(id)"]),
        (select(Author.id).where(Author.id.in_([3, 4])), {}, ["author:3(id)", "author:4(id)"]),
        (
            select(on_shelf).where(on_shelf.c.book_id == 3, on_shelf.c.shelf_id == 4), {},
            ["on_shelf:3,4(book_id, shelf_id)"],
        ),
    ],
)  # fmt: skip
def test_values_are_those_of_the_execution(asked, statement, values, expected):
    for _ in range(2):
        assert asked(statement, **values) == expected
        asked(statement, **{name: [7] if isinstance(values[name], list) else 7 for name in values})


def test_a_uuid_is_a_value(engine):
    recorder.install()
    table = Table("thing", MetaData(), Column("id", Uuid, primary_key=True))
    table.create(engine)
    for _ in range(2):
        key = uuid.uuid4()
        with clean_room() as found, engine.connect() as connection:
            connection.execute(select(table).where(table.c.id == key)).all()
        assert found == [f"thing:{key.hex}(id)"]


def test_parameters_may_be_called_like_those_of_an_in(engine, asked):
    """SQLAlchemy calls the values of ``x`` ``x_1`` and so on, unless others are called so."""
    seen = []
    event.listen(engine, "before_cursor_execute", lambda *given: seen.append(given[3]))
    statement = LISTED.where(Book.author_id == bindparam("x_1"))
    for _ in range(2):
        found = asked(statement, x=[2, 3], x_1=4)
        *listed, author = seen[-1].values() if isinstance(seen[-1], dict) else seen[-1]
        assert found == [f"book[author_id={author}, likes={each}]" for each in listed]


def test_a_type_that_is_another_in_this_database_is_not_compared(engine):
    recorder.install()
    kind = Integer().with_variant(Tens(), engine.dialect.name)
    table = Table("thing", MetaData(), Column("id", Integer, primary_key=True), Column("x", kind))
    table.create(engine)
    with clean_room() as found, engine.connect() as connection:
        connection.execute(select(table.c.id).where(table.c.x == 2)).all()
    assert found == ["thing[x]"]
