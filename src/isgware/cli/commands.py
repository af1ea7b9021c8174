"""The commands of the command line, once for all its spellings.

`commands` makes them for ``isgware``, where each takes a TARGET, and for ``flask isg`` and
``manage.py isg``, where the app is known. What they act on is a `Subject`.
"""

from __future__ import annotations

import dataclasses
import errno
import functools
import io
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any, Final

import click

from ..backends.breaker import Breaker
from ..core.local_path import local_path
from ..errors import ConfigurationError, InvalidPath, ISGError, UnknownHost
from ..formatting import printable
from ..management.operations import Operations
from ..management.stats import statistics
from ..management.store_client import Connection
from ..settings import checked_base_url
from ..storage.catalogue import Catalogue
from ..storage.open_store import missing_directory
from .building import build, routes
from .export import export
from .printing import details, listing, page_lines, stats_lines, to_json
from .worker import worker


@dataclass(frozen=True)
class Subject:
    """The pages that a command acts on. ``isg`` is ``None`` for a store without an app;
    ``every_build`` says that no build is one's own."""

    verbs: Operations | Connection
    catalogue: Catalogue
    breaker: Breaker
    isg: Operations | None = None
    every_build: bool = False

    def need_app(self, what: str) -> Operations:
        if self.isg is None:
            raise click.UsageError(f"{what} needs the app: name MODULE:APP instead of a store.")
        return self.isg

    def need_store(self) -> None:
        """Say what is wrong with a store that does not answer, as only the first try can."""
        self.breaker.probe()  # the circuit may be open since an earlier command of this process
        self.breaker.ping()

    def need_active(self) -> None:
        """A change that is asked of an ISG that is switched off would do nothing, silently."""
        self.need_store()
        if self.isg is not None and not self.isg.core.active:
            raise Failed("isgware is switched off here (enabled, or the app is testing).")

    def close(self) -> None:
        if isinstance(self.verbs, Connection):
            self.verbs.close()


def subject_of(isg: Operations) -> Subject:
    core = isg.core
    return Subject(isg, core.catalogue, core.engine.page_store.backend, isg)


def subject_of_store(url: str) -> Subject:
    """Raises `ConfigurationError` for a store that cannot be used, or is not there."""
    if url.startswith("memory:"):
        raise ConfigurationError("memory: lies within one process, and cannot be seen from here.")
    store = Connection(url)
    missing = missing_directory(store.store)
    if missing is not None:  # and a look must not make one
        if not url.startswith("file:"):
            raise ConfigurationError(
                f"There is no list of pages at file:{missing}; set ISGWARE_COORDINATOR to the "
                "coordinator= of the app."
            )
        raise ConfigurationError(f"There is no store at {url}: no page was ever kept there.")
    build_id = store.catalogue.build_id
    return Subject(store, store.catalogue, store.store, every_build=not build_id)


class Failed(click.ClickException):
    """Something failed: one line, exit status 1."""

    def format_message(self) -> str:
        return printable(self.message)


class Wrong(Failed):
    """Wrong usage, though click could not know: exit status 2."""

    exit_code = 2


Find = Callable[..., Subject]
_OUTPUT: Final = click.option(
    "--output", type=click.Choice(["text", "json"]), default="text", help="For people or programs."
)
_BUILDS: Final = click.option("--builds", is_flag=True, help="Pages of every build.")
_PATHS: Final = click.argument("paths", metavar="[PATH]...", nargs=-1)
_TAGS: Final = click.option("--tag", "tags", metavar="TAG", multiple=True, help="By tag.")


def commands(name: str, find: Find, params: Sequence[click.Parameter] = ()) -> click.Group:
    """A group of all commands. Each has ``params`` before its own; ``find`` is given their values
    and returns what the command acts on."""
    group = click.Group(name, help="See and change the pages that isgware keeps.")
    for command in (ls, show, why, revalidate, purge, stats, build, routes, export, worker):
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
    log = logging.getLogger("isgware")
    if not log.hasHandlers():
        log.addHandler(logging.NullHandler())
    try:
        yield
    except (InvalidPath, ConfigurationError) as error:
        raise Wrong(str(error)) from error
    except ISGError as error:
        raise Failed(str(error)) from error
    except OSError as error:
        raise _told(error) from error


def _told(error: OSError) -> Exception:
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


@click.command
@click.argument("prefix", required=False)
@click.option("--tag", help="Only pages that bear this tag.")
@_BUILDS
@_OUTPUT
def ls(subject: Subject, prefix: str | None, tag: str | None, builds: bool, output: str) -> None:
    """List what is stored, by path; only what starts with PREFIX."""
    subject.need_store()
    every = builds or subject.every_build
    found = subject.catalogue.pages(prefix, tag, builds=every)
    if output == "json":
        click.echo(to_json([dataclasses.asdict(info) for info in found]))
        return
    pages = list(found)
    if pages:
        click.echo(listing(pages), nl=False)
    elif tag:
        click.echo(_no_such_tag(tag), err=True)
    else:
        click.echo("Nothing is stored.", err=True)


@click.command
@click.argument("path")
@_BUILDS
@_OUTPUT
def show(subject: Subject, path: str, builds: bool, output: str) -> None:
    """Show the stored pages of PATH: what is known of each, and its headers."""
    subject.need_store()
    every = builds or subject.every_build
    found = list(subject.catalogue.stored(path, builds=every))
    if not found:
        raise Failed(f"Nothing is stored for {path}.")
    if output == "json":
        click.echo(to_json([details(info, entry) for info, entry in found]))
        return
    click.echo("\n\n".join(page_lines(info, entry) for info, entry in found))


