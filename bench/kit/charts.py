"""Plots as SVG, to be read on light and on dark pages alike: `bars`, and `lines` for what grows.

Both are logarithmic. Each line differs by colour and dashes, and is named at its end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final

Points = Sequence[tuple[float, float]]
COLOURS: Final = ("#3b82c4", "#d98a2b", "#2f9e5b", "#9061e0", "#d0457f", "#808080")
_GREY: Final = "#808080"
_DASHES: Final = ("", "6 3", "2 3", "8 3 2 3", "1 2", "12 4")
_UNITS: Final = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_ROW, _BAR, _NAMES, _LONGEST, _FIGURES = 20, 14, 210, 470, 90
_WIDTH, _HEIGHT = 640, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 150, 36, 48


def bars(
    title: str, unit: str, series: Sequence[str], rows: Sequence[tuple[str, Sequence[float | None]]]
) -> str:
    """Horizontal bars, one per row and series; ``None`` leaves a gap.

    ``unit`` is said at the title, since figures stand at their bars.
    """
    values = [value for _, given in rows for value in given if value]
    low, high = math.floor(math.log10(min(values))), math.log10(max(values))
    parts, y = [], 52
    for name, given in rows:
        height = _ROW * len(series)
        parts.append(_text(_NAMES - 8, y + height / 2 - 1, name, anchor="end"))
        for number, value in enumerate(given):
            if value:
                width = max(_LONGEST * (math.log10(value) - low) / max(high - low, 0.1), 1)
                top = y + number * _ROW
                parts.append(
                    f'<rect x="{_NAMES}" y="{top}" width="{width:.0f}" height="{_BAR}" '
                    f'fill="{COLOURS[number]}"/>'
                )
                parts.append(_text(_NAMES + width + 6, top + 11, _figure(value)))
        y += height + 8
    parts += _legend(series)
    return _drawing(f"{title} ({unit})", _NAMES + _LONGEST + _FIGURES, y + 6, parts)


def lines(title: str, across: str, upwards: str, drawn: Mapping[str, Points]) -> str:
    """``across`` and ``upwards`` name the axes; values are greater than zero."""
    points = [point for line in drawn.values() for point in line]
    counts = sorted({x for x, _ in points})
    x = _Axis(counts, _LEFT, _WIDTH - _RIGHT)
    y = _Axis(_powers([y for _, y in points]), _HEIGHT - _BOTTOM, _TOP)
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts = [*_grid(x, y), _text(middle, _HEIGHT - 8, across, anchor="middle")]
    ends: list[float] = []
    for number, (name, line) in enumerate(drawn.items()):
        parts += _line(name, [(x(a), y(b)) for a, b in line], number, ends)
    return _drawing(f"{title} ({upwards})", _WIDTH, _HEIGHT, parts)


class _Axis:
    """A logarithmic scale from the first to the last of its ticks, onto pixels."""

    def __init__(self, ticks: Sequence[float], start: float, end: float) -> None:
        self.ticks = ticks
        self._low = math.log10(ticks[0])
        self._high = max(math.log10(ticks[-1]), self._low + 0.1)
        self._start, self._end = start, end

    def __call__(self, value: float) -> float:
        part = (math.log10(value) - self._low) / (self._high - self._low)
        return self._start + part * (self._end - self._start)


def _powers(values: Sequence[float]) -> list[float]:
    """The powers of ten between which ``values`` lie."""
    low = math.floor(math.log10(min(values)))
    high = max(math.ceil(math.log10(max(values))), low + 1)
    return [10.0**power for power in range(low, high + 1)]


def _grid(x: _Axis, y: _Axis) -> Iterator[str]:
    for value in x.ticks:
        yield _rule(x(value), _TOP, x(value), _HEIGHT - _BOTTOM)
        yield _text(x(value), _HEIGHT - _BOTTOM + 16, _short(value), anchor="middle")
    for value in y.ticks:
        yield _rule(_LEFT, y(value), _WIDTH - _RIGHT, y(value))
        yield _text(_LEFT - 6, y(value) + 4, _short(value), anchor="end")


def _line(name: str, points: Points, number: int, ends: list[float]) -> Iterator[str]:
    colour, dash = COLOURS[number % len(COLOURS)], _DASHES[number % len(_DASHES)]
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


def _legend(series: Sequence[str]) -> Iterator[str]:
    x = _NAMES
    for number, name in enumerate(series):
        yield f'<rect x="{x}" y="28" width="{_BAR}" height="{_BAR}" fill="{COLOURS[number]}"/>'
        yield _text(x + 20, 39, name)
        x += 40 + 8 * len(name)


def _drawing(title: str, width: float, height: float, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        'role="img" font-family="system-ui, sans-serif" font-size="12">\n'
        f"<title>{escape(title)}</title>\n" + _text(8, 18, title, size=14)
    )
    return "\n".join([head, *parts, "</svg>\n"])


def _rule(a: float, b: float, c: float, d: float) -> str:
    return (
        f'<line x1="{a:.1f}" y1="{b:.1f}" x2="{c:.1f}" y2="{d:.1f}" stroke="{_GREY}" '
        'stroke-opacity="0.3"/>'
    )


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, colour: str = _GREY
) -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-size="{size}" '
        f'fill="{colour}">{escape(text)}</text>'
    )


def _figure(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def _short(value: float) -> str:
    for unit, letter in _UNITS:
        if value >= unit:
            return f"{value / unit:g} {letter}"
    return f"{value:g}"
