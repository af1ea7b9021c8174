"""A page and its learned variants are read together: what is wrong with one of them is not the
other's fault, nor a visitor's."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import Redis as Client

from isgware import ISG, Policy
from isgware.core.stored_page import encode
from isgware.testing import START, make_entry
from isgware.testing.backend_suite import nonce_of, put
from tests.promises.kit import environ_of, forget
from tests.stores import Proxy, Redis, eventually

#: Seconds of an operation, and what a machine that is busy with other tests may add.
OPERATION, SLACK = 0.6, 7.4
ROUTES = {"/plain": Policy(revalidate=3600), "/varies": Policy(revalidate=3600)}
FRENCH = {"Accept-Language": "fr"}


class Site:
    """Pages in a Redis, one of which varies by what nobody declared; every visit is timed."""

    def __init__(self, url: str, **options: Any) -> None:
        self.renders, self.slowest, self.body = 0, 0.0, b"x" * 200
        options = {"backend_timeout": OPERATION, "compress": False, **options}
        self.isg = ISG(self._app, store=url, enabled=True, routes=ROUTES, **options)

    def _app(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        self.renders += 1
        path, language = environ["PATH_INFO"], environ.get("HTTP_ACCEPT_LANGUAGE", "")
        vary = [("Vary", "Accept-Language")] if path == "/varies" else []
        start_response("200 OK", [("Content-Type", "text/html"), *vary])
        return [f"{path} {language} ".encode() if vary else path.encode(), self.body]

    def visit(self, path: str) -> str:
        """The X-ISG-Cache of a whole answer."""
        said: list[Any] = []
        environ = environ_of(path, headers=FRENCH)
        started = time.monotonic()
        body = b"".join(self.isg(environ, lambda *args: said.append(args)))
        self.slowest = max(self.slowest, time.monotonic() - started)
        assert said[0][0] == "200 OK"
        assert body == (b"/varies fr " if path == "/varies" else path.encode()) + self.body
        return str(dict(said[0][1])["X-ISG-Cache"])

    def stored(self, path: str) -> None:
        eventually(lambda: self.visit(path) == "HIT", within=60)

    @property
    def well(self) -> bool:
        return self.isg.runtime.store.open_since is None


@pytest.fixture
def client(redis_server: Redis) -> Client:
    made: Client = redis_server.client()
    return made


@pytest.fixture
def site(redis_server: Redis) -> Iterator[Site]:
    made = Site(redis_server.url, backend_timeout=30.0)
    for path in ROUTES:
        made.stored(path)
    yield made
    made.isg.close(0)


def tail(*fields: Any) -> bytes:
    return json.dumps(fields).encode().ljust(128)


UNTIL = struct.pack(">d", 1e12)
ANOTHER = encode(make_entry("/another"))
#: What may stand in the place of a page, of a note, or of both.
JUNK: dict[str, bytes] = {
    "empty": b"",
    "short": b"ISGW",
    "zeros": bytes(4_096),
    "text": b"{}" * 500,
    "a page without an end": ANOTHER,
    "another's page": ANOTHER + tail("n", 0, 0, 1e12),
    "an end that is no number": ANOTHER + tail("n", 0, 0, "later"),
    "an end that is a list": ANOTHER + tail("n", 0, 0, [1e12]),
    "a tail too short": ANOTHER + tail("n"),
    "a tail that is an object": ANOTHER + b'{"3": 1e12}'.ljust(128),
    "a tail nested deeply": ANOTHER + b"[" * 128,
    "a note that is not JSON": UNTIL + b"\xff\x00",
    "a note that is a list": UNTIL + b"[1, 2]",
    "a note of the wrong fields": UNTIL + b'{"vary": 5}',
    "a note nested deeply": UNTIL + b"[" * 100_000,
    "a note that ends at no time": struct.pack(">d", float("nan")) + b"{}",
}


@pytest.mark.parametrize("place", ["page", "note"])
@pytest.mark.parametrize("junk", [None, *JUNK], ids=lambda junk: junk or "another type")
def test_junk_in_one_place_is_nothing_to_the_other(
    junk: str | None, place: str, site: Site, client: Client
) -> None:
    for name in client.keys(f"isg:{{main}}:{place}:*"):
        client.delete(name)
        if junk is None:
            client.rpush(name, "an", "odd", "list")
        else:
            client.set(name, JUNK[junk])
    forget(site.isg)
    expected = "MISS" if place == "page" else "HIT"  # a page says itself by what it varies
    assert [site.visit(path) for path in ROUTES] == [expected] * 2
    assert site.well
    forget(site.isg)
    assert [site.visit(path) for path in ROUTES] == ["HIT", "HIT"]


# Permissions


@pytest.fixture
def limited(own_redis: Redis) -> Iterator[Callable[[str], Site]]:
    """A site on a Redis that lets it have only such keys."""
    made: list[Site] = []

    def limit(keys: str) -> Site:
        own_redis.client().acl_setuser(
            "site", enabled=True, nopass=True, categories=["+@all"], channels=["*"],
            keys=keys.split(), reset=True,
        )  # fmt: skip
        made.append(Site(f"redis://site@127.0.0.1:{own_redis.port}/0"))
        return made[-1]

    yield limit
    for site in made:
        site.isg.close(0)


@pytest.mark.parametrize("denied", ["page", "note"])
def test_without_permission_for_one_of_the_two_the_app_answers(
    denied: str, limited: Callable[[str], Site], caplog: pytest.LogCaptureFixture
) -> None:
    kinds = (
        "page",
        "note",
        "state",
        "names",
        "hard",
        "rows",
        "paths",
        "ends",
        "used",
        "lease",
        "room",
    )
    allowed = [kind for kind in kinds if kind != denied]
    site = limited(" ".join(f"isg:{{main}}:{kind}*" for kind in allowed))
    for _ in range(3):
        for path in ROUTES:
            assert site.visit(path) in ("MISS", "HIT")  # which it may have in memory
        forget(site.isg)
        site.isg.runtime.store.open_since = None
    assert site.slowest < OPERATION + SLACK
    assert "no permissions" in caplog.text


# Time


@pytest.mark.parametrize("large", ["page", "note"])
def test_what_trickles_in_of_the_two_costs_one_operation(large: str, own_redis: Redis) -> None:
    proxy = Proxy(own_redis.port)
    site = Site(proxy.url)
    if large == "page":
        site.body = b"x" * 1_000_000
    site.stored("/plain")
    if large == "note":
        for key in site.isg.runtime.engine.planner.learned_routes._known:
            own_redis.client().set(f"isg:{{main}}:note:s:{key}", UNTIL + b" " * 1_000_000)
    proxy.trickling = True
    forget(site.isg)
    site.slowest = 0.0
    site.visit("/plain")
    assert site.slowest < OPERATION + SLACK
    assert not site.well
    proxy.trickling = False
    eventually(site.isg.runtime.store.probe, within=60)
    forget(site.isg)
    eventually(lambda: site.visit("/plain") == "HIT", within=60)
    site.isg.close(0)
    proxy.close()


def test_a_server_that_stops_costs_the_first_sight_of_a_page_one_operation(
    own_redis: Redis,
) -> None:
    site = Site(own_redis.url)
    site.stored("/plain")
    forget(site.isg)
    own_redis.suspend()
    site.slowest = 0.0
    for _ in range(3):
        site.visit("/plain")
        forget(site.isg)
    assert site.slowest < OPERATION + SLACK
    own_redis.resume()
    eventually(site.isg.runtime.store.probe, within=60)
    forget(site.isg)
    eventually(lambda: site.visit("/plain") == "HIT", within=60)
    site.isg.close(0)


# What is no answer


@pytest.mark.parametrize("answer", [[], [None], [None] * 4, None])
def test_an_answer_of_another_length_is_a_fault(
    answer: Any, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Client, "mget", lambda self, names: answer)
    forget(site.isg)
    for path in ROUTES:
        assert site.visit(path) in ("HIT", "MISS")
    assert not site.well
    monkeypatch.undo()
    assert works_again(site)


@pytest.mark.parametrize("answer", [b"OK?", [5, "text", b"x"]])
def test_an_answer_of_other_types_is_a_miss(
    answer: Any, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Client, "mget", lambda self, names: answer[: len(names)])
    forget(site.isg)
    for path in ROUTES:
        assert site.visit(path) in ("HIT", "MISS")
    assert site.well
    monkeypatch.undo()
    assert works_again(site)


def works_again(site: Site) -> bool:
    backend: Any = site.isg.runtime.store.backend
    site.isg.runtime.store.open_since = None
    assert put(backend, make_entry(nonce=nonce_of(backend)))
    return backend.get_with_note(make_entry().key, "n", START)[0] is not None
