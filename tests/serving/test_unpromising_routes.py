"""`isgware.serving.unpromising_routes`: undeclared routes whose answers have nothing to store."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, Response, session

from isgware.flask import ISG
from isgware.routing.learned_routes import LearnedRoutes
from isgware.serving import unpromising_routes
from isgware.serving.unpromising_routes import UnpromisingRoutes
from isgware.testing import ManualExecutor
from tests.promises.kit import visit


def test_ever_fewer_requests_are_looked_up_until_an_answer_looks_storable() -> None:
    routes = UnpromisingRoutes()
    looked_up = []
    for number in range(800):
        if not routes.skips("view"):
            looked_up.append(number)
        routes.answered("view")
    assert looked_up == [*range(17), 32, 64, 128, 256, 512, 768]
    assert not routes.skips("other")
    routes.promising("view")
    for _ in range(40):
        routes.answered("view")
        assert not routes.skips("view")


def test_the_table_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpromising_routes, "_MAX_ROUTES", 3)
    routes = UnpromisingRoutes()
    for number in range(20):
        routes.answered(f"view{number}")
    assert len(routes._answers) <= 3


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes on URLs that were asked for."""
    found: list[str] = []
    find = LearnedRoutes.find

    def seen(routes: LearnedRoutes, base: str, *rest: Any, **more: Any) -> Any:
        found.append(base)
        return find(routes, base, *rest, **more)

    monkeypatch.setattr(LearnedRoutes, "find", seen)
    return found


def site(later: ManualExecutor, store: str = "memory:") -> tuple[Flask, list[str]]:
    """Pages that say how long they may be kept, once ``said`` is not empty."""
    app, said = Flask("unpromising"), list[str]()
    app.secret_key = "only for this test"

    @app.get("/p/<name>")
    def page(name: str) -> Response:
        if not said:
            session["name"] = name
        return Response(name, headers={"Cache-Control": said[0]} if said else {})

    ISG(app, store=store, enabled=True, executor=later)
    return app, said


def test_a_page_is_learned_at_its_first_storable_answer(read: list[str]) -> None:
    later = ManualExecutor()
    app, said = site(later)
    for number in range(40):
        visit(app.wsgi_app, f"/p/{number}")
    read.clear()
    visit(app.wsgi_app, "/p/a")
    assert read == []
    said.append("s-maxage=60")
    assert visit(app.wsgi_app, "/p/b").cache == "BYPASS"
    later.run_all()
    assert visit(app.wsgi_app, "/p/b").cache == "HIT"


def test_answers_to_head_do_not_count(read: list[str]) -> None:
    """They are never worth a render, whatever they say."""
    app, _ = site(ManualExecutor())
    for number in range(40):
        visit(app.wsgi_app, f"/p/{number}", method="HEAD")
    read.clear()
    visit(app.wsgi_app, "/p/a")
    assert read != []


def test_pages_that_another_process_has_learned_are_found_soon(tmp_path: Any) -> None:
    later = ManualExecutor()
    (one, said_one), (other, said) = (site(later, f"file:{tmp_path}") for _ in range(2))
    said_one.append("s-maxage=60")
    visit(one.wsgi_app, "/p/b")
    later.run_all()
    for number in range(40):
        visit(other.wsgi_app, f"/p/{number}")
    said.append("s-maxage=60")
    states = [visit(other.wsgi_app, "/p/b").cache for _ in range(2)]
    assert states == ["BYPASS", "HIT"]
