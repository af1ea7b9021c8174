"""The part of `isgware.testing.BackendContract` about renders that change nothing. A backend that
knows whole pages only passes it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..backends.base import (
    Before,
    History,
    Limits,
    Renewals,
    get_with_note,
    row_of,
    standing_of,
)
from ..core.stored_page import Entry, encode, head_of
from .backend_suite import START, Suite, make_entry, put


def put_head(backend: Any, entry: Entry, old: Entry, now: float = START) -> bool:
    return bool(backend.put_head(row_of(entry), head_of(entry), standing_of(old), now))


def replace_page(
    backend: Any, old: Entry, version: bytes, keep: int = 2, now: float = START, **fields: Any
) -> Entry:
    """Put the next render of a page, and what it replaces as a version."""
    new = replace(old, **{"order": old.order + 1, **fields})
    assert backend.put(row_of(new), encode(new), now, Before(standing_of(old), version, keep))
    return new


class VersionsSuite(Suite):
    """What a backend that is `Renewals`, or keeps a `History`, does."""

    def renewed(self, old: Entry, **fields: Any) -> Entry:
        return replace(old, **{"order": old.order + 1, "rendered_at": START + 60, **fields})

    def test_a_head_that_is_put_stands_before_the_old_bodies(self) -> None:
        with self.two() as (one, other):
            if not isinstance(one, Renewals):
                return
            encodings = {"gzip": b"short"}
            old = self.stored(one, body=b"long" * 20_000, encodings=encodings, tags=("a",))
            new = self.renewed(old, tags=("b", "c"), revalidate=120.0)
            assert put_head(one, new, old)
            assert other.get(new.key, START) == encode(new)
            one.write_note("n", b"note", 10, START)
            assert get_with_note(other, new.key, "n", START) == (encode(new), b"note")
            assert [row.tags for row in other.rows()] == [("b", "c")]
            assert list(other.rows(tag="a")) == []
            assert [row.revalidate for row in other.rows(tag="b")] == [120.0]

    def test_it_may_be_put_time_and_again_and_ends_later(self) -> None:
        with self.two() as (one, other):
            if not isinstance(one, Renewals):
                return
            page = self.stored(one)
            for number in range(1, 5):
                later = self.renewed(page, rendered_at=START + 50_000 * number)
                assert put_head(one if number % 2 else other, later, page, START + 50_000 * number)
                page = later
            assert other.get(page.key, START + 250_000) == encode(page)
            assert one.get(page.key, START + 500_000) is None

    def test_a_head_is_not_put_before_another_render_than_it_was_compared_with(self) -> None:
        with self.opened() as backend:
            if not isinstance(backend, Renewals):
                return
            old = self.stored(backend, body=b"old", order=1)
            now = self.stored(backend, body=b"new", order=2)
            assert not put_head(backend, self.renewed(old, order=5), old)
            assert backend.get(now.key, START) == encode(now)
            backend.delete(now.key)
            assert not put_head(backend, self.renewed(now), now)
            assert backend.get(now.key, START) is None

    def test_an_older_render_puts_no_head(self) -> None:
        with self.opened() as backend:
            if not isinstance(backend, Renewals):
                return
            old = self.stored(backend, generation=5, order=7)
            assert not put_head(backend, replace(old, generation=4, order=9), old)
            assert not put_head(backend, replace(old, nonce="lost", generation=9), old)
            assert backend.get(old.key, START) == encode(old)

    def test_a_whole_page_replaces_head_and_bodies(self) -> None:
        with self.opened() as backend:
            if not isinstance(backend, Renewals):
                return
            old = self.stored(backend, body=b"old")
            assert put_head(backend, self.renewed(old), old)
            new = self.stored(backend, body=b"new", order=9)
            assert backend.get(new.key, START) == encode(new)
            backend.delete(new.key)
            again = self.stored(backend, body=b"again")
            assert backend.get(again.key, START) == encode(again)

    def test_limits_count_what_a_page_with_a_new_head_takes(self) -> None:
        with self.opened(Limits(pages=10, bytes=7_000)) as backend:
            if not isinstance(backend, Renewals):
                return
            pages = [self.stored(backend, f"/{number}", body=b"x" * 1_500) for number in range(3)]
            for page in pages[1:]:
                assert put_head(backend, self.renewed(page), page)
            self.stored(backend, "/new", body=b"x" * 1_500)
            self.stored(backend, "/newer", body=b"x" * 1_500, now=START + 1)
            assert {row.path for row in backend.rows()} >= {"/newer", "/2"}
            assert len(list(backend.rows())) in (3, 4)
            assert put(backend, make_entry("/last", nonce=pages[0].nonce, body=b""))

    # Previous versions

    def test_versions_are_kept_newest_first_and_so_many(self) -> None:
        with self.two() as (one, other):
            if not isinstance(one, History) or not isinstance(other, History):
                return
            page = self.stored(one)
            assert other.history(page.key, START) == []
            for version in (b"a", b"b", b"c"):
                page = replace_page(one, page, version)
            assert other.history(page.key, START) == [b"c", b"b"]
            page = replace_page(other, page, b"", keep=2)
            assert one.history(page.key, START) == [b"c", b"b"]
            page = replace_page(other, page, b"d", keep=1)
            assert one.history(page.key, START) == [b"d"]
            page = replace_page(other, page, b"e", keep=0)
            assert one.history(page.key, START) == []

    def test_no_version_stays_where_another_render_was_there_or_nothing_is_said(self) -> None:
        with self.opened() as backend:
            if not isinstance(backend, History):
                return
            first = self.stored(backend)
            page = replace_page(backend, first, b"a")
            page = replace_page(backend, replace(page, generation=5), b"b", order=9)  # it was not
            assert backend.history(page.key, START) == []
            page = replace_page(backend, page, b"c")
            page = replace(page, order=page.order + 1)
            assert put(backend, page)
            assert backend.history(page.key, START) == []

    def test_versions_go_with_their_page(self) -> None:
        with self.opened() as backend:
            if not isinstance(backend, History):
                return
            page = replace_page(backend, self.stored(backend), b"a")
            backend.delete(page.key)
            assert backend.history(page.key, START) == []
            page = replace_page(backend, page, b"b")
            assert backend.history(page.key, START) == []
            other = replace_page(backend, self.stored(backend, "/other", order=3), b"c")
            assert backend.history(other.key, START) == [b"c"]
            assert backend.history(other.key, START + 10 * 86_400) == []

    def test_a_new_head_leaves_the_versions(self) -> None:
        with self.opened() as backend:
            if not isinstance(backend, History) or not isinstance(backend, Renewals):
                return
            page = replace_page(backend, self.stored(backend), b"a")
            if put_head(backend, self.renewed(page), page):  # else it knows whole pages only
                assert backend.history(page.key, START) == [b"a"]

    def test_versions_go_before_any_page_and_the_oldest_first(self) -> None:
        with self.opened(Limits(pages=100, bytes=20_000)) as backend:
            if not isinstance(backend, History):
                return
            pages = [self.stored(backend, f"/{number}") for number in range(5)]
            for number, page in enumerate(pages):
                pages[number] = replace_page(backend, page, b"v" * 2_000, now=START + number)
            before = self.stored(backend, "/x", body=b"x" * 9_000, now=START + 9)
            left = [len(backend.history(page.key, START)) for page in pages]
            assert left[0] == 0
            assert 0 < sum(left) < 5
            assert left == sorted(left)
            self.stored(backend, "/y", body=b"x" * 6_300, now=START + 9)
            assert [len(backend.history(page.key, START)) for page in pages] == [0] * 5
            assert backend.get(before.key, START) is not None
            assert all(backend.get(page.key, START) is not None for page in pages)
