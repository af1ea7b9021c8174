"""``ISG(app, dependencies=True)``: pages are renewed when what they show is changed."""

import sys

import pytest
from click.testing import CliRunner
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select, text
from sqlalchemy.orm import Mapped, Session, mapped_column
from werkzeug.test import Client

import isgware
from isgware import Policy, revalidate
from isgware.cli.commands import commands
from isgware.cli.subject import subject_of
from isgware.errors import ConfigurationError
from isgware.flask import ISG

from .models import Author, Book, Shelf, add, on_shelf

OPTIONS = {"enabled": True, "dependencies": True, "backend_timeout": 30.0}


@pytest.fixture(params=["memory:", "file:"])
def store(request, tmp_path):
    return request.param if request.param == "memory:" else f"file:{tmp_path / 'pages'}"


@pytest.fixture
def notes(store, tmp_path):
    """A Flask app with Flask-SQLAlchemy, whose views know nothing of isgware."""
    db = SQLAlchemy()

    class Note(db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)
        topic: Mapped[int]
        text: Mapped[str]

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path / 'notes'}"
    db.init_app(app)
    app.isg = ISG(app, store=store, **OPTIONS)
    with app.app_context():
        db.create_all()
        db.session.add_all(Note(topic=n % 2, text=f"t{n}") for n in range(1, 5))
        db.session.commit()

    @app.get("/topic/<int:topic>")
    @revalidate(False)
    def topic(topic):
        return ",".join(n.text for n in db.session.scalars(select(Note).filter_by(topic=topic)))

    @app.get("/note/<int:note>")
    @revalidate(False)
    def note(note):
        return db.get_or_404(Note, note).text

    @app.post("/<int:note>/<text>")
    def edit(note, text):
        db.session.get(Note, note).text = text
        db.session.commit()
        return "saved"

    @app.post("/raw")
    def raw():
        db.session.execute(text("UPDATE note SET text = 'raw'"))
        db.session.commit()
        return "saved"

    yield app
    app.isg.close(0)
    with app.app_context():
        db.engine.dispose()


PATHS = ("/topic/0", "/topic/1", "/note/1", "/note/2")


def asked(client):
    answers = [client.get(path) for path in PATHS]
    return [answer.text for answer in answers], [
        answer.headers["X-ISG-Cache"] for answer in answers
    ]


def test_what_shows_a_row_is_renewed_with_it_and_nothing_else(notes):
    client = notes.test_client()
    asked(client)
    assert asked(client) == (["t2,t4", "t1,t3", "t1", "t2"], ["HIT"] * 4)
    client.post("/1/new")
    assert asked(client) == (
        ["t2,t4", "new,t3", "new", "t2"], ["HIT", "REVALIDATED", "REVALIDATED", "HIT"],
    )  # fmt: skip
    assert asked(client)[1] == ["HIT"] * 4


def test_raw_sql_renews_everything(notes):
    client = notes.test_client()
    asked(client)
    client.post("/raw")
    assert asked(client) == (["raw,raw", "raw,raw", "raw", "raw"], ["REVALIDATED"] * 4)


def test_raw_sql_renews_no_page_that_shows_nothing_of_a_database(notes):
    @notes.get("/about")
    @revalidate(False)
    def about():
        return "about"

    client = notes.test_client()
    labels = [client.get("/about").headers["X-ISG-Cache"] for _ in range(2)]
    assert (labels, notes.isg.depends("/about")) == (["MISS", "HIT"], [])
    client.post("/raw")
    assert client.get("/about").headers["X-ISG-Cache"] == "HIT"


def test_a_plain_wsgi_app_with_sqlalchemy(store, engine, session):
    add(session, Author(id=1, name="Ann"), Shelf(id=1))

    def app(environ, start_response):
        with Session(engine) as session:
            names = session.scalars(select(Author.name)).all()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [",".join(names).encode()]

    isg = isgware.ISG(app, store=store, routes={"/": Policy(revalidate=False)}, **OPTIONS)
    client = Client(isg)
    assert [client.get("/").headers["X-ISG-Cache"] for _ in range(2)] == ["MISS", "HIT"]
    add(session, Shelf(id=2))
    assert client.get("/").headers["X-ISG-Cache"] == "HIT"
    add(session, Author(name="Eve"))
    answer = client.get("/")
    assert (answer.text, answer.headers["X-ISG-Cache"]) == ("Ann,Eve", "REVALIDATED")
    isg.close(0)


