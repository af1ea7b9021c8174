"""The documentation shows what the benchmarks have kept."""

import json
import re
from pathlib import Path

from bench import instructions

DOCS = Path(__file__).parents[2] / "docs"
MEASURED = DOCS / "measured"


def test_the_instructions_shown_are_those_that_were_kept() -> None:
    kept = json.loads(instructions.KEPT.read_text())
    assert instructions.SHOWN.read_text() == instructions.shown(kept)


def test_instructions_are_kept_with_their_commit_and_interpreter() -> None:
    kept = json.loads(instructions.KEPT.read_text())
    named = [(entry["commit"], entry["interpreter"]) for entry in kept]
    assert len(set(named)) == len(named)
    assert all(entry["instructions"][instructions.BARE] for entry in kept)


def test_everything_measured_is_shown() -> None:
    pages = [path.read_text() for path in DOCS.rglob("*.md") if "_build" not in path.parts]
    shown = {
        name for text in pages for name in re.findall(r"measured/([a-z_.-]+\.(?:md|svg))", text)
    }
    assert shown == {path.name for path in MEASURED.iterdir() if path.suffix != ".json"}


def test_what_was_measured_says_where_and_how() -> None:
    for path in MEASURED.glob("*.json"):
        kept = json.loads(path.read_text())
        assert kept["command"].startswith(f"python -m bench.{path.stem.partition('-')[0]}")
        assert {"cores", "processor", "python", "versions", "commit", "load"} <= set(
            kept["machine"]
        )
        assert kept["figures"]
        assert (MEASURED / f"{path.stem}-on.md").exists()
