"""The page about static export shows what the commands print, and the limits of the code."""

from pathlib import Path

from isgware.export import layout, nginx
from tests.docs.walk import Walk

PAGE = Path(__file__).parents[2] / "docs" / "export.md"


def test_the_commands_print_what_the_page_shows(tmp_path: Path) -> None:
    Walk("app:app", tmp_path).take(PAGE)


def test_the_page_names_what_the_code_writes() -> None:
    text = PAGE.read_text()
    assert f"names longer than {layout.MAX_NAME} bytes or URLs longer than {layout.MAX_URL}" in text
    assert f"{layout.OWN}/nginx-maps.conf" in text
    assert "$isgware_file" in text
    assert b"$isgware_file {" in nginx.maps([], ())
