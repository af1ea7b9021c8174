"""``isgware show``: one page, as it is stored."""

from __future__ import annotations

import click

from .options import BUILDS, OUTPUT
from .printing import details, page_lines, to_json
from .subject import Failed, Subject


@click.command
@click.argument("path")
@BUILDS
@OUTPUT
def show(subject: Subject, path: str, builds: bool, output: str) -> None:
    """Show the stored pages of PATH: state, tags, headers."""
    subject.need_store()
    every = builds or subject.every_build
    found = list(subject.catalogue.stored(path, builds=every))
    if not found:
        raise Failed(f"Nothing is stored for {path}.")
    labels = subject.labels
    if output == "json":
        click.echo(to_json([details(info, entry, labels) for info, entry in found]))
        return
    click.echo("\n\n".join(page_lines(info, entry, labels) for info, entry in found))
