"""The notes on two gunicorn workers: save, reload, new page."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.browser import Browser
from tests.examples.serving import ROOT, gunicorn


@pytest.fixture
def visitor(tmp_path: Path) -> Iterator[Browser]:
    environ = {"NOTES_VAR": str(tmp_path / "var")}
    (tmp_path / "var").mkdir()
    with gunicorn("examples.sqlalchemy_notes.app:app", ROOT, tmp_path / "log", **environ) as url:
        yield Browser(url)


def shown(visitor: Browser) -> list[list[bool]]:
    """Where the note is seen, asked six times, each on a connection of its own."""
    return [
        ["Rye" in visitor.get(path).text for path in ("/", "/bread", "/rain")] for _ in range(6)
    ]


def test_a_note_is_where_it_belongs_as_soon_as_it_is_saved(visitor: Browser) -> None:
    assert shown(visitor) == [[False, False, False]] * 6
    assert visitor.get("/roses").state == "MISS"
    visitor.post("/edit", text="Rye", topic="bread")
    assert shown(visitor) == [[True, True, False]] * 6
    visitor.post("/edit/1", text="Rye after all", topic="rain")
    assert shown(visitor) == [[True, False, True]] * 6
    assert "Rye after all" in visitor.get("/rain").text
    visitor.post("/edit/1", delete="1")
    assert shown(visitor) == [[False, False, False]] * 6
    assert visitor.get("/roses").state == "HIT"


def test_pages_are_stored_and_the_form_is_not(visitor: Browser) -> None:
    assert [visitor.get("/bread").state for _ in range(2)] == ["MISS", "HIT"]
    assert [visitor.get("/edit").state for _ in range(2)] == [None, None]
