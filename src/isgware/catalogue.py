"""What is stored, and what invalidates it: all that can be said of pages without an app.

Three verbs act on stored pages, never with another meaning: *revalidate* is soft, *purge* is
hard, *regenerate* renders now. See `isgware.core.freshness` for how the first two take effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from .aftermath import noted_failure
from .backends.base import Row, row_of
from .checks import checked_tag
from .core.entry import Entry, decode
from .core.freshness import (
    Generations,
    State,
    below_name,
    names_of,
    path_name,
    tag_name,
    url_name,
)
from .core.request import narrow_query
from .errors import ConfigurationError, RegenerationError
from .paths import local_path as local_path
from .shelf import Shelf


@dataclass(frozen=True, slots=True)
class PageInfo:
    """A stored page. Times in seconds, sizes in bytes, encodings included; ``ttl`` is negative
    when stale and ``None`` without a lifetime. ``state``: fresh, stale, expired or failing."""

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


def names_for_path(path: str) -> list[str]:
    """What a path given to ``revalidate_path`` or ``purge_path`` stands for."""
    text, query = local_path(path)
    if path.endswith("/*"):  # a star that is meant as one is written %2A
        return [below_name(text[:-1])]
    return [url_name(text, narrow_query(query, "all"))] if "?" in path else [path_name(text)]


def names_for_tags(tags: Iterable[str]) -> list[str]:
    names = [tag_name(checked_tag(tag)) for tag in tags]
    if not names:
        raise ConfigurationError("Name at least one tag.")
    return names


class Catalogue:
    """The pages of one store that belong to one build."""

    def __init__(self, shelf: Shelf, build_id: str, now: Callable[[], float]) -> None:
        self._shelf = shelf
        self.build_id = build_id
        self._now = now

    def invalidate(self, names: Sequence[str], *, hard: bool) -> None:
        """Raises `BackendUnavailable` if the store did not take it."""
        self._shelf.invalidate(names, hard=hard)

    def pages(
        self, prefix: str | None = None, tag: str | None = None, *, builds: bool = False
    ) -> Iterator[PageInfo]:
        """See `isgware.ISG.pages`. With ``builds``, those of every build."""
        self._shelf.sync()
        for row in self._shelf.backend.rows(prefix or "", tag):
            if builds or row.build_id == self.build_id:
                info = self._info(row)
                if info is not None:
                    yield info

    def stored(self, path: str, *, builds: bool = False) -> Iterator[tuple[PageInfo, Entry | None]]:
        """Every page of ``path``, or of that one ``?query``, each with what the store holds.

        Raises `InvalidPath`, and `BackendUnavailable` if the store cannot be read.
        """
        text, query = local_path(path)
        self._shelf.sync()
        backend, now = self._shelf.backend, self._now()
        for row in backend.rows(text):
            if row.path != text:
                return
            if (builds or row.build_id == self.build_id) and (
                "?" not in path or row.query == query
            ):
                info = self._info(row)
                if info is not None:
                    yield info, decode(backend.get(row.key, now), row.key)

    def purge_builds(self, keep: str | None = None) -> int:
        """Remove the pages of all builds but ``keep``, one's own unless said. How many they were.

        Raises `BackendUnavailable` if the store did not take it; call again then.
        """
        keep, removed = self.build_id if keep is None else keep, 0
        backend = self._shelf.backend
        for row in backend.rows():
            backend.probe()  # one operation that was slow among so many ends nothing
            if row.build_id != keep:
                self._shelf.memory.discard(row.key)
                backend.delete(row.key)
                backend.probe()
                removed += 1
        return removed

    def info_of(self, entry: Entry) -> PageInfo:
        info = self._info(row_of(entry))
        if info is None:
            raise RegenerationError(f"{entry.request.full_path} was purged while it was rendered.")
        return info

    def _info(self, row: Row) -> PageInfo | None:
        now = self._now()
        state = row_state(row, self._shelf.mirror, now)
        if state is State.GONE:
            return None
        failure = noted_failure(self._shelf.backend, row.key, now, row.rendered_at)
        return PageInfo(
            path=row.path,
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
    names = names_of(row.path, row.query, row.tags)
    if row.nonce == mirror.nonce:
        if row.generation < mirror.floor:
            return State.GONE
        if any(mirror.hard.get(name, 0) > row.generation for name in names):
            return State.GONE
    if now >= row.rendered_at + row.expire:
        return State.EXPIRED
    stale = row.nonce != mirror.nonce or any(
        mirror.soft.get(name, 0) > row.generation for name in names
    )
    if stale or (row.revalidate is not None and now >= row.rendered_at + row.revalidate):
        return State.STALE
    return State.FRESH
