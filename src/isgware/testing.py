"""For tests: of your app with isgware, and of backends of your own.

`FakeClock` and `ManualExecutor` let a test say what time it is and when background work runs.
`BackendContract` is the suite that every backend passes. Inherit from it in a class whose name
begins with ``Test``, and say how a backend is made::

    class TestMine(BackendContract):
        def make(self, limits: Limits) -> Backend:
            return MyBackend(limits)

pytest explains failed asserts of a library only when told to, before the first import:
``pytest.register_assert_rewrite("isgware.testing")`` in your ``conftest.py``.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, ParamSpec, TypeVar

from .backends.base import Backend, Lease, Limits, row_of
from .core.entry import Entry, encode
from .core.request import Request

P = ParamSpec("P")
T = TypeVar("T")
START: Final = 1_700_000_000.0


class FakeClock:
    """A clock that stands still until told otherwise. Call it to read it, in seconds.

    >>> clock = FakeClock(100.0)
    >>> clock.advance(5)
    >>> clock()
    105.0
    """

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Move on; with a negative number the clock is put back, as real ones sometimes are."""
        self.now += seconds


class ManualExecutor(Executor):
    """Runs what was submitted only when told to, in the calling thread and in order.

    >>> executor = ManualExecutor()
    >>> future = executor.submit(sum, [1, 2])
    >>> executor.pending, future.done()
    (1, False)
    >>> executor.run_all()
    1
    >>> future.result()
    3
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._shut_down = False
        self._lock = threading.Lock()

    @property
    def pending(self) -> int:
        """How many calls wait to be run."""
        return len(self._waiting)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        with self._lock:
            if self._shut_down:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._waiting.append((future, lambda: fn(*args, **kwargs)))
        return future

    def run_next(self) -> bool:
        """Run the call that waits longest. False if none does. Its error is in its future."""
        while self._waiting:
            future, call = self._waiting.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = call()
            except BaseException as error:
                future.set_exception(error)
                if not isinstance(error, Exception):
                    raise
            else:
                future.set_result(result)
            return True
        return False

    def run_all(self) -> int:
        """Run what waits, and what that submits in turn. Returns how many calls were run."""
        count = 0
        while self.run_next():
            count += 1
        return count

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Refuse more. What waits is run if ``wait``, or dropped if ``cancel_futures``."""
        with self._lock:
            self._shut_down = True
        if cancel_futures:
            while self._waiting:
                self._waiting.popleft()[0].cancel()
        elif wait:
            self.run_all()


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


