"""The table of routes that ends a build, and the report as JSON."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ..build.build_report import Report, RouteReport
from ..build.inventory import NOT_DECLARED
from ..formatting import duration, printable, size
from .printing import to_json

SYMBOLS: Final = {"static": "○", "prerendered": "●", "dynamic": "ƒ"}
_LEGEND: Final = {
    "static": "its URL needs no arguments, so it is rendered when the site is built",
    "prerendered": "rendered when the site is built, for each page that paths= lists",
    "dynamic": "rendered for its visitors",
}
#: Undeclared routes that begin alike and are listed one by one.
_FEW: Final = 3
_LIFETIME: Final = ("REVALIDATE", "EXPIRE")
_BUILT: Final = ("PAGES", "SIZE", "COMPRESSED")
_COUNTS: Final = ("ok", "rendered", "fresh", "dynamic", "failed", "seconds", "build_id", "stopped")
#: Seconds from which a page is named as slow.
_SLOW: Final = 0.3
#: Failures that are printed; all of them are counted, and in the JSON there are more.
_SHOWN: Final = 50


def report_lines(report: Report) -> str:
    parts = [route_table(report.routes, built=True), _failures(report), summary(report)]
    return "\n".join(part for part in parts if part)


def route_table(routes: Sequence[RouteReport], *, built: bool) -> str:
    """The table, for people; ``built`` with what was done."""
    routes = list(_folded(routes))
    head = ["ROUTE", *_BUILT[:1], *_LIFETIME, *_BUILT[1:]] if built else ["ROUTE", *_LIFETIME]
    rows = [_cells(route, built) for route in routes]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [_line(head, widths, "")]
    for route, cells in zip(routes, rows, strict=True):
        lines.append(_line(cells, widths, note(route)))
        lines += _slow(route)
    kinds = {route.kind for route in routes}
    legend = [f"{SYMBOLS[kind]} {kind:<11}  {_LEGEND[kind]}" for kind in _LEGEND if kind in kinds]
    return "\n".join([*lines, "", *legend, ""])


def _folded(routes: Sequence[RouteReport]) -> Iterator[RouteReport]:
    """Routes that nobody declared, or that a wider pattern catches, and that begin alike, such as
    those of Django's admin, as one line if they are more than a few."""
    alike = Counter(_alike(route) for route in routes if _foldable(route))
    told: set[tuple[object, ...]] = set()
    for route in routes:
        group = _alike(route)
        if not _foldable(route) or alike[group] <= _FEW:
            yield route
        elif group not in told:
            told.add(group)
            rule = f"/{group[0]}/… ({alike[group]} routes)"
            yield dataclasses.replace(route, name="", rule=rule)


def _foldable(route: RouteReport) -> bool:
    caught = route.pattern and route.kind == "dynamic" and not route.pages
    return bool(caught) or route.reason == NOT_DECLARED


def _alike(route: RouteReport) -> tuple[object, ...]:
    segment = route.rule.lstrip("/").partition("/")[0]
    return segment, route.reason, route.revalidate, route.revalidate_most, route.expire


def _cells(route: RouteReport, built: bool) -> list[str]:
    name = f"{SYMBOLS[route.kind]} {printable(route.rule)}"
    if not built:
        return [name, *_lifetime(route)]
    count = route.rendered
    sizes = [size(route.size / count), size(route.compressed / count)] if count else ["", ""]
    return [name, f"{route.pages:,}" if route.pages else "", *_lifetime(route), *sizes]


def note(route: RouteReport) -> str:
    """Remarks about a route, beside its numbers."""
    said = []
    if route.kind == "dynamic":
        holes = "; holes: " + ", ".join(route.holes) if route.holes else ""
        return printable(route.reason + holes)
    if route.pattern:
        said.append(f"caught by {route.pattern} of routes=")
    if route.fresh:
        said.append(f"{route.fresh:,} fresh already")
    if route.dynamic:
        said.append(f"{route.dynamic:,} not stored: {route.reason}")
    if route.failed:
        said.append(f"{route.failed:,} failed")
    if route.holes:
        said.append("holes: " + ", ".join(route.holes))
    return printable(", ".join(said))


def _lifetime(route: RouteReport) -> list[str]:
    if route.expire is None:
        return ["", ""]
    fresh = "until told" if route.revalidate is None else duration(route.revalidate)
    if route.revalidate_most is not None:
        fresh = f"{fresh} to {duration(route.revalidate_most)}"
    return [fresh, duration(route.expire)]


def _slow(route: RouteReport) -> list[str]:
    slow = [each for each in sorted(route.slowest, reverse=True) if each[0] >= _SLOW]
    return [f"    {printable(page)} ({seconds:.2f} s)" for seconds, page in slow]


def _line(cells: Sequence[str], widths: Sequence[int], said: str) -> str:
    first, *rest = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return "  ".join([first, *rest, said]).rstrip()


def _failures(report: Report) -> str:
    if not report.failures:
        return ""
    lines = [f"{report.failed:,} failed:"]
    for failure in report.failures[:_SHOWN]:
        where = failure.page or "paths="
        lines.append(
            f"  {printable(failure.route)}  {printable(where)}: {printable(failure.reason)}"
        )
    if report.failed > _SHOWN:
        lines.append(f"  and {report.failed - _SHOWN:,} more")
    return "\n".join([*lines, ""])


def summary(report: Report) -> str:
    """One line: how much, and how fast."""
    counts = [f"Rendered {report.rendered:,} pages in {report.seconds:.1f} s"]
    if report.rendered and report.seconds:
        counts.append(f"{report.rendered / report.seconds:,.0f} a second")
    for count, what in (
        (report.fresh, "fresh already"), (report.dynamic, "not stored"), (report.failed, "failed")
    ):  # fmt: skip
        if count:
            counts.append(f"{count:,} {what}")
    stopped = f" Stopped: {report.stopped}." if report.stopped else ""
    return f"{', '.join(counts)}.{stopped}"


def report_json(report: Report, *, only_routes: bool = False) -> str:
    routes = [_route(route) for route in report.routes]
    if only_routes:
        return to_json(routes)
    found: dict[str, Any] = {
        name: getattr(report, name)
        for name in (
            "ok",
            "rendered",
            "fresh",
            "dynamic",
            "failed",
            "seconds",
            "build_id",
            "stopped",
        )
    }
    found["failures"] = [dataclasses.asdict(failure) for failure in report.failures]
    return to_json({**found, "routes": routes})


def _route(route: RouteReport) -> dict[str, Any]:
    found = dataclasses.asdict(route)
    found["slowest"] = [
        {"seconds": seconds, "page": page} for seconds, page in sorted(route.slowest, reverse=True)
    ]
    return found
