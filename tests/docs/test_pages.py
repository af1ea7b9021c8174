"""Every Python example of the documentation runs. The quick starts have a test of their own."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser, SkipParser

from isgware import holes

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(
    path.relative_to(DOCS)
    for path in DOCS.rglob("*.md")
    if "_build" not in path.parts and not path.name.startswith("quickstart-")
)
EXAMPLES = Sybil(parsers=[PythonCodeBlockParser(), SkipParser()])


@pytest.fixture(autouse=True)
def quiet_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stores of examples are made below the working directory; log levels they set do not stay."""
    monkeypatch.chdir(tmp_path)
    log = logging.getLogger("isgware")
    level, registered = log.level, dict(holes.registered)
    holes.registered.clear()
    yield
    log.setLevel(level)
    holes.registered.clear()
    holes.registered.update(registered)


@pytest.mark.parametrize("name", PAGES, ids=str)
def test_the_examples_of_a_page_run(name: Path) -> None:
    document = EXAMPLES.parse(DOCS / name)
    document.namespace["__name__"] = "documented"
    for example in document.examples():
        example.evaluate()