@click.command
@click.argument("path")
@click.option("-H", "--header", "headers", metavar="'NAME: VALUE'", multiple=True)
@click.option("--cookie", "cookies", metavar="NAME=VALUE", multiple=True)
@click.option("-X", "--method", default="GET", show_default=True)
@click.option("--scheme", default="", help="http or https.")
@click.option("--host", default="", help="With its port, if it has one.")
@_OUTPUT
def why(
    subject: Subject, path: str, headers: Sequence[str], cookies: Sequence[str], method: str,
    scheme: str, host: str, output: str,
) -> None:  # fmt: skip
    """Say what would happen to a request of PATH and why, without doing it."""
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


@click.command
@_PATHS
@_TAGS
@click.option("--now", is_flag=True, help="Render each PATH now, and wait for it.")
@click.option("--base-url", metavar="URL", help="With --now: scheme and host of the pages.")
def revalidate(
    subject: Subject, paths: Sequence[str], tags: Sequence[str], now: bool, base_url: str | None
) -> None:
    """Make pages stale: the next visitor gets the old one and starts a render. With --now they
    are rendered in this call; a page whose render fails stays as it is."""
    _need(bool(paths or tags), "Name a PATH, or a --tag.")
    _need(not (now and tags), "--now takes paths: what bears a tag is not known beforehand.")
    _need(base_url is None or now, "--base-url is for --now: other pages are known by path alone.")
    subject.need_active()
    if now:
        _regenerate(subject.need_app("--now"), paths, base_url)
        return
    _checked(paths)
    _say_unknown(subject, tags)
    if tags:
        subject.verbs.revalidate_tag(*tags)
    for path in paths:
        subject.verbs.revalidate_path(path)
    _say("Stale now", paths, tags)


def _regenerate(isg: Operations, paths: Sequence[str], base_url: str | None) -> None:
    _checked(paths)
    if base_url is not None:  # this process serves nobody, so no visitor is concerned
        settings = isg.core.settings
        object.__setattr__(settings, "base_url", checked_base_url("--base-url", base_url))
    failed = 0
    for path in paths:
        try:
            info = isg.regenerate(path)
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


@click.command
@_PATHS
@_TAGS
@click.option("--all", "everything", is_flag=True, help="Every page of the store.")
@click.option("--builds", is_flag=True, help="Remove the pages of all builds but the app's own.")
def purge(
    subject: Subject, paths: Sequence[str], tags: Sequence[str], everything: bool, builds: bool
) -> None:
    """Let pages not be served again: the next visitor waits for a new render."""
    _need(bool(paths or tags or everything or builds), "Name a PATH, --tag, --all or --builds.")
    if builds and subject.every_build:
        raise click.UsageError(
            "--builds needs to know which build to keep: name MODULE:APP, or set ISGWARE_BUILD_ID."
        )
    subject.need_active()
    _checked(paths)
    _say_unknown(subject, tags)
    if everything:
        subject.verbs.purge_all()
        click.echo("Purged everything.")
    if tags:
        subject.verbs.purge_tag(*tags)
    for path in paths:
        subject.verbs.purge_path(path)
    _say("Purged", paths, tags)
    if builds:
        removed = subject.catalogue.purge_builds()
        own = printable(repr(subject.catalogue.build_id))
        click.echo(f"Removed {removed} pages of other builds than {own}.")


@click.command
@_OUTPUT
def stats(subject: Subject, output: str) -> None:
    """Say what is stored, how the store is, and what this process does."""
    core = subject.isg.core if subject.isg is not None else None
    found = statistics(subject.catalogue, subject.breaker, core)
    click.echo(to_json(dataclasses.asdict(found)) if output == "json" else stats_lines(found))
    if found.error:
        raise Failed(found.error)


def _need(condition: bool, message: str) -> None:
    if not condition:
        raise click.UsageError(message)


def _checked(paths: Sequence[str]) -> None:
    """All of them before anything is done: half a command helps nobody."""
    for path in paths:
        local_path(path)


def _say_unknown(subject: Subject, tags: Sequence[str]) -> None:
    """Say which tags no stored page bears, before anything is invalidated: of a misspelt tag
    nothing else would tell."""
    for tag in dict.fromkeys(tags):
        if next(iter(subject.catalogue.pages(None, tag, builds=subject.every_build)), None) is None:
            click.echo(_no_such_tag(tag), err=True)


def _no_such_tag(tag: str) -> str:
    return f"No stored page has the tag {printable(repr(tag))}."


def _say(done: str, paths: Sequence[str], tags: Sequence[str]) -> None:
    named = [printable(path) for path in paths] + [f"tag {printable(tag)}" for tag in tags]
    if named:
        click.echo(f"{done}: {', '.join(named)}.")


def run(group: click.Group, arguments: Sequence[str], name: str) -> None:
    """Run as a program. Exits with 0 for done, 1 for something failed, 2 for wrong usage."""
    try:
        sys.exit(group.main(list(arguments), prog_name=name))
    except OSError as error:  # --help, too, has an output
        told = _told(error)
        if not isinstance(told, Failed):
            raise
        told.show()
        sys.exit(told.exit_code)
