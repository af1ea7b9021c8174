"""`revalidate_on_change` for SQLAlchemy: what a session commits renews the pages that show it."""

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from .models import Atlas, Author, Book, Shelf, add

# What fires.


def test_new_changed_and_deleted_records_fire_at_the_commit(session, hook, isg, told):
    hook(Book, isg, tags=["books", "book:{id}"])
    book = Book(title="Engines")
    session.add(book)
    session.flush()
    assert told.calls == []
    session.commit()
    assert told() == {"books", "book:1"}  # the key that the database gave
    book.title = "Sketch"
    session.commit()
    assert told() == {"books", "book:1"}
    session.delete(book)
    session.commit()
    assert told() == {"books", "book:1"}
    session.commit()
    assert told() == set()


def test_a_record_that_moves_renews_both_places(session, hook, isg, told):
    book = add(session, Book(title="Engines", author=Author(name="ada")), Author(name="bob"))
    hook(Book, isg, tags=["author:{author_id}"])
    book.author_id = 2  # of an expired record: its old author was not loaded
    session.commit()
    assert told() == {"author:1", "author:2"}
    book.author = session.get(Author, 1)
    session.commit()
    assert told() == {"author:1", "author:2"}


def test_what_happened_between_two_flushes_counts(session, hook, isg, told):
    book = add(session, Book(title="a"))
    hook(Book, isg, tags=["{title}"])
    for title in ("b", "c"):
        book.title = title
        session.flush()
    session.commit()
    assert told() == {"a", "b", "c"}


def test_a_callable_is_asked_about_the_old_record_and_the_new(session, hook, isg, told):
    book = add(session, Book(title="Engines", author=Author(name="ada")), Author(name="bob"))
    hook(Book, isg, tags=lambda book: [f"name:{book.author.name}", book.initial])
    book.author = session.scalars(select(Author).filter_by(name="bob")).one()
    book.title = "Sketch"
    session.commit()
    assert told() == {"name:ada", "name:bob", "E", "S"}


@pytest.mark.parametrize("loaded", [True, False], ids=["loaded", "expired"])
def test_a_deleted_record_is_known_by_its_row(session, hook, isg, told, loaded):
    book = add(session, Book(title="Engines"))
    hook(Book, isg, tags=["{title}"])
    if loaded:
        book.title = "never written"
    session.delete(book)
    session.commit()
    assert told() == {"Engines"}


def test_orphans_and_cascades_fire(session, hook, isg, told):
    author = add(session, Author(name="ada", books=[Book(title="a"), Book(title="b")]))
    hook(Book, isg, tags=["{title}"])
    author.books.pop(0)
    session.commit()
    assert told() == {"a"}
    session.delete(author)
    session.commit()
    assert told() == {"b"}


def test_a_relation_fires_at_both_ends(session, hook, isg, told):
    book = add(session, Book(title="a"), Shelf(id=7))
    hook(Book, isg, tags=["book:{id}"])
    hook(Shelf, isg, tags=["shelf:{id}"])
    book.shelves.append(session.get(Shelf, 7))
    session.commit()
    assert told() == {"book:1", "shelf:7"}
    shelf = session.get(Shelf, 7)
    shelf.books.clear()
    session.commit()
    assert told() == {"book:1", "shelf:7"}


def test_a_callable_may_list_the_relation_from_its_far_end(session, hook, isg, told):
    book, shelf = Book(title="a"), Shelf(id=7, books=[Book(title="b")])
    add(session, book, shelf)
    hook(Shelf, isg, tags=lambda shelf: [f"{len(shelf.books)} books"])
    book.shelves.append(shelf)
    session.commit()
    assert told() == {"1 books", "2 books"}


def test_subclasses_fire(session, hook, isg, told):
    hook(Book, isg, tags=["{title}"])
    atlas = add(session, Atlas(title="Maps"))
    assert told() == {"Maps"}
    atlas.title = "Charts"
    session.commit()
    assert told() == {"Maps", "Charts"}


