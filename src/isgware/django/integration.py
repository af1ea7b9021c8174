"""The ISG of a Django project, the process's own one, and what waits for a commit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from .. import wsgi
from ..after_fork import OwnLock
from ..errors import ConfigurationError, ISGError
from ..management import record_writes
from ..management.operations import Operations
from ..routing.variants import Functions
from ..serving.passthrough import HeaderList
from ..storage.catalogue import PageInfo

log: Final = logging.getLogger("isgware")
_lock: Final = OwnLock()
_current: list[ISG] = []
#: Of all ISGs of the process: views are imported once.
_variants: Final[Functions] = {}


def configured() -> Mapping[str, Any]:
    """``settings.ISGWARE``, its names in lower case."""
    from django.conf import settings

    given = getattr(settings, "ISGWARE", {})
    if not isinstance(given, Mapping):
        raise ConfigurationError("settings.ISGWARE takes a dictionary of options.")
    return {str(name).lower(): value for name, value in given.items()}


class ISG(Operations):
    """Incremental static regeneration for a Django project.

    Unless ``enabled`` is said, it is off under Django's test runner, and renders every visit while
    ``DEBUG``. Inside ``transaction.atomic`` its invalidations wait for the commit.
    """

    def __init__(self, application: Any, **options: Any) -> None:
        from . import holes as _holes  # noqa: F401  hooks into the handlers
        from .commits import run_what_tests_capture
        from .recorder import record_reads, watched
        from .site import DjangoSite

        record_reads(application)
        if not callable(application):
            raise ConfigurationError(f"ISG({application!r}): give a WSGI application.")
        site = DjangoSite()

        def noted(environ: Any, start_response: Any) -> Iterable[bytes]:
            def told(line: str, headers: HeaderList, exc_info: Any = None) -> Any:
                site.note_urlconf(environ)
                return start_response(line, headers, *(() if exc_info is None else (exc_info,)))

            answer: Iterable[bytes] = application(watched(environ), told)
            return answer

        self._core: Final = wsgi.ISG(noted, site=site, framework=configured(), **options)
        self._core.runtime.variants.functions = _variants
        settings = self._core.runtime.settings
        if settings.dependencies:
            from django.apps import apps

            from .recorded_queries import record_queries, recording

            if not apps.is_installed("isgware.django"):
                raise ConfigurationError(
                    "dependencies= needs 'isgware.django' in INSTALLED_APPS, so that commands, "
                    "shells and tasks tell what they write."
                )
            if not recording():
                log.warning(
                    "dependencies= is given to ISG() alone, so that what commands, shells and "
                    "tasks write renews no pages. Give it in settings.ISGWARE."
                )
            recorder = record_queries(
                settings.untracked, settings.derived, isg,
                durable=settings.dependencies_durable, mode=self._core.runtime.mode.peek,
            )  # fmt: skip
            dependencies = self._core.runtime.engine.page_store.dependencies
            if dependencies is not None:
                dependencies.labels = recorder.tables.labels
            record_writes.said_by(self, instead_of=self._core)
        run_what_tests_capture()
        _current[:] = [self]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return self._core(environ, start_response)

    @property
    def core(self) -> wsgi.ISG:
        """The WSGI middleware itself."""
        return self._core

    def _invalidate(self, names: list[str], *, hard: bool) -> None:
        on_commit(lambda: self._core.runtime.invalidate(names, hard=hard))

    def _touch(self, names: Sequence[str]) -> None:
        on_commit(lambda: super(ISG, self)._touch(names))

    def regenerate(self, path: str, *, force: bool = False) -> PageInfo | None:
        """Render the path's plain variant now. See `isgware.ISG.regenerate`.

        Inside ``transaction.atomic`` once more after the commit: the render, which has a database
        connection of its own, sees nothing of what the transaction has changed.
        """
        info = super().regenerate(path, force=force)
        if _open_transactions():
            on_commit(lambda: self._once_more(path, force))
        return info

    def _once_more(self, path: str, force: bool) -> None:
        """What called for it has its answer; a page that cannot be rendered is stale, at least."""
        try:
            super().regenerate(path, force=force)
        except ISGError as error:
            log.warning("After the commit: %s", error)
            self._invalidate_eventually(self._names(path), hard=False)


def isg() -> ISG:
    """The process's ISG: the one ``wsgi.py`` made, or, in commands and tasks, one of the same
    settings around the project's application."""
    with _lock():
        if not _current:
            from django.core.wsgi import get_wsgi_application

            ISG(get_wsgi_application())
        return _current[0]


def on_commit(action: Callable[[], None]) -> None:
    """Run ``action`` when every transaction under way in this thread has been committed; at once
    if there is none. A transaction that is rolled back takes the action with it. While autocommit
    is off, nobody knows if a commit will come: it runs at once, and again after the next one."""
    from django.db import connections

    from .commits import Waiting, when_committed

    for connection in connections.all(initialized_only=True):
        by_hand = connection.connection is not None and not connection.autocommit
        if by_hand and not connection.in_atomic_block:
            when_committed(Waiting(action), connection.alias)
    for alias in _open_transactions():
        action = _after(alias, action)
    action()


def _open_transactions() -> list[str]:
    """The databases with a transaction under way in this thread."""
    from django.db import connections

    return [
        connection.alias
        for connection in connections.all(initialized_only=True)
        if connection.in_atomic_block
    ]


def _after(alias: str, action: Callable[[], None]) -> Callable[[], None]:
    from .commits import Waiting, when_committed

    return lambda: when_committed(Waiting(action), alias)
