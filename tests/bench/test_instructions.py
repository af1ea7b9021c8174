"""A hit that became dearer is told from one that did not."""

from typing import Any

import pytest

from bench import instructions

HERE = instructions.interpreter()


def kept(count: int, interpreter: str = HERE) -> dict[str, Any]:
    return {"commit": "abc", "interpreter": interpreter, "instructions": {"hit, file:": count}}


@pytest.mark.parametrize(
    ("count", "told"),
    [
        pytest.param(10_000, [], id="the same"),
        pytest.param(9_000, [], id="cheaper"),
        pytest.param(10_300, [], id="within the tolerance"),
        pytest.param(10_301, ["hit, file:: 10,301, and 10,000 at abc"], id="dearer"),
    ],
)
def test_counts_are_compared_with_the_last(count: int, told: list[str]) -> None:
    before = [kept(20_000), kept(10_000), kept(1, "another")]
    assert instructions.dearer({"hit, file:": count}, before) == told


def test_a_case_that_is_new_is_not_dearer() -> None:
    assert instructions.dearer({"hit, br": 10_000}, [kept(10_000)]) == []


def test_another_interpreter_is_not_compared() -> None:
    with pytest.raises(SystemExit, match="nothing to compare"):
        instructions.dearer({"hit, file:": 1}, [kept(1, "another"), {**kept(1), "compiler": "x"}])


@pytest.mark.parametrize("option", ["--check", "--save"])
def test_without_valgrind_it_says_so(
    option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(instructions, "program", lambda name: None)
    instructions.main([option])
    assert "valgrind is not installed" in capsys.readouterr().out
