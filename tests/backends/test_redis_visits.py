"""What a visit asks of Redis: one round trip for a page that is not in memory, and no write."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from isgware import ISG, Policy
from isgware.backends.redis.counts import ADD
from isgware.backends.redis.scripts import PING, SYNC, TOUCH
from tests.backends.watching import Told, watching, writes
from tests.promises.kit import environ_of, forget
from tests.stores import Memcached, Redis, eventually, running

LANGUAGES = {"Accept-Language": ["en", "fr"]}
ROUTES = {
    "/plain/<x>": Policy(revalidate=3600),
    "/declared/<x>": Policy(revalidate=3600, query=("q",), vary={**LANGUAGES, "cookie:c": None}),
    "/learned/<x>": Policy(revalidate=3600),
}
FRENCH = {"Accept-Language": "fr"}


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    path = environ["PATH_INFO"]
    headers = [("Content-Type", "text/html")]
    if path.startswith("/learned/"):
        headers.append(("Vary", "Accept-Language"))
    if path.startswith("/says/"):
        headers.append(("Cache-Control", "s-maxage=3600"))
    start_response("200 OK", headers)
    return [path.encode()]


class Process:
    """What a worker process has of its own."""

    def __init__(self, application: Any, **options: Any) -> None:
        patient = {"backend_timeout": 5.0, "enabled": True}
        self.isg = ISG(application, **{**patient, "routes": ROUTES, **options})

    def visit(self, path: str, query: str = "", **headers: str) -> str:
        """The X-ISG-Cache of a visitor's answer."""
        told: dict[str, str] = {}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        environ = environ_of(path, query, headers=named)
        chunks = self.isg(environ, lambda status, said, exc_info=None: told.update(said))
        assert b"".join(chunks) == path.encode()
        return told.get("X-ISG-Cache", "")

    def stores(self, path: str, query: str = "", **headers: str) -> None:
        eventually(lambda: self.visit(path, query, **headers) == "HIT", within=60)

    def hears(self) -> int:
        """Bring its table of invalidations up to date; the store's version for that."""
        page_store, backend = self.isg.runtime.engine.page_store, self.isg.runtime.store

        def knows() -> bool:
            page_store.sync()
            return page_store.settled == backend.version[0]

        eventually(knows, within=60)
        return page_store.settled

    def forgets(self) -> None:
        forget(self.isg)


class Fleet:
    """Processes that share a Redis, which says what it is told."""

    def __init__(self, server: Redis, told: Callable[[], list[Told]]) -> None:
        self.server, self.told = server, told
        self.processes: list[Process] = []

    def process(self, application: Any = app, **options: Any) -> Process:
        """A new one, that has its connections and knows what was invalidated."""
        made = Process(application, **{"store": self.server.url, **options})
        self.processes.append(made)
        made.hears()
        return made

    def has(
        self, *paths: str, application: Any = app, query: str = "",
        headers: dict[str, str] | None = None, **options: Any,
    ) -> None:  # fmt: skip
        """Pages that a process has rendered which is no more."""
        process = self.process(application, **options)
        for path in paths:
            process.stores(path, query, **headers or {})
        process.isg.close(10)

    def trips(self, process: Process, work: Callable[[], object]) -> list[str]:
        """The commands of a visitor who changes nothing, and nobody else does. On a busy machine a
        subscription may seem silent: then the word changes, and the table is asked for once."""
        version = process.hears()
        said = self.said(work)
        moved = process.isg.runtime.store.version[0] != version
        return [name for name in said if not (moved and name == "SYNC")]

    def said(self, work: Callable[[], object]) -> list[str]:
        """The commands of visitors while ``work`` is done: without those of the thread that asks
        once a second whether anything was invalidated, and of what is told every five."""
        self.told()
        work()
        return [_said(each) for each in self.told() if each.by != "lua" and not _other(each)]


def _said(told: Told) -> str:
    return "SYNC" if SYNC.sha in told.words else told.name


def _other(told: Told) -> bool:
    asked = told.name in ("HMGET", "PING", "SUBSCRIBE", "CLIENT", "INFO", "SELECT", "QUIT")
    return asked or not {PING.sha, TOUCH.sha, ADD.sha}.isdisjoint(told.words)


