"""A store as users name it, and a bit of everything that it does."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from isgware.core.stored_page import encode
from isgware.errors import BackendUnavailable
from isgware.settings import Settings
from isgware.storage.open_store import open_store
from isgware.testing import START, make_entry
from isgware.testing.backend_suite import acquire, nonce_of, put


@contextlib.contextmanager
def opened(store: Any, **options: Any) -> Iterator[Any]:
    breaker = open_store(Settings(store=store, **{"backend_timeout": 5.0, **options}))
    try:
        yield breaker
    finally:
        breaker.close()


def fails(breaker: Any, work: Callable[[], object], match: str = ".") -> None:
    """``work`` does not get through to the store, though it is tried."""
    breaker.open_since = None
    with pytest.raises(BackendUnavailable, match=match):
        work()


def works(backend: Any) -> None:
    """A bit of everything."""
    entry = make_entry(nonce=nonce_of(backend), tags=("a",))
    assert put(backend, entry)
    assert backend.get(entry.key, START) == encode(entry)
    assert [row.key for row in backend.rows(tag="a")] == [entry.key]
    before = backend.version[0]
    assert backend.invalidate(["tag:a"], True) == 1
    assert backend.version[0] != before
    assert acquire(backend) is not None
    assert acquire(backend) is None
    backend.write_note("n", b"v", 10, START)
    assert backend.read_note("n", START) == b"v"
    backend.ping()
