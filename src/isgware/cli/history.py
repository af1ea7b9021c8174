"""``isgware history``, ``diff`` and ``restore``: previous versions of a page."""

from __future__ import annotations

import dataclasses
import time

import click

from ..formatting import duration, printable, size
from ..management.page_history import PageVersion
from .options import OUTPUT
from .printing import table, to_json
from .subject import Subject

_VARIANT = click.option("--variant", metavar="V", help="Which variant of the page, as ls shows it.")
_HOST = click.option(
    "--host", default="", metavar="HOST", help="Which host's page, if there are several."
)


@click.command
@click.argument("path")
@_VARIANT
@_HOST
@OUTPUT
def history(subject: Subject, path: str, variant: str | None, host: str, output: str) -> None:
    """List the stored previous versions of PATH, newest first."""
    subject.need_store()
    found = subject.verbs.history(path, variant=variant, host=host)
    if output == "json":
        click.echo(to_json([dataclasses.asdict(version) for version in found]))
    elif found:
        click.echo(table(_COLUMNS, [_row(version) for version in found]), nl=False)
    else:
        click.echo(f"No previous version of {printable(path)} is kept.", err=True)


@click.command
@click.argument("path")
@click.argument("version", type=int, required=False)
@_VARIANT
@_HOST
def diff(subject: Subject, path: str, version: int | None, variant: str | None, host: str) -> None:
    """Show how PATH differs from a VERSION.

    Default: the last one. Tokens are left out.
    """
    subject.need_store()
    lines = subject.verbs.diff(path, version, variant=variant, host=host).splitlines()
    click.echo("".join(f"{printable(line)}\n" for line in lines), nl=False)


@click.command
@click.argument("path")
@click.argument("version", type=int)
@_VARIANT
@_HOST
def restore(subject: Subject, path: str, version: int, variant: str | None, host: str) -> None:
    """Serve a previous VERSION of PATH again.

    It is served until the page is revalidated, purged or regenerated.
    """
    subject.need_active()
    subject.verbs.restore(path, version, variant=variant, host=host)
    click.echo(f"{printable(path)} is version {version} again, until told otherwise.")


_COLUMNS = ["VERSION", "AGE", "STATUS", "SIZE", "TOOK", "RESTORED FROM"]


def _row(version: PageVersion) -> list[str]:
    return [
        str(version.version),
        duration(max(0.0, time.time() - version.rendered_at)),
        str(version.status),
        size(version.size),
        f"{version.render_seconds:.3f} s",
        str(version.restored or ""),
    ]
