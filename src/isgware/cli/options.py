"""Options and messages that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import click

from ..core.local_path import local_path
from ..formatting import printable
from ..management.route_pages import invalidate_route
from .subject import Subject

OUTPUT: Final = click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Output format.",
)
BUILDS: Final = click.option("--builds", is_flag=True, help="Include the pages of other builds.")
PATHS: Final = click.argument("paths", metavar="[PATH]...", nargs=-1)
TAGS: Final = click.option(
    "--tag", "tags", metavar="TAG", multiple=True, help="Every page with this tag."
)

ROUTES: Final = click.option(
    "--route",
    "routes",
    metavar="ROUTE",
    multiple=True,
    help="Every page of this route; needs the app.",
)


def need(condition: bool, message: str) -> None:
    if not condition:
        raise click.UsageError(message)


def check_paths(paths: Sequence[str]) -> None:
    """All of them before anything is done: half a command helps nobody."""
    for path in paths:
        local_path(path)


def say_unknown(subject: Subject, tags: Sequence[str]) -> None:
    """Say which tags no stored page bears, before anything is invalidated: of a misspelt tag
    nothing else would tell."""
    for tag in dict.fromkeys(tags):
        if next(iter(subject.catalogue.pages(None, tag, builds=subject.every_build)), None) is None:
            click.echo(no_such_tag(tag), err=True)


def no_such_tag(tag: str) -> str:
    return f"No stored page has the tag {printable(repr(tag))}."


def invalidate_routes(subject: Subject, routes: Sequence[str], *, hard: bool) -> None:
    """Raises `ConfigurationError` for a route that is not declared."""
    if routes:
        runtime = subject.need_app("--route").core.runtime
        for route in dict.fromkeys(routes):
            invalidate_route(runtime, route, hard=hard)


def say(done: str, paths: Sequence[str], tags: Sequence[str], routes: Sequence[str]) -> None:
    named = [printable(path) for path in paths]
    named += [f"tag {printable(tag)}" for tag in tags]
    named += [f"route {printable(route)}" for route in routes]
    if named:
        click.echo(f"{done}: {', '.join(named)}.")
