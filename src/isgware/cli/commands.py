"""All commands, once for all their spellings: ``isgware``, ``flask isg``, ``manage.py isg``."""

from __future__ import annotations

import errno
import functools
import io
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any

import click

from ..errors import ConfigurationError, InvalidPath, ISGError
from .build import build
from .dashboard import dashboard
from .dependencies import affected, depends, touched
from .export import export
from .history import diff, history, restore
from .log import log
from .ls import ls
from .metrics import metrics
from .purge import purge
from .revalidate import revalidate
from .routes import routes
from .show import show
from .stats import stats
from .subject import Failed, Subject, Wrong
from .top import top
from .why import why
from .worker import worker

Find = Callable[..., Subject]


def commands(name: str, find: Find, params: Sequence[click.Parameter] = ()) -> click.Group:
    """A group of all commands. Each has ``params`` before its own; ``find`` is given their values
    and returns what the command acts on."""
    group = click.Group(name, help="See and change the pages that isgware keeps.")
    for command in (
        ls, show, history, diff, restore, why, depends, affected, revalidate, purge, touched, stats,
        top, log, metrics,
        dashboard, build, routes, export, worker,
    ):  # fmt: skip
        bound = click.Command(
            command.name,
            callback=_bound(find, [param.name or "" for param in params], command.callback),
            params=[*params, *command.params],
            help=command.help,
        )
        group.add_command(bound)
    return group


def _bound(find: Find, names: list[str], work: Any) -> Callable[..., None]:
    @functools.wraps(work)
    def run(**values: Any) -> None:
        with _plain_errors():
            with redirect_stdout(sys.stderr):  # what an app prints when it is imported
                subject = find(*(values.pop(name) for name in names))
            try:
                work(subject, **values)
            finally:
                subject.close()

    return run


@contextmanager
def _plain_errors() -> Iterator[None]:
    """One line for what went wrong. It is said there, so that the log need not say it too."""
    for stream in (sys.stdout, sys.stderr):  # a terminal in Latin-1, and a page in Japanese
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
    logger = logging.getLogger("isgware")
    if not logger.hasHandlers():
        logger.addHandler(logging.NullHandler())
    try:
        yield
    except (InvalidPath, ConfigurationError) as error:
        raise Wrong(str(error)) from error
    except ISGError as error:
        raise Failed(str(error)) from error
    except OSError as error:
        raise _as_command_error(error) from error


def _as_command_error(error: OSError) -> Exception:
    """One line if it is the output that cannot be written, for a full disk. (A reader who has gone
    is click's affair.)"""
    try:
        if error.errno != errno.EPIPE:
            sys.stdout.write("\n")
            sys.stdout.flush()
    except OSError as lost:
        # What waits to be written would fail once more as the interpreter exits.
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        return Failed(f"The output cannot be written: {lost.strerror}.")
    return error


def run(group: click.Group, arguments: Sequence[str], name: str) -> None:
    """Run as a program. Exits with 0 for done, 1 for something failed, 2 for wrong usage."""
    try:
        sys.exit(group.main(list(arguments), prog_name=name))
    except OSError as error:  # --help, too, has an output
        told = _as_command_error(error)
        if not isinstance(told, Failed):
            raise
        told.show()
        sys.exit(told.exit_code)
