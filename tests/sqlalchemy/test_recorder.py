"""Where executions are watched, and what that leaves as it was."""

from contextlib import contextmanager

import pytest
from flask import Flask
from sqlalchemy import create_engine, event, insert, select, update
from sqlalchemy.engine import Dialect, Engine

from isgware.core.dependencies import Inserted
from isgware.flask import ISG
from isgware.management import record_writes
from isgware.sqlalchemy import recorder

from .models import Author, Base, Shelf
from .recording import clean_room, telling


@pytest.fixture
def plain():
    """An engine without hooks of the app's."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@contextmanager
def handling(target):
    """A hook that executes statements itself, so that SQLAlchemy does not."""
    handled = []

    def execute(cursor, statement, parameters, context):
        handled.append(statement)
        cursor.execute(statement, parameters)
        return True

    event.listen(target, "do_execute", execute)
    yield handled
    event.remove(target, "do_execute", execute)


def test_engines_stay_on_their_fast_path(plain):
    with telling(), plain.connect() as connection:
        assert (plain._has_events, connection._has_events) == (False, False)


@pytest.mark.parametrize("target", ["engine", "all engines"])
def test_what_a_hook_executes_itself_is_recorded(plain, target):
    if event.contains(Dialect, "do_execute", recorder._execute):  # the app's hook was there before
        event.remove(Dialect, "do_execute", recorder._execute)
    with handling(plain if target == "engine" else Engine) as handled, telling() as told:
        with plain.begin() as connection:
            connection.execute(insert(Shelf).values(id=1))
        assert Inserted in {type(write) for write in told()}
        with clean_room() as found, plain.connect() as connection:
            assert connection.scalars(select(Shelf.id)).all() == [1]
    assert "shelf:1" in found
    assert len(handled) == 2


def test_where_isgware_is_off_nothing_is_asked_before_a_write(plain, monkeypatch):
    """As under test; what is not told yet does not decide that either."""
    monkeypatch.setattr(record_writes, "_listeners", [])  # those of other tests want to know
    app = Flask("off")
    app.testing = True
    isg = ISG(app, store="memory:", dependencies=True)
    seen = []
    event.listen(plain, "before_cursor_execute", lambda *given: seen.append(given[2]))

    def statements():
        seen.clear()
        with plain.begin() as connection:
            connection.execute(update(Author).values(name="x"))
        return len(seen)

    assert statements() == 1
    app.testing = False
    assert statements() > 1
    isg.close()
