"""`isg.stats()` and how the command line prints it: the store's circuit breaker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask, Response

from isgware import ISG, revalidate
from isgware.backends.breaker import Breaker
from isgware.cli.printing import stats_lines
from isgware.flask import ISG as FlaskISG
from isgware.management.fleet_counts import summed


@pytest.fixture
def isg() -> Iterator[ISG]:
    isg = ISG(lambda environ, start_response: [], store="memory:", enabled=True)
    yield isg
    isg.close(0)


@pytest.fixture
def breaker(isg: ISG) -> Breaker:
    return isg.runtime.engine.page_store.backend


def test_a_store_that_never_failed(isg: ISG) -> None:
    found = isg.stats()
    assert (found.circuit, found.circuit_seconds, found.trips) == ("closed", None, 0)
    assert "MemoryBackend, circuit closed\n" in stats_lines(found)


def test_a_store_that_is_out_of_reach(isg: ISG, breaker: Breaker) -> None:
    breaker.trip(OSError("gone"))
    found = isg.stats()
    assert (found.circuit, found.trips) == ("open", 1)
    assert found.circuit_seconds is not None
    assert found.circuit_seconds >= 0
    shown = stats_lines(replace(found, circuit_seconds=12.0))
    assert "circuit open for 12 s, opened once\n" in shown


def test_a_store_that_came_back(isg: ISG, breaker: Breaker) -> None:
    for _ in range(2):
        breaker.trip(OSError("gone"))
        assert breaker.probe()
    found = isg.stats()
    assert (found.circuit, found.trips) == ("closed", 2)
    shown = stats_lines(replace(found, circuit_seconds=7_200.0))
    assert "circuit closed for 2 h, opened 2 times\n" in shown


def test_what_the_fleet_has_counted(tmp_path: Path) -> None:
    app = Flask(__name__)

    @app.get("/posts/<int:number>")
    @revalidate(60)
    def post(number: int) -> str:
        return str(number)

    @app.get("/mine")
    @revalidate(60)
    def mine() -> Response:
        response = Response("mine")
        response.set_cookie("a", "b")
        return response

    app.add_url_rule("/plain", view_func=lambda: "plain", endpoint="plain")
    isg = FlaskISG(app, store=f"file:{tmp_path}", enabled=True)
    client = app.test_client()
    for path in ("/posts/1", "/mine", "/plain") * 4:
        client.get(path)
    known = client.get("/posts/1").headers["ETag"]
    client.get("/posts/1", headers={"If-None-Match": known})
    client.head("/posts/1")
    client.post("/posts/1")
    fleet = isg.stats().fleet
    assert fleet is not None
    assert fleet.results == {"hit": 6, "bypass": 5, "pass": 4, "miss": 1}
    assert {name: (found.requests, found.served) for name, found in fleet.routes.items()} == {
        "post": (7, 6), "mine": (4, 0), "plain": (4, 0),
    }  # fmt: skip
    assert fleet.hit_ratio == 6 / 15
    assert [(found.reason, found.requests) for found in fleet.reasons] == [("set-cookie", 4)]
    assert fleet.reasons[0].remedy
    assert fleet.renders == {"rendered": 1, "refused": 1}
    assert fleet.saved_seconds > 0
    shown = stats_lines(isg.stats())
    assert "40 % of page requests came from the store, since " in shown
    assert "set-cookie (mine: 4)\n             Set cookies elsewhere" in shown
    isg.close(0)


def test_a_store_that_counted_nothing_says_so(isg: ISG) -> None:
    assert "Nothing was counted yet." in stats_lines(isg.stats())


def test_a_miss_whose_hole_was_filled_has_no_reason_why_it_was_not_served() -> None:
    fleet = summed({
        ("requests", "shop", "miss", "filled"): 2.0, ("requests", "shop", "miss", ""): 1.0,
        ("requests", "shop", "bypass", "set-cookie"): 1.0,
    })  # fmt: skip
    assert [(found.reason, found.requests) for found in fleet.reasons] == [("set-cookie", 1)]
    assert fleet.routes["shop"].requests == 4
