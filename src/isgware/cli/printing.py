"""What the commands print: tables and lines for people, JSON for programs.

Everything that comes out of a store is written with its control characters escaped.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..core.dependency_labels import Labels
from ..core.places import places_summary
from ..core.reads import listed
from ..core.render_log import renders_of
from ..core.stored_page import Entry
from ..formatting import duration, printable, size
from ..management.dependency_verbs import explained_lines_of, lines_of, unseen_by
from ..management.stats import Stats
from ..management.why_report import shortened
from ..storage.catalogue import PageInfo
from .printing_counts import fleet_lines


def to_json(value: Any) -> str:
    return json.dumps(value, indent=2)  # everything beyond ASCII is escaped


def listing(pages: Sequence[PageInfo]) -> str:
    """A table of pages. Columns that would be empty, or the same for all, are left out."""
    hosts = {tuple(info.url.split("/")[:3]) for info in pages}  # of damaged ones, too
    rows = [
        {
            "PAGE": info.url if len(hosts) > 1 else _path(info),
            "VARIANT": info.variant,
            "STATUS": str(info.status),
            "STATE": info.state,
            "AGE": duration(info.age),
            "TTL": duration(info.ttl),
            "SIZE": size(info.size),
            "TAGS": ", ".join(info.tags),
            "BUILD": info.build_id,
            "LAST ERROR": f"{info.failures}: {info.last_error}" if info.failures else "",
        }
        for info in pages
    ]
    columns = [name for name in rows[0] if any(row[name] for row in rows)]
    cells = [[printable(row[name]) for name in columns] for row in rows]
    return table(columns, cells)


def _path(info: PageInfo) -> str:
    query = info.url.partition("?")[2]
    return f"{info.path}?{query}" if query else info.path


def table(columns: list[str], rows: list[list[str]]) -> str:
    """Drawn by rich on a terminal, if that is installed; else plain, for pipes."""
    if sys.stdout.isatty():
        try:
            return _drawn(columns, rows)
        except ImportError:
            pass
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (columns, *rows)
    ]
    return "\n".join(lines) + "\n"


def _drawn(columns: list[str], rows: list[list[str]]) -> str:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    colours = {"fresh": "green", "stale": "yellow", "expired": "yellow", "failing": "red"}
    table = Table(box=SIMPLE_HEAD)
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, style=colours.get(cell, "")) for cell in row))
    console = Console()
    with console.capture() as captured:
        console.print(table)
    return str(captured.get())


def details(info: PageInfo, entry: Entry | None, labels: Labels | None = None) -> dict[str, Any]:
    """A stored page as JSON. ``headers`` is ``None`` if the store no longer holds it."""
    found = dataclasses.asdict(info)
    found["headers"] = [list(pair) for pair in entry.headers] if entry else None
    found["encodings"] = (
        {name: len(body) for name, body in entry.encodings.items()} if entry else {}
    )
    found["interval"] = entry.interval if entry else None
    found["version"] = entry.version if entry else 0
    found["restored"] = entry.restored if entry else 0
    found["expires"] = entry.expires_at if entry and not entry.restored else None
    found["route"] = entry.route if entry else ""
    found["etag"] = entry.etag if entry else ""
    found["renders"] = list(map(dataclasses.asdict, renders_of(entry))) if entry else []
    found["reads"] = list(_reads(entry))
    found["depends"] = lines_of(entry, labels or {})
    found["unseen"] = unseen_by(entry)
    found["filled"] = list(places_summary((*entry.places, *entry.holes))) if entry else []
    found["client_holes"] = list(places_summary(entry.client_holes)) if entry else []
    return found


def page_lines(info: PageInfo, entry: Entry | None, labels: Labels | None = None) -> str:
    """A stored page, for people."""
    ttl = "until told" if info.ttl is None else duration(info.ttl)
    rows = [
        ("status", entry.status if entry else str(info.status)),
        ("state", f"{info.state}, age {duration(info.age)}, ttl {ttl}"),
        ("version", _version(entry)),
        ("interval", f"{duration(entry.interval)}, adaptive" if entry and entry.interval else ""),
        ("variant", info.variant),
        ("route", entry.route if entry else ""),
        ("tags", ", ".join(info.tags)),
        ("build", info.build_id),
        ("size", size(info.size) + _encodings(entry)),
        ("filled with", ", ".join(places_summary((*entry.places, *entry.holes))) if entry else ""),
        ("in browsers", ", ".join(places_summary(entry.client_holes)) if entry else ""),
        ("reads", "; ".join(_reads(entry))),
        ("depends on", shortened(explained_lines_of(entry, labels or {}))),
        ("lag", _lag(entry)),
        ("unseen", "; ".join(unseen_by(entry))),
        ("rendered in", f"{info.render_seconds:.3f} s"),
        ("renders", "; ".join(_renders(entry, info.rendered_at + info.age))),
        ("failures", f"{info.failures}: {info.last_error}" if info.failures else ""),
    ]
    lines = [info.url, *_aligned(rows)]
    if entry is None:
        lines.append("  The store no longer holds the page itself.")
    else:
        lines += ["", *(f"  {name}: {value}" for name, value in entry.headers)]
        lines += [f"  ETag: {entry.etag}"] if entry.etag else []
    return "\n".join(map(printable, lines))


def _renders(entry: Entry | None, now: float) -> Iterator[str]:
    for render in renders_of(entry) if entry is not None else ():
        by = f" by {render.by}" if render.by else ""
        yield f"{render.found or 'made'} {duration(max(0.0, now - render.at))} ago{by}"


def _reads(entry: Entry | None) -> tuple[str, ...]:
    if entry is None:
        return ()
    return listed(entry.reads, entry.hole_reads, entry.client_reads)


def _lag(entry: Entry | None) -> str:
    due = entry is not None and entry.depended is not None and entry.depended.due
    return "dependencies_lag limits its ttl: rendered shortly after a change" if due else ""


def _version(entry: Entry | None) -> str:
    """Of a page that was restored: others are only numbered."""
    if entry is None or not entry.restored:
        return ""
    return f"{entry.version}: version {entry.restored} restored, until told otherwise"


def _encodings(entry: Entry | None) -> str:
    if entry is None or not entry.encodings:
        return ""
    made = ", ".join(f"{name} {size(len(body))}" for name, body in entry.encodings.items())
    return f" (identity {size(len(entry.body))}, {made})"


def stats_lines(stats: Stats) -> str:
    workers = f" (workers: {stats.workers:,})" if stats.workers else ""
    builds = stats.builds if len(stats.builds) > 1 or stats.build_id else {}
    rows = [
        ("pages", f"{stats.pages:,} ({_counts(stats.states)})"),
        ("error pages", f"{stats.error_pages:,}"),
        ("size", size(stats.bytes)),
        ("builds", _counts({name or "(none)": count for name, count in builds.items()})),
        ("own build", stats.build_id),
        ("store", f"{stats.backend}, {_circuit(stats)}"),
        ("queue", f"{stats.jobs:,} waiting" + workers),
    ]
    if stats.process is not None:
        counts = {name.replace("_", " "): count for name, count in stats.process.items()}
        report = counts.pop("report")
        rows.append(("this process", _counts(counts)))
        rows.append(("report mode", _counts(report) if any(report.values()) else ""))
    lines = list(map(printable, _aligned(rows, indent="")))
    return "\n".join([*lines, *fleet_lines(stats.fleet)])


def _circuit(stats: Stats) -> str:
    if stats.circuit_seconds is None:
        return f"circuit {stats.circuit}"
    times = "once" if stats.trips == 1 else f"{stats.trips:,} times"
    return f"circuit {stats.circuit} for {duration(stats.circuit_seconds)}, opened {times}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name}: {count:,}" for name, count in counts.items())


def _aligned(rows: Iterable[tuple[str, str]], indent: str = "  ") -> list[str]:
    return [f"{indent}{name:<13} {value}" for name, value in rows if value]
