"""Redis stopped, killed, restarted, flushed, full, slow, of another type: at worst a render."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from isgware import ISG, Policy
from isgware.backends.breaker import Breaker
from isgware.core.stored_page import encode
from isgware.errors import BackendUnavailable
from isgware.settings import Settings
from isgware.storage.open_store import open_store
from isgware.testing import START, make_entry
from isgware.testing.backend_suite import acquire, nonce_of, put
from tests.promises.kit import environ_of
from tests.stores import Proxy, Redis, eventually, in_time

#: Seconds of an operation, and what a busy machine may add.
OPERATION, SLACK = 0.6, 0.4
T = TypeVar("T")


@pytest.fixture
def breaker(own_redis: Redis) -> Iterator[Breaker]:
    made = open_store(Settings(store=own_redis.url, backend_timeout=OPERATION))
    yield made
    made.close()


@pytest.fixture
def patient(own_redis: Redis) -> Iterator[Breaker]:
    """For what is not about time."""
    made = open_store(Settings(store=own_redis.url, backend_timeout=30))
    yield made
    made.close()


def well(breaker: Breaker, work: Callable[[], T]) -> T:
    """What ``work`` returns while nothing is wrong; a machine that stalls may trip the circuit."""
    found: list[T] = []

    def done() -> bool:
        with contextlib.suppress(BackendUnavailable):
            breaker.probe()
            found.append(work())
        return bool(found)

    eventually(done, within=60)
    return found[-1]


def fails_in_time(breaker: Breaker, work: Callable[[], object], match: str = ".") -> None:
    """It costs no more than one operation that the store is out of reach, and then nothing."""

    def try_once() -> None:
        breaker.open_since = None
        with pytest.raises(BackendUnavailable, match=match):
            work()

    def try_again() -> None:
        with pytest.raises(BackendUnavailable):
            work()

    in_time(OPERATION + SLACK, try_once)
    in_time(0.01, try_again)


def operations(breaker: Breaker) -> dict[str, Callable[[], object]]:
    entry = make_entry(nonce="n")
    return {
        "get": lambda: breaker.get("key", START),
        "put": lambda: put(breaker, entry),
        "delete": lambda: breaker.delete("key"),
        "touch": lambda: breaker.touch(["key"], START),
        "rows": lambda: list(breaker.rows()),
        "sync": lambda: breaker.sync("", 0),
        "invalidate": lambda: breaker.invalidate(["a"], True),
        "publish": lambda: breaker.publish(["a"]),
        "acquire": lambda: acquire(breaker),
        "read_note": lambda: breaker.read_note("n", START),
        "write_note": lambda: breaker.write_note("n", b"", 1, START),
        "ping": breaker.ping,
    }


@pytest.mark.parametrize("warm", [True, False], ids=["connected", "not-yet-connected"])
@pytest.mark.parametrize("fault", ["stopped", "killed"])
def test_each_operation_fails_in_time_and_then_at_once(
    fault: str, warm: bool, breaker: Breaker, own_redis: Redis
) -> None:
    if warm:
        well(breaker, lambda: nonce_of(breaker))
    own_redis.suspend() if fault == "stopped" else own_redis.kill()
    for work in operations(breaker).values():
        fails_in_time(breaker, work)
        assert not breaker.probe()
    own_redis.resume() if fault == "stopped" else own_redis.start()
    well(breaker, operations(breaker)["put"])


def test_a_slow_server_costs_one_operation(own_redis: Redis) -> None:
    proxy = Proxy(own_redis.port)
    breaker = open_store(Settings(store=proxy.url, backend_timeout=OPERATION))
    well(breaker, lambda: nonce_of(breaker))
    proxy.delay = 3.0
    fails_in_time(breaker, lambda: breaker.get("key", START))
    assert not breaker.probe()
    proxy.delay = 0.0
    eventually(breaker.probe, within=60)
    breaker.close()
    proxy.close()


def test_a_page_that_trickles_in_costs_one_operation(own_redis: Redis) -> None:
    """Each piece of it comes in time."""
    proxy = Proxy(own_redis.port)
    breaker = open_store(Settings(store=proxy.url, backend_timeout=OPERATION))
    nonce = well(breaker, lambda: nonce_of(breaker))
    entry = make_entry("/", b"x" * 1_000_000, nonce=nonce)
    assert well(breaker, lambda: put(breaker, entry))
    proxy.trickling = True
    fails_in_time(breaker, lambda: breaker.get(entry.key, START), "Timeout|out of reach")
    proxy.trickling = False
    assert well(breaker, lambda: breaker.get(entry.key, START)) == encode(entry)
    breaker.close()
    proxy.close()


def filled(server: Redis) -> Any:
    client = server.client()
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", client.info("memory")["used_memory"] - 1)
    return client


def test_a_full_server_is_read_purged_and_coordinates_but_takes_no_page(
    patient: Breaker, own_redis: Redis
) -> None:
    entry = make_entry(nonce=nonce_of(patient))
    put(patient, entry)
    client = filled(own_redis)
    new = make_entry("/new", b"x" * 10_000, nonce=entry.nonce)
    with pytest.raises(BackendUnavailable, match="maxmemory"):
        put(patient, new)
    with pytest.raises(BackendUnavailable, match="maxmemory"):
        patient.write_note("n", b"", 10, START)
    assert patient.open_since is None
    assert patient.get(entry.key, START) == encode(entry)
    assert [row.key for row in patient.rows()] == [entry.key]
    assert patient.invalidate(["tag:a"], True) == 1
    lease = acquire(patient)
    assert lease is not None
    assert patient.renew(lease, 10, START)
    patient.release(lease)
    patient.delete(entry.key)
    client.config_set("maxmemory", 0)
    assert put(patient, new)


def test_a_server_that_cannot_write_its_snapshot_is_read(
    patient: Breaker, own_redis: Redis
) -> None:
    entry = make_entry(nonce=nonce_of(patient))
    put(patient, entry)
    client = own_redis.client()
    client.config_set("save", "1 1")
    client.config_set("stop-writes-on-bgsave-error", "yes")
    (own_redis.directory / "dump.rdb").mkdir()
    client.set("stranger", 1)
    client.bgsave()
    eventually(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", within=60)
    with pytest.raises(BackendUnavailable, match="MISCONF"):
        patient.invalidate(["tag:a"], True)
    with pytest.raises(BackendUnavailable, match="MISCONF"):
        put(patient, make_entry("/new", nonce=entry.nonce))
    assert patient.get(entry.key, START) == encode(entry)


@pytest.mark.parametrize("key", ["state", "names", "rows", "used:0"])
def test_a_key_of_another_type_trips_and_is_cleared(
    key: str, patient: Breaker, own_redis: Redis
) -> None:
    entry = make_entry(nonce=nonce_of(patient))
    client = own_redis.client()
    client.delete(f"isg:{{main}}:{key}")
    client.set(f"isg:{{main}}:{key}", "odd")
    with pytest.raises(BackendUnavailable, match="WRONGTYPE"):
        [operation() for operation in operations(patient).values()]
    eventually(patient.probe, within=60)
    assert put(patient, entry)


# A site


class Site:
    """A page under isgware; every visit is timed."""

    def __init__(self, store: str) -> None:
        self.renders = 0
        self.isg = ISG(
            self._app, store=store, enabled=True, compress=False, backend_timeout=0.3, routes={
                "/<name>": Policy(revalidate=3_600, tags=["page"]),
            },
        )  # fmt: skip
        self.took: list[float] = []

    @property
    def usual(self) -> float:
        """What nine visits of ten took at most: a machine that stalls spoils some."""
        return sorted(self.took)[len(self.took) * 9 // 10]

    def _app(self, environ: Any, start_response: Any) -> list[bytes]:
        self.renders += 1
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"render %d" % self.renders]

    def get(self, path: str = "/a") -> tuple[str, bytes]:
        said: list[Any] = []
        started = time.monotonic()
        body = b"".join(self.isg(environ_of(path), lambda *args: said.append(args)))
        self.took.append(time.monotonic() - started)
        assert said[0][0] == "200 OK"
        return dict(said[0][1]).get("X-ISG-Cache", ""), body


@pytest.fixture
def site(own_redis: Redis) -> Iterator[Site]:
    made = Site(own_redis.url)
    yield made
    made.isg.close(0)


def test_a_hit_is_a_look_up_with_redis_too(site: Site, own_redis: Redis) -> None:
    assert [site.get()[0] for _ in range(3)] == ["MISS", "HIT", "HIT"]
    before = own_redis.client().info("commandstats").get("cmdstat_get", {}).get("calls", 0)
    for _ in range(100):
        site.get()
    after = own_redis.client().info("commandstats").get("cmdstat_get", {}).get("calls", 0)
    assert after == before


@pytest.mark.parametrize("fault", ["stopped", "killed", "restarted", "full", "flushed"])
def test_the_site_answers_whatever_happens_to_redis(
    fault: str, site: Site, own_redis: Redis
) -> None:
    for name in "abc":
        site.get(f"/{name}")
        assert site.get(f"/{name}")[0] == "HIT"
    site.took.clear()
    if fault == "stopped":
        own_redis.suspend()
    elif fault == "full":
        filled(own_redis)
    elif fault == "flushed":
        own_redis.client().flushall()
    else:
        own_redis.kill()
        if fault == "restarted":
            own_redis.start()
    deadline = time.monotonic() + 2.5
    while time.monotonic() < deadline or len(site.took) < 100:
        for name in "abcd":
            site.get(f"/{name}")
        site.get(f"/new-{time.monotonic_ns()}")
        time.sleep(0.01)
    assert site.usual < 0.5 + SLACK
    if fault == "stopped":
        own_redis.resume()
    elif fault == "killed":
        own_redis.start()
    elif fault == "full":
        own_redis.client().config_set("maxmemory", 0)

    def recovered() -> bool:
        try:
            site.isg.purge_path("/a")
        except BackendUnavailable:
            return False
        old = site.renders
        return site.get()[1] == b"render %d" % site.renders and site.renders == old + 1

    eventually(recovered, within=60)
    eventually(lambda: site.get()[0] == "HIT", within=60)


def test_a_store_that_is_not_there_at_the_start_is_used_once_it_is(own_redis: Redis) -> None:
    own_redis.kill()
    site = Site(own_redis.url)
    assert site.get()[0] == "MISS"
    assert site.took[0] < 20
    own_redis.start()
    eventually(lambda: own_redis.client().exists("isg:{main}:state"), within=60)
    eventually(lambda: site.get("/b")[0] == "HIT", within=60)
    site.isg.close(0)


def test_a_purge_holds_in_a_process_that_has_found_redis_slow(own_redis: Redis) -> None:
    """It has heard of it, so Redis can be asked."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"page"]

    def cache(isg: ISG) -> str:
        told: list[dict[str, str]] = []
        isg(environ_of("/p"), lambda _, headers, exc_info=None: told.append(dict(headers)))
        return told[-1]["X-ISG-Cache"]

    one, other = (
        ISG(
            app, store=own_redis.url, routes={"/p": Policy(revalidate=600)}, probe_interval=600,
            backend_timeout=30,
        )
        for _ in range(2)
    )  # fmt: skip
    try:
        cache(one)
        eventually(lambda: cache(one) == "HIT", within=60)
        one.runtime.engine.page_store.backend.trip(TimeoutError("it took 0.4 s"))
        assert cache(one) == "HIT"
        other.purge_path("/p")
        eventually(lambda: cache(one) != "HIT", within=60)
        assert one.runtime.engine.page_store.backend.open_since is not None, (
            "and nothing else of it is asked"
        )
    finally:
        one.close(0)
        other.close(0)