class BackendContract:
    """What every `Backend` keeps, as tests. A subclass says how to ``make`` one."""

    #: The limits of backends made for tests of limits. Entries there have bodies of 100 bytes.
    LIMITS: Final = Limits(pages=10, bytes=1_000_000, error_pages=3, variants=4, names=20)

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

    def test_is_a_backend(self) -> None:
        with self.opened() as backend:
            assert isinstance(backend, Backend)

    # Pages

    def test_get_returns_what_was_put(self) -> None:
        with self.two() as (one, other):
            entry = self.stored(one, body=bytes(range(256)) * 200)
            assert other.get(entry.key, START) == encode(entry)

    def test_get_of_an_unknown_page_is_a_miss(self) -> None:
        with self.opened() as backend:
            assert backend.get("unknown", START) is None

    def test_a_page_replaces_the_one_under_its_key(self) -> None:
        with self.opened() as backend:
            self.stored(backend, body=b"old", order=1)
            new = self.stored(backend, body=b"new", order=2)
            assert backend.get(new.key, START) == encode(new)
            assert [row.order for row in backend.rows()] == [2]

    def test_an_older_render_never_overwrites_a_newer(self) -> None:
        with self.two() as (one, other):
            new = self.stored(one, body=b"new", generation=5, order=7)
            for generation, order in ((4, 9), (5, 6), (0, 0)):
                old = replace(new, body=b"old", generation=generation, order=order)
                assert not put(other, old)
            assert one.get(new.key, START) == encode(new)
            assert [(row.generation, row.order) for row in one.rows()] == [(5, 7)]

    def test_a_render_that_saw_a_later_invalidation_is_newer_whatever_its_order(self) -> None:
        with self.opened() as backend:
            self.stored(backend, body=b"old", generation=4, order=9)
            new = self.stored(backend, body=b"new", generation=5, order=1)
            assert backend.get(new.key, START) == encode(new)

    def test_a_render_that_knew_a_lost_table_never_overwrites_one_that_knows_the_present(
        self,
    ) -> None:
        with self.opened() as backend:
            new = self.stored(backend, body=b"new", generation=1)
            assert not put(backend, replace(new, body=b"old", nonce="lost", generation=99))
            assert backend.get(new.key, START) == encode(new)

    def test_delete_removes_page_and_row(self) -> None:
        with self.two() as (one, other):
            entry = self.stored(one)
            other.delete(entry.key)
            other.delete(entry.key)
            assert one.get(entry.key, START) is None
            assert list(one.rows()) == []

    def test_a_page_is_kept_until_its_row_says(self) -> None:
        with self.opened() as backend:
            entry = self.stored(backend)
            until = row_of(entry).keep_until
            assert backend.get(entry.key, until - 1) == encode(entry)
            assert backend.get(entry.key, until) is None

    def test_ended_pages_leave_as_others_come(self) -> None:
        with self.opened() as backend:
            for number in range(20):
                self.stored(backend, f"/old/{number}", expire=10.0)
            later = START + 10 * 86_400
            for number in range(20):
                self.stored(backend, f"/new/{number}", rendered_at=later, now=later)
            assert {row.path[:5] for row in backend.rows()} == {"/new/"}

    # Limits

    def test_over_the_limit_of_pages_the_least_recently_used_go(self) -> None:
        with self.opened(self.LIMITS) as backend:
            pages = [self.stored(backend, f"/{number}") for number in range(10)]
            later = START + 1_000
            backend.touch([page.key for page in pages[:5]], later)
            for number in range(10, 15):
                self.stored(backend, f"/{number}", now=later + number)
            kept = {row.path for row in backend.rows()}
            assert kept == {f"/{number}" for number in (*range(5), *range(10, 15))}

    def test_over_the_limit_of_bytes_the_least_recently_used_go(self) -> None:
        one_page = len(encode(make_entry("/0", b"x" * 10_000, nonce="0" * 16)))
        with self.opened(Limits(bytes=one_page * 3 + 500)) as backend:
            for number in range(6):
                self.stored(backend, f"/{number}", body=b"x" * 10_000, now=START + 100 * number)
            assert {row.path for row in backend.rows()} == {"/3", "/4", "/5"}

    def test_replacing_a_page_counts_once(self) -> None:
        with self.opened(self.LIMITS) as backend:
            for number in range(9):
                self.stored(backend, f"/{number}")
            for order in range(30):
                self.stored(backend, "/again", order=order)
            assert len(list(backend.rows())) == 10

    def test_a_page_larger_than_the_limit_costs_no_error(self) -> None:
        with self.opened(Limits(bytes=1_000)) as backend:
            put(backend, make_entry("/large", b"x" * 5_000, nonce=nonce_of(backend)))
            after = self.stored(backend, "/small", now=START + 100)
            assert backend.get(after.key, START + 100) == encode(after)
            assert [row.path for row in backend.rows()] == ["/small"]

    def test_error_pages_have_a_quota_of_their_own(self) -> None:
        with self.opened(self.LIMITS) as backend:
            good = [self.stored(backend, f"/{number}") for number in range(10)]
            for number in range(30):
                self.stored(
                    backend, f"/missing/{number}", error_quota=True, now=START + number,
                    status="404 Not Found", expire=86_400.0,
                )  # fmt: skip
            errors = [row.path for row in backend.rows() if row.error_quota]
            assert sorted(errors) == [f"/missing/{number}" for number in (27, 28, 29)]
            assert all(backend.get(page.key, START) for page in good)

    def test_large_error_pages_push_out_no_good_page(self) -> None:
        with self.opened(Limits(bytes=200_000)) as backend:
            good = self.stored(backend, "/good", body=b"x" * 100_000)
            for number in range(20):
                self.stored(
                    backend, f"/missing/{number}", body=b"x" * 50_000, error_quota=True,
                    expire=86_400.0, now=START + number,
                )  # fmt: skip
            assert backend.get(good.key, START) == encode(good)
            assert len([row for row in backend.rows() if row.error_quota]) == 1

    def test_a_page_that_becomes_an_error_page_changes_its_quota(self) -> None:
        with self.opened(self.LIMITS) as backend:
            for order in range(10):
                self.stored(backend, "/page", order=order, error_quota=bool(order % 2))
            for number in range(9):
                self.stored(backend, f"/{number}")
            assert [row.error_quota for row in backend.rows("/page")] == [True]
            assert len(list(backend.rows())) == 10

    def test_a_page_has_so_many_variants_and_the_least_recently_used_go(self) -> None:
        with self.opened(self.LIMITS) as backend:
            plain = self.stored(backend, "/page")
            first = self.stored(backend, "/page", variant="0")
            for number in range(1, 6):
                backend.touch([first.key], START + 100 * number)
                self.stored(backend, "/page", variant=str(number), now=START + 100 * number)
            kept = {row.variant.partition("=")[2] for row in backend.rows()}
            assert kept == {"", "0", "3", "4", "5"}
            assert backend.get(plain.key, START) == encode(plain)

    # The catalogue

    def test_rows_say_what_was_put_in_the_order_of_paths(self) -> None:
        with self.two() as (one, other):
            entries = [
                self.stored(one, path, tags=("a", "tag:ü"), build_id="b", fingerprint="f", order=3)
                for path in ("/z", "/a/b", "/ä", "/a")
            ]
            expected = sorted(map(row_of, entries), key=lambda row: row.path)
            assert list(other.rows()) == expected

    def test_rows_by_prefix(self) -> None:
        with self.opened() as backend:
            for path in ("/a", "/a/1", "/a/2", "/ab", "/b", "/%", "/A/1", "/a/\U0010ffff"):
                self.stored(backend, path.encode().decode("latin-1"))
            found = [row.path for row in backend.rows("/a/")]
            assert found == ["/a/1", "/a/2", "/a/\U0010ffff"]
            assert [row.path for row in backend.rows("/%")] == ["/%"]

    def test_rows_by_tag(self) -> None:
        with self.opened() as backend:
            self.stored(backend, "/1", tags=("x", "y"))
            self.stored(backend, "/2", tags=("y",))
            self.stored(backend, "/3")
            assert [row.path for row in backend.rows(tag="y")] == ["/1", "/2"]
            assert [row.path for row in backend.rows("/2", "y")] == ["/2"]
            assert list(backend.rows(tag="z")) == []

    def test_a_replaced_page_has_its_new_tags_only(self) -> None:
        with self.opened() as backend:
            self.stored(backend, tags=("old",), order=1)
            self.stored(backend, tags=("new", "new"), order=2)
            assert list(backend.rows(tag="old")) == []
            assert len(list(backend.rows(tag="new"))) == 1

    def test_pages_may_come_and_go_while_rows_are_read(self) -> None:
        with self.opened() as backend:
            for number in range(1_200):
                self.stored(backend, f"/{number:04}")
            seen = []
            for number, row in enumerate(backend.rows()):
                seen.append(row.path)
                if number == 100:
                    backend.delete(row.key)
                    self.stored(backend, "/0000/new")
            assert sorted(set(seen)) == [f"/{number:04}" for number in range(1_200)]

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
            nonce_of(other)
            for work in (
                lambda: one.invalidate(["a"], hard=False),
                lambda: one.invalidate(["a"], hard=True),
                lambda: one.publish(["a"]),
                lambda: one.invalidate([], hard=True),
            ):
                before = other.word[0]
                work()
                assert other.word[0] != before
                assert other.word[0] % 2 == 0

    def test_nothing_but_an_announcement_changes_the_word(self) -> None:
        with self.opened() as backend:
            nonce_of(backend)
            before = backend.word[0]
            entry = self.stored(backend)
            backend.touch([entry.key], START)
            backend.write_note("n", b"", 1, START)
            backend.delete(entry.key)
            acquire(backend)
            assert backend.word[0] == before

    def test_beyond_the_limit_of_names_the_oldest_are_forgotten_and_raise_the_floor(self) -> None:
        with self.opened(self.LIMITS) as backend:
            for number in range(30):
                backend.invalidate([f"tag:{number}"], hard=bool(number % 2))
            changes = backend.sync("", 0)
            kept = {name for name, _ in (*changes.soft, *changes.hard)}
            lost = [number for number in range(30) if f"tag:{number}" not in kept]
            assert len(kept) <= 20
            assert lost == list(range(len(lost)))
            assert changes.floor == changes.forgotten == lost[-1] + 1

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

    def test_ping_says_nothing_when_all_is_well(self) -> None:
        with self.opened() as backend:
            backend.ping()
            entry = self.stored(backend)
            backend.ping()
            assert backend.get(entry.key, START) == encode(entry)

    def test_close_may_be_called_twice(self) -> None:
        with self.opened() as backend:
            self.stored(backend)
            backend.close()
            backend.close()
            assert isinstance(backend, Backend)


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
    return backend.acquire(key, ttl, now, generation=generation, overtake_before=overtake_before)
