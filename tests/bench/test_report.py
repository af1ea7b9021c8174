"""What a benchmark prints, and what it keeps."""

import json
import re
from pathlib import Path

import pytest

from bench.kit import charts
from bench.kit.report import Column, Report


def test_a_table_is_aligned_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("made", "About it", tmp_path, ("Werkzeug",))
    report.table(("", Column("ms", ".1f"), "count"), [("one", 1.25, 1_000), ("two", None, 2)])
    report.plot("drawn", "<svg/>")
    report.close()
    assert "      ms  count\none  1.2  1,000\ntwo    -      2" in capsys.readouterr().out
    assert (tmp_path / "made.md").read_text().splitlines()[2] == "| one | 1.2 | 1,000 |"
    assert (tmp_path / "made-drawn.svg").read_text() == "<svg/>"
    kept = json.loads((tmp_path / "made.json").read_text())
    assert kept["figures"]["made"][0] == {"": "one", "ms": 1.25, "count": 1_000}
    assert kept["machine"]["versions"].keys() == {"Werkzeug"}
    assert "Measured by `python -m bench.made" in (tmp_path / "made-on.md").read_text()


def test_nothing_is_kept_unless_that_is_asked_for(tmp_path: Path) -> None:
    report = Report("made", "About it", None)
    report.table(("", "count"), [("one", 1)])
    report.close()
    assert not list(tmp_path.iterdir())


def test_a_bar_is_as_long_as_the_logarithm_of_its_value() -> None:
    drawn = charts.bars("CPU", "times", ("one",), [("a", [1.0]), ("b", [10.0]), ("c", [100.0])])
    widths = [int(width) for width in re.findall(r'<rect x="\d+" y="\d+" width="(\d+)"', drawn)]
    assert widths[:2] == [1, widths[2] // 2]


def test_what_was_not_measured_has_no_bar() -> None:
    drawn = charts.bars("CPU", "times", ("one", "two"), [("a", [1.0, None]), ("b", [2.0, 3.0])])
    assert drawn.count("<rect") == 3 + 2  # and a square for each series


def test_lines_that_end_together_have_names_apart() -> None:
    drawn = charts.lines("Cost", "pages", "µs", {"a": [(1, 5), (10, 5)], "b": [(1, 5), (10, 5)]})
    heights = [int(y) for y in re.findall(r'y="(\d+)"[^>]*>[ab]</text>', drawn)]
    assert abs(heights[0] - heights[1]) >= 12
