"""``isgware depends``, ``affected``, ``touched``: pages, and what they show of the database."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import click

from ..formatting import printable
from ..management.dependency_verbs import MAX_COUNTED
from .options import OUTPUT
from .printing import listing, to_json
from .subject import Failed, Subject


@click.command
@click.argument("path")
@OUTPUT
def depends(subject: Subject, path: str, output: str) -> None:
    """List what the stored pages of PATH show of the database.

    These are rows, questions (conditions of queries), tables, or * for everything.
    """
    subject.need_store()
    if not any(True for _ in subject.catalogue.stored(path)):
        raise Failed(f"Nothing is stored for {path}.")
    found = subject.verbs.depends(path)
    if output == "json":
        click.echo(to_json(found))
        return
    for line in found:
        click.echo(printable(line))
    if not found:
        click.echo("It depends on nothing that isgware has seen.", err=True)


@click.command
@click.argument("name")
@OUTPUT
def affected(subject: Subject, name: str, output: str) -> None:
    """List the stored pages that a change of NAME renews.

    NAME is a row, such as blog.Post:5, or a table, such as blog.Post[*].
    """
    subject.need_store()
    found = subject.verbs.affected(name)
    if output == "json":
        click.echo(to_json([dataclasses.asdict(info) for info in found]))
    elif found:
        click.echo(listing(found), nl=False)
    else:
        click.echo(f"No stored page depends on {printable(name)}.", err=True)


@click.command
@click.argument("names", nargs=-1, required=True)
def touched(subject: Subject, names: Sequence[str]) -> None:
    """Renew pages that depend on NAMES, after a change elsewhere.

    For changes that isgware cannot see. NAMES are rows, such as blog.Post:5, or tables, such as
    blog.Post[*].
    """
    subject.need_active()
    subject.verbs.touched(*names)
    told = f"Touched {printable(', '.join(names))}"
    click.echo(f"{told}{_concerned(subject.verbs._count_affected(names), len(names) > 1)}.")


def _concerned(pages: int | None, several: bool) -> str:
    """Of a name that is misspelt nothing else would tell."""
    which = "them" if several else "it"
    if pages is None:
        return ""
    if pages == 1:
        return f": 1 stored page depends on {which}"
    count = "no" if not pages else f"{pages:,}{' or more' * (pages >= MAX_COUNTED)}"
    return f": {count} stored page{'s' * bool(pages)} depend{'' if pages else 's'} on {which}"
