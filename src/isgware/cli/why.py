"""``isgware why``: what would happen to a request."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import click

from .options import OUTPUT
from .printing import to_json
from .subject import Subject


@click.command
@click.argument("path")
@click.option(
    "-H",
    "--header",
    "headers",
    metavar="'NAME: VALUE'",
    multiple=True,
    help="A header of the request.",
)
@click.option(
    "--cookie", "cookies", metavar="NAME=VALUE", multiple=True, help="A cookie of the request."
)
@click.option("-X", "--method", default="GET", show_default=True, help="Of the request.")
@click.option(
    "--scheme", default="", help="http or https. Default: that of base_url, else of a stored page."
)
@click.option("--host", default="", help="With its port, if it has one. Default: as for --scheme.")
@OUTPUT
def why(
    subject: Subject, path: str, headers: Sequence[str], cookies: Sequence[str], method: str,
    scheme: str, host: str, output: str,
) -> None:  # fmt: skip
    """Explain what would happen to a request, without making it."""
    found = subject.need_app("why").why(
        path,
        method=method,
        headers=_pairs("-H", headers, ":"),
        cookies=_pairs("--cookie", cookies, "="),
        scheme=scheme,
        host=host,
    )
    click.echo(to_json(dataclasses.asdict(found)) if output == "json" else str(found))


def _pairs(option: str, given: Sequence[str], separator: str) -> dict[str, str]:
    pairs = {}
    for text in given:
        name, found, value = text.partition(separator)
        if not found or not name.strip():
            raise click.UsageError(f"{option} {text!r}: write NAME{separator}VALUE.")
        pairs[name.strip()] = value.strip()
    return pairs
