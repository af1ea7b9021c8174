"""What a benchmark says: tables on the terminal and, with ``--save``, what the documentation shows.

A report NAME keeps ``NAME.json`` (each figure as measured, the machine, the command), ``NAME.md``
or ``NAME-PART.md`` for each table, ``NAME-PART.svg`` for each plot, and ``NAME-on.md``, a sentence
that says where and how all this was measured.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from . import machine

SHOWN: Final = machine.ROOT / "docs" / "measured"
Value = float | str | None


def options(name: str, about: str | None) -> argparse.ArgumentParser:
    """The command line that every benchmark has."""
    parser = argparse.ArgumentParser(
        prog=f"python -m bench.{name}",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--save", metavar="DIR", nargs="?", type=Path, const=SHOWN,
        help="keep tables, plots and figures there (default: docs/measured)",
    )  # fmt: skip
    return parser


@dataclass(frozen=True)
class Column:
    """``spec`` is how its figures are formatted."""

    name: str
    spec: str = ",.0f"

    def told(self, value: Value) -> str:
        if value is None:
            return "-"
        return value if isinstance(value, str) else format(value, self.spec)


class Report:
    """Prints at once, keeps for `close`. ``name``: the benchmark's, and what it is about after a
    hyphen if it makes several; ``versions``: the packages and programs that matter."""

    def __init__(
        self, name: str, about: str, save: Path | None, versions: Sequence[str] = ()
    ) -> None:
        self._name, self._save, self._versions = name, save, versions
        self._load = os.getloadavg()[0]
        self._files: dict[str, str] = {}
        self._figures: dict[str, Any] = {}
        print(about, flush=True)

    def table(
        self, head: Sequence[str | Column], rows: Sequence[Sequence[Value]], part: str = "",
        title: str = "",
    ) -> None:  # fmt: skip
        """The first column names each row. ``part`` tells tables of one report apart."""
        columns = [one if isinstance(one, Column) else Column(one) for one in head]
        cells = [
            [column.told(value) for column, value in zip(columns, row, strict=True)] for row in rows
        ]
        names = [column.name for column in columns]
        print("\n" + (f"{title}\n\n" if title else "") + _aligned([names, *cells]), flush=True)
        lines = ["| " + " | ".join(names) + " |", "|---|" + "---:|" * (len(names) - 1)]
        lines += ["| " + " | ".join(row) + " |" for row in cells]
        self._files[f"{self._slug(part)}.md"] = "\n".join(lines) + "\n"
        self._figures[part or self._name] = [dict(zip(names, row, strict=True)) for row in rows]

    def plot(self, part: str, svg: str) -> None:
        self._files[f"{self._slug(part)}.svg"] = svg

    def say(self, text: str) -> None:
        print(f"\n{text}", flush=True)

    def close(self) -> None:
        """Tell of the machine; keep everything, if that was asked for."""
        found = machine.described(self._versions, self._load)
        self.say(machine.in_words(found) + ".")
        if self._save is None:
            return
        module = self._name.partition("-")[0]
        given = [word for word in sys.argv[1:] if word != str(self._save)]
        command = shlex.join(["python", "-m", f"bench.{module}", *given])
        self._files[f"{self._name}-on.md"] = (
            f"Measured by `{command}` on {machine.in_words(found)}.\n"
        )
        kept = {"command": command, "machine": found, "figures": _rounded(self._figures)}
        self._files[f"{self._name}.json"] = json.dumps(kept, indent=1) + "\n"
        self._save.mkdir(parents=True, exist_ok=True)
        for name, text in self._files.items():
            (self._save / name).write_text(text)
        print(f"Kept in {self._save}: {', '.join(sorted(self._files))}")

    def _slug(self, part: str) -> str:
        return f"{self._name}-{part}" if part else self._name


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([f"{first:{widths[0]}}", *cells]).rstrip())
    return "\n".join(lines)


def _rounded(value: Any) -> Any:
    """Six digits tell all that was measured."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {str(name): _rounded(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(one) for one in value]
    return value
