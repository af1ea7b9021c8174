"""The quick starts are followed to the letter, and show what their pages show."""

from pathlib import Path

import pytest

from tests.docs.walk import Walk, blocks, commands

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("page", "application"),
    [
        ("quickstart-flask.md", "app:app"),
        ("quickstart-django.md", "mysite.wsgi:application"),
        ("quickstart-wsgi.md", "app:application"),
    ],
)
def test_a_quick_start_shows_what_happens(page: str, application: str, tmp_path: Path) -> None:
    Walk(application, tmp_path).take(DOCS / page)


@pytest.mark.parametrize(
    "page", ["quickstart-flask.md", "quickstart-django.md", "quickstart-wsgi.md"]
)
def test_a_quick_start_shows_each_state(page: str) -> None:
    shown = [
        line.removeprefix("X-ISG-Cache: ")
        for block in blocks(DOCS / page)
        if block.kind == "console"
        for _, printed in commands(block)
        for line in printed.splitlines()
        if line.startswith("X-ISG-Cache: ")
    ]
    assert shown[:4] == ["MISS", "HIT", "STALE", "HIT"]
    assert {"REVALIDATED", "BYPASS"} <= set(shown)
