"""``memory:`` keeps the contract, and what is its own."""

from __future__ import annotations

import threading

from isgware.backends.base import Backend, Limits
from isgware.backends.memory import MemoryBackend
from isgware.testing import START, BackendContract, make_entry
from isgware.testing.backend_suite import nonce_of, put
from isgware.testing.backend_suite_versions import replace_page
from tests.backends.children import in_child


class TestMemoryBackend(BackendContract):
    def make(self, limits: Limits) -> Backend:
        return MemoryBackend(limits)


def test_two_of_them_share_nothing() -> None:
    one, other = MemoryBackend(), MemoryBackend()
    entry = make_entry(nonce=nonce_of(one))
    put(one, entry)
    assert other.get(entry.key, START) is None
    assert nonce_of(one) != nonce_of(other)


def test_a_forked_child_is_not_held_up_by_a_lock_of_its_parents_threads() -> None:
    backend = MemoryBackend()
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        with backend._lock:
            locked.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    locked.wait(60)
    try:
        assert in_child(lambda: backend.invalidate(["a"], hard=True)) == 1
    finally:
        done.set()
        thread.join()


def test_tables_of_leases_and_variants_are_bounded() -> None:
    backend = MemoryBackend(Limits(pages=10, names=20))
    for number in range(200):
        now = START + number
        backend.acquire(str(number), 1.0, now, generation=0, overtake_before=0)
        put(backend, make_entry(f"/{number}", variant="de", nonce=nonce_of(backend)))
    assert len(backend._leases) <= 20
    assert len(backend._variants) <= 10


def test_a_put_looks_at_few_pages_however_many_there_are() -> None:
    backend = MemoryBackend(Limits(pages=5_000))
    nonce = nonce_of(backend)
    entry = make_entry("/page", variant="x", nonce=nonce)
    for number in range(5_000):
        put(backend, make_entry(f"/{number}", b"", nonce=nonce))
    put(backend, entry)
    assert len(list(backend.rows())) == 5_000
    assert list(backend._variants[next(backend.rows("/page")).page_key]) == [entry.key]


def test_versions_of_pages_that_are_gone_take_no_room() -> None:
    backend = MemoryBackend()
    page = make_entry(nonce=nonce_of(backend))
    put(backend, page)
    page = replace_page(backend, page, b"version")
    assert backend._versions.bytes == len(b"version")
    backend.delete(page.key)
    assert backend._versions.bytes == 0
