"""The part of `isgware.testing.BackendContract` about invalidations, notes and leases."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from ..backends.base import HELD
from .backend_suite import START, Suite, acquire, nonce_of


class CoherenceSuite(Suite):
    """What every `Backend` keeps about invalidations, notes and leases."""

    # Invalidation

    def test_a_new_store_has_a_nonce_of_its_own_and_no_changes(self) -> None:
        with self.opened() as backend:
            changes = backend.sync("", 0)
            assert changes.nonce
            assert (changes.counter, changes.floor, changes.forgotten) == (0, 0, 0)
            assert (changes.soft, changes.hard, changes.published) == ((), (), ())

    def test_an_invalidation_raises_the_counter_and_names_what(self) -> None:
        with self.two() as (one, other):
            nonce = nonce_of(one)
            assert one.invalidate(["a", "b"], hard=False) == 1
            assert other.invalidate(["b"], hard=True) == 2
            assert one.publish(["c"]) == 3
            for backend in (one, other):
                changes = backend.sync(nonce, 0)
                assert changes.counter == 3
                assert sorted(changes.soft) == [("a", 1), ("b", 1)]
                assert (changes.hard, changes.published) == ((("b", 2),), (("c", 3),))

    def test_sync_tells_only_what_is_new(self) -> None:
        with self.two() as (one, other):
            nonce = nonce_of(one)
            one.invalidate(["a", "b"], hard=False)
            one.invalidate(["b"], hard=True)
            changes = other.sync(nonce, 1)
            assert (changes.counter, changes.soft, changes.hard) == (2, (), (("b", 2),))
            assert other.sync(nonce, 2) == replace(changes, hard=())

    def test_sync_with_another_stores_nonce_tells_everything(self) -> None:
        with self.opened() as backend:
            backend.invalidate(["a"], hard=True)
            assert backend.sync("another", 10_000).hard == (("a", 1),)

    def test_the_word_changes_before_an_invalidation_returns(self) -> None:
        with self.two() as (one, other):
            nonce_of(one), nonce_of(other)
            announcements: list[Callable[[], int]] = [
                lambda: one.invalidate(["a"], hard=False),
                lambda: one.invalidate(["a"], hard=True),
                lambda: one.publish(["a"]),
                lambda: one.invalidate([], hard=True),
            ]
            for announce in announcements:
                before, elsewhere = one.version[0], other.version[0]
                announce()
                assert one.version[0] != before
                deadline = time.monotonic() + self.ELSEWHERE
                while other.version[0] == elsewhere and time.monotonic() < deadline:
                    time.sleep(0.001)
                assert other.version[0] != elsewhere
                assert (one.version[0] % 2, other.version[0] % 2) == (0, 0)

    def test_nothing_but_an_announcement_changes_the_word(self) -> None:
        with self.opened() as backend:
            nonce_of(backend)

            def stays() -> bool:
                before = backend.version[0]
                entry = self.stored(backend)
                backend.touch([entry.key], START)
                backend.write_note("n", b"", 1, START)
                backend.delete(entry.key)
                acquire(backend)
                return bool(backend.version[0] == before)

            # One that is only beginning to listen for announcements may move it once or twice.
            assert any(stays() for _ in range(10))

    def test_beyond_the_limit_of_names_the_oldest_are_forgotten_and_raise_the_floor(self) -> None:
        with self.opened(self.LIMITS) as backend:
            for number in range(30):
                backend.invalidate([f"tag:{number}"], hard=True)
            changes = backend.sync("", 0)
            kept = {name for name, _ in changes.hard}
            lost = [number for number in range(30) if f"tag:{number}" not in kept]
            assert len(kept) <= 20
            assert lost == list(range(len(lost)))
            assert changes.floor == changes.forgotten == lost[-1] + 1
            assert changes.soft_floor == 0

    def test_soft_names_that_are_forgotten_raise_a_floor_of_their_own(self) -> None:
        with self.opened(self.LIMITS) as backend:
            backend.invalidate(["tag:hard", "tag:both"], hard=True)
            for number in range(60):
                backend.invalidate([f"tag:{number}", "tag:both"], hard=False)
            changes = backend.sync("", 0)
            assert dict(changes.hard) == {"tag:hard": 1, "tag:both": 1}
            assert len(changes.soft) <= 21
            assert dict(changes.soft)["tag:59"] == dict(changes.soft)["tag:both"] == 61
            lost = [number for number in range(60) if f"tag:{number}" not in dict(changes.soft)]
            assert lost == list(range(len(lost)))
            assert (changes.floor, changes.soft_floor) == (0, lost[-1] + 2)

    def test_names_of_one_call_are_forgotten_together(self) -> None:
        with self.opened(self.LIMITS) as backend:
            for hard in (True, False):
                backend.invalidate([f"tag:{number}" for number in range(30)], hard=hard)
            changes = backend.sync("", 0)
            assert (changes.floor, changes.soft_floor) == (1, 2)
            assert (changes.hard, changes.soft) == ((), ())

    def test_publications_that_are_forgotten_raise_no_floor(self) -> None:
        with self.opened(self.LIMITS) as backend:
            for number in range(30):
                backend.publish([f"key:{number}"])
            changes = backend.sync("", 0)
            assert changes.floor == 0
            assert changes.forgotten >= 9
            assert len(changes.published) <= 20

    # Notes

    def test_a_note_is_read_until_it_ends(self) -> None:
        with self.two() as (one, other):
            one.write_note("n", b"\x00value", 10, START)
            assert other.read_note("n", START + 9) == b"\x00value"
            assert other.read_note("n", START + 10) is None
            assert other.read_note("m", START) is None

    def test_a_note_is_replaced_and_dropped(self) -> None:
        with self.two() as (one, other):
            one.write_note("n", b"old", 10, START)
            other.write_note("n", b"new", 100, START)
            assert one.read_note("n", START + 50) == b"new"
            one.drop_note("n")
            one.drop_note("n")
            assert other.read_note("n", START) is None

    def test_notes_are_bounded_and_the_oldest_go(self) -> None:
        with self.opened(self.LIMITS) as backend:
            for number in range(50):
                backend.write_note(f"n{number}", b"", 1_000, START)
            kept = [n for n in range(50) if backend.read_note(f"n{n}", START) is not None]
            assert kept == list(range(30, 50))

    # Leases

    def test_a_lease_excludes_others_until_it_ends(self) -> None:
        with self.two() as (one, other):
            assert acquire(one, ttl=10) is not None
            assert acquire(other) is None
            assert acquire(one) is None
            assert acquire(other, now=START + 9.9) is None
            assert acquire(other, now=START + 10) is not None

    def test_a_lease_that_another_has_is_answered_in_so_many_words(self) -> None:
        with self.opened() as backend:
            assert acquire(backend) is not None
            answer = backend.acquire("key", 10.0, START, generation=0, overtake_before=0)
            assert answer is HELD

    def test_leases_of_different_keys_do_not_meet(self) -> None:
        with self.opened() as backend:
            assert acquire(backend, "a") is not None
            assert acquire(backend, "b") is not None

    def test_orders_and_tokens_are_never_granted_twice(self) -> None:
        with self.two() as (one, other):
            leases = [acquire(b, str(n)) for n in range(20) for b in (one, other)]
            granted = [lease for lease in leases if lease]
            orders = [lease.order for lease in granted]
            assert len(orders) == 20
            assert orders == sorted(set(orders))
            assert len({lease.token for lease in granted}) == 20

    def test_a_released_lease_is_free(self) -> None:
        with self.two() as (one, other):
            lease = acquire(one)
            assert lease is not None
            other.release(lease)
            assert acquire(other) is not None

    def test_a_renewed_lease_lasts_longer(self) -> None:
        with self.two() as (one, other):
            lease = acquire(one, ttl=10)
            assert lease is not None
            assert one.renew(lease, 10, START + 9)
            assert acquire(other, now=START + 15) is None
            assert acquire(other, now=START + 19) is not None

    def test_only_its_token_renews_or_releases_a_lease(self) -> None:
        with self.two() as (one, other):
            lost = acquire(one, ttl=10)
            held = acquire(other, now=START + 20)
            assert lost is not None
            assert held is not None
            assert not one.renew(lost, 10, START + 21)
            one.release(lost)
            assert acquire(one, now=START + 22) is None
            assert other.renew(held, 10, START + 23)

    def test_a_released_lease_cannot_be_renewed(self) -> None:
        with self.opened() as backend:
            lease = acquire(backend)
            assert lease is not None
            backend.release(lease)
            assert not backend.renew(lease, 10, START)

    def test_a_render_that_saw_a_later_invalidation_overtakes(self) -> None:
        with self.two() as (one, other):
            old = acquire(one, generation=3)
            assert acquire(other, generation=3, overtake_before=3) is None
            new = acquire(other, generation=5, overtake_before=5)
            assert old is not None
            assert new is not None
            assert not one.renew(old, 10, START)
            assert acquire(one, generation=5, overtake_before=5) is None

    def test_a_clock_put_back_holds_nobody_up(self) -> None:
        with self.two() as (one, other):
            assert acquire(one, ttl=10) is not None
            assert acquire(other, ttl=10, now=START - 3_600) is not None

    def test_one_of_many_threads_gets_the_lease(self) -> None:
        with self.opened() as backend:
            nonce_of(backend)
            start, won = threading.Barrier(8), []

            def race() -> None:
                start.wait()
                for key in range(20):
                    lease = acquire(backend, str(key))
                    if lease:
                        won.append(lease.key)

            threads = [threading.Thread(target=race) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(won) == sorted(str(key) for key in range(20))
