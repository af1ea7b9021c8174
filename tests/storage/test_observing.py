"""Observers are told on a thread of their own, and nobody feels them."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from isgware import ISG, ConfigurationError, Policy
from isgware.events import DecisionEvent, Event, RenderEvent
from isgware.storage.counting import Cell
from isgware.storage.observing import Observing
from tests.promises.kit import LONG, Clock


@Request.application
def app(request: Request) -> Response:
    if request.path == "/posts/broken":
        raise LookupError("no such post")
    return Response(f"page {request.path}", mimetype="text/html")


def site(*observers: Any) -> ISG:
    return ISG(
        app, store="memory:", clock=Clock(), enabled=True, observer=list(observers),
        routes={"/posts/<id>": Policy(revalidate=60)},
    )  # fmt: skip


@pytest.fixture
def seen() -> list[Event]:
    return []


@pytest.fixture
def isg(seen: list[Event]) -> Iterator[ISG]:
    isg = site(seen.append)
    yield isg
    isg.close(0)


def decisions(isg: ISG, seen: list[Event]) -> list[tuple[str, str, str, str, str]]:
    isg.runtime.observing.close(LONG)
    return [
        (event.method, event.path, event.route, event.result, event.reason)
        for event in seen
        if isinstance(event, DecisionEvent)
    ]


def test_each_decision_is_told_prepared_hits_among_them(isg: ISG, seen: list[Event]) -> None:
    client = Client(isg)
    for path in ("/posts/1", "/posts/1", "/posts/1?page=2", "/posts/1", "/else", "/else"):
        client.get(path)
    client.head("/posts/1")
    client.post("/posts/1")
    route = "/posts/<id>"
    assert decisions(isg, seen) == [
        ("GET", "/posts/1", route, "miss", ""),
        ("GET", "/posts/1", route, "hit", ""),
        ("GET", "/posts/1", route, "miss", ""),
        ("GET", "/posts/1", route, "hit", ""),
        ("GET", "/else", "undeclared", "pass", ""),
        ("GET", "/else", "undeclared", "pass", ""),
        ("HEAD", "/posts/1", route, "hit", ""),
        ("POST", "/posts/1", route, "bypass", "method"),
    ]
    assert {event.query for event in seen} == {"", "page=2"}


def test_each_render_is_told(isg: ISG, seen: list[Event]) -> None:
    client = Client(isg)
    client.get("/posts/1")
    isg.regenerate("/posts/1")
    with pytest.raises(LookupError):
        client.get("/posts/broken")
    isg.runtime.observing.close(LONG)
    renders = [event for event in seen if isinstance(event, RenderEvent)]
    assert [
        (event.path, event.route, event.outcome, event.status, event.size, event.unchanged)
        for event in renders
    ] == [
        ("/posts/1", "/posts/<id>", "rendered", 200, 13, False),
        ("/posts/1", "/posts/<id>", "rendered", 200, 13, True),
        ("/posts/broken", "/posts/<id>", "failed", 0, 0, False),
    ]
    assert "no such post" in renders[-1].reason
    assert all(event.seconds > 0 and event.at == Clock().now for event in renders)


def test_observers_are_told_elsewhere_than_where_visitors_wait(seen: list[Event]) -> None:
    threads = []
    isg = site(lambda event: threads.append(threading.current_thread().name))
    Client(isg).get("/posts/1")
    isg.close()
    assert set(threads) == {"isgware-observers"}


def test_one_that_fails_is_logged_once_and_keeps_nothing_from_the_others(
    seen: list[Event], caplog: pytest.LogCaptureFixture
) -> None:
    def broken(event: Event) -> None:
        raise LookupError("observer")

    isg = site(broken, seen.append)
    client = Client(isg)
    with caplog.at_level(logging.ERROR, "isgware"):
        assert [client.get("/posts/1").status_code for _ in range(3)] == [200] * 3
        assert len(decisions(isg, seen)) == 3
    assert [record.message for record in caplog.records if "broken" in record.message] != []
    assert len(caplog.records) == 1
    isg.close(0)


def test_what_overflows_is_dropped_and_counted() -> None:
    begun, go_on, seen = threading.Event(), threading.Event(), []

    def slow(event: Any) -> None:
        begun.set()
        go_on.wait(LONG)
        seen.append(event)

    observing = Observing([slow], limit=10)
    observing.tell("first")  # type: ignore[arg-type]
    assert begun.wait(LONG)
    for number in range(15):
        observing.tell(number)  # type: ignore[arg-type]
    assert observing.dropped == 5
    go_on.set()
    observing.close(LONG)
    assert seen == ["first", *range(10)]


def test_what_an_observer_captures_comes_from_where_the_visitor_waits(seen: list[Event]) -> None:
    class Capturing:
        told: list[tuple[str, Any]] = []

        def capture(self, event: Event) -> str:
            return threading.current_thread().name

        def __call__(self, event: Event, captured: str) -> None:
            self.told.append((event.kind, captured))

    isg = site(Capturing(), seen.append)
    Client(isg).get("/posts/1")
    isg.close()
    here = threading.current_thread().name
    assert Capturing.told == [("render", here), ("decision", here)]
    assert len(seen) == 2


def test_no_thread_and_no_work_without_observers() -> None:
    isg = site()
    client = Client(isg)
    client.get("/posts/1")
    client.get("/posts/1")
    ready = next(iter(isg.runtime.memory.memo.values()))
    assert type(ready.cell) is Cell
    assert not isg.runtime.observing._running
    isg.close(0)


def test_who_comes_later_hears_of_prepared_hits_and_goes_without_a_trace() -> None:
    isg, heard = site(), []
    client = Client(isg)
    client.get("/posts/1")
    for _ in range(2):
        client.get("/posts/1")
        client.get("/else")
    observing = isg.runtime.observing
    observing.follow(lambda events, dropped: heard.extend(events))
    for _ in range(2):
        client.get("/posts/1")
        client.get("/else")
    observing.close(LONG)
    observing.follow(None)
    client.get("/posts/1")
    client.get("/else")
    observing.close(LONG)
    assert [(event.path, event.result) for event in heard] == [
        ("/posts/1", "hit"), ("/else", "pass"), ("/posts/1", "hit"), ("/else", "pass"),
    ]  # fmt: skip
    isg.close(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_has_a_queue_and_a_thread_of_its_own(seen: list[Event]) -> None:
    observing = Observing([seen.append])
    observing.tell("parent")  # type: ignore[arg-type]
    child = os.fork()
    if not child:
        seen.clear()
        observing.tell("child")  # type: ignore[arg-type]
        observing.close(LONG)
        os._exit(0 if seen == ["child"] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    observing.close(LONG)
    assert seen == ["parent"]


@pytest.mark.parametrize("given", ["os:remove", 5, [print, 5]])
def test_what_cannot_be_called_is_refused(given: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"observer=.*give a callable"):
        ISG(app, store="memory:", observer=given)
