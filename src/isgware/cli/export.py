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
@click.option("--prefix", metavar="NAME", help="Of nginx's variables, for several sites.")
@click.option("--rewrite", is_flag=True, help="Write every file again, changed or not.")
@click.option("--force", is_flag=True, help="Use a directory that holds other things, too.")
@OUTPUT
def export(
    subject: Subject, directory: str, base_url: str | None, prefix: str | None, rewrite: bool,
    force: bool, output: str,
) -> None:  # fmt: skip
    """Write the stored pages that are everybody's to DIR, as files for nginx or a CDN, and remove
    from there what is not stored any more. Nothing is rendered: build does that."""
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
