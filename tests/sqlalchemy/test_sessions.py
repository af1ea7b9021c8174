"""`revalidate_on_change` for SQLAlchemy: sessions, statements, and what goes wrong."""

import gc
import logging
import weakref

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import delete, event, insert, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column, scoped_session, sessionmaker
from werkzeug.test import Client

import isgware.flask
from isgware import ISG, ConfigurationError, connect, revalidate
from isgware.sqlalchemy import changes as hooks
from isgware.sqlalchemy import revalidate_on_change

from .models import Atlas, Author, Book, add

# Kinds of sessions, and of ISGs.


@pytest.mark.parametrize(
    "make",
    [sessionmaker, lambda engine: scoped_session(sessionmaker(engine))],
    ids=["sessionmaker", "scoped_session"],
)
def test_every_kind_of_session_is_heard(engine, hook, isg, told, make):
    maker = make(engine)  # before the hook
    hook(Author, isg, tags=["{name}"])
    session = maker()
    add(session, Author(name="ada"))
    session.close()
    assert told() == {"ada"}


def test_a_flask_app_with_flask_sqlalchemy(tmp_path, hook):
    app, isg, db = Flask("notes"), isgware.flask.ISG(store="memory:"), SQLAlchemy()
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path / 'notes'}"

    class Note(db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str]

    hook(Note, isg, tags=["notes", "note:{id}"])

    @app.get("/notes/<int:id>")
    @revalidate(False, tags=["note:{id}"])
    def note(id):
        return db.get_or_404(Note, id).text

    @app.post("/write/<text>")
    def write(text):
        db.session.merge(Note(id=1, text=text))
        db.session.commit()
        return ""

    db.init_app(app)
    isg.init_app(app)
    with app.app_context():
        db.create_all()
    client = Client(app)
    for text in ("one", "two"):
        client.post(f"/write/{text}")
        answers = [client.get("/notes/1") for _ in range(2)]
        assert [answer.text for answer in answers] == [text, text]
        assert answers[1].headers["X-ISG-Cache"] == "HIT"
    with app.app_context():
        db.engine.dispose()


def test_a_connection_to_the_store_will_do(session, hook, tmp_path):
    with connect(f"file:{tmp_path / 'pages'}") as pages:
        hook(Author, pages, tags=["{name}"])
        add(session, Author(name="ada"))
        assert [name for name, _ in pages._page_store.mirror.hard.items()] == ["tag:ada"]


def test_a_callable_gives_the_isg_of_the_moment(session, hook, isg, told, caplog):
    current = [isg]
    hook(Author, lambda: current[0], tags=["{name}"])
    add(session, Author(name="ada"))
    assert told() == {"ada"}
    current.clear()
    add(session, Author(name="bob"))
    assert "there is no ISG" in caplog.text


def test_saying_it_twice_fires_once(session, hook, isg, told):
    for _ in range(2):
        hook(Author, isg, tags=["{name}"])
    add(session, Author(name="ada"))
    assert len(told.calls) == 1
    assert len([w for w in hooks._watchers if w.source is isg]) == 1


def test_switched_off_it_looks_nothing_up(engine, session, hook):
    off = ISG(lambda environ, start_response: [], store="memory:", enabled=False)
    book = add(session, Book(title="a"))
    hook(Book, off, tags=["{title}"])
    book.title = "b"
    statements = []
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    session.commit()
    assert not [line for line in statements if "SELECT book.title" in line or "book.title," in line]
    assert any("UPDATE" in line for line in statements)


def test_a_session_that_is_left_open_goes_at_once(engine, hook, isg, told):
    hook(Author, isg, tags=["{name}"])
    session = Session(engine)
    add(session, Author(name="ada"))
    left = weakref.ref(session)
    gc.disable()
    try:
        del session
        assert left() is None
    finally:
        gc.enable()


# Statements.


