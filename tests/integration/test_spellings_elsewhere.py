"""What one host knows of spellings, origins and lists, with the others behind one Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, request
from werkzeug.test import Client

from isgware import revalidate
from isgware.flask import ISG
from tests.stores import Redis, eventually, running

Host = tuple[Client, ISG]


@pytest.fixture
def hosts(posts: list[str]) -> Iterator[Callable[[], list[Host]]]:
    """Two processes' worth of one site, each with its own `ISG`."""
    made: list[Host] = []

    def site() -> Host:
        app = Flask("site")
        isg = ISG(app, store=server.url, enabled=True)
        app.get("/data")(revalidate(60)(lambda: str(request.origin)))

        @app.get("/posts/<slug>/")
        @revalidate(60, fallback="not-found", paths=lambda: [{"slug": slug} for slug in posts])
        def post(slug: str) -> str:
            return f"{slug} of {len(posts)}"

        made.append((Client(app), isg))
        return made[-1]

    with running(Redis()) as server:
        yield lambda: [site(), site()]
        for _, isg in made:
            isg.close(0)


@pytest.fixture
def posts() -> list[str]:
    return ["one"]


def test_what_was_learned_of_origin_holds_everywhere(hosts: Any) -> None:
    (here, _), (there, _) = hosts()
    assert here.get("/data").text == "None"
    for origin in ("https://a.test", "https://b.test"):
        assert there.get("/data", headers={"Origin": origin}).text == origin
        assert here.get("/data", headers={"Origin": origin}).text == origin
    assert here.get("/data").headers["X-ISG-Cache"] == "HIT"


def test_a_publication_elsewhere_is_no_404_and_its_path_may_be_spelt(
    hosts: Any, posts: list[str]
) -> None:
    (here, _), (there, isg) = hosts()
    assert here.get("/posts/two/").status_code == 404
    assert here.get("/posts/one/", base_url="http://SITE.test:80").text == "one of 1"
    posts.append("two")
    for path in ("/posts/one", "/posts/two"):
        isg.purge_path(path)

    def seen() -> bool:
        answer = here.get("/posts/two/")
        return answer.status_code == 200

    eventually(seen, within=60)
    assert here.get("/posts/one/", base_url="http://site.test").text == "one of 2"
    assert there.get("/posts/three/").status_code == 404
