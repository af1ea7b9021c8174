"""What the parts of `isgware.testing.BackendContract` share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from ..backends.base import Backend, Lease, Limits, row_of
from ..core.cache_key import Request
from ..core.stored_page import Entry, encode

START: Final = 1_700_000_000.0


class Suite:
    """How the store under test is made and opened."""

    #: The limits of backends made for tests of limits. Entries there have bodies of 100 bytes.
    LIMITS: Final = Limits(pages=10, bytes=1_000_000, error_pages=3, variants=4, names=20)

    #: Seconds after which the version has changed for other processes too. For that of the
    #: announcement it has before the call returns; a network takes its time.
    ELSEWHERE: float = 0.0

    def make(self, limits: Limits) -> Backend:
        """A new, empty backend."""
        raise NotImplementedError

    def again(self, backend: Backend) -> Backend:
        """The same store as another process would open it; by default the very same object."""
        return backend

    @contextmanager
    def opened(self, limits: Limits | None = None) -> Iterator[Backend]:
        backend = self.make(limits or Limits())
        try:
            yield backend
        finally:
            backend.close()

    @contextmanager
    def two(self, limits: Limits | None = None) -> Iterator[tuple[Backend, Backend]]:
        with self.opened(limits) as one:
            other = self.again(one)
            try:
                yield one, other
            finally:
                other.close()

    def stored(self, backend: Backend, path: str = "/", **fields: Any) -> Entry:
        """Put a page that knows the backend's table of invalidations."""
        now = fields.pop("now", START)
        entry = make_entry(path, **{"nonce": nonce_of(backend), **fields})
        assert put(backend, entry, now)
        return entry


def make_entry(path: str = "/", body: bytes = b"a page", **fields: Any) -> Entry:
    """A page as a render would bring it forth, at `START`; ``fields`` are those of `Entry`.

    ``variant="de"`` stands for a page keyed by that Accept-Language.
    """
    variant = fields.pop("variant", "")
    keyed = (("accept-language", variant),) if variant else ()
    request = Request("http", "localhost", "", path, fields.pop("query", ""), keyed)
    entry = Entry(
        key=request.key(fields.get("build_id", "")),
        request=request,
        status="200 OK",
        headers=(("Content-Type", "text/html"),),
        body=body,
        rendered_at=START,
        revalidate=60.0,
        expire=3_600.0,
    )
    return replace(entry, **fields)


def nonce_of(backend: Backend) -> str:
    return backend.sync("", 0).nonce


def put(backend: Backend, entry: Entry, now: float = START) -> bool:
    return backend.put(row_of(entry), encode(entry), now)


def acquire(
    backend: Backend,
    key: str = "key",
    *,
    ttl: float = 10.0,
    now: float = START,
    generation: int = 0,
    overtake_before: int = 0,
) -> Lease | None:
    lease = backend.acquire(key, ttl, now, generation=generation, overtake_before=overtake_before)
    return lease if isinstance(lease, Lease) else None