@pytest.fixture
def fleet(redis_server: Redis) -> Iterator[Fleet]:
    with watching(redis_server) as told:
        made = Fleet(redis_server, told)
        yield made
        for process in made.processes:
            process.isg.close(0)


@pytest.mark.parametrize(
    ("path", "query", "headers"),
    [
        pytest.param("/plain/{}", "a=1", {}, id="plain"),
        pytest.param("/declared/{}", "q=1&other=2", {"Cookie": "c=eur", **FRENCH}, id="declared"),
    ],
)
def test_the_first_sight_of_a_declared_page_is_one_round_trip(
    path: str, query: str, headers: dict[str, str], fleet: Fleet
) -> None:
    fleet.has(path.format(1), query=query, headers=headers)
    other = fleet.process()
    said: list[str] = []
    look = lambda: said.append(other.visit(path.format(1), query, **headers))  # noqa: E731
    assert fleet.trips(other, look) == ["MGET"]
    assert said == ["HIT"]
    assert fleet.trips(other, look) == []
    other.isg.runtime.memory.clear()
    assert fleet.trips(other, look) == ["MGET"]  # what was learned of the URL is known
    assert said == ["HIT"] * 3


def test_it_is_without_memory_too(fleet: Fleet) -> None:
    fleet.has("/plain/1")
    other = fleet.process(memory=0)
    for expected in (["MGET"], ["MGET"], ["MGET"]):
        assert fleet.trips(other, lambda: other.visit("/plain/1")) == expected


def test_of_a_learned_vary_only_the_first_of_a_route_takes_two(fleet: Fleet) -> None:
    fleet.has("/learned/1", "/learned/2", headers=FRENCH)
    fleet.has("/plain/1")
    other = fleet.process()
    assert fleet.trips(other, lambda: other.visit("/learned/1", **FRENCH)) == ["MGET", "MGET"]
    assert fleet.trips(other, lambda: other.visit("/learned/2", **FRENCH)) == ["MGET"]
    assert other.visit("/learned/2", **FRENCH) == "HIT"
    assert fleet.trips(other, lambda: other.visit("/plain/1")) == ["MGET"]


@pytest.mark.parametrize(
    ("application", "options", "path"),
    [
        pytest.param(app, {"routes": {}, "revalidate": 60}, "/x/{}", id="ISG(revalidate=)"),
        pytest.param(app, {}, "/says/{}", id="its own headers"),
        pytest.param(app, {"cache_control": "full"}, "/says/{}", id="full"),
        pytest.param(
            app, {"cache_control": "full", "base_url": "http://site.test"}, "/says/{}",
            id="full with base_url",
        ),
    ],
)  # fmt: skip
def test_the_first_sight_of_a_page_that_nobody_declared_is_one_round_trip(
    application: Any, options: dict[str, Any], path: str, fleet: Fleet
) -> None:
    fleet.has(path.format(1), path.format(2), application=application, **options)
    other = fleet.process(application, **options)
    for number in (1, 2):
        assert fleet.trips(other, lambda: other.visit(path.format(number))) == ["MGET"]  # noqa: B023
        assert other.visit(path.format(number)) == "HIT"


