"""The page about costs shows what the benchmarks have kept."""

import json
import re
from pathlib import Path

from bench import instructions, plots

DOCS = Path(__file__).parents[2] / "docs"


def test_the_instructions_shown_are_those_that_were_kept() -> None:
    kept = json.loads(instructions.KEPT.read_text())
    assert instructions.SHOWN.read_text() == instructions.shown(kept)


def test_instructions_are_kept_with_their_commit_and_interpreter() -> None:
    kept = json.loads(instructions.KEPT.read_text())
    named = [(entry["commit"], entry["interpreter"]) for entry in kept]
    assert len(set(named)) == len(named)
    assert all(entry["instructions"][instructions.BARE] for entry in kept)


def test_everything_measured_is_shown() -> None:
    shown = set(re.findall(r"measured/([a-z.-]+)", (DOCS / "benchmarks.md").read_text()))
    assert shown == {path.name for path in (DOCS / "measured").iterdir()}


def test_a_bar_is_as_long_as_the_logarithm_of_its_value() -> None:
    drawn = plots.bars("CPU", "times", ("one",), [("a", [1.0]), ("b", [10.0]), ("c", [100.0])])
    widths = [int(width) for width in re.findall(r'<rect x="\d+" y="\d+" width="(\d+)"', drawn)]
    assert widths[:2] == [1, widths[2] // 2]


def test_what_was_not_measured_has_no_bar() -> None:
    drawn = plots.bars("CPU", "times", ("one", "two"), [("a", [1.0, None]), ("b", [2.0, 3.0])])
    assert drawn.count("<rect") == 3 + 2  # and a square for each series
