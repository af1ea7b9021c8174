"""What `bench.versus` has measured, as text, as a table of the documentation, and as plots."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench import plots

if TYPE_CHECKING:
    from bench.versus import Measured

SHOWN: Final = Path(__file__).resolve().parent.parent / "docs" / "measured"
LIMIT: Final = "constant bytes"
_HEAD: Final = ("", "CPU µs", "x constant", "CPU µs, gzip", "x constant", "requests/s",
                "p50 ms", "p99 ms")  # fmt: skip


@dataclass(frozen=True)
class Line:
    """``cpu`` and ``ratio`` by Accept-Encoding: microseconds per request, and times the least."""

    name: str
    cpu: dict[str, float]
    ratio: dict[str, float]
    rate: float
    p50: float
    p99: float

    def cells(self) -> list[str]:
        told = [self.name]
        for accept in ("", "gzip"):
            has = accept in self.cpu
            told.append(f"{self.cpu[accept]:,.1f}" if has else "-")
            told.append(f"{self.ratio[accept]:.2f}" if has else "-")
        return [*told, f"{self.rate:,.0f}", f"{self.p50:.2f}", f"{self.p99:.2f}"]


def rows(
    results: dict[tuple[str, str], Measured], median: Callable[[list[float]], float]
) -> list[Line]:
    """Ratios are medians of the rounds' ratios: what disturbs a round disturbs both its sides."""
    lines = []
    for name in dict.fromkeys(name for name, _ in results):
        own = {accept: found for (whose, accept), found in results.items() if whose == name}
        ratio = {
            accept: median([
                mine / least
                for mine, least in zip(found.cpu, results[LIMIT, accept].cpu, strict=True)
            ])
            for accept, found in own.items()
        }  # fmt: skip
        lines.append(
            Line(
                name,
                {accept: median(found.cpu) * 1e6 for accept, found in own.items()},
                ratio,
                median(own[""].rate),
                own[""].percentile(0.5) * 1e3,
                own[""].percentile(0.99) * 1e3,
            )
        )
    return lines


def as_text(lines: list[Line], machine: list[str]) -> str:
    told = ["A hit on a 30 kB page over loopback, one process and one thread each\n"]
    for cells in (_HEAD, *(line.cells() for line in lines)):
        told.append(f"{cells[0]:28}" + "".join(f"{cell:>13}" for cell in cells[1:]))
    return "\n".join([*told, "", *machine])


def save(lines: list[Line], machine: list[str]) -> None:
    """Write what ``docs/benchmarks.md`` includes."""
    table = ["| " + " | ".join(_HEAD) + " |", "|---|" + "---:|" * (len(_HEAD) - 1)]
    table += ["| " + " | ".join(line.cells()) + " |" for line in lines]
    told = "\n".join([*table, "", "Measured on: " + "; ".join(machine) + ".", ""])
    SHOWN.mkdir(exist_ok=True)
    (SHOWN / "versus.md").write_text(told)
    cpu = [(line.name, [line.ratio[""], line.ratio.get("gzip")]) for line in lines]
    (SHOWN / "versus-cpu.svg").write_text(
        plots.bars("CPU per request", "times constant bytes", ("identity", "gzip"), cpu)
    )
    waits = [(line.name, [line.p50, line.p99]) for line in lines]
    (SHOWN / "versus-latency.svg").write_text(
        plots.bars("Latency at a steady rate", "milliseconds", ("p50", "p99"), waits)
    )