def test_a_record_that_stays_as_it_is_fires_nothing(session, hook, isg, told):
    author = add(session, Author(name="ada"))
    hook(Author, isg, tags=["{name}"])
    assert (author.name, author.books) == ("ada", [])
    author.name = "ada"
    session.commit()
    assert told() == set()


def test_a_thousand_records_are_one_call(session, hook, isg, told):
    hook(Author, isg, tags=["authors"])
    add(session, *(Author(name=str(number)) for number in range(1_000)))
    assert told.calls == [(True, ["tag:authors"])]


def test_paths_and_modes(session, hook, isg, told):
    hook(Book, isg, paths=["/books/{title}"], mode="revalidate")
    add(session, Book(title="What?"))
    assert told.calls == [(False, ["path:/books/What?"])]


# Transactions.


def test_a_rollback_fires_nothing(session, hook, isg, told):
    hook(Book, isg, tags=["{title}"])
    session.add(Book(title="lost"))
    session.flush()
    session.rollback()
    add(session, Book(title="kept"))
    assert told() == {"kept"}


def test_closing_without_a_commit_fires_nothing(session, hook, isg, told):
    hook(Book, isg, tags=["{title}"])
    session.add(Book(title="lost"))
    session.flush()
    session.close()
    session.commit()
    assert told() == set()


def test_a_flush_that_fails_fires_nothing(session, hook, isg, told):
    add(session, Book(title="a"))
    hook(Book, isg, tags=["book:{title}"])
    session.add_all([Book(title="b"), Book(title="a")])
    with pytest.raises(IntegrityError):
        session.commit()
    session.rollback()
    session.commit()
    assert told() == set()


def test_a_rolled_back_savepoint_takes_its_changes_with_it(session, hook, isg, told):
    hook(Author, isg, tags=["{name}"])
    session.add(Author(name="first"))
    with session.begin_nested() as outer:
        session.add(Author(name="lost"))
        with session.begin_nested():
            session.add(Author(name="lost with it"))
        outer.rollback()
    with session.begin_nested():
        session.add(Author(name="inner"))
        inner = session.begin_nested()
        session.add(Author(name="dropped"))
        session.flush()
        inner.rollback()
        assert told.calls == []
    assert told.calls == []
    session.commit()
    assert told() == {"first", "inner"}


def test_a_savepoint_that_fails_leaves_the_rest(session, hook, isg, told):
    add(session, Book(title="a"))
    hook(Book, isg, tags=["book:{title}"])
    session.add(Book(title="b"))
    with pytest.raises(IntegrityError), session.begin_nested():
        session.add(Book(title="a"))
    session.commit()
    assert told() == {"book:b"}


def test_looking_the_old_row_up_leaves_a_savepoint_alone(session, hook, isg, told):
    book = add(session, Book(title="a"))
    hook(Book, isg, tags=["{title}"])
    with session.begin_nested():
        book.title = "b"
    with session.begin_nested() as savepoint:
        book.title = "c"
        session.flush()
        savepoint.rollback()
    session.commit()
    assert book.title == "b"
    assert told() == {"a", "b"}


def test_the_new_row_is_there_for_others_when_it_fires(engine, session, hook, isg, monkeypatch):
    seen = []

    def look(names, *, hard):
        with engine.connect() as other:
            seen.append(other.execute(select(Book.title)).scalars().all())

    hook(Book, isg, tags=["books"])
    monkeypatch.setattr(isg.runtime.engine.page_store, "invalidate_eventually", look)
    add(session, Book(title="a"))
    assert seen == [["a"]]


def test_two_sessions_do_not_mix(engine, hook, isg, told):
    hook(Author, isg, tags=["{name}"])
    with Session(engine) as one, Session(engine) as two:
        one.add(Author(name="one"))
        two.add(Author(name="two"))
        two.commit()
        assert told() == {"two"}
        one.commit()
        assert told() == {"one"}
