"""Rows that are found by a unique value: as long as one is there, no other can take its place."""

import pytest
from sqlalchemy import (
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    column,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session, aliased, contains_eager, joinedload, load_only

from isgware.sqlalchemy.columns import unique_columns

from .models import Author, Book, add
from .oracle.sites import PaperSite
from .recording import clean_room, telling

COLUMNS = "author_id, id, kind, likes, title"
OTHER = aliased(Book)


@pytest.fixture
def library(engine):
    with telling(), Session(engine) as session:
        ann = Author(id=1, name="Ann")
        add(session, Book(id=1, title="a", author=ann), Book(id=2, title="b", author=ann))
        yield session


READS = {
    "found": (select(Book).where(Book.title == "a"), ["book:1"]),
    "its columns": (
        select(Book).where(Book.title == "a").options(load_only(Book.likes)),
        ["book:1(id, kind, likes, title)"],
    ),
    "under conditions": (
        select(Book.id, Book.title).where(Book.title == "a", Book.likes == 0),
        ["book:1(id, likes, title)"],
    ),
    "an alias": (select(OTHER).where(OTHER.title == "a"), ["book:1"]),
    "with others": (
        select(Book).where(Book.title == "a").options(joinedload(Book.author)),
        ["author:1", "author[id]", "book:1"],
    ),
    "on one side": (
        select(Author).outerjoin(Author.books.and_(Book.title == "b"))
        .options(contains_eager(Author.books)),
        ["author:1", "author[id]", "book:2"],
    ),
    "in chunks": (
        select(Book).where(Book.title == "a").execution_options(yield_per=1), ["book:1"],
    ),
    "not found": (select(Book).where(Book.title == "c"), ["book[title]"]),
    "not under conditions": (
        select(Book).where(Book.title == "a", Book.likes == 7), ["book[likes=7; title]"],
    ),
    "no key": (select(Book.likes).where(Book.title == "a"), ["book[likes, title]"]),
    "a range": (select(Book).where(Book.title <= "a"), ["book:1", "book[title]"]),
    "or": (
        select(Book).where(or_(Book.title == "a", Book.likes == 7)),
        ["book:1", "book[likes, title]"],
    ),
    "several": (select(Book).where(Book.title.in_(["a"])), ["book:1", "book[title]"]),
    "no unique value": (select(Author).where(Author.name == "Ann"), ["author:1", "author[name]"]),
}  # fmt: skip


@pytest.mark.parametrize("name", READS)
def test_what_a_page_depends_on(library, name):
    statement, expected = READS[name]
    for _ in range(2):  # of a statement that was executed before, more is known
        with clean_room() as found:
            result = library.execute(statement)
            list(result if name == "in chunks" else result.unique())
        assert sorted(found) == expected
        library.close()


def test_a_number_finds_a_text_that_is_not_the_only_one(library):
    add(library, Book(id=3, title="7"))
    with clean_room() as found:
        (book,) = library.scalars(select(Book).where(Book.title == literal(7, Integer)))
    assert (book.id, found) == (3, ["book:3", "book[title]"])


def test_a_number_of_rows_is_an_answer_too(library):
    with clean_room() as found:
        result = library.connection().execute(select(Book.__table__).filter_by(title="a"))
        assert result.rowcount <= 1
    assert found == ["book[title]"]


def test_the_value_of_each_execution_counts(library):
    statement = select(Book).where(Book.title == bindparam("title"))
    for title, expected in (("a", "book:1"), ("c", "book[title]"), ("b", "book:2")):
        with clean_room() as found:
            library.execute(statement, {"title": title}).all()
            library.rollback()
        assert found == [expected]


def test_pages_of_titles_follow_books_that_swap_them(library, engine):
    pages = {
        f"/{title}": lambda session, title=title: session.scalar(
            select(Book.id).where(Book.title == title)
        )
        for title in ("a", "b", "c")
    }
    site = PaperSite(engine, pages)

    def shown():
        return [site.get(path) for path in pages]

    shown()
    with engine.begin() as connection:
        for number, title in ((1, "x"), (2, "a"), (1, "b")):
            connection.execute(update(Book).where(Book.id == number).values(title=title))
    assert shown() == [("2", False), ("1", False), ("None", False)]
    with engine.begin() as connection:
        connection.execute(insert(Book).values(id=3, title="c", kind="book"))
    assert shown() == [("2", True), ("1", True), ("3", False)]
    site.close()


def test_what_is_unique():
    table = Table(
        "t", MetaData(),
        Column("id", Integer, primary_key=True), Column("a", String, unique=True),
        Column("b", String, unique=True, index=True), Column("c", String), Column("d", String),
        UniqueConstraint("c", "d"), UniqueConstraint("c", deferrable=True),
        Index("lower", func.lower(column("d")), unique=True), Index("plain", "d"),
        Index("some", "d", unique=True, sqlite_where=text("c IS NULL")),
    )  # fmt: skip
    assert set(unique_columns(table)) == {frozenset("a"), frozenset("b"), frozenset("cd")}
