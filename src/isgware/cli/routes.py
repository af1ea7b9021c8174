"""``isgware routes``: the routes, and how each is stored."""

from __future__ import annotations

import click

from ..build.build_report import Report
from ..build.inventory import inventory
from ..build.route_holes import route_holes
from .build import NOTHING_KNOWN
from .build_table import report_json, route_table
from .options import OUTPUT
from .subject import Subject

_NOTHING_KNOWN = "No routes are known here: declare them with routes={'/posts/<slug>': Policy(…)}."
_FILE = click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True)


@click.command
@OUTPUT
def routes(subject: Subject, output: str) -> None:
    """List the app's routes, and why some are dynamic.

    Each is static, prerendered or dynamic; the holes of its stored pages are named. Nothing is
    rendered.
    """
    runtime = subject.need_app("routes").core.runtime
    lines = [known.line for known in inventory(runtime.site, runtime.engine.planner.routes)]
    holes = route_holes(runtime)
    for line in lines:
        line.holes = holes.get(line.name, ())
    if output == "json":
        click.echo(report_json(Report(routes=lines), only_routes=True))
    elif lines:
        click.echo(route_table(lines, built=False))
    else:
        click.echo(NOTHING_KNOWN, err=True)
