"""The part of `isgware.testing.BackendContract` about pages, limits and the catalogue."""

from __future__ import annotations

from dataclasses import replace

from ..backends.base import Backend, Limits, get_with_note, row_of, rows_after
from ..core.stored_page import encode
from .backend_suite import START, Suite, make_entry, nonce_of, put


class PagesSuite(Suite):
    """What every `Backend` keeps about pages."""

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

    def test_a_page_and_a_note_are_read_together_as_they_are_apart(self) -> None:
        """`get_with_note` does it: where the backend offers that as one operation, so."""
        with self.two() as (one, other):
            entry = self.stored(one)
            one.write_note("n", b"\x00value", 10, START)
            found = (encode(entry), b"\x00value")
            assert get_with_note(one, entry.key, "n", START) == found
            assert get_with_note(other, entry.key, "n", START) == found
            assert get_with_note(other, "unknown", "n", START) == (None, found[1])
            assert get_with_note(other, entry.key, "unknown", START) == (found[0], None)
            assert get_with_note(other, entry.key, "n", START + 10) == (found[0], None)
            one.write_note("n", b"", 10, START)
            one.delete(entry.key)
            assert get_with_note(other, entry.key, "n", START) == (None, b"")

    def test_a_page_that_has_ended_is_not_read_together_with_a_note_either(self) -> None:
        with self.opened() as backend:
            entry, later = self.stored(backend), 10 * 86_400.0
            backend.write_note("n", b"value", 2 * later, START)
            assert get_with_note(backend, entry.key, "n", START + later) == (None, b"value")

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

    def test_pages_of_a_clock_ahead_do_not_push_out_all_that_is_new_when_it_is_put_back(
        self,
    ) -> None:
        """When they were used cannot be told, so they are the first to go once room is needed."""
        ahead = START + 6 * 365 * 86_400
        with self.opened(self.LIMITS) as backend:
            old = [
                self.stored(backend, f"/{number}", now=ahead, rendered_at=ahead)
                for number in range(10)
            ]
            backend.touch([page.key for page in old], ahead)
            new = [self.stored(backend, f"/new/{number}") for number in range(3)]
            backend.touch([page.key for page in new], START + 100)
            for number in range(3, 8):
                new.append(self.stored(backend, f"/new/{number}", now=START + 200 + number))
            kept = {row.path for row in backend.rows()}
            assert kept >= {page.request.path for page in new}
            assert len(kept) == 10

    def test_variants_of_a_clock_ahead_do_not_push_out_new_ones_when_it_is_put_back(self) -> None:
        ahead = START + 6 * 365 * 86_400
        with self.opened(self.LIMITS) as backend:
            for number in range(4):
                page = self.stored(
                    backend, "/page", variant=f"old-{number}", now=ahead, rendered_at=ahead
                )
                backend.touch([page.key], ahead + number)
            for number in range(3):
                self.stored(backend, "/page", variant=str(number), now=START + number)
            kept = {row.variant.partition("=")[2] for row in backend.rows()}
            assert kept > {"0", "1", "2"}

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

    def test_rows_behind_a_page(self) -> None:
        with self.opened() as backend:
            for path in ("/a", "/b", "/c", "/d"):
                self.stored(backend, path, tags=("x",) if path != "/c" else ())
            rows = list(backend.rows())
            after = rows[1].path, rows[1].key
            assert [row.path for row in rows_after(backend, after, "", None)] == ["/c", "/d"]
            assert [row.path for row in rows_after(backend, after, "", "x")] == ["/d"]
            assert list(rows_after(backend, after, "/b", None)) == []
            backend.delete(rows[1].key)
            assert [row.path for row in rows_after(backend, after, "", None)] == ["/c", "/d"]

    def test_sizes_are_those_of_all_pages(self) -> None:
        with self.opened() as backend:
            entries = [self.stored(backend, path) for path in ("/a", "/b")]
            sizes = getattr(backend, "sizes", lambda: None)()
            total = sum(len(encode(entry)) for entry in entries)
            assert sizes in (None, (2, total))

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
