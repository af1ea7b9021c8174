"""`why` and ``cache_control="full"``: what it says is what then happens."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.promises.kit import visit
from tests.shared_cache.conftest import InProcess
from tests.shared_cache.script import Step

CC = "Cache-Control"
ANSWERS = {
    "fresh": (CC, "max-age=30"),
    "swr": (CC, "max-age=5, stale-while-revalidate=30"),
    "public": (CC, "max-age=30, public"),
    "revalidate": (CC, "max-age=5, must-revalidate"),
    "private": (CC, "private"),
    "nothing": ("X-A", "b"),
}


def told(client: InProcess, **given: Any) -> tuple[str, str]:
    said = client.isg.why("/script/a", scheme="http", host="site.test", **given)
    return said.outcome, said.decided_by


def play(client: InProcess, *answer: tuple[str, str]) -> None:
    client.play("a", [Step("asked", answer)] * 9)


def ask(client: InProcess, *headers: tuple[str, str]) -> str | None:
    return client.ask("GET", "/script/a", "", list(headers), b"").get("X-ISG-Cache")


def test_the_words(client: InProcess) -> None:
    play(client, (CC, "max-age=30, stale-while-revalidate=9"), ("Vary", "Foo"))
    assert told(client) == ("MISS", "nothing is stored for this request")
    ask(client)
    assert told(client) == ("HIT", "fresh for another 30 s")
    assert told(client, headers={"Foo": "1"}) == ("MISS", "nothing is stored for this request")
    assert told(client, headers={"Authorization": "x"}) == (
        "MISS", "the request's credentials, which the stored response does not allow for",
    )  # fmt: skip
    assert told(client, headers={CC: "no-cache"}) == (
        "REVALIDATED", "the directives of the request",
    )  # fmt: skip
    client.tick(35)
    assert told(client) == ("STALE", "stale for 5 s")
    client.tick(35)
    assert told(client) == ("REVALIDATED", "stale for 40 s")
    client.isg.purge_path("/script/a")
    assert told(client) == ("REVALIDATED", "a purge of the path '/script/a' since the render")
    text = str(client.isg.why("/script/a", host="site.test", scheme="http"))
    assert "the response's own headers (RFC 9111)" in text
    assert told(client, method="POST")[0] == "BYPASS"


@pytest.mark.parametrize("seed", range(8))
def test_why_says_what_then_happens(client: InProcess, seed: int) -> None:
    chosen = random.Random(seed)
    one = chosen.choice
    for name, answer in ANSWERS.items():
        client.play(name, [Step("asked", (answer, ("ETag", '"e"'), ("Vary", "Foo")))])
    for _ in range(60):
        client.tick(one([0, 1, 4, 20]))
        if chosen.random() < 0.2:
            client.later.run()
        if chosen.random() < 0.1:
            getattr(client.isg, one(["purge_path", "revalidate_path"]))("/script/*")
        headers = {
            name: one(values)
            for name, values in (
                ("Foo", ["1", "2"]), ("Authorization", ["x"]), ("Cookie", ["a=b"]),
                (CC, ["no-cache", "max-age=3", "max-stale=50", "only-if-cached"]),
            )
            if chosen.random() < 0.2
        }  # fmt: skip
        path = f"/script/{one(list(ANSWERS))}"
        said = client.isg.why(path, scheme="http", host="site.test", headers=headers)
        reply = visit(client.isg, path, headers=headers)
        right = (said.outcome, said.detail) == (reply.cache, reply.detail)
        if said.outcome in ("MISS", "REVALIDATED") and not right:
            right = reply.cache == "" or reply.detail == "not-modified"  # the app's to say
            right = right or {said.outcome, reply.cache} == {"MISS", "REVALIDATED"}
        assert right, f"{headers}: {said}, but {reply.status} {reply.headers}"
