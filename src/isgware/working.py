"""The command ``worker``: a process that regenerates pages for the web processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .text import printable, without_password
from .worker import Worker, stopped_by_signals

if TYPE_CHECKING:
    from .commands import Subject


@click.command
@click.option("--threads", type=click.IntRange(1), help="Pages at a time; else what workers= says.")
def worker(subject: Subject, threads: int | None) -> None:
    """Regenerate pages for the web processes, which then render none but those that visitors wait
    for. Runs until SIGTERM or Ctrl-C, and finishes what it is at."""
    isg = subject.need_app("worker").core
    subject.need_store()
    it = Worker(isg, threads or 0)
    store = printable(str(without_password(isg.settings.store)))
    click.echo(f"Worker {it.name} renders for {store} on {it.threads} threads.")
    with stopped_by_signals(it):
        well = it.run()
    counts = ", ".join(f"{count:,} {kind}" for kind, count in it.counts.items())
    click.echo(f"Worker {it.name} has ended: {counts}.")
    if not well:
        raise click.ClickException("Every thread hangs in a render; start the worker anew.")
