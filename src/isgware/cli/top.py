"""``isgware top``: what happens now, the most frequent first."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import click

from ..formatting import printable
from ..management.rates import Rates, rates
from .keyboard import Keyboard
from .subject import Subject

_COLUMNS: Final = ("REQ/S", "RESULT", "ROUTE", "REASON")
#: Rows where there is no terminal that says how many it has.
_ROWS: Final = 20
_COLOURS: Final = {
    "hit": "green", "filled": "green", "prefetch": "green", "stale": "yellow", "miss": "yellow",
    "revalidated": "yellow", "loading": "yellow", "bypass": "red",
}  # fmt: skip


@click.command
@click.option(
    "--interval", type=click.FloatRange(min=0.1), default=2.0, show_default=True,
    help="Seconds between updates.",
)  # fmt: skip
@click.option("--times", type=click.IntRange(min=1), help="End after this number of updates.")
def top(subject: Subject, interval: float, times: int | None) -> None:
    """Show requests per second by result, route and reason, live.

    Counts are those of all processes that share the store, which report every 5 s. Press q to quit.
    Prints plain lines if the output is no terminal.
    """
    subject.need_store()
    now = time.time if subject.isg is None else subject.isg.core.runtime.now

    def look() -> Rates:
        return rates(subject.breaker, now())

    first = look()  # a store that keeps no counts says so on a terminal as it is
    try:
        if sys.stdout.isatty() and _live(first, look, interval, times):
            return
        _lines(first, look, now, interval, times)
    except KeyboardInterrupt:
        pass


def _lines(
    found: Rates, look: Callable[[], Rates], now: Callable[[], float], interval: float,
    times: int | None,
) -> None:  # fmt: skip
    done = 0
    while True:
        at = datetime.fromtimestamp(now(), UTC).strftime("%H:%M:%S")
        click.echo(f"{at} {_summary(found)}")
        for row in _rows(found, _ROWS):
            click.echo(f"{at} {row[0]:>9}  {row[1]:<11}  {row[2]}  {row[3]}".rstrip())
        done += 1
        if done == times:
            return
        time.sleep(interval)
        found = look()


def _live(
    found: Rates, look: Callable[[], Rates], interval: float, times: int | None
) -> bool:  # fmt: skip
    """False without rich."""
    try:
        from rich.console import Console
        from rich.live import Live
    except ImportError:
        return False
    console = Console()
    with Keyboard() as keyboard, Live(console=console, screen=True, auto_refresh=False) as screen:
        done = 0
        while True:
            screen.update(_table(found, console.height), refresh=True)
            done += 1
            if done == times or "q" in keyboard.pressed(interval).lower():
                return True
            found = look()


def _table(found: Rates, height: int) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD)
    table.add_column(_COLUMNS[0], justify="right", no_wrap=True)
    for name in _COLUMNS[1:]:
        table.add_column(name, no_wrap=name == "RESULT", overflow="ellipsis")
    for rate, result, route, reason in _rows(found, max(1, height - 6)):
        table.add_row(rate, Text(result, style=_COLOURS.get(result, "")), Text(route), Text(reason))
    return Group(Text(_summary(found), style="bold"), table, Text("q quits", style="dim"))


def _summary(found: Rates) -> str:
    ratio = "no page requests" if found.hit_ratio is None else f"{found.hit_ratio * 100:.0f} % hits"
    return (
        f"{found.total:,.1f} requests/s, {ratio}, {found.renders:,.1f} renders/s "
        f"(last {found.window:.0f} s)"
    )


def _rows(found: Rates, limit: int) -> list[tuple[str, str, str, str]]:
    return [
        (f"{rate:,.2f}", printable(result), printable(route), printable(reason))
        for (route, result, reason), rate in list(found.requests.items())[:limit]
    ]
