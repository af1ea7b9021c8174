"""Lists and invalidates stored pages; neither needs the app.

Three operations act on stored pages, everywhere with the same meaning: *revalidate* is soft,
*purge* is hard, *regenerate* renders now. See `isgware.core.freshness` for how the first two take
effect.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from ..backends.base import Row, row_of
from ..core.freshness import (
    Generations,
    State,
    names_of,
)
from ..core.local_path import local_path, spelled
from ..core.stored_page import Entry, decode
from ..errors import BackendUnavailable
from .notes import Failure, noted_failures
from .page_store import PageStore

#: Pages whose notes of failures are looked up at once.
_AT_ONCE: Final = 500
#: The same for a list that may end early.
_LISTED: Final = 100


@dataclass(frozen=True, slots=True)
class PageInfo:
    """A stored page. Times in seconds, sizes in bytes, encodings included; ``ttl`` is negative
    when stale and ``None`` without a lifetime. ``state``: fresh, stale, expired or failing.
    ``path`` is what the verbs take: decoded, but for what would mean something else there."""

    path: str
    url: str
    status: int
    state: str
    age: float
    ttl: float | None
    size: int
    tags: tuple[str, ...]
    rendered_at: float
    render_seconds: float
    failures: int
    last_error: str
    variant: str
    build_id: str


class Catalogue:
    """The pages of one store that belong to one build."""

    def __init__(self, page_store: PageStore, build_id: str, now: Callable[[], float]) -> None:
        self._page_store = page_store
        self.build_id = build_id
        self._now = now

    def invalidate(self, names: Sequence[str], *, hard: bool) -> None:
        """Raises `BackendUnavailable` if the store did not take it."""
        self._page_store.invalidate(names, hard=hard)

    def pages(
        self, prefix: str | None = None, tag: str | None = None, *, builds: bool = False
    ) -> Iterator[PageInfo]:
        """See `isgware.ISG.pages`. With ``builds``, those of every build."""
        self._page_store.sync()
        rows = self._page_store.backend.rows(unquote(prefix or ""), tag)
        ours = (row for row in rows if builds or row.build_id == self.build_id)
        while batch := list(itertools.islice(ours, _AT_ONCE)):
            yield from self._infos(batch)

    def listed(
        self, prefix: str = "", tag: str | None = None, after: tuple[str, str] | None = None
    ) -> Iterator[tuple[Row, PageInfo | None]]:
        """Every page of the build behind that path and key, ``None`` for those that are purged.
        ``prefix`` is decoded. Raises `BackendUnavailable`."""
        self._page_store.sync()
        rows = self._page_store.backend.rows(prefix, tag, after)
        ours = (row for row in rows if row.build_id == self.build_id)
        while batch := list(itertools.islice(ours, _LISTED)):
            yield from zip(batch, self._known(batch), strict=True)

    def stored(self, path: str, *, builds: bool = False) -> Iterator[tuple[PageInfo, Entry | None]]:
        """Every page of ``path``, or of that one ``?query``, each with what the store holds.

        Raises `InvalidPath`, and `BackendUnavailable` if the store cannot be read.
        """
        text, query = local_path(path)
        self._page_store.sync()
        backend, now = self._page_store.backend, self._now()
        for row in backend.rows(text):
            if row.path != text:
                return
            if (builds or row.build_id == self.build_id) and (
                "?" not in path or row.query == query
            ):
                for info in self._infos([row]):
                    yield info, decode(backend.get(row.key, now), row.key)

    def gone_at(self, path: str) -> Iterator[Entry]:
        """Pages of ``path`` that the store still has, and that nobody gets any more. Raises as
        `stored`."""
        text, _ = local_path(path)
        self._page_store.sync()
        backend, now = self._page_store.backend, self._now()
        for row in backend.rows(text):
            if row.path != text:
                return
            entry = decode(backend.get(row.key, now), row.key)
            if entry is not None and self.gone(entry):
                yield entry

    def standing(self) -> Iterator[tuple[Row, State]]:
        """Every page of the build that may be served, by path. Raises `BackendUnavailable`: a part
        of them is never taken for all."""
        self._page_store.backend.probe()
        self._page_store.sync()
        if self._page_store.backend.open_since is not None:
            raise BackendUnavailable("The store cannot be read; nothing is known of its pages.")
        for row in self._page_store.backend.rows():
            state = row_state(row, self._page_store.mirror, self._now())
            if row.build_id == self.build_id and state is not State.GONE:
                yield row, state
            # One operation that was slow among so many ends nothing.
            self._page_store.backend.probe()

    def entry(self, key: str) -> Entry | None:
        """What the store holds under ``key``. Raises `BackendUnavailable`."""
        self._page_store.backend.probe()
        return decode(self._page_store.backend.get(key, self._now()), key)

    def purge_builds(self, keep: str | None = None) -> int:
        """Remove the pages of all builds but ``keep``, one's own unless said. How many they were.

        Raises `BackendUnavailable` if the store did not take it; call again then.
        """
        keep, removed = self.build_id if keep is None else keep, 0
        backend = self._page_store.backend
        for row in backend.rows():
            backend.probe()  # one operation that was slow among so many ends nothing
            if row.build_id != keep:
                self._page_store.memory.discard(row.key)
                backend.delete(row.key)
                backend.probe()
                removed += 1
        return removed

    def infos(self, rows: Iterator[Row]) -> Iterator[PageInfo]:
        """Of those rows that belong to this build."""
        self._page_store.sync()
        ours = (row for row in rows if row.build_id == self.build_id)
        while batch := list(itertools.islice(ours, _AT_ONCE)):
            yield from self._infos(batch)

    def info_of(self, entry: Entry) -> PageInfo:
        """Of a page that was made just now, though it may be purged already."""
        row = row_of(entry)
        for info in self._infos([row]):
            return info
        return _info(row, State.EXPIRED, None, self._now())

    def gone(self, entry: Entry) -> bool:
        return row_state(row_of(entry), self._page_store.mirror, self._now()) is State.GONE

    def _infos(self, rows: Sequence[Row]) -> Iterator[PageInfo]:
        """Of those that are not gone."""
        return (info for info in self._known(rows) if info is not None)

    def _known(self, rows: Sequence[Row]) -> Iterator[PageInfo | None]:
        """``None`` for those that are gone."""
        now = self._now()
        states = [row_state(row, self._page_store.mirror, now) for row in rows]
        pages = [(row.key, row.rendered_at) for row in rows]
        failures = noted_failures(self._page_store.backend, pages, now)
        for row, state, failure in zip(rows, states, failures, strict=True):
            yield None if state is State.GONE else _info(row, state, failure, now)


def _info(row: Row, state: State, failure: Failure | None, now: float) -> PageInfo:
    return PageInfo(
        path=spelled(row.path),
        url=row.url,
        status=row.status,
        state="failing" if failure else state.value,
        age=max(0.0, now - row.rendered_at),
        ttl=None if row.revalidate is None else row.rendered_at + row.revalidate - now,
        size=row.size,
        tags=row.tags,
        rendered_at=row.rendered_at,
        render_seconds=row.render_seconds,
        failures=failure.count if failure else 0,
        last_error=failure.error if failure else "",
        variant=row.variant,
        build_id=row.build_id,
    )


def row_state(row: Row, mirror: Generations, now: float) -> State:
    """As `judge` says of an entry, policies aside."""
    names = names_of(row.path, row.query, row.tags, row.route)
    if row.nonce == mirror.nonce:
        if row.generation < mirror.floor:
            return State.GONE
        if any(mirror.hard.get(name, 0) > row.generation for name in names):
            return State.GONE
        if row.depended is not None and mirror.tellings.gone(row.depended, row.generation):
            return State.GONE
    if now >= row.rendered_at + row.expire:
        return State.EXPIRED
    stale = (
        row.nonce != mirror.nonce
        or row.generation < mirror.soft_floor
        or any(mirror.soft.get(name, 0) > row.generation for name in names)
        or (row.depended is not None and mirror.tellings.changed(row.depended, row.generation))
    )
    if stale or (row.revalidate is not None and now >= row.rendered_at + row.revalidate):
        return State.STALE
    return State.FRESH