def test_in_full_mode_of_a_vary_only_the_first_takes_two(fleet: Fleet) -> None:
    def varying(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        headers = [("Cache-Control", "s-maxage=3600"), ("Vary", "Accept-Language")]
        start_response("200 OK", headers)
        return [environ["PATH_INFO"].encode()]

    fleet.has("/1", "/2", headers=FRENCH, application=varying, cache_control="full", routes={})
    other = fleet.process(app, cache_control="full", routes={})
    assert fleet.trips(other, lambda: other.visit("/1", **FRENCH)) == ["MGET", "MGET"]
    assert fleet.trips(other, lambda: other.visit("/2", **FRENCH)) == ["MGET"]
    assert other.visit("/2", **FRENCH) == "HIT"


@pytest.mark.parametrize("options", [{}, {"cache_control": "full"}], ids=["shared", "full"])
def test_a_url_of_which_nothing_is_kept_is_one_round_trip(
    options: dict[str, Any], fleet: Fleet
) -> None:
    process = fleet.process(**options)
    assert fleet.trips(process, lambda: process.visit("/x")) == ["MGET"]
    assert fleet.trips(process, lambda: process.visit("/x")) == []


def test_a_post_reads_no_page(fleet: Fleet) -> None:
    fleet.has("/plain/1")
    other = fleet.process()
    environ = environ_of("/plain/1", method="POST")
    said = fleet.said(lambda: other.isg(environ, lambda *args: None))
    assert "MGET" not in said


def test_an_invalidation_elsewhere_is_one_round_trip_more_and_only_once(fleet: Fleet) -> None:
    fleet.has("/plain/1", "/plain/2")
    one, other = fleet.process(), fleet.process()
    version = other.isg.runtime.store.version[0]
    one.isg.revalidate_tag("unrelated")
    eventually(lambda: other.isg.runtime.store.version[0] != version, within=60)
    said = fleet.said(lambda: other.visit("/plain/1"))
    assert (said[0], said[-1], said.count("MGET")) == ("SYNC", "MGET", 1)
    assert set(said) == {"SYNC", "MGET"}
    assert fleet.trips(other, lambda: other.visit("/plain/2")) == ["MGET"]


def test_a_page_that_another_process_made_anew_is_read_once(fleet: Fleet) -> None:
    one, other = fleet.process(base_url="http://site.test"), fleet.process()
    other.stores("/plain/1")
    version = other.isg.runtime.store.version[0]
    one.isg.regenerate("/plain/1")
    eventually(lambda: other.isg.runtime.store.version[0] != version, within=60)
    said = fleet.said(lambda: other.visit("/plain/1"))
    assert (set(said), said.count("MGET")) == ({"SYNC", "MGET"}, 1)
    assert fleet.trips(other, lambda: other.visit("/plain/1")) == []


def test_pages_in_memcached_are_one_round_trip_to_each(fleet: Fleet) -> None:
    with running(Memcached()) as memcached:
        options = {"store": memcached.url, "coordinator": fleet.server.url}
        fleet.has("/plain/1", **options)
        other = fleet.process(**options)
        asked: list[str] = []
        cache, get = (
            other.isg.runtime.store.backend.cache,
            other.isg.runtime.store.backend.cache.get,
        )
        cache.get = lambda key: asked.append(key) or get(key)
        assert fleet.trips(other, lambda: other.visit("/plain/1")) == ["MGET"]
        assert len(asked) == 1
        assert other.visit("/plain/1") == "HIT"
        assert fleet.trips(other, lambda: other.visit("/plain/2"))[0] == "MGET"


def test_reading_writes_nothing_but_when_pages_were_used_and_that_in_batches(fleet: Fleet) -> None:
    """A thousand visits: to pages in Redis alone, to pages in memory, and to URLs of which nothing
    is kept. Counts are told every five seconds, however many visits there were."""
    fleet.has(*(f"/plain/{number}" for number in range(100)))
    reader = fleet.process()
    fleet.told()
    started = time.monotonic()
    labels = []
    for visit in range(1_000):
        if visit % 300 == 0:
            reader.forgets()
        path = f"/nothing/{visit}" if visit % 5 == 4 else f"/plain/{visit % 100}"
        labels.append(reader.visit(path))
    seconds = time.monotonic() - started
    reader.isg.runtime.engine.page_store.flush_recency()
    told = fleet.told()
    assert labels.count("HIT") == 800
    scripts = [each for each in told if TOUCH.sha in each.words]
    assert 1 <= len(scripts) <= 2 + seconds / 5
    assert sum(ADD.sha in each.words for each in told) <= 1 + seconds / 5
    written = [each for each in writes(fleet.server, told) if not each.keys & {"counts", "counted"}]
    assert {(each.by, each.name, *each.keys) for each in written} == {("lua", "ZADD", "used")}
    assert {each.words[2] for each in written} == {"XX"}
    assert len(written) <= 2 * 100 * len(scripts)
