"""``isgware purge``: lets pages not be served again."""

from __future__ import annotations

from collections.abc import Sequence

import click

from ..formatting import printable
from .options import (
    PATHS,
    ROUTES,
    TAGS,
    check_paths,
    invalidate_routes,
    need,
    say,
    say_unknown,
)
from .subject import Subject


@click.command
@PATHS
@TAGS
@ROUTES
@click.option("--all", "everything", is_flag=True, help="Every page of the store.")
@click.option("--builds", is_flag=True, help="Remove the pages of all builds but the app's own.")
def purge(
    subject: Subject, paths: Sequence[str], tags: Sequence[str], routes: Sequence[str],
    everything: bool, builds: bool,
) -> None:  # fmt: skip
    """Purge pages: the next visitor waits for a new render."""
    named = bool(paths or tags or routes or everything or builds)
    need(named, "Name a PATH, --tag, --route, --all or --builds.")
    if builds and subject.every_build:
        raise click.UsageError(
            "--builds needs to know which build to keep: name MODULE:APP, or set ISGWARE_BUILD_ID."
        )
    subject.need_active()
    check_paths(paths)
    say_unknown(subject, tags)
    if everything:
        subject.verbs.purge_all()
        click.echo("Purged everything.")
    invalidate_routes(subject, routes, hard=True)
    if tags:
        subject.verbs.purge_tag(*tags)
    for path in paths:
        subject.verbs.purge_path(path)
    say("Purged", paths, tags, routes)
    if builds:
        removed = subject.catalogue.purge_builds()
        own = printable(repr(subject.catalogue.build_id))
        click.echo(f"Removed {removed} pages of other builds than {own}.")
