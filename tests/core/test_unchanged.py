"""Which renders have found their page unchanged, and what is kept of it then."""

from __future__ import annotations

from dataclasses import replace

import pytest

from isgware.core.places import BODY, Place
from isgware.core.unchanged import renewed, unchanged
from tests.core.making import an_entry

HTML = ("Content-Type", "text/html")
OWN = "public, max-age=0, s-maxage={}, stale-while-revalidate={}"


def test_a_page_with_the_same_status_headers_and_body_is_unchanged() -> None:
    assert unchanged(an_entry(), an_entry(rendered_at=0.0, tags=("a",), order=5, revalidate=1.0))


@pytest.mark.parametrize("fields", [
    {"status": "404 Not Found"}, {"body": b"<p>"}, {"headers": (HTML, ("X", "y"))}, {"headers": ()},
    {"headers": (("Content-Type", "text/plain"),)},
])  # fmt: skip
def test_another_status_header_or_body_is_a_change(fields: dict[str, object]) -> None:
    assert not unchanged(an_entry(), an_entry(**fields))


@pytest.mark.parametrize("name", ["Date", "Age", "Expires", "ETag", "Last-Modified"])
def test_when_it_was_made_and_validators_are_not_compared(name: str) -> None:
    old, new = an_entry(headers=(HTML, (name, "1"))), an_entry(headers=(HTML, (name, "2")))
    assert unchanged(old, new)
    assert unchanged(an_entry(headers=(HTML,)), new)


def test_the_lifetime_that_isgware_writes_is_not_compared() -> None:
    pages = [
        an_entry(headers=(HTML, ("Cache-Control", OWN.format(*numbers))))
        for numbers in ((10, 90), (20, 80))
    ]
    assert unchanged(*pages)


def test_what_the_view_says_in_cache_control_is() -> None:
    pages = [
        an_entry(headers=(HTML, ("Cache-Control", said))) for said in ("max-age=1", "no-cache")
    ]
    assert not unchanged(*pages)


def token(offset: int, length: int, kind: str = "nonce", where: int = BODY) -> Place:
    return Place(where, offset, length, kind)


def test_values_of_each_visitor_are_cut_out() -> None:
    old = an_entry(body=b"<p 000>", places=(token(3, 3),))
    new = an_entry(body=b"<p 00000>", places=(token(3, 5),))
    assert unchanged(old, new)
    assert not unchanged(old, replace(new, places=(token(3, 5, "cookie:a"),)))
    assert not unchanged(old, an_entry(body=b"<p 000>"))


def test_those_in_headers_too() -> None:
    def page(value: str, length: int) -> object:
        place = token(7, length, where=1)
        return an_entry(headers=(HTML, ("Policy", value)), places=(place,))

    assert unchanged(page("nonce-=000 x", 3), page("nonce-=00 x", 2))  # type: ignore[arg-type]
    assert not unchanged(page("nonce-=000 x", 3), page("nonce-=000 y", 3))  # type: ignore[arg-type]


def test_an_unchanged_page_keeps_body_encodings_and_validators() -> None:
    old = an_entry(
        headers=(("Last-Modified", "then"), HTML), last_modified="then", encodings={"br": b"x"},
        body=b"<p 000>", places=(token(3, 3), token(0, 1, where=1)), version=7,
    )  # fmt: skip
    new = an_entry(
        headers=(HTML, ("Last-Modified", "now"), ("Expires", "later")), last_modified="now",
        body=b"<p 00000>", places=(token(3, 5), token(0, 1, where=0)), etag='"new"', order=9,
    )  # fmt: skip
    kept = renewed(old, new)
    assert kept == replace(
        new, headers=(HTML, ("Last-Modified", "then"), ("Expires", "later")), last_modified="then",
        body=old.body, encodings=old.encodings, places=(token(3, 3), token(0, 1, where=0)),
        etag=old.etag, version=7,
    )  # fmt: skip


def test_a_last_modified_that_is_no_longer_said_is_kept_too() -> None:
    old = an_entry(headers=(("Last-Modified", "then"), HTML), last_modified="then")
    kept = renewed(old, an_entry(headers=(HTML,)))
    assert kept.headers == (HTML, ("Last-Modified", "then"))
    assert kept.last_modified == "then"
