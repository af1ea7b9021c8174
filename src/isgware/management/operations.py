"""The calls that every ISG offers: of a WSGI app, a Flask app, a Django project."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..core.freshness import ALL
from ..core.local_path import local_path, names_for_path, names_for_tags
from ..holes import hole

if TYPE_CHECKING:  # imported where they are used: most web processes never do
    from ..build.build_report import Report
    from ..export import ExportReport
    from ..routing.variants import Function, Functions
    from ..runtime import Runtime
    from ..storage.catalogue import PageInfo
    from .page_history import PageHistory, PageVersion
    from .regenerate_now import Verbs
    from .stats import Stats
    from .why import Why


class Invalidations:
    """The soft and the hard verb, by path and tag."""

    def revalidate_path(self, path: str) -> None:
        """Make a page stale in all its variants: the next visitor gets it and starts its render.

        ``/blog/*`` is everything below ``/blog/``; a path with ``?query`` is that variant. A path
        without the mount of the app, or that the app redirects to another spelling, means the page
        that visitors reach by it. Raises `InvalidPath`, and `BackendUnavailable` if the store did
        not take it.
        """
        self._invalidate(self._names(path), hard=False)

    def revalidate_tag(self, *tags: str) -> None:
        """Make every page that bears one of ``tags`` stale. Raises as `revalidate_path`."""
        self._invalidate(names_for_tags(tags), hard=False)

    def purge_path(self, path: str) -> None:
        """Like `revalidate_path`, but the page may not be served again: the next visitor waits."""
        self._invalidate(self._names(path), hard=True)

    def purge_tag(self, *tags: str) -> None:
        """Like `revalidate_tag`, but the pages may not be served again."""
        self._invalidate(names_for_tags(tags), hard=True)

    def purge_all(self) -> None:
        """Let no stored page be served again."""
        self._invalidate([ALL], hard=True)

    def _names(self, path: str) -> list[str]:
        return names_for_path(path)

    def _invalidate(self, names: list[str], *, hard: bool) -> None:
        raise LookupError  # every kind says how

    # For change hooks, whose record is written already.

    def _is_on(self) -> bool:
        """False while isgware is switched off."""
        return True

    def _invalidate_eventually(self, names: list[str], *, hard: bool) -> None:
        """At once, whatever transaction is open; if the store is away, when it is back."""
        raise LookupError  # every kind says how


class Core(Protocol):
    """The middleware that the operations act on."""

    @property
    def runtime(self) -> Runtime: ...

    @property
    def verbs(self) -> Verbs: ...


class Operations(Invalidations):
    """Acts on the pages of the `ISG` behind ``core``.

    While isgware is switched off, these calls check their arguments and do nothing.
    """

    @property
    def core(self) -> Core:
        raise LookupError  # every ISG says which it is

    def _names(self, path: str) -> list[str]:
        return self.core.verbs.names(path)

    def _invalidate(self, names: list[str], *, hard: bool) -> None:
        self.core.runtime.invalidate(names, hard=hard)

    def _is_on(self) -> bool:
        return self.core.runtime.active

    def _invalidate_eventually(self, names: list[str], *, hard: bool) -> None:
        if self.core.runtime.active:
            self.core.runtime.engine.page_store.invalidate_eventually(names, hard=hard)

    def variant(self, name: str) -> Callable[[Function], Function]:
        """Register a function whose value is part of the key of pages that say
        ``vary=["user:NAME"]``. It gets the visitor's own request (Flask: none, in its context;
        Django: the request; plain WSGI: the environ), and returns a string of at most 64 printable
        characters. The view asks by calling what the decorator returned.

        Raises `ConfigurationError` for a name that is taken or no name.
        """
        from .variant_decorator import variant

        return variant(name, self._functions(), lambda: self.core.runtime.site)

    #: As `isgware.hole`: holes are registered once in a process, whichever app uses them.
    hole = staticmethod(hole)

    def _functions(self) -> Functions:
        return self.core.runtime.variants.functions

    def regenerate(self, path: str, *, force: bool = False) -> PageInfo | None:
        """Render the path's plain variant now; its other variants become stale. ``force`` lets a
        page through that is shorter than the policy's ``shrink_limit`` allows.

        Returns what is then stored, ``None`` when isgware is switched off. Raises
        `RegenerationError`, with the old page kept, if the render fails or may not be stored, and
        with the page withdrawn if it says that it is not for everybody;
        `ConfigurationError` if nothing tells the page's host.
        """
        local_path(path)
        core = self.core
        return core.verbs.regenerate(path, force=force) if core.runtime.active else None

    def history(
        self, path: str, *, variant: str | None = None, host: str = ""
    ) -> list[PageVersion]:
        """The previous versions of a page that are kept, newest first: as many as the option
        ``history`` says (1). Each render that finds the page changed makes one.

        A path without ``?query`` is the plain page. ``variant`` (as `pages` tells it) and ``host``
        say which, if several are stored. A purge, a withdrawal, a 404 and a 410 drop the versions.
        Raises `ConfigurationError` if it does not become clear which page is meant, `InvalidPath`,
        and `BackendUnavailable`.
        """
        return self._page_history().history(self._stored_as(path), variant, host)

    def diff(
        self,
        path: str,
        version: int | None = None,
        *,
        variant: str | None = None,
        host: str = "",
    ) -> str:
        """How a page differs from its ``version``, by default the last one: a unified diff of
        status, headers and text, without the tokens and nonces of visitors; empty if it does not.

        Raises as `history`, and `ConfigurationError` if there is no such version.
        """
        return self._page_history().diff(self._stored_as(path), version, variant, host)

    def restore(
        self, path: str, version: int, *, variant: str | None = None, host: str = ""
    ) -> PageInfo | None:
        """Go back to a version: it is served, in every process, until something that concerns the
        page is revalidated or purged, or it is regenerated. Renders that began before are dropped.
        What it replaces becomes a version itself.

        Returns what is then stored, ``None`` when isgware is switched off. Raises as `diff`.
        """
        local_path(path)
        if not self.core.runtime.active:
            return None
        return self._page_history().restore(self._stored_as(path), version, variant, host)

    def _page_history(self) -> PageHistory:
        from .page_history import PageHistory

        runtime = self.core.runtime
        return PageHistory(
            runtime.engine.page_store, runtime.catalogue, runtime.settings, runtime.now
        )

    def _stored_as(self, path: str) -> str:
        return self.core.verbs.stored_as(path)

    def prerender(
        self,
        paths: Iterable[str] | Callable[[], Iterable[str]] | None = None,
        *,
        jobs: int = 1,
        on_progress: Callable[[Report], object] | None = None,
        base_url: str | Sequence[str] = (),
        only: str = "",
        stale: bool = False,
        fail_fast: bool = False,
    ) -> Report:
        """Render every declared route whose URL needs no arguments, and what ``paths=`` of the
        others lists; or else just ``paths``. Returns a report; pages that fail are named in it,
        and what was stored of them stays.

        ``jobs`` threads render, which helps where renders wait for something; ``isgware build``
        uses processes. ``on_progress`` is called with the report so far, a few times a second.
        ``only`` is a pattern of paths (``/posts/*``); ``stale`` leaves out what is fresh;
        ``fail_fast`` stops at the first failure. ``base_url`` overrides the option of that name.
        Raises `ConfigurationError` if nothing tells the host of the pages.
        """
        from ..build.prerender import Options, prerender

        return prerender(
            self.core.runtime,
            paths,
            jobs=jobs,
            on_progress=on_progress,
            base_url=base_url,
            options=Options(only=only, stale=stale, fail_fast=fail_fast),
        )

    def pages(self, prefix: str | None = None, tag: str | None = None) -> Iterator[PageInfo]:
        """What is stored, by path; only what starts with ``prefix``, only what bears ``tag``."""
        return self.core.runtime.catalogue.pages(prefix, tag)

    def depends(self, path: str) -> list[str]:
        """What the stored pages of ``path`` show of the database, a text for each: a row
        (``blog.Post:5``), a question (``blog.Post[author_id=3; date]``), a table
        (``blog.Post[*]``), or ``*`` for everything. Raises `ConfigurationError` without
        ``dependencies=``."""
        from .dependency_verbs import depends

        runtime = self.core.runtime
        return depends(runtime.catalogue, runtime.engine.page_store, path)

    def affected(self, name: str) -> list[PageInfo]:
        """The stored pages that a change of ``name`` would renew: a row (``blog.Post:5``) or a
        table (``blog.Post[*]``). Of a row it is not said how it changes, so that questions on its
        table count, too. Raises `ConfigurationError` for what names neither."""
        from .dependency_verbs import affected

        runtime = self.core.runtime
        return list(affected(runtime.catalogue, runtime.engine.page_store, name))

    def touched(self, *names: str) -> None:
        """Renew the pages that depend on ``names``, rows (``blog.Post:5``) or tables
        (``blog.Post[*]``), which something has changed that isgware cannot see. Raises
        `ConfigurationError` for what names neither, and `BackendUnavailable`."""
        self._touch(names)

    def _check_name(self, name: str) -> None:
        from .dependency_verbs import check_name

        check_name(self.core.runtime.engine.page_store, name)

    def _count_affected(self, names: Sequence[str]) -> int | None:
        from .dependency_verbs import count_affected

        return count_affected(self.core.runtime.engine.page_store, names)

    def _touch(self, names: Sequence[str]) -> None:
        from .dependency_verbs import touched

        if self.core.runtime.active:
            self.core.runtime.store.retry()
            touched(self.core.runtime.engine.page_store, names)

    def stats(self) -> Stats:
        """What the store holds, how its circuit breaker is, and what this process has done.

        Looks at each page of the store.
        """
        from .stats import statistics

        runtime = self.core.runtime
        return statistics(runtime.catalogue, runtime.store, runtime)

    def why(
        self,
        path: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        cookies: Mapping[str, str] | None = None,
        scheme: str = "",
        host: str = "",
    ) -> Why:
        """What would happen to this request and why. Nothing is rendered, stored or asked of the
        app; a policy's callable ``bypass`` is.

        Without ``scheme`` and ``host``, those of ``base_url``, else of a stored page.
        """
        from .why import why

        return why(
            self.core.runtime,
            self.core.verbs,
            path,
            method=method,
            headers=headers,
            cookies=cookies,
            scheme=scheme,
            host=host,
        )

    def export(
        self,
        directory: str | Path,
        *,
        base_url: str | None = None,
        prefix: str | None = None,
        force: bool = False,
        rewrite: bool = False,
    ) -> ExportReport:
        """Write the stored pages that are everybody's to ``directory``, as files for nginx or a
        CDN, and remove from there what is not stored any more. Nothing is rendered.

        ``base_url`` says which site's pages, if there are several; ``prefix`` what the names of
        nginx's variables begin with (``isgware``), for several sites behind one nginx; ``force``
        lets the directory hold other things, too; ``rewrite`` writes again what has not changed.
        Site and prefix are remembered in the directory. Raises
        `ConfigurationError` for a directory or site that cannot be used, `ExportError` if another
        export is at work there or files cannot be written, and `BackendUnavailable`.
        """
        from ..export import ExportReport, export_app

        core = self.core
        if not core.runtime.active:
            return ExportReport(directory=str(directory))
        return export_app(
            core.runtime, directory, base_url=base_url, prefix=prefix, force=force, rewrite=rewrite
        )

    @property
    def report(self) -> dict[str, int]:
        """With ``enabled="report"``: how many pages would be stored and equal (``same``) or
        differ from (``differs``) what their visitors got, would be ``refused``, or ``failed``."""
        return dict(self.core.runtime.learner.report)

    def close(self, timeout: float | None = None) -> None:
        """Stop regenerating, waiting ``timeout`` seconds at most for renders under way."""
        self.core.runtime.close(timeout)
