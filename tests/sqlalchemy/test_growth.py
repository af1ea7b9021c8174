"""An app that makes tables as it runs does not make isgware's own memory grow with them."""

import gc
import weakref
from functools import lru_cache

import pytest
from flask import Flask
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, literal_column, select
from sqlalchemy.pool import StaticPool
from werkzeug.test import Client

import isgware.flask
from isgware import revalidate
from isgware.sqlalchemy import old_rows, recorder, tables
from isgware.storage import dependencies

from .models import Author
from .recording import clean_room

FEW, MANY = 20, 150


def made(number):
    columns = Column("id", Integer, primary_key=True), Column("likes", Integer)
    return Table(f"made_{number}", MetaData(), *columns)


@pytest.fixture
def few(monkeypatch):
    """Limits that a test reaches, and nothing left of other tests."""
    monkeypatch.setattr(tables, "_met", set())
    monkeypatch.setattr(tables, "_MOST_MET", FEW)
    monkeypatch.setattr(dependencies, "_MAX_SHAPES", 3 * FEW)
    statements = old_rows._by_values.__wrapped__
    monkeypatch.setattr(old_rows, "_by_values", lru_cache(maxsize=FEW)(statements))
    tables.ignored.cache_clear()
    yield
    tables.ignored.cache_clear()


@pytest.fixture
def base():
    connecting = {"check_same_thread": False}
    engine = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args=connecting, query_cache_size=FEW
    )
    yield engine
    engine.dispose()


def test_tables_that_come_and_go_are_forgotten(few, base):
    app, seen = Flask("maker"), []

    @app.get("/<int:number>")
    @revalidate(False)
    def page(number):
        table = made(number)
        with base.connect() as connection:
            return str(connection.execute(select(table).where(table.c.likes == 1)).all())

    isg = isgware.flask.ISG(app, store="memory:", enabled=True, dependencies=True)
    client = Client(app)
    for number in range(MANY):
        table = made(number)
        seen.append(weakref.ref(table))
        with base.begin() as connection:
            table.create(connection)
            connection.execute(table.insert(), [{"id": 1, "likes": 1}])
        assert client.get(f"/{number}").text == "[(1, 1)]"
        with base.begin() as connection:
            connection.execute(table.update().where(table.c.id == 1).values(likes=2))
        assert client.get(f"/{number}").text == "[]"
        with base.begin() as connection:
            table.drop(connection)
    kept = isg.core.runtime.engine.page_store.dependencies
    del table
    gc.collect()
    held = sum(known() is not None for known in seen)
    assert len(tables._met) == FEW
    assert len(kept._shapes.shapes) < 3 * FEW + 10
    assert held < 5 * FEW
    isg.close()


def test_sql_of_the_app_s_own_is_everything_where_tables_are_not_all_known(few, session):
    """It may name one of them."""
    recorder.install()
    text = select(literal_column("name")).select_from(Author)
    with clean_room() as found:
        session.execute(text).all()
    assert found == ["author[*]"]
    for number in range(FEW):
        tables.ignored(f"made_{number}")
    session.close()
    with clean_room() as found:
        session.execute(text.where(Author.id == 1)).all()
    assert found[0].startswith("* an expression of an unknown kind")
