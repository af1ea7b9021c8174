"""``isgware log``: decisions as they are made."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import click

from ..events import DecisionEvent
from ..formatting import printable
from ..management.fleet_counts import fleet_counts
from ..management.route_pages import known_routes
from ..routing.route_names import UNDECLARED
from ..storage.following import Log
from .options import OUTPUT
from .subject import Subject

_RESULTS: Final = (
    "hit", "stale", "miss", "revalidated", "bypass", "loading", "filled", "prefetch", "pass",
)  # fmt: skip
#: Routes that are named if another was asked for.
_NAMED: Final = 30
#: Seconds between two looks whether it is time to end.
_PAUSE: Final = 0.5


@click.command
@click.option("--route", "routes", metavar="ROUTE", multiple=True, help="Only this route.")
@click.option(
    "--result", "results", type=click.Choice(_RESULTS), multiple=True, help="Only this result."
)
@click.option("--seconds", type=click.FloatRange(min=0), help="End after this number of seconds.")
@OUTPUT
def log(
    subject: Subject, routes: Sequence[str], results: Sequence[str], seconds: float | None,
    output: str,
) -> None:  # fmt: skip
    """Follow decisions of all processes that share the store.

    Of this host; with Redis, of all hosts. Processes begin to report within two seconds. Ends at
    Ctrl-C.
    """
    subject.need_store()
    _say_unknown(subject, routes)
    followed = Log(subject.breaker)
    end = None if seconds is None else time.monotonic() + seconds
    click.echo("Following; Ctrl-C ends.", err=True)
    try:
        lost = 0
        while end is None or time.monotonic() < end:
            for event in followed.read(_PAUSE):
                if (not routes or event.route in routes) and (
                    not results or event.result in results
                ):
                    click.echo(_line(event) if output == "text" else _document(event))
            if followed.lost > lost:
                click.echo(f"{followed.lost - lost:,} came too fast to be told.", err=True)
                lost = followed.lost
    except KeyboardInterrupt:
        pass
    finally:
        followed.close()


def _say_unknown(subject: Subject, routes: Sequence[str]) -> None:
    """Of a route that is misspelt nothing would ever be printed."""
    known = _routes(subject) if routes else []
    unknown = [route for route in dict.fromkeys(routes) if route not in known]
    for route in unknown if known else ():
        click.echo(f"No route is known as {printable(repr(route))}.", err=True)
    if unknown and known:
        more = f", and {len(known) - _NAMED:,} more" if len(known) > _NAMED else ""
        click.echo(f"Known: {printable(', '.join(known[:_NAMED]))}{more}.", err=True)


def _routes(subject: Subject) -> list[str]:
    """Those of the app; of a store those that it has counted, the most visited first. Empty if
    that is not known."""
    if subject.isg is not None:
        found = known_routes(subject.isg.core.runtime)
        return [*found, UNDECLARED] if found else []
    counted = fleet_counts(subject.breaker, time.time())
    return list(counted.routes) if counted is not None else []


def _line(event: DecisionEvent) -> str:
    at = datetime.fromtimestamp(event.at, UTC).strftime("%H:%M:%S.%f")[:-3]
    url = f"{event.path}?{event.query}" if event.query else event.path
    reason = f"  {event.reason}" if event.reason else ""
    line = (
        f"{at}  {event.result.upper():<11}  {event.method} {event.host}{url}  {event.route}{reason}"
    )
    return printable(line)


def _document(event: DecisionEvent) -> str:
    return json.dumps(dataclasses.asdict(event))
