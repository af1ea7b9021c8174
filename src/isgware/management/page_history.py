"""Previous versions of stored pages: what they are, how they differ, and going back to one."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Final

from ..backends.base import Before, row_of, standing_of
from ..core import page_versions
from ..core.page_text import difference
from ..core.stored_page import Entry, decode, encode
from ..errors import BackendUnavailable, ConfigurationError
from ..settings import Settings
from ..storage.catalogue import Catalogue, PageInfo
from ..storage.page_store import PageStore
from ..storage.process_cache import Page, key_name

log: Final = logging.getLogger("isgware")


@dataclass(frozen=True, slots=True)
class PageVersion:
    """A previous version of a page. Times in seconds, ``size`` in bytes of the body as it is, not
    compressed. ``version`` is its number: each render that finds the page changed has the next.
    ``restored``: the number of the version that it was made from, 0 if it was rendered."""

    version: int
    url: str
    variant: str
    status: int
    size: int
    rendered_at: float
    render_seconds: float
    etag: str
    tags: tuple[str, ...]
    restored: int = 0


class PageHistory:
    """The versions that one store keeps. Every call raises `BackendUnavailable` if the store could
    not be reached, and `InvalidPath`."""

    def __init__(
        self, page_store: PageStore, catalogue: Catalogue, settings: Settings,
        now: Callable[[], float],
    ) -> None:  # fmt: skip
        self._page_store = page_store
        self._catalogue = catalogue
        self._settings = settings
        self._now = now

    def history(self, path: str, variant: str | None = None, host: str = "") -> list[PageVersion]:
        """See `isgware.ISG.history`."""
        page = self._page(path, variant, host)
        return [] if page is None else list(map(_told, self._usable(page)))

    def diff(
        self, path: str, version: int | None = None, variant: str | None = None, host: str = ""
    ) -> str:
        """See `isgware.ISG.diff`."""
        page = self._need_page(path, variant, host)
        old = _chosen(path, self._usable(page), version)
        return difference(old, page, f"version {old.version}", f"version {page.version}, now")

    def restore(
        self, path: str, version: int, variant: str | None = None, host: str = ""
    ) -> PageInfo:
        """See `isgware.ISG.restore`."""
        page = self._need_page(path, variant, host)
        _chosen(path, self._usable(page), version)  # before anything is changed
        return contextvars.copy_context().run(self._restore, path, page.key, version)

    def _restore(self, path: str, key: str, version: int) -> PageInfo:
        page_store, backend = self._page_store, self._page_store.backend
        page_store.end()  # whatever visit this is called in, its time is not spent
        # From here on a render that began before is older, whatever it brings. The lease is taken
        # after that: it is not to be overtaken by a render for which the page is stale now.
        generation = backend.invalidate([key_name(key)], False)
        page_store.pull()
        lease = page_store.acquire(key, self._settings.lease_time, (), overtake=True)
        try:
            page = decode(backend.get(key, self._now()), key)
            if page is None or page_store.mirror.counter < generation:
                raise ConfigurationError(f"Nothing is stored for {path} any more.")
            # Chosen now: what was purged until the generation that it gets must not come back.
            versions = self._usable(page)
            chosen = _chosen(path, versions, version)
            entry = page_versions.restored(
                chosen, page, generation, page_store.mirror.nonce, lease.order if lease else 0,
                self._settings.downstream, formatdate(self._now(), usegmt=True),
            )  # fmt: skip
            # Without the app's options, it does not become known how many it wants.
            keep = max(self._settings.history, len(versions))
            entry = self._put(path, entry, page, keep)
        finally:
            page_store.release(lease)
        log.info("%s is version %d again, until told otherwise.", entry.request.url, version)
        return self._catalogue.info_of(entry)

    def _put(self, path: str, entry: Entry, page: Entry, keep: int) -> Entry:
        from ..rendering.compress import encoded, encoders

        encodings, pieces = encoded(entry, encoders(self._settings.compress))
        entry = replace(entry, encodings=encodings, pieces=pieces)
        backend = self._page_store.backend
        data = page_versions.packed(page) if page_versions.has_versions(page) else b""
        before = Before(standing_of(page), data, keep)
        if not backend.put(row_of(entry), encode(entry), self._now(), before):
            raise ConfigurationError(f"{path} was rendered anew meanwhile; look again.")
        backend.publish([key_name(entry.key)])
        self._page_store.memory.discard(entry.key)
        self._page_store.sync()
        try:
            backend.drop_note("f:" + entry.key)  # it does not fail any more
        except BackendUnavailable as error:
            log.debug("A failure stays noted: %s", error)
        return entry

    def _usable(self, page: Entry) -> list[Entry]:
        self._page_store.pull()  # what was purged must not be shown, however late it is told
        kept = self._page_store.backend.history(page.key, self._now())
        return page_versions.usable(
            page, kept, lambda entry: Page(entry, 0, "").names, self._page_store.mirror
        )

    def _need_page(self, path: str, variant: str | None, host: str) -> Entry:
        page = self._page(path, variant, host)
        if page is None:
            raise ConfigurationError(f"Nothing is stored for {path}.")
        return page

    def _page(self, path: str, variant: str | None, host: str) -> Entry | None:
        """The page that is meant: the plain one of several, unless somebody says which."""
        self._page_store.backend.probe()
        every = not self._catalogue.build_id
        found = [
            (info, entry)
            for info, entry in self._catalogue.stored(path, builds=every)
            if entry is not None and not entry.own
        ]
        if self._page_store.backend.open_since is not None:
            raise BackendUnavailable("The store cannot be read; nothing is known of its pages.")
        if "?" not in path:
            found = [pair for pair in found if not pair[1].request.query] or found
        if variant is None:
            found = [pair for pair in found if not pair[0].variant] or found
        else:
            found = [pair for pair in found if pair[0].variant == variant]
        if host:
            found = [pair for pair in found if pair[1].request.host == host.lower()]
        if len(found) > 1:
            pages = ", ".join(f"{info.url} {info.variant}".rstrip() for info, _ in found[:5])
            raise ConfigurationError(
                f"{path} stands for several pages ({pages}); say which, by ?query, variant or host."
            )
        return found[0][1] if found else None


def _chosen(path: str, versions: list[Entry], number: int | None) -> Entry:
    """The version of this number, or else the last one."""
    if number is None and versions:
        return versions[0]
    for entry in versions:
        if entry.version == number and not isinstance(number, bool):
            return entry
    known = ", ".join(str(entry.version) for entry in versions)
    if number is None or not known:
        raise ConfigurationError(
            f"No previous version of {path} is kept: it has not changed since it was first stored "
            "or purged, or history is 0."
        )
    raise ConfigurationError(f"{path} has no version {number!r}; there are: {known}.")


def _told(entry: Entry) -> PageVersion:
    return PageVersion(
        version=entry.version,
        url=entry.request.url,
        variant=entry.request.variant,
        status=entry.code,
        size=len(entry.body),
        rendered_at=entry.rendered_at,
        render_seconds=entry.render_seconds,
        etag=entry.etag,
        tags=entry.tags,
        restored=entry.restored,
    )
