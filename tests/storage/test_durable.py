"""``dependencies_durable``: a writer that is killed after its commit renews pages, too."""

import os
import signal
import subprocess
import sys
import time

import pytest
from cachelib import FileSystemCache
from sqlalchemy import create_engine, insert, select
from sqlalchemy.orm import Session
from werkzeug.test import Client

from isgware import ISG, Policy
from isgware.core.dependencies import Updated
from isgware.errors import BackendUnavailable
from isgware.management import record_writes
from isgware.testing import FakeClock

from .test_replica_lag import OPTIONS, Base, Item, Site
from .test_replica_lag import alone as alone
from .test_replica_lag import site as site

DURABLE = {"dependencies_durable": True, "dependencies_lag": 0}
WRITES = [Updated("post", 1, {"title"})]


def maintain(site, process=0):
    site.isgs[process].runtime.engine.page_store.maintain()


def away(site, monkeypatch, *operations):
    """The store fails in these; returns what brings it back."""
    backend = site.isgs[0].runtime.store.backend

    def fails(*args, **kwargs):
        raise OSError("the disk is gone")

    for operation in operations:
        monkeypatch.setattr(backend, operation, fails)
    return lambda: [monkeypatch.delattr(backend, operation) for operation in operations]


@pytest.mark.parametrize("store", ["memory:", "file:", "cachelib"])
def test_who_announces_and_never_tells_renews_after_ten_seconds(site, store, tmp_path):
    if store == "cachelib":
        pages = FileSystemCache(str(tmp_path / "elsewhere"))
        site = site(pages, coordinator=f"file:{tmp_path / 'beside'}", **DURABLE)
    else:
        site = site(store, **DURABLE)
    site.get()
    site.replica = 1
    record_writes.announce(WRITES)
    for seconds in (0, 9.9):
        site.clock.advance(seconds)
        maintain(site, -1)
        assert site.get() == ("0", "HIT")
    site.clock.advance(0.2)
    maintain(site, -1)
    assert site.get() == ("1", "REVALIDATED")
    assert site.get() == ("1", "HIT")


def test_a_process_that_begins_later_tells_before_its_first_visit(site, tmp_path):
    before = site(f"file:{tmp_path / 'one'}", **DURABLE)
    before.get()
    record_writes.announce(WRITES)
    for isg in before.isgs:
        isg.close(0)
    after = Site(f"file:{tmp_path / 'one'}", **DURABLE, start=before.clock.now + 60)
    for isg in after.isgs:
        isg.close(0)
    assert after.renders == 0
    assert after.get()[1] == "REVALIDATED"


def test_what_is_told_is_not_told_again(site):
    site = site("memory:", **DURABLE)
    site.get()
    record_writes.tell(WRITES, record_writes.announce(WRITES))
    assert site.get() == ("0", "REVALIDATED")
    site.clock.advance(1_000)
    maintain(site)
    assert site.get() == ("0", "HIT")


def test_without_the_option_nothing_is_announced_and_nobody_looks(site, monkeypatch):
    site = site("memory:", dependencies_lag=0)
    away(site, monkeypatch, "announce", "tell_overdue")
    assert record_writes.announce(WRITES) == {}
    assert not record_writes.announcing()
    maintain(site)


def test_a_store_that_is_away_refuses_no_commit(site, monkeypatch, caplog):
    site = site("memory:", **DURABLE)
    away(site, monkeypatch, "announce")
    assert list(record_writes.announce(WRITES).values()) == [[]]
    assert "could not be announced; it goes on without" in caplog.text


def test_a_store_that_has_too_many_says_so(site, monkeypatch, caplog):
    site = site("memory:", **DURABLE)
    monkeypatch.setattr(site.isgs[0].runtime.store.backend, "announce", lambda *_: False)
    assert list(record_writes.announce(WRITES).values()) == [[]]
    assert "not announced" in caplog.text


def test_what_waits_for_the_store_ends_what_was_announced_when_it_is_told(site, monkeypatch):
    site = site("memory:", **DURABLE)
    site.get()
    announced = record_writes.announce(WRITES)
    back = away(site, monkeypatch, "tell")
    record_writes.tell(WRITES, announced)
    assert site.get()[1] != "HIT"
    dependencies = site.isgs[0].runtime.engine.page_store.dependencies
    dependencies.pay()
    back()
    assert site.isgs[0].runtime.store.probe()
    maintain(site)
    site.get()
    site.clock.advance(1_000)
    maintain(site)
    assert site.get()[1] == "HIT"


def test_of_a_store_that_is_away_nobody_asks_what_is_overdue(site, monkeypatch):
    site = site("memory:", **DURABLE)
    away(site, monkeypatch, "tell_overdue", "ping")
    with pytest.raises(BackendUnavailable):
        maintain(site)
    maintain(site)  # the circuit is open


KILLED = """
import os, signal, sys
from sqlalchemy import create_engine, update
from isgware import ISG
from isgware.storage import told_writes
from tests.storage.test_replica_lag import Item

told_writes.tell = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
isg = ISG(lambda *_: [], store="file:" + sys.argv[2], enabled=True, dependencies=True,
    dependencies_durable=True, backend_timeout=30)
with create_engine("sqlite:///" + sys.argv[1]).begin() as connection:
    connection.execute(update(Item).where(Item.id == 1).values(name="b"))
"""


def kill(source, *arguments):
    """Run ``source`` in a process that kills itself between its commit and telling of it."""
    done = subprocess.run(
        [sys.executable, "-c", source, *map(str, arguments)], capture_output=True, text=True,
        timeout=60, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_a_process_that_is_killed_between_its_commit_and_telling(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'items'}")
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(Item).values(id=1, name="a"))

    def app(environ, start_response):
        with Session(engine) as session:
            name = session.scalar(select(Item.name))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [name.encode()]

    clock, routes = FakeClock(time.time()), {"/": Policy(revalidate=False)}
    options = {**OPTIONS, **DURABLE, "store": f"file:{tmp_path / 'pages'}", "clock": clock}
    isg = ISG(app, routes=routes, **options)
    client = Client(isg)
    assert client.get("/").text == "a"
    kill(KILLED, tmp_path / "items", tmp_path / "pages")
    assert (client.get("/").text, app({}, lambda *_: None)) == ("a", [b"b"])
    clock.advance(60)
    isg.runtime.engine.page_store.maintain()
    assert client.get("/").text == "b"
    isg.close(0)
    engine.dispose()
