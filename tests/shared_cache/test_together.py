"""``cache_control="full"``: many visitors at once, several processes on one store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from isgware import ISG
from tests.promises.kit import Gate, Later, environ_of, eventually, visit
from tests.shared_cache.conftest import InProcess
from tests.shared_cache.script import Step

CC = "Cache-Control"


class Slow:
    """An app whose answers pass a gate, once there is one."""

    def __init__(self, *headers: tuple[str, str]) -> None:
        self.headers = list(headers)
        self.gate: Gate | None = None
        self.calls = 0
        self._lock = threading.Lock()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        with self._lock:
            self.calls += 1
            number = self.calls
        if self.gate is not None:
            self.gate.pass_through()
        start_response("200 OK", [*self.headers, ("Content-Type", "text/plain")])
        yield b"call "
        yield str(number).encode()


@pytest.fixture
def isgs() -> Iterator[Callable[..., ISG]]:
    made: list[ISG] = []

    def make(app: Any, **options: Any) -> ISG:
        options = {"store": "memory:", "cache_control": "full", "wait_time": 600, **options}
        made.append(ISG(app, **options))
        return made[-1]

    yield make
    for isg in made:
        isg.close(0)


def herd(isg: ISG, app: Slow, count: int = 8) -> list[Any]:
    """That many visitors while the first of them is being answered."""
    app.gate = Gate()
    first = Later(lambda: visit(isg, "/p"))
    app.gate.wait()
    others = [Later(lambda: visit(isg, "/p")) for _ in range(count)]
    eventually(lambda: isg.runtime.engine.renderer.flights.waiting == count)
    app.gate.open.set()
    return [one.result() for one in (first, *others)]


def test_those_who_want_the_same_wait_for_one_answer(isgs: Callable[..., ISG]) -> None:
    app = Slow((CC, "max-age=60"))
    isg = isgs(app)
    visit(isg, "/p")
    isg.purge_path("/p")
    replies = herd(isg, app)
    assert app.calls == 2
    assert {reply.text for reply in replies} == {"call 2"}
    assert {reply.cache for reply in replies} == {"REVALIDATED"}
    assert sum("collapsed" in reply.get("Cache-Status") for reply in replies) == 8


def test_nobody_waits_where_nothing_was_ever_stored(isgs: Callable[..., ISG]) -> None:
    app = Slow((CC, "private"))
    isg = isgs(app)
    visit(isg, "/p")
    app.gate = Gate()
    visits = [Later(lambda: visit(isg, "/p")) for _ in range(4)]
    eventually(lambda: app.calls == 5)
    app.gate.open.set()
    assert {one.result().text for one in visits} == {f"call {n}" for n in (2, 3, 4, 5)}


@pytest.mark.parametrize(
    "headers",
    [
        {"Cache-Control": "no-cache"}, {"Authorization": "x"}, {"Range": "bytes=0-1"},
        {"If-Match": "*"}, {"method": "HEAD"},
    ],
    ids=str,
)  # fmt: skip
def test_who_wants_something_else_does_not_wait(isgs: Callable[..., ISG], headers: Any) -> None:
    method = headers.get("method", "GET")
    app = Slow((CC, "max-age=60"))
    isg = isgs(app)
    visit(isg, "/p")
    isg.purge_path("/p")
    app.gate = Gate()
    visits = [Later(lambda: visit(isg, "/p"))]
    app.gate.wait()
    visits.append(Later(lambda: visit(isg, "/p", method=method, headers=headers)))
    eventually(lambda: app.calls == 3)
    app.gate.open.set()
    assert {one.result().text for one in visits} == {"call 2", "call 3"}


def test_who_waited_in_vain_gets_an_answer_of_their_own(isgs: Callable[..., ISG]) -> None:
    app = Slow((CC, "max-age=60"))
    isg = isgs(app)
    visit(isg, "/p")
    isg.purge_path("/p")
    app.headers = [(CC, "private")]
    replies = herd(isg, app, 3)
    assert len({reply.text for reply in replies}) == 4


def test_a_visitor_who_goes_away_sets_the_others_free(isgs: Callable[..., ISG]) -> None:
    app = Slow((CC, "max-age=60"))
    isg = isgs(app)
    visit(isg, "/p")
    isg.purge_path("/p")
    body = isg(environ_of("/p"), lambda *_: bytearray().extend)
    next(iter(body))
    waiting = Later(lambda: visit(isg, "/p"))
    eventually(lambda: isg.runtime.engine.renderer.flights.waiting)
    body.close()  # type: ignore[attr-defined]
    assert waiting.result().text == "call 3"


# Several processes.


def test_another_process_finds_the_variant_and_hears_of_a_purge(
    with_options: Callable[..., InProcess], tmp_path: Any
) -> None:
    answer = ((CC, "max-age=60"), ("Vary", "Foo"))
    one, other = (
        with_options(store=f"file:{tmp_path}/store", backend_timeout=30.0) for _ in range(2)
    )
    for client in (one, other):
        client.play("a", [Step("asked", answer)] * 9)

    def ask(client: InProcess, foo: str) -> str | None:
        return client.ask("GET", "/script/a", "", [("Foo", foo)], b"").get("X-ISG-Cache")

    assert ask(one, "1") == "MISS"
    assert ask(other, "1") == "HIT"
    assert ask(other, "2") == "MISS"
    assert ask(one, "2") == "HIT"
    other.isg.purge_path("/script/a")
    assert ask(one, "1") == "REVALIDATED"
    assert ask(other, "1") == "HIT"
    one.ask("POST", "/script/a", "", [("X-Step", "0")], b"x")
    assert ask(other, "1") == "REVALIDATED"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_another_process_has_renewed_is_not_asked_for_again(
    with_options: Callable[..., InProcess], tmp_path: Any, method: str
) -> None:
    one, two = (
        with_options(store=f"file:{tmp_path}/store", backend_timeout=30.0) for _ in range(2)
    )
    fresh = ((CC, "max-age=2"), ("ETag", '"a"'))
    for client in (one, two):
        client.play("a", [Step("asked", fresh), Step("validated", fresh)])
        client.ask("GET", "/script/a", "", [], b"")
    one.tick(3), two.tick(3)
    assert one.ask("GET", "/script/a", "", [], b"").get("X-ISG-Cache") == "REVALIDATED"
    hit = two.ask(method, "/script/a", "", [], b"")
    assert (hit.get("X-ISG-Cache"), hit.get("Age")) == ("HIT", "0")
    assert (len(one.seen("a")), len(two.seen("a"))) == (2, 0)


def test_what_replaces_a_fresh_response_in_one_process_shows_in_the_other(
    with_options: Callable[..., InProcess], tmp_path: Any
) -> None:
    one, two = (
        with_options(store=f"file:{tmp_path}/store", backend_timeout=30.0) for _ in range(2)
    )
    for client in (one, two):
        client.play("a", [Step("asked", ((CC, "max-age=60"),))] * 2)
    for client in (one, two, two):
        assert client.ask("GET", "/script/a", "", [], b"").body == b"body 0"
    one.tick(1), two.tick(1)
    assert one.ask("GET", "/script/a", "", [(CC, "no-cache")], b"").body == b"body 1"
    hit = two.ask("GET", "/script/a", "", [], b"")
    assert (hit.get("X-ISG-Cache"), hit.body, two.seen("a")) == ("HIT", b"body 1", [])
