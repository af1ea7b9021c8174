"""Bar charts as SVG, to be read on light and on dark pages alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

COLOURS = ("#3b82c4", "#d98a2b", "#808080")
_ROW, _BAR, _LEFT, _WIDTH, _RIGHT = 20, 14, 210, 470, 90


def bars(
    title: str, unit: str, series: Sequence[str], rows: Sequence[tuple[str, Sequence[float | None]]]
) -> str:
    """Horizontal bars on a logarithmic scale, one per row and series; ``None`` leaves a gap.

    ``unit`` is said at the title, since figures stand at their bars.
    """
    values = [value for _, given in rows for value in given if value]
    low, high = math.floor(math.log10(min(values))), math.log10(max(values))
    parts, y = [], 52
    for name, given in rows:
        height = _ROW * len(series)
        parts.append(_text(_LEFT - 8, y + height / 2 - 1, name, anchor="end"))
        for number, value in enumerate(given):
            if value:
                width = _WIDTH * (math.log10(value) - low) / max(high - low, 0.1)
                top = y + number * _ROW
                parts.append(
                    f'<rect x="{_LEFT}" y="{top}" width="{max(width, 1):.0f}" height="{_BAR}" '
                    f'fill="{COLOURS[number]}"/>'
                )
                parts.append(_text(_LEFT + max(width, 1) + 6, top + 11, _figure(value)))
        y += height + 8
    parts += _legend(series)
    width, height = _LEFT + _WIDTH + _RIGHT, y + 6
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        'font-family="system-ui, sans-serif" font-size="12">\n'
        f"<title>{escape(title)}</title>\n" + _text(8, 18, f"{title} ({unit})", size=14)
    )
    return "\n".join([head, *parts, "</svg>\n"])


def _legend(series: Sequence[str]) -> list[str]:
    parts, x = [], _LEFT
    for number, name in enumerate(series):
        parts.append(
            f'<rect x="{x}" y="28" width="{_BAR}" height="{_BAR}" fill="{COLOURS[number]}"/>'
        )
        parts.append(_text(x + 20, 39, name))
        x += 40 + 8 * len(name)
    return parts


def _figure(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12) -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-size="{size}" '
        f'fill="#808080">{escape(text)}</text>'
    )
