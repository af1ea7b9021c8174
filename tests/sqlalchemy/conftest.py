"""A database of each test's own, and what the store is told."""

import pytest
from sqlalchemy import create_engine, event
from sqlalchemy.orm import Session

from isgware import ISG
from isgware.sqlalchemy import changes as hooks
from isgware.sqlalchemy import revalidate_on_change

from ..databases import BACKEND, ISOLATION, database
from .models import Base

#: They are about what servers do.
collect_ignore = ["test_databases.py"] if BACKEND == "sqlite" else []
OPTIONS = {"isolation_level": ISOLATION} if ISOLATION else {}


@pytest.fixture
def engine(tmp_path):
    """SQLite whose savepoints are real: the driver's own idea of transactions switched off."""
    engine = create_engine(database(tmp_path / "library"), **OPTIONS)
    if BACKEND == "sqlite":

        @event.listens_for(engine, "connect")
        def connected(connection, _):
            connection.isolation_level = None

        @event.listens_for(engine, "begin")
        def begun(connection):
            connection.exec_driver_sql("BEGIN")

    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine):
    with Session(engine) as session:
        yield session


@pytest.fixture
def hook():
    """`revalidate_on_change` until the end of the test."""
    before = list(hooks._watchers)
    yield revalidate_on_change
    for watcher in hooks._watchers[len(before) :]:
        for name, handler in watcher.handlers.items():
            event.remove(watcher.model, name, handler)
    hooks._watchers[:] = before


@pytest.fixture
def isg():
    return ISG(lambda environ, start_response: [], store="memory:", enabled=True)


@pytest.fixture
def told(isg, monkeypatch):
    """``told()``: the names that the store was told of since the last time."""
    return listen_to(isg.runtime.engine.page_store, monkeypatch)


def listen_to(shelf, monkeypatch):
    calls = []
    take = shelf.invalidate_eventually

    def note(names, *, hard=True):
        calls.append((hard, list(names)))
        take(names, hard=hard)

    monkeypatch.setattr(shelf, "invalidate_eventually", note)

    def told():
        found = {name.partition(":")[2] for _, names in calls for name in names}
        calls.clear()
        return found

    told.calls = calls
    return told
