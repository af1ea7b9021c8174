"""``dependencies_lag``: what was rendered shortly after a change is renewed once more."""

import shutil

import pytest
from cachelib import FileSystemCache
from click.testing import CliRunner
from sqlalchemy import create_engine, insert, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from werkzeug.test import Client

from isgware import ISG, Policy
from isgware.cli.commands import commands
from isgware.cli.subject import subject_of
from isgware.core.dependencies import Updated
from isgware.management import record_writes
from isgware.render_context import database
from isgware.testing import START, FakeClock

OPTIONS = {"enabled": True, "dependencies": True, "dependencies_lag": 2, "backend_timeout": 30.0}


class Site:
    """Pages of one row, which views read from a replica. Two ISGs on one store, of which one hears
    of commits, stand for two processes."""

    def __init__(self, store, *, start=START, **options):
        self.clock = FakeClock(start)
        self.primary = self.replica = 0
        self.renders = 0
        self.slow = 0.0
        self.also_writes = False
        routes = {"/<path:name>": Policy(revalidate=options.pop("revalidate", False))}
        given = {**OPTIONS, "store": store, "routes": routes, "clock": self.clock, **options}
        self.isgs = []
        for _ in range(1 if store == "memory:" else 2):
            self.isgs.append(ISG(self.app, **given))
            record_writes._listeners[:] = record_writes._listeners[:1]
        self.clients = [Client(isg) for isg in self.isgs]
        self.get("/long ago")  # the store meets its first page with a lag
        self.clock.advance(10)
        self.renders = 0

    def app(self, environ, start_response):
        database.get().row("post", 1)
        self.renders += 1
        shown = self.replica
        self.clock.advance(self.slow)
        if self.also_writes:
            self.tell()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(shown).encode()]

    def tell(self):
        record_writes.tell([Updated("post", 1, {"title"})])

    def edit(self):
        self.primary += 1
        self.tell()

    def copy(self):
        self.replica = self.primary

    def get(self, path="/page", process=0):
        answer = self.clients[process].get(path)
        return answer.text, answer.headers["X-ISG-Cache"]


@pytest.fixture(autouse=True)
def alone():
    """The ISGs of these tests hear of no other writes, and others of none of theirs."""
    lists = record_writes._listeners, record_writes._touchers
    before = [list(each) for each in lists]
    for each in lists:
        each.clear()
    yield
    for each, kept in zip(lists, before, strict=True):
        each[:] = kept


@pytest.fixture
def site(alone, tmp_path):
    made = []

    def make(store="file:", **options):
        made.append(Site(f"file:{tmp_path}/{len(made)}" if store == "file:" else store, **options))
        return made[-1]

    yield make
    for each in made:
        for isg in each.isgs:
            isg.close(0)


@pytest.mark.parametrize(
    ("store", "revalidate"),
    [("memory:", False), ("file:", False), ("file:", 3_600), ("cachelib", False)],
)
def test_a_page_that_a_lagging_replica_made_is_renewed_once_more(site, store, revalidate, tmp_path):
    if store == "cachelib":
        pages, beside = FileSystemCache(str(tmp_path / "elsewhere")), f"file:{tmp_path / 'beside'}"
        site = site(pages, coordinator=beside)
    else:
        site = site(store, revalidate=revalidate)
    assert site.get() == ("0", "MISS")
    site.edit()
    assert site.get() == ("0", "REVALIDATED")
    site.clock.advance(1.9)
    assert site.get() == ("0", "HIT")
    site.copy()
    site.clock.advance(0.2)
    assert site.get() == ("1", "REVALIDATED")
    site.clock.advance(100)
    assert site.get() == ("1", "HIT")
    assert site.renders == 3


def test_a_page_that_is_first_rendered_after_a_change_is_renewed_once_more(site):
    site = site()
    site.edit()  # of what no page depends on yet
    assert site.get() == ("0", "MISS")
    site.copy()
    site.clock.advance(2.1)
    assert site.get() == ("1", "REVALIDATED")


