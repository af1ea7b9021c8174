"""The Django integration: ``application = ISG(get_wsgi_application())`` in ``wsgi.py``.

Options come from ``settings.ISGWARE``. `isg` is the process's ISG, for views, commands and tasks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from .. import wsgi
from ..errors import ConfigurationError
from ..verbs import PageInfo, local_path, names_for_path, names_for_tags

__all__ = ["ISG", "isg"]

_lock: Final = threading.Lock()
_current: list[ISG] = []


def configured() -> Mapping[str, Any]:
    """``settings.ISGWARE``, its names in lower case."""
    from django.conf import settings

    given = getattr(settings, "ISGWARE", {})
    if not isinstance(given, Mapping):
        raise ConfigurationError("settings.ISGWARE takes a dictionary of options.")
    return {str(name).lower(): value for name, value in given.items()}


class ISG:
    """Incremental static regeneration for a Django project.

    Unless ``enabled`` is said, it is off under Django's test runner, and renders every visit while
    ``DEBUG``. Inside ``transaction.atomic`` its invalidations wait for the commit.
    """

    def __init__(self, application: Any, **options: Any) -> None:
        from .site import DjangoSite

        self.core: Final = wsgi.ISG(
            application, site=DjangoSite(), framework=configured(), **options
        )
        _current[:] = [self]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return self.core(environ, start_response)

    def revalidate_path(self, path: str) -> None:
        """See `isgware.ISG.revalidate_path`; after the commit."""
        names_for_path(path)
        on_commit(lambda: self.core.revalidate_path(path))

    def revalidate_tag(self, *tags: str) -> None:
        """See `isgware.ISG.revalidate_tag`; after the commit."""
        names_for_tags(tags)
        on_commit(lambda: self.core.revalidate_tag(*tags))

    def purge_path(self, path: str) -> None:
        """See `isgware.ISG.purge_path`; after the commit."""
        names_for_path(path)
        on_commit(lambda: self.core.purge_path(path))

    def purge_tag(self, *tags: str) -> None:
        """See `isgware.ISG.purge_tag`; after the commit."""
        names_for_tags(tags)
        on_commit(lambda: self.core.purge_tag(*tags))

    def purge_all(self) -> None:
        """See `isgware.ISG.purge_all`; after the commit."""
        on_commit(self.core.purge_all)

    def regenerate(self, path: str) -> PageInfo | None:
        """See `isgware.ISG.regenerate`. At once, so not from within a transaction whose changes
        the page should show."""
        local_path(path)
        return self.core.regenerate(path)

    def pages(self, prefix: str | None = None, tag: str | None = None) -> Iterator[PageInfo]:
        """See `isgware.ISG.pages`."""
        return self.core.pages(prefix, tag)

    @property
    def report(self) -> dict[str, int]:
        """See `isgware.ISG.report`."""
        return self.core.report

    def close(self, timeout: float | None = None) -> None:
        """See `isgware.ISG.close`."""
        self.core.close(timeout)


def isg() -> ISG:
    """The process's ISG: the one ``wsgi.py`` made, or, in commands and tasks, one of the same
    settings around the project's application."""
    with _lock:
        if not _current:
            from django.core.wsgi import get_wsgi_application

            ISG(get_wsgi_application())
        return _current[0]


def on_commit(action: Callable[[], None]) -> None:
    """Run ``action`` when every transaction under way in this thread has been committed; at once
    if there is none. A transaction that is rolled back takes the action with it."""
    from django.db import connections, transaction

    open_ones = [
        connection.alias
        for connection in connections.all(initialized_only=True)
        if connection.in_atomic_block
    ]
    for alias in open_ones:
        action = _after(alias, action, transaction.on_commit)
    action()


def _after(alias: str, action: Callable[[], None], register: Any) -> Callable[[], None]:
    return lambda: register(action, using=alias)
