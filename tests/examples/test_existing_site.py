"""The bookshop, bare and with isgware in front: every visitor gets what the bare site gives."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from weakref import WeakSet

import pytest
from werkzeug.test import Client, TestResponse

from bench import existing_site as bench
from examples.existing_site import steps
from isgware import revalidate_decorator

PEOPLE = 25
POST = "/journal/a-morning-at-the-harbour"
TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


@pytest.fixture(autouse=True)
def decorated_by_one_test_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps decorate the site's functions for one app and not for another. In one process
    isgware takes the latter for decorators above ``@app.route``."""
    monkeypatch.setattr(revalidate_decorator, "_bare", WeakSet())


@cache
def bare() -> bench.Run:
    return bench.run(steps.bare, PEOPLE)


@pytest.mark.parametrize(
    ("step", "least"), [(steps.one_line, 40), (steps.decorated, 40), (steps.with_holes, 40)],
    ids=["one-line", "decorated", "with-holes"],
)  # fmt: skip
def test_no_answer_differs_from_the_bare_sites(step: Callable[..., object], least: int) -> None:
    wrapped = bench.run(step, PEOPLE, enabled=True)
    assert not wrapped.differing(bare())
    assert not [seen.what for seen in wrapped.seen if not seen.good]
    assert {seen.what.split("/")[1] for seen in wrapped.forms()} >= {"journal", "login"}
    assert wrapped.rate(declared=True, own=False) > least
    if step is steps.with_holes:  # whoever asks: what is not in the store is rendered for it
        states = {seen.state for seen in wrapped.views() if seen.declared}
        assert states <= {"HIT", "STALE", "MISS", "REVALIDATED"}
        shown = [seen for seen in wrapped.views() if seen.declared and seen.own]
        assert sum(seen.state == "HIT" for seen in shown) > len(shown) / 2


@pytest.fixture
def new(tmp_path: Path) -> Iterator[Callable[[], Client]]:
    app = steps.decorated(
        {"SHOP_DB": str(tmp_path / "comments.sqlite")}, store=f"file:{tmp_path / 'pages'}"
    )
    yield lambda: Client(app.wsgi_app)
    app.extensions["isgware"].close()


def token(page: TestResponse) -> str:
    found = TOKEN.search(page.text)
    assert found
    return found[1]


def test_a_token_out_of_the_store_is_its_visitors_alone(new: Callable[[], Client]) -> None:
    ada, ben = new(), new()
    theirs = [ada.get(POST), ben.get(POST)]
    assert [page.headers["X-ISG-Cache"] for page in theirs] == ["MISS", "HIT"]
    words = {"name": "Ada", "text": "Upside down, indeed."}
    foreign = ben.post(POST, data={**words, "csrf_token": token(theirs[0])})
    assert foreign.status_code == 400
    own = ada.post(POST, data={**words, "csrf_token": token(theirs[0])})
    assert own.status_code == 303
    assert "Thank you" in ada.get(POST).text
    later = ben.get(POST)
    assert "Upside down, indeed." in later.text
    assert "Thank you" not in later.text


def test_a_basket_is_its_visitors_alone(new: Callable[[], Client]) -> None:
    ada, ben, book = new(), new(), "/books/a-history-of-knots"
    page = ada.get(book)
    added = ada.post("/basket/a-history-of-knots", data={"csrf_token": token(page)})
    assert added.status_code == 303
    assert "Basket (1)" in ada.get(book).text
    assert "Basket (0)" in ben.get(book).text
    assert ben.get(book).headers["X-ISG-Cache"] == "HIT"
