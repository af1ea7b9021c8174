"""The page about building shows what its commands print."""

from pathlib import Path

from tests.docs.walk import Walk

PAGE = Path(__file__).parents[2] / "docs" / "build.md"


def test_the_commands_print_what_the_page_shows(tmp_path: Path) -> None:
    Walk("app:app", tmp_path).take(PAGE)
