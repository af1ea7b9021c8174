"""``cache_control="full"``: which of several answers counts, and which do not come back.

Of two answers the one that was asked for later counts (RFC 9111, section 4), whichever came first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from isgware import ISG
from tests.promises.kit import Clock, Gate, Later, Manual, Reply, visit
from tests.shared_cache.conftest import InProcess
from tests.shared_cache.script import Step
from tests.stores import Redis, running

CC = "Cache-Control"
LASTING = "max-age=2, stale-if-error=600, stale-while-revalidate=0"


class Origin:
    """Answers what it is told to; whoever is ``Slow`` waits at a gate with what was true then."""

    def __init__(self) -> None:
        self.answer: tuple[str, list[tuple[str, str]], bytes] = ("200 OK", [(CC, LASTING)], b"old")
        self.gates = {"first": Gate(), "second": Gate()}
        self.asked: list[dict[str, Any]] = []

    def say(self, body: bytes, *headers: tuple[str, str], status: str = "200 OK") -> None:
        self.answer = status, list(headers), body

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        status, headers, body = self.answer
        self.asked.append(environ)
        if slow := environ.get("HTTP_X_SLOW"):
            self.gates[slow].pass_through()
        if status[:3] == "500":
            raise ZeroDivisionError
        start_response(status, [("Content-Type", "text/plain"), *headers])
        return [body]


class Processes:
    """Two processes on one store, as far as a test can have them in one."""

    def __init__(self, store: str, origin: Origin) -> None:
        self.origin, self.clock = origin, Clock()
        self.isgs = [
            ISG(
                origin,
                store=store,
                cache_control="full",
                clock=self.clock,
                executor=Manual(),
                backend_timeout=30.0,
            )
            for _ in range(1 if store == "memory:" else 2)
        ]

    @property
    def one(self) -> ISG:
        return self.isgs[0]

    @property
    def other(self) -> ISG:
        return self.isgs[-1]

    def slowly(self, isg: ISG, gate: str = "first") -> Later:
        """Somebody who asks now and is answered when the gate opens, with what is true now."""
        # With a directive of its own, it does not wait for the answer to another.
        later = Later(lambda: visit(isg, "/p", headers={"X-Slow": gate, CC: "max-age=1"}))
        self.origin.gates[gate].wait()
        self.clock.tick(0.5)
        return later

    def answered(self, later: Later, gate: str = "first") -> Reply:
        self.origin.gates[gate].open.set()
        return later.result()  # type: ignore[no-any-return]


@pytest.fixture(params=["memory:", "file:", "redis:"])
def processes(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Processes]:
    server: AbstractContextManager[Any] | None = None
    store = request.param
    if store == "file:":
        store = f"file:{tmp_path}/store"
    elif store == "redis:":
        server = running(Redis())
        store = server.__enter__().url
    made = Processes(store, Origin())
    yield made
    for gate in made.origin.gates.values():
        gate.open.set()
    for isg in made.isgs:
        isg.close(0)
    if server is not None:
        server.__exit__(None, None, None)


@pytest.fixture
def two(tmp_path: Any) -> Iterator[Processes]:
    made = Processes(f"file:{tmp_path}/store", Origin())
    yield made
    for isg in made.isgs:
        isg.close(0)


def test_who_asked_first_and_is_answered_last_does_not_count(processes: Processes) -> None:
    late = processes.slowly(processes.one)
    processes.origin.say(b"new", (CC, LASTING))
    assert visit(processes.other, "/p").body == b"new"
    assert processes.answered(late).body == b"old"
    assert [visit(isg, "/p").body for isg in processes.isgs] == [b"new"] * len(processes.isgs)


def test_a_304_renews_only_what_it_confirms(processes: Processes) -> None:
    """It is about a page that the answer to another visitor has replaced meanwhile."""
    origin, old, new = processes.origin, ("ETag", '"old"'), ("ETag", '"new"')
    origin.say(b"old", (CC, LASTING), old)
    for isg in processes.isgs:
        assert visit(isg, "/p").body == b"old"
    processes.clock.tick(3)
    origin.say(b"new", (CC, LASTING), new)
    replacing = processes.slowly(processes.other, "first")
    origin.say(b"", (CC, LASTING), old, status="304 Not Modified")
    confirming = processes.slowly(processes.one, "second")
    assert processes.answered(replacing, "first").body == b"new"
    assert processes.answered(confirming, "second").body == b"old"
    assert [visit(isg, "/p").body for isg in processes.isgs] == [b"new"] * len(processes.isgs)


WITHDRAWALS = [
    pytest.param("200 OK", ((CC, "private"),), id="private"),
    pytest.param("200 OK", ((CC, "no-store"),), id="no-store"),
    pytest.param("200 OK", (("Set-Cookie", "a=b"), (CC, "max-age=9")), id="set-cookie"),
    pytest.param("200 OK", (("Vary", "*"), (CC, "max-age=9")), id="vary-star"),
    pytest.param("302 Found", (("Location", "/login"),), id="moved"),
    *(
        pytest.param(status, (), id=status[:3])
        for status in ("401 No", "402 Pay", "403 No", "404 No", "410 Gone", "451 No")
    ),
]


@pytest.mark.parametrize(("status", "headers"), WITHDRAWALS)
def test_what_was_withdrawn_does_not_stand_in_for_an_error(
    two: Processes, status: str, headers: Any
) -> None:
    """Not in the process that heard of it, nor in another that has the page in memory."""
    origin = two.origin
    for isg in two.isgs:
        assert visit(isg, "/p").body == b"old"
    two.clock.tick(3)
    origin.say(b"mine", *headers, status=status)
    assert visit(two.one, "/p").body == b"mine"
    two.clock.tick(1)
    origin.say(b"", status="500 Oops")
    for isg in two.isgs:
        with pytest.raises(ZeroDivisionError):
            visit(isg, "/p")


@pytest.mark.parametrize("status", ["400 Bad", "408 Slow", "429 Many", "503 Down"])
def test_failures_withdraw_nothing(processes: Processes, status: str) -> None:
    assert visit(processes.one, "/p").body == b"old"
    processes.clock.tick(3)
    processes.origin.say(b"failed", status=status)
    visit(processes.one, "/p")
    processes.origin.say(b"", status="500 Oops")
    assert visit(processes.other, "/p").detail == "stale-if-error"


@pytest.mark.parametrize(
    "headers", [{"Authorization": "Basic x"}, {CC: "no-store"}], ids=["credentials", "no-store"]
)
def test_what_one_visitor_is_told_withdraws_nothing(
    processes: Processes, headers: dict[str, str]
) -> None:
    assert visit(processes.one, "/p").body == b"old"
    processes.clock.tick(3)
    processes.origin.say(b"mine", (CC, "private"))
    visit(processes.one, "/p", headers=headers)
    processes.origin.say(b"", status="500 Oops")
    assert visit(processes.one, "/p").detail == "stale-if-error"


def test_what_was_asked_for_before_a_withdrawal_is_not_stored(processes: Processes) -> None:
    late = processes.slowly(processes.one)
    processes.origin.say(b"mine", (CC, "private"))
    assert visit(processes.one, "/p").body == b"mine"
    assert processes.answered(late).body == b"old"
    assert visit(processes.one, "/p").body == b"mine"


def test_what_is_withdrawn_while_it_is_asked_about_does_not_stand_in(processes: Processes) -> None:
    origin = processes.origin
    for isg in processes.isgs:
        assert visit(isg, "/p").body == b"old"
    processes.clock.tick(3)
    origin.say(b"", status="500 Oops")
    failing = processes.slowly(processes.one)
    origin.say(b"mine", (CC, "private"))
    assert visit(processes.other, "/p", headers={CC: "max-age=1"}).body == b"mine"
    with pytest.raises(ZeroDivisionError):
        processes.answered(failing)


def test_what_was_withdrawn_lives_again_when_the_app_confirms_it(processes: Processes) -> None:
    origin = processes.origin
    origin.say(b"old", (CC, LASTING), ("ETag", '"a"'))
    visit(processes.one, "/p")
    processes.clock.tick(3)
    origin.say(b"mine", (CC, "private"))
    visit(processes.one, "/p")
    processes.clock.tick(1)
    origin.say(b"", (CC, LASTING), status="304 Not Modified")
    assert visit(processes.other, "/p").body == b"old"
    assert origin.asked[-1]["HTTP_IF_NONE_MATCH"] == '"a"'
    assert visit(processes.other, "/p").cache == "HIT"


def test_a_clock_that_is_put_back_stops_no_storing(processes: Processes) -> None:
    assert visit(processes.one, "/p").body == b"old"
    processes.clock.tick(-3_600)
    processes.origin.say(b"new", (CC, LASTING))
    visit(processes.one, "/p", headers={CC: "no-cache"})
    assert [visit(isg, "/p").body for isg in processes.isgs] == [b"new"] * len(processes.isgs)


def test_a_504_of_only_if_cached_is_no_miss(client: InProcess) -> None:
    client.play("a", [Step("timeout")])
    reply = client.ask("GET", "/script/a", "", [(CC, "only-if-cached")], b"")
    assert (reply.code, reply.get("X-ISG-Cache")) == (504, "BYPASS")
    assert reply.get("Cache-Status") == "isgware; detail=only-if-cached"
    assert client.seen("a") == []
