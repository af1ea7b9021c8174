"""The shelf: memory first, the backend behind it, and what it knows of invalidations."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from isgware.backends.base import Lease, NotTaken
from isgware.backends.breaker import Breaker
from isgware.backends.memory import MemoryBackend
from isgware.core.freshness import State
from isgware.core.stored_page import Entry, encode
from isgware.serving.prepared_hits import PreparedHit
from isgware.storage import page_store as module
from isgware.storage import pending
from isgware.storage.page_store import PageStore
from isgware.storage.process_cache import Memory, key_name
from isgware.testing import START, FakeClock, make_entry

OFFLINE = 60.0


class Counting(MemoryBackend):
    """Says what it was asked; fails while ``broken``."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.broken = self.full = self.refuses = self.mute = False
        self.meanwhile: Callable[[], object] | None = None

    def _ask(self, name: str) -> None:
        self.asked.append(name)
        if self.broken:
            raise OSError("gone")

    def get(self, key: str, now: float) -> bytes | None:
        self._ask("get")
        return super().get(key, now)

    def put(self, *args: Any) -> bool:
        self._ask("put")
        if self.full:
            raise OSError("no space left")
        if self.refuses:
            raise NotTaken("too large")
        return super().put(*args)

    def publish(self, names: Iterable[str]) -> int:
        if self.mute:
            raise OSError("gone")
        return super().publish(names)

    def delete(self, key: str) -> None:
        self._ask("delete")
        super().delete(key)

    def touch(self, *args: Any) -> None:
        self._ask("touch")
        super().touch(*args)

    def release(self, lease: Lease) -> None:
        self._ask("release")
        super().release(lease)

    def sync(self, nonce: str, since: int) -> Any:
        self._ask("sync")
        changes = super().sync(nonce, since)
        work, self.meanwhile = self.meanwhile, None
        if work:
            work()
        return changes

    def ping(self) -> None:
        self._ask("ping")


