"""A page that invalidates itself while it renders: once a route, with its path and what it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import Client

import isgware
import isgware.flask
from isgware import revalidate

Act = Callable[[isgware.flask.ISG, str], object]


@pytest.fixture
def site(tmp_path: Any) -> Iterator[Callable[..., Client]]:
    made: list[isgware.flask.ISG] = []

    def make(act: Act, store: str = "memory:", **options: Any) -> Client:
        app = Flask("site")
        isg = isgware.flask.ISG(app, store=store, enabled=True, **options)

        @app.get("/articles/<int:number>")
        @revalidate(3600, tags=["article:{number}"])
        def article(number: int) -> str:
            act(isg, str(number))
            return "seen"

        made.append(isg)
        return Client(app, use_cookies=False)

    yield make
    for isg in made:
        isg.close(0)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line for line in caplog.messages if "invalidates its own page" in line]


@pytest.mark.parametrize(
    ("act", "name"),
    [
        (lambda isg, number: isg.purge_tag(f"article:{number}"), "tag:article:"),
        (lambda isg, number: isg.revalidate_tag(f"article:{number}"), "tag:article:"),
        (lambda isg, number: isg.purge_path(f"/articles/{number}"), "path:/articles/"),
        (lambda isg, number: isg.revalidate_path("/articles/*"), "below:/articles/"),
        (lambda isg, number: isg.purge_all(), "all"),
        (lambda isg, n: isg._invalidate_eventually([f"tag:article:{n}"], hard=True), "tag:"),
    ],
    ids=["purge_tag", "revalidate_tag", "purge_path", "below", "all", "change hook"],
)  # fmt: skip
def test_it_is_told_once_a_route(site: Any, caplog: Any, act: Act, name: str) -> None:
    client = site(act)
    for number in (1, 1, 2, 2):
        client.get(f"/articles/{number}")
    [line] = told(caplog)
    assert line.startswith("article (http://localhost/articles/1) invalidates its own page")
    assert f"({name}" in line


def test_by_another_connection_to_the_store(site: Any, caplog: Any, tmp_path: Any) -> None:
    store = f"file:{tmp_path}/pages"
    pages: list[isgware.Connection] = []

    def act(isg: Any, number: str) -> None:
        pages.append(isgware.connect(store, backend_timeout=10))
        pages[-1].purge_tag(f"article:{number}")

    client = site(act, store=store, backend_timeout=10)
    client.get("/articles/1")
    for each in pages:
        each.close()
    assert len(told(caplog)) == 1


def test_of_other_pages_nothing_is_said(site: Any, caplog: Any) -> None:
    client = site(lambda isg, number: isg.purge_tag("article:99", "home"))
    assert [client.get("/articles/1").headers["X-ISG-Cache"] for _ in range(2)] == ["MISS", "HIT"]
    assert told(caplog) == []
