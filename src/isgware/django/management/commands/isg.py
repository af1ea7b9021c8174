"""``manage.py isg COMMAND``: the commands of ``isgware``, for this project."""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ... import isg

#: Django has taken these from the whole line before the command runs.
_DJANGO_S: Final = ("--settings=", "--pythonpath=")


class Command(BaseCommand):
    help = "See and change the pages that isgware keeps. `isg --help` lists what it can do."
    requires_system_checks: list[str] = []  # purging must work while something else does not

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Everything after the command's name is ours, ``--help`` too."""
        return super().create_parser(prog_name, subcommand, add_help=False, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--help", "-h", action="store_true", dest="asked_for_help")
        parser.add_argument("arguments", nargs=argparse.REMAINDER)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            from ....cli.commands import commands, run
            from ....cli.subject import subject_of
        except ModuleNotFoundError as error:
            if error.name != "click":
                raise
            raise CommandError(
                "The command line needs click: pip install 'isgware[cli]'", returncode=2
            ) from None
        arguments = ["--help"] if options["asked_for_help"] else options["arguments"]
        arguments = [text for text in arguments if not text.startswith(_DJANGO_S)]
        group = commands("isg", lambda: subject_of(isg()))
        with contextlib.redirect_stdout(options.get("stdout") or sys.stdout):
            try:
                run(group, arguments, "manage.py isg")
            except SystemExit as ended:
                if ended.code:
                    raise