def test_a_second_isg_on_the_same_store_is_told(engine, session, tmp_path):
    add(session, Author(id=1, name="Ann"))

    def app(environ, start_response):
        with Session(engine) as session:
            name = session.get(Author, 1).name
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [name.encode()]

    routes, store = {"/": Policy(revalidate=False)}, f"file:{tmp_path / 'pages'}"
    isgs = [isgware.ISG(app, store=store, routes=routes, **OPTIONS) for _ in range(2)]
    clients = [Client(isg) for isg in isgs]
    assert [client.get("/").text for client in clients] == ["Ann", "Ann"]
    session.get(Author, 1).name = "Eve"
    session.commit()
    assert [client.get("/").text for client in clients] == ["Eve", "Eve"]
    for isg in isgs:
        isg.close(0)


def test_what_does_not_count_for_one_of_two_isgs_counts_for_the_other(engine, session):
    add(session, Author(id=1, name="Ann"), Shelf(id=1))

    def app(environ, start_response):
        with Session(engine) as session:
            found = [author.name for author in session.scalars(select(Author))]
            found.append(session.scalar(text("SELECT count(*) FROM shelf")))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [repr(found).encode()]

    routes = {"/": Policy(revalidate=False)}
    isgs = [
        isgware.ISG(app, store="memory:", routes=routes, untracked=untracked, **OPTIONS)
        for untracked in (["Author"], [])
    ]
    one, other = [Client(isg) for isg in isgs]
    assert one.get("/").text == other.get("/").text == "['Ann', 1]"
    without, found = ([line.partition(" ")[0] for line in isg.depends("/")] for isg in isgs)
    assert (without, found) == (["*"], ["*", "author:1", "author[]"])
    session.get(Author, 1).name = "Eve"
    session.commit()
    answers = [client.get("/").headers["X-ISG-Cache"] for client in (one, other)]
    assert answers == ["HIT", "REVALIDATED"]
    for isg in isgs:
        isg.close(0)


def test_a_row_whose_key_has_several_columns_is_called_as_it_is_shown(engine, session, store):
    shelves = [Shelf(id=1), Shelf(id=2)]
    add(session, Book(id=5, title="a", shelves=shelves))

    def app(environ, start_response):
        with Session(engine) as session:
            shelf = int(environ["PATH_INFO"][1:])
            session.execute(select(on_shelf).filter_by(book_id=5, shelf_id=shelf)).one()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"there"]

    routes = {"/<int:shelf>": Policy(revalidate=False)}
    isg = isgware.ISG(app, store=store, routes=routes, **OPTIONS)
    client = Client(isg)
    assert [client.get(path).text for path in ("/1", "/2")] == ["there"] * 2
    assert isg.depends("/1") == ["on_shelf:5,1", "on_shelf:5,1(book_id, shelf_id)"]
    assert [page.path for page in isg.affected("on_shelf:5,1")] == ["/1"]
    isg.touched("on_shelf:5, 1")
    answers = [client.get(path).headers["X-ISG-Cache"] for path in ("/1", "/2")]
    assert answers == ["REVALIDATED", "HIT"]
    isg.close(0)


def test_show_says_of_which_table_a_page_has_too_many_rows(engine, session):
    add(session, *(Shelf(id=number) for number in range(1, 1_002)))

    def app(environ, start_response):
        with Session(engine) as session:
            shelves = session.scalars(select(Shelf.id)).all()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(len(shelves)).encode()]

    routes = {"/": Policy(revalidate=False)}
    isg = isgware.ISG(app, store="memory:", routes=routes, **OPTIONS)
    assert Client(isg).get("/").text == "1001"
    assert isg.depends("/") == ["shelf[*]"]
    shown = CliRunner().invoke(commands("isgware", lambda: subject_of(isg)), ["show", "/"])
    assert "shelf[*] (more than 1,000 dependencies)" in shown.output
    isg.close(0)


def test_without_sqlalchemy_it_is_refused(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("isgware.sqlalchemy")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'isgware\[sqlalchemy\]'"):
        isgware.ISG(lambda environ, start_response: [], store="memory:", dependencies=True)


def test_pages_say_what_they_depend_on_and_are_told_by_name(notes):
    client = notes.test_client()
    asked(client)
    assert sorted(notes.isg.depends("/note/1")) == ["note:1", "note:1(id)"]
    assert {page.path for page in notes.isg.affected("note:1")} == {*PATHS} - {"/note/2"}
    for name in ("note:1", "Note:1"):
        isgware.touched(name)
        assert asked(client)[1][2:] == ["REVALIDATED", "HIT"]
    isgware.touched("Note[*]")
    assert asked(client)[1] == ["REVALIDATED"] * 4