@pytest.mark.parametrize(
    "statement",
    [
        update(Book).where(Book.id == 1).values(title="x"),
        delete(Book),
        update(Book.__table__).values(likes=1),
        update(Atlas).values(scale=2),
        insert(Book).values(title="y"),
    ],
    ids=["update", "delete", "table", "subclass", "insert"],
)
def test_a_statement_fires_the_tags_without_placeholders(session, hook, isg, told, statement):
    add(session, Book(title="a"))
    hook(Book, isg, tags=["books", "book:{id}"])
    session.execute(statement)
    assert told.calls == []
    session.commit()
    assert told() == {"books"}


def test_many_rows_inserted_at_once_and_old_style_queries_fire(session, hook, isg, told):
    hook(Author, isg, tags=["authors"])
    session.execute(insert(Author), [{"name": "ada"}, {"name": "bob"}])
    session.commit()
    assert told() == {"authors"}
    session.query(Author).update({"name": "eve"})
    session.commit()
    assert told() == {"authors"}


def test_a_statement_of_another_table_or_a_select_fires_nothing(session, hook, isg, told):
    hook(Author, isg, tags=["authors"])
    session.execute(select(Author))
    session.execute(update(Book).values(likes=1))
    session.commit()
    assert told() == set()


def test_a_rolled_back_statement_fires_nothing(session, hook, isg, told):
    hook(Author, isg, tags=["authors"])
    session.execute(update(Author).values(name="x"))
    session.rollback()
    session.commit()
    assert told() == set()


def test_a_statement_whose_pages_are_not_known_is_told_once(session, hook, isg, told, caplog):
    hook(Author, isg, tags=["author:{id}"])
    with caplog.at_level(logging.WARNING, "isgware"):
        for _ in range(2):
            session.execute(update(Author).values(name="x"))
    session.commit()
    assert caplog.text.count("without placeholders") == 1


# What goes wrong.


@pytest.mark.parametrize("kind", ["isg", "connection"])
def test_a_store_that_is_away_breaks_no_commit_and_is_told_when_it_is_back(
    session, hook, isg, caplog, kind
):
    source = isg if kind == "isg" else connect("memory:")
    shelf = isg.runtime.engine.page_store if kind == "isg" else source._page_store
    backend = shelf.backend.backend
    hook(Author, source, tags=["{name}"])
    take, heard = backend.invalidate, []
    backend.invalidate = lambda names, hard: 1 / 0
    with caplog.at_level(logging.WARNING, "isgware"):
        add(session, Author(name="ada"))
    assert "waits for the store" in caplog.text
    backend.invalidate = lambda names, hard: heard.append(list(names)) or take(names, hard)
    if kind == "isg":
        shelf.backend.probe()
        shelf.retry_pending()
        assert heard == [["tag:ada"]]
    else:
        add(session, Author(name="bob"))
        assert heard == [["tag:ada"], ["tag:bob"]]


def test_what_a_callable_raises_is_raised_and_nothing_is_written(session, hook, isg):
    hook(Author, isg, tags=lambda author: [author.nickname])
    session.add(Author(name="ada"))
    with pytest.raises(AttributeError, match="nickname"):
        session.commit()
    session.rollback()
    assert session.scalars(select(Author)).all() == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"tags": ["{slug}"]}, r"Book has no field 'slug'.*callable"),
        ({"tags": ["{shelves}"]}, "no field 'shelves'"),
        ({"tags": "books"}, r"write tags=\['books'\]"),
        ({}, "give tags= or paths="),
        ({"tags": ["books"], "mode": "soft"}, "'purge' or 'revalidate'"),
    ],
    ids=["column", "relation", "string", "nothing", "mode"],
)
def test_what_cannot_work_is_told_at_once(isg, arguments, named):
    with pytest.raises(ConfigurationError, match=named):
        revalidate_on_change(Book, isg, **arguments)


def test_what_is_no_model_or_no_isg_is_told_at_once(isg):
    with pytest.raises(ConfigurationError, match="a mapped class"):
        revalidate_on_change(isg, Book, tags=["books"])
    with pytest.raises(ConfigurationError, match="give an ISG"):
        revalidate_on_change(Book, "file:.isgware", tags=["books"])
