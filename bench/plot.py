"""Line charts as SVG, on logarithmic axes, for what grows by factors: `chart`.

Colours and dashes both tell lines apart, and each line is named at its end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final

Points = Sequence[tuple[float, float]]
WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 40, 48
_COLOURS: Final = ("#1f6feb", "#c2410c", "#15803d", "#7c3aed", "#be185d", "#57534e")
_DASHES: Final = ("", "6 3", "2 3", "8 3 2 3", "1 2", "12 4")
_UNITS: Final = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


class Axis:
    """A logarithmic scale from whole powers of ten to whole powers of ten, onto pixels."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self.low = math.floor(math.log10(min(values)))
        self.high = max(math.ceil(math.log10(max(values))), self.low + 1)
        self._start, self._end = start, end

    def __call__(self, value: float) -> float:
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return self._start + part * (self._end - self._start)

    def ticks(self) -> Iterator[float]:
        for power in range(self.low, self.high + 1):
            yield 10.0**power


def chart(title: str, across: str, upwards: str, lines: Mapping[str, Points]) -> str:
    """The SVG text. ``across`` and ``upwards`` name the axes; values are greater than zero."""
    points = [point for line in lines.values() for point in line]
    x = Axis([x for x, _ in points], LEFT, WIDTH - RIGHT)
    y = Axis([y for _, y in points], HEIGHT - BOTTOM, TOP)
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="sans-serif" font-size="12"><title>{escape(title)}</title>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        _text(LEFT, 22, title, size=15),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, across, anchor="middle"),
        _text(LEFT, 36, upwards, colour="#57534e"),
        *_grid(x, y),
    ]
    ends: list[float] = []
    for number, (name, line) in enumerate(lines.items()):
        drawn += _line(name, [(x(a), y(b)) for a, b in line], number, ends)
    return "\n".join([*drawn, "</svg>\n"])


def save(directory: str | Path, name: str, svg: str) -> None:
    Path(directory, f"{name}.svg").write_text(svg)


def _grid(x: Axis, y: Axis) -> Iterator[str]:
    for value in x.ticks():
        yield _rule(x(value), TOP, x(value), HEIGHT - BOTTOM)
        yield _text(x(value), HEIGHT - BOTTOM + 16, _number(value), anchor="middle")
    for value in y.ticks():
        yield _rule(LEFT, y(value), WIDTH - RIGHT, y(value))
        yield _text(LEFT - 6, y(value) + 4, _number(value), anchor="end")


def _line(
    name: str, points: Sequence[tuple[float, float]], number: int, ends: list[float]
) -> Iterator[str]:
    colour, dash = _COLOURS[number % len(_COLOURS)], _DASHES[number % len(_DASHES)]
    places = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
    yield (
        f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="2" '
        f'stroke-dasharray="{dash}"/>'
    )
    for a, b in points:
        yield f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>'
    right, height = points[-1]
    while any(abs(height - other) < 13 for other in ends):  # so that names do not overlap
        height += 3
    ends.append(height)
    yield _text(right + 8, height + 4, name, colour=colour)


def _rule(a: float, b: float, c: float, d: float) -> str:
    return f'<line x1="{a:.1f}" y1="{b:.1f}" x2="{c:.1f}" y2="{d:.1f}" stroke="#e7e5e4"/>'


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, colour: str = "#1c1917"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
        f'fill="{colour}">{escape(text)}</text>'
    )


def _number(value: float) -> str:
    for unit, letter in _UNITS:
        if value >= unit:
            return f"{value / unit:g} {letter}"
    return f"{value:g}"
