"""The page about the command line shows what its commands print, and names all of them."""

from pathlib import Path

from isgware.cli import main as cli
from isgware.cli.commands import commands
from tests.docs.walk import Walk

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"


def test_the_commands_print_what_the_page_shows(tmp_path: Path) -> None:
    Walk("app:app", tmp_path).take(PAGE)


def test_every_command_and_option_is_on_the_page() -> None:
    text = PAGE.read_text()
    for name, command in commands("isgware", cli.subject).commands.items():
        assert f"| `{name}" in text
        for param in command.params:
            assert param.param_type_name == "argument" or param.opts[0] in text, param.opts