def test_another_process_has_it_in_memory_and_takes_what_the_first_renews(site):
    site = site()
    site.edit()
    assert site.get() == ("0", "MISS")
    assert [site.get(process=1), site.get(process=1)] == [("0", "HIT")] * 2
    site.copy()
    site.clock.advance(2.1)
    assert site.get() == ("1", "REVALIDATED")
    assert site.get(process=1) == ("1", "HIT")
    assert site.renders == 2


def test_a_soft_change_makes_it_stale_then(site):
    site = site(dependencies="soft")
    site.edit()
    assert site.get() == ("0", "MISS")
    site.copy()
    site.clock.advance(2.1)
    assert site.get() == ("0", "STALE")


def test_a_render_that_takes_longer_than_the_lag_is_not_kept(site):
    site = site()
    site.edit()
    site.slow = 3.0
    assert site.get() == ("0", "MISS")
    site.copy()
    assert site.get() == ("1", "REVALIDATED")
    assert site.get() == ("1", "HIT")


def test_a_render_that_writes_what_it_shows_is_not_renewed_for_that(site):
    site = site()
    site.also_writes = True
    assert site.get() == ("0", "MISS")
    site.clock.advance(2.1)
    assert site.get() == ("0", "HIT")


def test_caches_in_front_keep_it_no_longer(site):
    site = site()
    site.edit()
    site.get()
    site.clock.advance(0.5)
    headers = site.clients[0].get("/page").headers
    assert headers["Cache-Control"] == "public, max-age=0, s-maxage=1, stale-while-revalidate=0"
    assert headers["X-Accel-Expires"] == "1"
    site.clock.advance(2)
    site.get()
    headers = site.clients[0].get("/page").headers
    assert headers["Cache-Control"].startswith("public, max-age=0, s-maxage=60, stale-while-")


def test_why_names_the_option(site):
    site = site()
    site.edit()
    site.get()

    def why():
        return site.isgs[0].why("/page", host="localhost").decided_by

    assert why().startswith("fresh for another 2 s (dependencies_lag")
    (info,) = site.isgs[0].pages("/page")
    assert info.ttl == 2
    subject = subject_of(site.isgs[0])
    shown = CliRunner().invoke(commands("isgware", lambda: subject), ["show", "/page"]).output
    assert "dependencies_lag" in shown
    site.clock.advance(2.5)
    assert "dependencies_lag: replicas may not" in why()


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


def test_a_replica_that_is_copied_later(tmp_path):
    primary, replica = (create_engine(f"sqlite:///{tmp_path / n}") for n in ("one", "other"))
    Base.metadata.create_all(primary)

    def copy():
        shutil.copy(tmp_path / "one", tmp_path / "other")

    def app(environ, start_response):
        with Session(replica) as session:
            names = session.scalars(select(Item.name)).all()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [",".join(names).encode()]

    clock = FakeClock()
    routes = {"/": Policy(revalidate=False)}
    isg = ISG(app, store=f"file:{tmp_path / 'pages'}", routes=routes, clock=clock, **OPTIONS)
    client = Client(isg)
    with primary.begin() as connection:
        connection.execute(insert(Item).values(id=1, name="a"))
    copy()
    client.get("/")
    clock.advance(5)
    client.get("/")
    with primary.begin() as connection:
        connection.execute(update(Item).where(Item.id == 1).values(name="b"))
    assert client.get("/").text == "a"
    copy()
    clock.advance(2)
    assert [client.get("/").text for _ in range(2)] == ["b", "b"]
    clock.advance(60)
    assert client.get("/").headers["X-ISG-Cache"] == "HIT"
    isg.close(0)
    for engine in (primary, replica):
        engine.dispose()


def test_who_waited_for_a_render_takes_no_page_that_is_to_be_renewed_already(site):
    site = site()
    site.edit()
    site.get()
    renderer = site.isgs[0].runtime.engine.renderer
    pages = site.isgs[0].runtime.memory._pages.pages.values()
    (page,) = (page for page in pages if page.entry.request.path == "/page")
    arrival = renderer.page_store.mirror.counter
    assert renderer.acceptable(page, arrival)
    site.clock.advance(2)
    assert not renderer.acceptable(page, arrival)
    assert renderer.acceptable(page, arrival, own=True)
