"""``isgware build``: renders all pages that are known beforehand."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout

import click

from ..build.build_report import Report
from ..build.prerender import Options, Warm, origins_of, prerender
from ..build.previous_build import copy_as_stale
from ..build.processes import Processes
from ..build.warmup import first_of, log_paths, sitemap_paths
from ..errors import ConfigurationError
from ..management.operations import Operations
from ..runtime import Runtime
from ..storage.open_store import lies_in_process
from .build_table import report_json, report_lines
from .options import OUTPUT
from .progress import progress
from .subject import Subject

NOTHING_KNOWN = "No routes are known here: declare them with routes={'/posts/<slug>': Policy(…)}."
_FILE = click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True)


@click.command
@click.option("--jobs", type=click.IntRange(1), help="Processes. Default: one for each processor.")
@click.option(
    "--only", metavar="PATTERN", default="", help="Only paths that match, such as '/posts/*'."
)
@click.option("--stale", is_flag=True, help="Skip pages that are fresh.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first failure.")
@click.option("--build-id", metavar="ID", help="Default: the option build_id.")
@click.option(
    "--base-url",
    metavar="URL",
    multiple=True,
    help="Scheme and host of the pages. Default: the option base_url.",
)
@click.option(
    "--from-sitemap", metavar="FILE", type=_FILE, help="Render the pages of this sitemap instead."
)
@click.option(
    "--from-log",
    metavar="FILE",
    type=_FILE,
    help="Render the pages of this access log, the most visited first.",
)
@click.option(
    "--stale-from", metavar="BUILD", help="First copy the pages of that build id, as stale pages."
)
@OUTPUT
def build(
    subject: Subject, jobs: int | None, only: str, stale: bool, fail_fast: bool,
    build_id: str | None, base_url: Sequence[str], from_sitemap: str | None, from_log: str | None,
    stale_from: str | None, output: str,
) -> None:  # fmt: skip
    """Render every known page before anybody asks for it.

    Known are routes without arguments and the pages that paths= lists. Failures are listed at the
    end; a page whose render fails stays as it is.
    """
    runtime = _app(subject, "build").core.runtime
    subject.need_active()
    if lies_in_process(runtime.engine.page_store.backend.backend):
        raise ConfigurationError(
            "The app's store lies within its own process, where nothing that is built here would "
            "be found: choose one that is shared, such as store='file:.isgware'."
        )
    if only and only[0] not in "/*?[":
        raise click.UsageError(f"--only {only!r}: paths begin with a slash, as in '/posts/*'.")
    if build_id is not None:
        _build_as(runtime, build_id)
    warm = _warm(from_sitemap, from_log)
    origins_of(runtime, base_url)  # what is wrong with it is said before anything is done
    if stale_from is not None:
        copied = copy_as_stale(runtime.engine, stale_from)
        click.echo(f"Copied {copied:,} pages of build {stale_from!r} as stale.", err=True)
    # Before the workers are forked, each with a memory like it.
    runtime.engine.page_store.memory.switch_off()
    shown = sys.stderr if output == "json" else sys.stdout
    # What paths= prints is no part of the report.
    with progress(shown) as on_progress, redirect_stdout(sys.stderr):
        report = prerender(
            runtime,
            jobs=jobs or _processors(),
            base_url=base_url,
            on_progress=on_progress,
            options=Options(only=only, stale=stale, fail_fast=fail_fast),
            warm=warm,
            start_workers=lambda render, jobs, timeout: Processes(
                render, jobs, timeout, runtime.site.after_fork
            ),
        )
    if output == "text" and not report.routes:
        click.echo(NOTHING_KNOWN, err=True)
    else:
        _show(report, output)
    if not report.ok:
        raise click.exceptions.Exit(1)


def _warm(sitemap: str | None, log: str | None) -> Warm | None:
    if sitemap is not None and log is not None:
        raise click.UsageError("Give --from-sitemap or --from-log, not both.")
    if sitemap is not None:
        return "(sitemap)", first_of(sitemap_paths(sitemap))
    return None if log is None else ("(log)", first_of(log_paths(log)))


def _processors() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _build_as(runtime: Runtime, build_id: str) -> None:
    """Keep pages of this build from now on: this process serves nobody, so nobody is confused."""
    object.__setattr__(runtime.settings, "build_id", build_id)
    runtime.catalogue.build_id = build_id


def _app(subject: Subject, what: str) -> Operations:
    return subject.need_app(what)


def _show(report: Report, output: str) -> None:
    click.echo(report_json(report) if output == "json" else report_lines(report))
