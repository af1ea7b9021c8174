"""A small site with a dashboard, in this process and with a clock of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from isgware import ISG, Policy, page

SECRET = "a secret of the site's own"
BEARER = {"Authorization": f"Bearer {SECRET}"}
HTML = {"Accept": "text/html"}


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class App:
    """``texts``: bodies by path; a path in ``broken`` fails."""

    def __init__(self) -> None:
        self.broken: dict[str, Exception] = {}
        self.renders = 0
        self.tags: list[str] = ["all-posts"]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        path = environ["PATH_INFO"]
        self.renders += 1
        if path in self.broken:
            raise self.broken[path]
        page.tag(*self.tags)
        headers = [("Content-Type", "text/html")]
        if path == "/basket":
            headers.append(("Set-Cookie", "basket=1"))
        start_response("200 OK", headers)
        return [f"<h1>render {self.renders}</h1>".encode()]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app() -> App:
    return App()


ROUTES = {
    "/posts/<id>": Policy(revalidate=60, tags=["posts"]),
    "/basket": Policy(revalidate=60),
    "/": Policy(revalidate=10),
}


@pytest.fixture
def make(app: App, clock: Clock) -> Iterator[Callable[..., ISG]]:
    made = []

    def make(**options: Any) -> ISG:
        given = {"store": "memory:", "secret": SECRET, "routes": ROUTES, "clock": clock}
        made.append(ISG(app, **(given | options)))
        return made[-1]

    yield make
    for isg in made:
        isg.close(0)


@pytest.fixture
def isg(make: Callable[..., ISG]) -> ISG:
    return make()


@pytest.fixture
def browser(isg: ISG) -> Client:
    """Somebody who is not logged in."""
    return Client(isg)


@pytest.fixture
def owner(browser: Client) -> Client:
    assert log_in(browser).status_code == 303
    return browser


def token_of(answer: TestResponse) -> str:
    found = re.search(r'name="token" value="([^"]+)"', answer.text)
    assert found is not None, answer.text
    return found[1]


def log_in(client: Client, secret: str = SECRET, **more: Any) -> TestResponse:
    token = token_of(client.get("/_isg/login"))
    return client.post("/_isg/login", data={"token": token, "secret": secret}, **more)


def forgotten(*clients: Client) -> None:
    """The clients lose their cookies."""
    for client in clients:
        client._cookies = {}  # type: ignore[assignment]
