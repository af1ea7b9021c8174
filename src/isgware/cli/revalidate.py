"""``isgware revalidate``: makes pages stale, or renders them now."""

from __future__ import annotations

from collections.abc import Sequence

import click

from ..errors import ISGError, UnknownHost
from ..formatting import printable
from ..management.operations import Operations
from ..setting_checks import checked_base_url
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
@click.option("--now", is_flag=True, help="Render each PATH now, and wait for it.")
@click.option(
    "--force", is_flag=True, help="With --now: store the new page even if shrink_limit refuses it."
)
@click.option(
    "--base-url",
    metavar="URL",
    help="With --now: scheme and host of pages that are not stored yet.",
)
def revalidate(
    subject: Subject,
    paths: Sequence[str],
    tags: Sequence[str],
    routes: Sequence[str],
    now: bool,
    force: bool,
    base_url: str | None,
) -> None:
    """Make pages stale: the next visit starts a render.

    That visitor still gets the old page. With --now, pages are rendered by this command; a page
    whose render fails stays as it is.
    """
    need(bool(paths or tags or routes), "Name a PATH, a --tag or a --route.")
    need(
        not (now and (tags or routes)),
        "--now takes paths: which pages have a tag or a route is not known beforehand.",
    )
    need(now or not force, "--force is for --now.")
    need(base_url is None or now, "--base-url is for --now: other pages are known by path alone.")
    subject.need_active()
    if now:
        _regenerate(subject.need_app("--now"), paths, base_url, force)
        return
    check_paths(paths)
    say_unknown(subject, tags)
    invalidate_routes(subject, routes, hard=False)
    if tags:
        subject.verbs.revalidate_tag(*tags)
    for path in paths:
        subject.verbs.revalidate_path(path)
    say("Stale now", paths, tags, routes)


def _regenerate(isg: Operations, paths: Sequence[str], base_url: str | None, force: bool) -> None:
    check_paths(paths)
    if base_url is not None:  # this process serves nobody, so no visitor is concerned
        settings = isg.core.runtime.settings
        object.__setattr__(settings, "base_url", checked_base_url("--base-url", base_url))
    failed = 0
    for path in paths:
        try:
            info = isg.regenerate(path, force=force)
        except UnknownHost:
            failed += 1
            told = (
                f"Error: The host of {printable(path)} is not known: give --base-url URL, or set "
            )
            click.echo(told + "the option base_url.", err=True)
        except ISGError as error:
            failed += 1
            click.echo(f"Error: {printable(str(error))}", err=True)
        else:
            took = f" in {info.render_seconds:.2f} s" if info else ""
            click.echo(f"Rendered {printable(path)}{took}.")
    if failed:
        raise click.exceptions.Exit(1)
