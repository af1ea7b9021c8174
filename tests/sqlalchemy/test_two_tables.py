"""Two tables of SQLAlchemy's that are one in the database, with keys of their own, or without."""

import pytest
from flask import Flask
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    insert,
    update,
)
from sqlalchemy.orm import Session, declarative_base

from isgware import revalidate
from isgware.flask import ISG
from isgware.sqlalchemy import columns


def columns_of(key):
    return [
        Column(name, kind, primary_key=name == key)
        for name, kind in (("id", Integer), ("code", String(9)), ("text", String(9)))
    ]


@pytest.fixture
def app():
    """Pages of a class by its number."""
    columns.keys_of.cache_clear()
    base = declarative_base()
    table = Table("numbered", base.metadata, *columns_of("id"))
    kind = type("Numbered", (base,), {"__table__": table})
    app = Flask("numbered")
    app.engine = create_engine("sqlite:///:memory:", connect_args={"check_same_thread": False})
    app.isg = ISG(app, store="memory:", dependencies=True, enabled=True)
    base.metadata.create_all(app.engine)
    app.write = lambda *edits: write(app.engine, *edits)
    app.write(*(insert(table).values(id=n, code=f"c{n}", text="old") for n in (1, 2)))

    @app.get("/<int:number>")
    @revalidate(False)
    def one(number):
        with Session(app.engine) as session:
            found = session.get(kind, number)
            return found.text if found else "none"

    yield app
    app.isg.close(0)
    app.engine.dispose()
    base.registry.dispose()
    columns.keys_of.cache_clear()


def write(engine, *edits):
    with engine.begin() as connection:
        for edit in edits:
            connection.execute(edit)


@pytest.mark.parametrize("key", ["code", ""])
@pytest.mark.parametrize("first", [True, False], ids=["met before", "met after"])
def test_what_is_written_through_one_is_told_to_the_other(app, key, first):
    other = Table("numbered", MetaData(), *columns_of(key))
    coded = other.c.code == "c1"
    if first:
        app.write(update(other).where(coded).values(text="older"))
    client = app.test_client()
    assert client.get("/3").text == "none"
    for edit, text in (
        (update(other).where(coded).values(text="new"), "new"),
        (update(other).where(other.c.text == "new").values(text="newer"), "newer"),
        (delete(other).where(coded), "none"),
        (insert(other).values(id=1, code="c4", text="again"), "again"),
    ):
        client.get("/1")
        assert client.get("/1").headers["X-ISG-Cache"] == "HIT"
        app.write(edit)
        assert client.get("/1").text == text
    app.write(insert(other).values(id=3, code="c3", text="three"))
    assert client.get("/3").text == "three"


def test_what_is_mapped_is_known_before_it_is_met(app):
    """Whatever another process meets first."""
    base = declarative_base()
    table = Table("numbered", base.metadata, *columns_of("code"))
    type("Coded", (base,), {"__table__": table})
    columns.keys_of.cache_clear()  # as in another process
    assert columns.keys_of("numbered") == {("id",), ("code",)}
    assert columns.key_columns(table) == ()
    base.registry.dispose()
