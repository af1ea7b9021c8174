"""Every benchmark is listed, and says what it does."""

import importlib
from pathlib import Path

import pytest

from bench import run
from bench.kit import machine

#: What benchmarks start or ask, and the list itself.
OTHERS = {
    "__init__", "agreement", "contenders", "newcomer", "refused_sites", "run", "sites", "visitors",
}  # fmt: skip


def test_every_benchmark_is_listed() -> None:
    found = {path.stem for path in Path(run.__file__).parent.glob("*.py")}
    assert {one.name for one in run.BENCHMARKS} == found - OTHERS


@pytest.mark.parametrize("name", [one.name for one in run.BENCHMARKS])
def test_a_benchmark_answers_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        importlib.import_module(f"bench.{name}").main(["--help"])
    told = capsys.readouterr().out
    assert "--save" in told
    assert f"python -m bench.{name}" in told


def test_what_runs_without_names_takes_ten_minutes_at_most() -> None:
    assert sum(one.takes for one in run.BENCHMARKS if one.usual) <= 10


def test_a_program_that_is_missing_is_named_with_its_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert machine.program("no-such-program") is None
    assert "apt install varnish" in machine.missing("varnishd")
