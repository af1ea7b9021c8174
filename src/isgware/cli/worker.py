"""The command ``worker``: a process that regenerates pages for the web processes."""

from __future__ import annotations

import click

from ..errors import ConfigurationError
from ..export.current import Current
from ..formatting import printable, without_password
from ..management.worker_process import Worker, stopped_by_signals
from ..regeneration.handoff import JobExecutor
from .subject import Subject


@click.command
@click.option(
    "--threads", type=click.IntRange(1), help="Renders at a time. Default: the option workers."
)
@click.option("--export", "tree", metavar="DIR", help="Export to DIR, and again after changes.")
def worker(subject: Subject, threads: int | None, tree: str | None) -> None:
    """Regenerate pages in place of the web processes.

    They render only pages that visitors wait for while a worker runs. Ends at SIGTERM or Ctrl-C,
    when the renders under way are done.
    """
    runtime = subject.need_app("worker").core.runtime
    subject.need_store()
    executor = runtime.settings.executor
    if tree is None and isinstance(executor, JobExecutor):
        raise ConfigurationError(
            f"executor={type(executor).__name__} sends elsewhere what is to be renewed, so there "
            "is nothing to do for a worker: start that fleet's own, or leave executor= out."
        )
    current = Current(runtime, tree) if tree is not None else None
    if current is None:
        it = Worker(runtime, threads or 0)
    else:
        it = Worker(runtime, threads or 0, current.changed, current.close)
    store = printable(str(without_password(runtime.settings.store)))
    with stopped_by_signals(it):  # also while the first export is made
        if current is not None:
            click.echo(str(current.start()))
        click.echo(f"Worker {it.name} renders for {store} on {it.threads} threads.")
        well = it.run()
    counts = ", ".join(f"{count:,} {kind}" for kind, count in it.counts.items())
    click.echo(f"Worker {it.name} has ended: {counts}.")
    if not well:
        raise click.ClickException("Every thread hangs in a render; start the worker anew.")
