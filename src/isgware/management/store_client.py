"""`connect`: the pages of a store, for code outside of the web processes."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..backends.dependents import Dependents
from ..core.dependency_labels import Labels
from ..settings import Settings
from ..storage.catalogue import Catalogue, PageInfo
from ..storage.dependencies import Dependencies
from ..storage.open_store import missing_directory, open_store
from ..storage.page_store import PageStore
from ..storage.process_cache import Memory
from .operations import Invalidations

if TYPE_CHECKING:
    from ..export import ExportReport
    from .page_history import PageHistory, PageVersion

log: Final = logging.getLogger("isgware")


def _wall_clock() -> float:
    return time.time()


class Connection(Invalidations):
    """A store without an app, for cron jobs, task workers and other services.

    All calls raise `BackendUnavailable` if the store could not be reached. Then nothing is
    invalidated, so call again.
    """

    def __init__(self, store: Any, **options: Any) -> None:
        settings = Settings.load({"store": store, **options}, environ=os.environ)
        self._settings = settings
        self.store = open_store(settings)
        self._configured = settings.base_url
        self._page_store = PageStore(
            self.store, Memory(0), settings.clock or _wall_clock, settings.offline_time
        )
        self._page_store.dependencies = Dependencies(self.store, self._page_store.now)
        self.catalogue = Catalogue(
            self._page_store, settings.build_id, settings.clock or _wall_clock
        )

    def pages(self, prefix: str | None = None, tag: str | None = None) -> Iterator[PageInfo]:
        """See `isgware.ISG.pages`."""
        self.store.probe()
        return self.catalogue.pages(prefix, tag)

    def history(
        self, path: str, *, variant: str | None = None, host: str = ""
    ) -> list[PageVersion]:
        """See `isgware.ISG.history`."""
        return self._page_history().history(path, variant, host)

    def diff(
        self,
        path: str,
        version: int | None = None,
        *,
        variant: str | None = None,
        host: str = "",
    ) -> str:
        """See `isgware.ISG.diff`."""
        return self._page_history().diff(path, version, variant, host)

    def restore(
        self, path: str, version: int, *, variant: str | None = None, host: str = ""
    ) -> PageInfo:
        """See `isgware.ISG.restore`. Options that say how pages are stored (``compress``,
        ``downstream``) are those given to `connect`, or of the environment."""
        return self._page_history().restore(path, version, variant, host)

    def _page_history(self) -> PageHistory:
        from .page_history import PageHistory

        clock = self._settings.clock or _wall_clock
        return PageHistory(self._page_store, self.catalogue, self._settings, clock)

    def labels(self) -> Labels:
        """What people call tables, as far as the store has been told. Raises
        `BackendUnavailable`."""
        dependencies = self._page_store.dependencies
        keeps = isinstance(self.store.backend, Dependents)
        return dependencies.all_labels() if dependencies is not None and keeps else {}

    def touched(self, *names: str) -> None:
        """See `isgware.ISG.touched`."""
        from .dependency_verbs import touched

        self.store.probe()
        touched(self._page_store, names)

    def _count_affected(self, names: Sequence[str]) -> int | None:
        from .dependency_verbs import count_affected

        return count_affected(self._page_store, names)

    def depends(self, path: str) -> list[str]:
        """See `isgware.ISG.depends`."""
        from .dependency_verbs import depends

        self.store.probe()
        return depends(self.catalogue, self._page_store, path)

    def affected(self, name: str) -> list[PageInfo]:
        """See `isgware.ISG.affected`."""
        from .dependency_verbs import affected

        self.store.probe()
        return list(affected(self.catalogue, self._page_store, name))

    def _invalidate(self, names: list[str], *, hard: bool) -> None:
        self.store.probe()  # nothing does so in the background here
        self.catalogue.invalidate(names, hard=hard)

    def _invalidate_eventually(self, names: list[str], *, hard: bool) -> None:
        self.store.probe()
        self._page_store.retry_pending()  # nor this
        self._page_store.invalidate_eventually(names, hard=hard)

    def export(
        self,
        directory: str | Path,
        *,
        base_url: str | None = None,
        prefix: str | None = None,
        force: bool = False,
        rewrite: bool = False,
    ) -> ExportReport:
        """See `isgware.ISG.export`. Without the app's policies, a page whose view sets its own
        Cache-Control is left out: its headers do not show whether it is public."""
        from ..export import export

        return export(
            self.catalogue,
            directory,
            base_url=base_url,
            configured=self._configured,
            prefix=prefix,
            force=force,
            rewrite=rewrite,
        )

    def close(self) -> None:
        """Close the store's files or connections."""
        self.store.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def connect(store: Any, **options: Any) -> Connection:
    """The pages of ``store``, a URL or a cache as in ``ISG(store=)``.

    Options that define where pages are stored (``coordinator``, ``build_id``) must equal those of
    the web processes. Raises `ConfigurationError` for a store that cannot be used. Warns of a
    ``file:`` directory without a store: its name may be misspelt.
    """
    connection = Connection(store, **options)
    missing = missing_directory(connection.store)
    if missing is not None:
        log.warning(
            "connect(): there is no store in %s yet; the first call makes one. If the web "
            "processes have theirs elsewhere, no call here reaches their pages: check the path, "
            "which is relative to the working directory unless it begins with a slash.",
            missing,
        )
    return connection