class World:
    """One store, and a shelf for each process that uses it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = FakeClock()
        self.monotonic = FakeClock(0.0)
        self.backend = Counting()
        for there in (module, pending):
            monkeypatch.setattr(there, "time", SimpleNamespace(monotonic=self.monotonic))
        self.page_store, self.other = self.process(), self.process()

    def process(self) -> PageStore:
        breaker = Breaker(self.backend, limit=60.0)
        return PageStore(breaker, Memory(10_000_000), self.clock, OFFLINE)

    def entry(self, path: str = "/", **fields: Any) -> Entry:
        """As a render would bring it forth that began now."""
        counter = self.backend.sync("", 0)
        return make_entry(path, **{"nonce": counter.nonce, "generation": counter.counter, **fields})

    def asked(self) -> list[str]:
        asked, self.backend.asked = self.backend.asked, []
        return asked


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(monkeypatch)
    world.page_store.sync()
    world.other.sync()
    world.asked()
    return world


def find(page_store: PageStore, entry: Entry, **options: Any) -> tuple[bytes | None, State | None]:
    page, state = page_store.find(entry.key, "base", entry.fingerprint, **options)
    return (page.entry.body if page else None), state


# Finding


def test_what_was_kept_is_found_in_memory(world: World) -> None:
    entry = world.entry(body=b"page")
    page, stored = world.page_store.keep(entry, "base")
    world.asked()
    assert (page.entry, stored) == (entry, True)
    assert find(world.page_store, entry) == (b"page", State.FRESH)
    assert world.asked() == []


def test_what_another_process_kept_is_found_in_the_store_once(world: World) -> None:
    entry = world.entry(body=b"page")
    world.other.keep(entry, "base")
    world.asked()
    assert find(world.page_store, entry) == (b"page", State.FRESH)
    assert find(world.page_store, entry) == (b"page", State.FRESH)
    assert world.asked() == ["get"]


def test_what_nobody_kept_is_not_found(world: World) -> None:
    assert find(world.page_store, world.entry()) == (None, None)


@pytest.mark.parametrize("data", [b"", b"junk", encode(make_entry("/another"))])
def test_what_does_not_decode_is_not_found(data: bytes, world: World) -> None:
    entry = world.entry()
    world.page_store.keep(entry, "base")
    world.backend._good.pages[entry.key] = (world.backend._good.pages[entry.key][0], data)
    assert find(world.other, entry) == (None, None)


def test_a_stale_page_is_looked_up_in_the_store_once_a_second(world: World) -> None:
    old = world.entry(body=b"old", order=1, revalidate=60.0)
    world.page_store.keep(old, "base")
    world.clock.advance(61)
    world.asked()
    for _ in range(2):
        assert find(world.page_store, old) == (b"old", State.STALE)
        assert find(world.page_store, old) == (b"old", State.STALE)
        assert world.asked() == ["get"]
        world.clock.advance(1)
    new = replace(old, body=b"new", order=2, rendered_at=world.clock())
    world.other.keep(new, "base")
    assert find(world.page_store, old) == (b"new", State.FRESH)


def test_a_stale_page_just_read_is_not_looked_up(world: World) -> None:
    old = world.entry(revalidate=60.0)
    world.other.keep(old, "base")
    world.clock.advance(61)
    world.asked()
    assert find(world.page_store, old)[1] is State.STALE
    assert world.asked() == ["get"]


def test_an_expired_page_is_looked_up_too(world: World) -> None:
    old = world.entry(order=1, revalidate=60.0, expire=60.0)
    world.page_store.keep(old, "base")
    world.clock.advance(61)
    world.other.keep(replace(old, body=b"new", order=2, rendered_at=world.clock()), "base")
    assert find(world.page_store, old) == (b"new", State.FRESH)


def test_a_clock_that_was_put_back_does_not_stop_the_look_ups(world: World) -> None:
    old = world.entry(revalidate=60.0)
    world.page_store.keep(old, "base")
    world.clock.advance(1_000)
    find(world.page_store, old)
    world.clock.advance(-900)
    world.asked()
    assert find(world.page_store, old)[1] is State.STALE
    assert world.asked() == ["get"]


def test_a_store_that_fails_is_not_asked_again_within_the_second(world: World) -> None:
    old = world.entry(body=b"old", revalidate=60.0)
    world.page_store.keep(old, "base")
    world.clock.advance(61)
    world.backend.broken = True
    world.asked()
    assert find(world.page_store, old) == (b"old", State.STALE)
    assert find(world.page_store, old) == (b"old", State.STALE)
    assert world.asked() == ["get"]


def test_what_is_read_does_not_replace_what_was_rendered_meanwhile(world: World) -> None:
    old = world.entry(order=1, revalidate=60.0)
    world.page_store.keep(old, "base")
    world.clock.advance(61)
    world.other.keep(replace(old, order=2), "base")
    new = replace(old, body=b"new", order=3, rendered_at=world.clock())
    read = world.backend.get

    def slowly(key: str, now: float) -> bytes | None:
        data = read(key, now)
        world.backend.get = read  # type: ignore[method-assign]
        world.page_store.keep(new, "base")
        return data

    world.backend.get = slowly  # type: ignore[method-assign]
    assert find(world.page_store, old) == (b"new", State.FRESH)
    assert find(world.page_store, old) == (b"new", State.FRESH)


def test_looking_again_finds_what_another_process_has_rendered(world: World) -> None:
    old = world.entry(body=b"old", order=1)
    world.page_store.keep(old, "base")
    world.other.keep(replace(old, body=b"new", order=2), "base")
    assert find(world.page_store, old) == (b"old", State.FRESH)
    assert find(world.page_store, old, again=True) == (b"new", State.FRESH)
    assert find(world.page_store, old) == (b"new", State.FRESH)


def test_looking_again_does_not_lose_what_is_in_memory_alone(world: World) -> None:
    entry = world.entry(body=b"page")
    world.page_store.keep(entry, "base")
    world.backend.delete(entry.key)
    assert find(world.page_store, entry, again=True) == (b"page", State.FRESH)


@pytest.mark.parametrize(
    ("seconds", "state"),
    [(59, State.FRESH), (60, State.STALE), (3_599, State.STALE), (3_600, State.EXPIRED)],
)
def test_a_page_ages(seconds: float, state: State, world: World) -> None:
    entry = world.entry()
    world.page_store.keep(entry, "base")
    world.clock.advance(seconds)
    assert find(world.page_store, entry)[1] is state


# Invalidations


def test_an_invalidation_by_another_process_counts_after_the_next_sync(world: World) -> None:
    soft, hard = world.entry("/soft", tags=("a",)), world.entry("/hard", tags=("b",))
    for entry in (soft, hard):
        world.page_store.keep(entry, "base")
    world.backend.invalidate(["tag:a"], hard=False)
    world.backend.invalidate(["tag:b"], hard=True)
    world.page_store.sync()
    assert find(world.page_store, soft)[1] is State.STALE
    assert find(world.page_store, hard)[1] is State.GONE


def test_nothing_is_asked_while_the_word_stays(world: World) -> None:
    for _ in range(3):
        world.page_store.sync()
    assert world.asked() == []
    world.backend.publish(["x"])
    for _ in range(3):
        world.page_store.sync()
    assert world.asked() == ["sync"]


def test_an_odd_word_is_asked_about_each_time(world: World) -> None:
    world.backend.version[0] += 1
    for _ in range(2):
        world.page_store.sync()
    assert set(world.asked()) == {"sync"}
    assert world.page_store.settled == -1
    world.backend.version[0] += 1
    world.page_store.sync()
    assert world.page_store.settled == world.backend.version[0]


def test_an_invalidation_in_the_middle_of_a_sync_is_not_missed(world: World) -> None:
    entry = world.entry(tags=("a",))
    world.page_store.keep(entry, "base")
    world.backend.publish(["x"])
    world.backend.meanwhile = lambda: world.backend.invalidate(["tag:a"], hard=True)
    world.page_store.sync()
    assert find(world.page_store, entry)[1] is State.GONE
    assert world.page_store.settled == world.backend.version[0]


def test_a_page_published_by_another_process_is_fetched(world: World) -> None:
    old = world.entry(body=b"old", order=1)
    world.page_store.keep(old, "base")
    world.other.keep(replace(old, body=b"new", order=2), "base")
    world.backend.publish([key_name(old.key)])
    world.page_store.sync()
    world.asked()
    assert find(world.page_store, old) == (b"new", State.FRESH)
    assert find(world.page_store, old) == (b"new", State.FRESH)
    assert world.asked() == ["get"]


def test_what_concerns_other_pages_costs_no_look_into_the_store(world: World) -> None:
    entry = world.entry(tags=("a",))
    world.page_store.keep(entry, "base")
    world.backend.invalidate(["tag:b", "path:/other"], hard=True)
    world.page_store.sync()
    world.asked()
    assert find(world.page_store, entry)[1] is State.FRESH
    assert world.asked() == []


def test_pages_of_a_store_that_lost_its_table_are_stale(world: World) -> None:
    entry = world.entry(body=b"page")
    world.page_store.keep(entry, "base")
    world.backend.__dict__.update(Counting().__dict__)
    world.backend.version = [2]
    world.page_store.sync()
    assert find(world.page_store, entry) == (b"page", State.STALE)
    new = world.entry(body=b"new")
    world.other.sync()
    world.other.keep(new, "base")
    assert find(world.page_store, new, again=True) == (b"new", State.FRESH)


# Keeping


def test_an_older_render_gives_way_to_the_newer_that_is_there(world: World) -> None:
    new = world.entry(body=b"new", order=2)
    world.other.keep(new, "base")
    page, stored = world.page_store.keep(replace(new, body=b"old", order=1), "base")
    assert (page.entry.body, stored) == (b"new", True)
    assert find(world.page_store, new) == (b"new", State.FRESH)


def test_a_page_the_store_does_not_take_is_kept_in_memory_alone(world: World) -> None:
    entry = world.entry(body=b"page")
    world.backend.broken = True
    page, stored = world.page_store.keep(entry, "base")
    assert (page.entry, stored) == (entry, False)
    assert find(world.page_store, entry) == (b"page", State.FRESH)
    world.backend.broken = False
    assert world.backend.get(entry.key, START) is None


def back(world: World) -> None:
    world.backend.broken = False
    assert world.page_store.backend.probe()
    assert world.other.backend.probe()


def test_what_each_made_without_the_store_is_one_page_when_it_is_back(world: World) -> None:
    entry = world.entry(body=b"one")
    world.backend.broken = True
    world.page_store.keep(entry, "base")
    world.other.keep(replace(entry, body=b"other", rendered_at=entry.rendered_at + 1), "base")
    world.page_store.retry_pending()  # in vain
    back(world)
    for page_store in (world.page_store, world.other):
        page_store.retry_pending()
    for page_store in (world.page_store, world.other, world.process()):
        page_store.sync()
        assert find(page_store, entry) == (b"one", State.FRESH)
    world.asked()
    world.page_store.retry_pending()
    assert world.asked() == []  # once is enough


def test_a_store_that_answers_but_takes_no_page_is_not_offered_one_each_second(
    world: World,
) -> None:
    world.backend.full = True
    world.page_store.keep(world.entry(), "base")
    world.asked()
    offered = []
    for _ in range(200):
        world.monotonic.advance(1)
        world.page_store.backend.probe()
        world.page_store.retry_pending()
        offered.append(world.asked().count("put"))
    assert 5 <= sum(offered) <= 10
    world.backend.full = False
    world.monotonic.advance(60)
    back(world)
    world.page_store.retry_pending()
    assert world.backend.get(world.entry().key, START) is not None


def test_a_long_outage_is_no_reason_to_wait(world: World) -> None:
    entry = world.entry()
    world.backend.broken = True
    world.page_store.keep(entry, "base")
    for _ in range(200):
        world.monotonic.advance(1)
        world.page_store.retry_pending()
    back(world)
    world.page_store.retry_pending()
    assert world.backend.get(entry.key, START) is not None


def test_what_was_made_without_the_store_replaces_what_is_older_everywhere(world: World) -> None:
    old = world.entry(body=b"old", order=1)
    world.other.keep(old, "base")
    world.backend.broken = True
    world.page_store.keep(replace(old, body=b"new", order=2), "base")
    back(world)
    assert find(world.other, old) == (b"old", State.FRESH)
    world.page_store.retry_pending()
    world.other.sync()
    assert find(world.other, old) == (b"new", State.FRESH)


def test_what_was_made_without_the_store_gives_way_to_what_is_newer(world: World) -> None:
    made = world.entry(body=b"made")
    world.backend.broken = True
    world.page_store.keep(made, "base")
    back(world)
    world.other.keep(replace(made, body=b"newer", order=made.order + 1), "base")
    world.page_store.retry_pending()
    assert find(world.page_store, made) == (b"newer", State.FRESH)


def test_what_each_made_without_a_lease_is_one_page_soon(world: World) -> None:
    entry = world.entry(body=b"one")
    third = world.process()
    third.sync()
    world.page_store.keep(entry, "base")
    assert find(third, entry) == (b"one", State.FRESH)
    world.other.keep(replace(entry, body=b"other", rendered_at=entry.rendered_at + 1), "base")
    for page_store in (world.page_store, world.other):
        page_store.stored_locally(entry.key, "base")
        page_store.retry_pending()
    for page_store in (world.page_store, world.other, third, world.process()):
        page_store.sync()
        assert find(page_store, entry) == (b"other", State.FRESH)


def test_an_outage_while_pages_are_handed_in_loses_none(world: World) -> None:
    entry = world.entry(body=b"page")
    world.other.keep(replace(entry, body=b"older", order=-1), "base")
    world.backend.broken = True
    world.page_store.keep(entry, "base")
    back(world)
    world.backend.mute = True
    world.page_store.retry_pending()  # stored, but nobody was told
    world.backend.mute = False
    back(world)
    world.monotonic.advance(1)
    world.page_store.retry_pending()
    world.other.sync()
    assert find(world.other, entry) == (b"page", State.FRESH)


def test_what_was_purged_or_forgotten_meanwhile_is_not_handed_in(world: World) -> None:
    gone, purged = world.entry("/gone"), world.entry("/purged", tags=("a",))
    world.backend.broken = True
    world.page_store.keep(gone, "base")
    world.page_store.keep(purged, "base")
    world.page_store.memory.discard(gone.key)
    back(world)
    world.other.invalidate(["tag:a"], hard=True)
    world.page_store.retry_pending()
    assert find(world.other, gone) == (None, None)
    assert find(world.other, purged)[1] is not State.FRESH


def test_so_many_pages_are_handed_in(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "_MAX_LOCAL", 2)
    entries = [world.entry(path) for path in ("/1", "/2", "/3")]
    world.backend.broken = True
    for entry in entries:
        world.page_store.keep(entry, "base")
    back(world)
    world.page_store.retry_pending()
    assert [world.backend.get(entry.key, START) is None for entry in entries] == [
        True, False, False,
    ]  # fmt: skip


def test_what_the_store_cannot_hold_is_offered_once(world: World) -> None:
    entry = world.entry()
    world.backend.broken = True
    world.page_store.keep(entry, "base")
    back(world)
    world.backend.refuses = True
    for _ in range(2):
        world.page_store.retry_pending()
    assert world.asked().count("put") == 2  # the one that broke, and this one


def test_an_older_render_does_not_replace_a_newer_in_memory_without_the_store(
    world: World,
) -> None:
    new = world.entry(body=b"new", order=2)
    world.page_store.keep(new, "base")
    world.backend.broken = True
    page, _ = world.page_store.keep(replace(new, body=b"old", order=1), "base")
    assert page.entry.body == b"new"
    assert find(world.page_store, new)[0] == b"new"


def test_a_dropped_page_is_gone_from_memory_and_store(world: World) -> None:
    entry = world.entry()
    world.page_store.keep(entry, "base")
    world.page_store.drop(entry.key)
    assert find(world.page_store, entry) == (None, None)
    assert find(world.other, entry) == (None, None)


# Without the store


def test_pages_in_memory_count_as_they_are_for_a_while(world: World) -> None:
    entry = world.entry(body=b"page", revalidate=None)
    world.page_store.keep(entry, "base")
    world.backend.publish(["x"])
    world.backend.broken = True
    world.page_store.sync()
    world.monotonic.advance(OFFLINE)
    assert find(world.page_store, entry) == (b"page", State.FRESH)
    world.monotonic.advance(0.1)
    assert find(world.page_store, entry) == (b"page", State.STALE)


def test_the_while_begins_with_the_first_failure(world: World) -> None:
    world.backend.publish(["x"])
    world.backend.broken = True
    for _ in range(4):
        world.page_store.sync()
        world.monotonic.advance(OFFLINE / 3)
    assert world.page_store.offline_too_long


def test_after_an_outage_everything_missed_is_heard_of(world: World) -> None:
    entry = world.entry(tags=("a",))
    world.page_store.keep(entry, "base")
    world.backend.broken = True
    world.backend.invalidate(["tag:a"], hard=True)
    world.page_store.sync()
    assert find(world.page_store, entry)[1] is State.FRESH
    world.backend.broken = False
    assert world.page_store.backend.probe()
    world.page_store.sync()
    assert find(world.page_store, entry)[1] is State.GONE
    assert not world.page_store.offline_too_long


def test_no_failure_of_the_store_comes_out_of_it(world: World) -> None:
    entry = world.entry()
    lease = world.page_store.acquire(entry.key, 10.0, [])
    page, _ = world.page_store.keep(entry, "base")
    PreparedHit(page, "GET", None, 0, False, START)
    for work in (
        lambda: world.page_store.flush_recency(),
        lambda: world.page_store.sync(),
        lambda: world.page_store.find("unknown", "base", ""),
        lambda: world.page_store.keep(entry, "base"),
        lambda: world.page_store.drop("unknown"),
        lambda: world.page_store.release(lease),
    ):
        world.backend.broken = True
        world.backend.version[0] += 2
        world.asked()
        work()
        assert world.asked()
        world.backend.broken = False
        assert world.page_store.backend.probe()


# Leases and recency


def test_a_lease_is_overtaken_by_who_knows_of_a_later_invalidation(world: World) -> None:
    names = ["tag:a"]
    assert world.page_store.acquire("key", 10.0, names) is not None
    assert world.other.acquire("key", 10.0, names) is None
    world.backend.invalidate(["tag:b"], hard=True)
    world.other.sync()
    assert world.other.acquire("key", 10.0, names) is None
    world.backend.invalidate(["tag:a"], hard=True)
    world.other.sync()
    assert world.other.acquire("key", 10.0, names) is not None


def test_a_released_lease_is_free(world: World) -> None:
    world.page_store.release(None)
    lease = world.page_store.acquire("key", 10.0, [])
    world.page_store.release(lease)
    assert world.other.acquire("key", 10.0, []) is not None


def test_pages_that_were_visited_are_told_to_the_store(world: World) -> None:
    visited, other = world.entry("/visited"), world.entry("/other")
    for entry in (visited, other):
        world.page_store.keep(entry, "base")
    page, _ = world.page_store.find(visited.key, "base", "")
    assert page is not None
    PreparedHit(page, "GET", None, 0, False, START)
    world.page_store.flush_recency()
    assert list(world.backend._good.pages) == [other.key, visited.key]
