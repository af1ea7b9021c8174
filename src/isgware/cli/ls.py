"""``isgware ls``: what is stored."""

from __future__ import annotations

import dataclasses

import click

from .options import BUILDS, OUTPUT, no_such_tag
from .printing import listing, to_json
from .subject import Subject


@click.command
@click.argument("prefix", required=False)
@click.option("--tag", help="Only pages with this tag.")
@BUILDS
@OUTPUT
def ls(subject: Subject, prefix: str | None, tag: str | None, builds: bool, output: str) -> None:
    """List the stored pages, by path.

    PREFIX: only pages whose path starts with it.
    """
    subject.need_store()
    every = builds or subject.every_build
    found = subject.catalogue.pages(prefix, tag, builds=every)
    if output == "json":
        click.echo(to_json([dataclasses.asdict(info) for info in found]))
        return
    pages = list(found)
    if pages:
        click.echo(listing(pages), nl=False)
    elif tag:
        click.echo(no_such_tag(tag), err=True)
    else:
        click.echo("Nothing is stored.", err=True)
