"""`isgware.serving.refused_urls`: visits of refused routes that are not even routed."""

from __future__ import annotations

from typing import Any

import pytest

from isgware import ISG, Policy
from tests.promises.kit import Clock, Manual, visit


class App:
    def __init__(self) -> None:
        self.headers = [("Set-Cookie", "a=1")]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), *self.headers])
        return [b"page"]


def site(**fields: Any) -> tuple[App, ISG]:
    """A site whose route has been refused for so long that it is not looked for."""
    app = App()
    isg = ISG(
        app, store="memory:", clock=Clock(), executor=Manual(), secret="s" * 16,
        routes={"/p/<x>": Policy(revalidate=60, **fields)},
    )  # fmt: skip
    for number in range(40):
        visit(isg, f"/p/{number}")
    return app, isg


@pytest.fixture
def decided(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths of visits that were decided about by the engine."""
    found: list[str] = []
    decide = ISG._decide

    def seen(isg: ISG, visitor: Any, read_ahead: Any) -> Any:
        found.append(visitor.path)
        return decide(isg, visitor, read_ahead)

    monkeypatch.setattr(ISG, "_decide", seen)
    return found


def test_a_url_of_a_refused_route_is_decided_about_once(decided: list[str]) -> None:
    _, isg = site()
    decided.clear()
    replies = [visit(isg, "/p/a") for _ in range(4)]
    assert {(reply.cache, reply.detail) for reply in replies} == {("BYPASS", "set-cookie")}
    assert decided == ["/p/a"]


@pytest.mark.parametrize(
    "headers", [{"Authorization": "Basic x"}, {"Cookie": "isgware_draft=x"}], ids=["who", "draft"]
)
def test_who_is_known_is_looked_at(decided: list[str], headers: dict[str, str]) -> None:
    _, isg = site()
    visit(isg, "/p/a")
    decided.clear()
    reply = visit(isg, "/p/a", headers=headers)
    assert decided == ["/p/a"]
    assert reply.detail == ("authorization" if "Authorization" in headers else "set-cookie")


def test_a_callable_bypass_is_asked_each_time(decided: list[str]) -> None:
    _, isg = site(bypass=lambda request: False)
    decided.clear()
    assert [visit(isg, "/p/a").cache for _ in range(2)] == ["BYPASS"] * 2
    assert decided == ["/p/a"] * 2


def test_an_answer_that_looks_storable_ends_it_at_once() -> None:
    app, isg = site()
    visit(isg, "/p/a")
    app.headers = []
    assert [visit(isg, "/p/a").cache for _ in range(3)] == ["BYPASS", "MISS", "HIT"]
    assert visit(isg, "/p/b").cache == "MISS"
