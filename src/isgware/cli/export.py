"""``isgware export TARGET DIR``."""

from __future__ import annotations

import dataclasses

import click

from ..errors import ConfigurationError
from ..storage.open_store import lies_in_process
from .options import OUTPUT
from .printing import to_json
from .subject import Subject


@click.command
@click.argument("directory", metavar="DIR", type=click.Path())
@click.option("--base-url", metavar="URL", help="The site whose pages are exported.")
@click.option(
    "--prefix",
    metavar="NAME",
    help="What the names of nginx's variables begin with, for several sites.",
)
@click.option("--rewrite", is_flag=True, help="Write unchanged files, too.")
@click.option("--force", is_flag=True, help="Use DIR though it has other files.")
@OUTPUT
def export(
    subject: Subject, directory: str, base_url: str | None, prefix: str | None, rewrite: bool,
    force: bool, output: str,
) -> None:  # fmt: skip
    """Write stored pages to DIR, as files for nginx or a CDN.

    Only pages that are the same for everybody. Files of pages that are not stored any more are
    removed. Nothing is rendered; see build.
    """
    subject.need_active()
    if lies_in_process(subject.breaker.backend):
        raise ConfigurationError(
            "The app's store lies within its own process, and nothing of it is seen here: choose "
            "one that is shared, such as store='file:.isgware'."
        )
    report = subject.verbs.export(
        directory, base_url=base_url, prefix=prefix, force=force, rewrite=rewrite
    )
    click.echo(to_json(dataclasses.asdict(report)) if output == "json" else str(report))
    if report.nothing_fits:
        raise click.exceptions.Exit(1)
