"""``isgware stats``: what a store holds and how it is."""

from __future__ import annotations

import dataclasses

import click

from ..management.stats import statistics
from .options import OUTPUT
from .printing import stats_lines, to_json
from .subject import Failed, Subject


@click.command
@OUTPUT
def stats(subject: Subject, output: str) -> None:
    """Show hit ratios, renders, and the state of the store."""
    runtime = subject.isg.core.runtime if subject.isg is not None else None
    found = statistics(subject.catalogue, subject.breaker, runtime)
    click.echo(to_json(dataclasses.asdict(found)) if output == "json" else stats_lines(found))
    if found.error:
        raise Failed(found.error)
