"""What a command acts on: the pages of an app, or of a store without one."""

from __future__ import annotations

from dataclasses import dataclass

import click

from ..backends.breaker import Breaker
from ..core.dependency_labels import Labels
from ..errors import ConfigurationError
from ..formatting import printable
from ..management.operations import Operations
from ..management.store_client import Connection
from ..storage.catalogue import Catalogue
from ..storage.open_store import missing_directory


@dataclass(frozen=True)
class Subject:
    """The pages that a command acts on. ``isg`` is ``None`` for a store without an app;
    ``every_build`` says that no build is one's own."""

    verbs: Operations | Connection
    catalogue: Catalogue
    breaker: Breaker
    isg: Operations | None = None
    every_build: bool = False

    @property
    def labels(self) -> Labels:
        """What people call tables."""
        if isinstance(self.verbs, Connection):
            return self.verbs.labels()
        found = self.verbs.core.runtime.engine.page_store.dependencies
        return found.labels if found is not None else {}

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
        if self.isg is not None and not self.isg.core.runtime.active:
            raise Failed("isgware is switched off here (enabled, or the app is testing).")

    def close(self) -> None:
        if isinstance(self.verbs, Connection):
            self.verbs.close()


def subject_of(isg: Operations) -> Subject:
    runtime = isg.core.runtime
    return Subject(isg, runtime.catalogue, runtime.store, isg)


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
