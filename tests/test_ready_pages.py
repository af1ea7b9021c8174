"""`isgware.memory.Page`: a stored page made ready to send (P8), and its headers."""

from __future__ import annotations

from typing import Any

import pytest

from isgware.answering import Answer
from isgware.memory import Page
from tests.core.making import NOW, an_entry

ENCODED = {"encodings": {"gzip": b"zipped", "br": b"brotli"}}


def a_page(**given: Any) -> Page:
    return Page(an_entry(**given), 0, "base")


def headers_of(answer: Answer) -> dict[str, str]:
    names = [name.lower() for name, _ in answer[1]]
    assert len(names) == len(set(names)), f"a header came twice: {names}"
    return dict(answer[1])


def hit(page: Page, accept: str | None = None, seconds: float = 0) -> Answer:
    return page.hit(accept, NOW + seconds)


# Headers (design 3).


def test_a_hit_holds_the_page_and_says_what_happened() -> None:
    status, headers, body = hit(a_page(), seconds=19.5)
    assert (status, body) == ("200 OK", (b"<html>",))
    assert dict(headers) == {
        "Content-Type": "text/html",
        "ETag": '"tag"',
        "Content-Length": "6",
        "Age": "19",
        "X-ISG-Cache": "HIT",
        "Cache-Status": "isgware; hit; ttl=41",
    }


@pytest.mark.parametrize(
    ("accept", "encoding", "body", "etag"),
    [
        (None, None, b"<html>", '"tag"'),
        ("gzip", "gzip", b"zipped", '"tag-gzip"'),
        ("gzip, br", "br", b"brotli", '"tag-br"'),
        ("zstd", None, b"<html>", '"tag"'),
    ],
)
def test_each_encoding_has_headers_of_its_own(
    accept: str | None, encoding: str | None, body: bytes, etag: str
) -> None:
    answer = hit(a_page(**ENCODED), accept)
    headers = headers_of(answer)
    assert answer[2] == (body,)
    assert headers.get("Content-Encoding") == encoding
    assert (headers["ETag"], headers["Content-Length"]) == (etag, str(len(body)))


@pytest.mark.parametrize(
    ("stored", "encodings", "expected"),
    [
        pytest.param(None, {}, None, id="neither"),
        pytest.param(None, {"gzip": b""}, "Accept-Encoding", id="encodings"),
        pytest.param("Accept-Language", {}, "Accept-Language", id="the page's own"),
        pytest.param("Accept-Language", {"gzip": b""}, "Accept-Language, Accept-Encoding",
                     id="both"),
        pytest.param("Accept-Encoding", {"gzip": b""}, "Accept-Encoding", id="said already"),
        pytest.param("Accept-Encoding, Cookie", {"gzip": b""}, "Accept-Encoding, Cookie",
                     id="said among others"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("accept", [None, "gzip"])
def test_vary_names_accept_encoding_where_encodings_exist(
    stored: str | None, encodings: dict[str, bytes], expected: str | None, accept: str | None
) -> None:
    headers = (("Vary", stored),) if stored else ()
    page = a_page(headers=headers, encodings=encodings)
    assert headers_of(hit(page, accept)).get("Vary") == expected


@pytest.mark.parametrize(
    ("seconds", "age"), [(0, "0"), (0.999, "0"), (1, "1"), (59.9, "59"), (-5, "0")]
)
def test_age_counts_whole_seconds_since_the_render(seconds: float, age: str) -> None:
    assert headers_of(hit(a_page(), seconds=seconds))["Age"] == age


@pytest.mark.parametrize("seconds", [0, 0.1, 7.5, 59.9])
def test_age_and_ttl_add_up(seconds: float) -> None:
    headers = headers_of(hit(a_page(), seconds=seconds))
    ttl = int(headers["Cache-Status"].rpartition("=")[2])
    assert int(headers["Age"]) + ttl == 60


def test_a_page_until_told_has_no_ttl() -> None:
    assert headers_of(hit(a_page(revalidate=None)))["Cache-Status"] == "isgware; hit"


def test_an_empty_page_has_no_chunks() -> None:
    answer = hit(a_page(body=b""))
    assert answer[2] == ()
    assert headers_of(answer)["Content-Length"] == "0"


# A hit is a look-up (P8).


def test_a_hit_is_kept_for_the_next_visit() -> None:
    page = a_page()
    page.make_ready(NOW, 2, False)
    answer = hit(page, "gzip")
    assert page.ready["gzip"] is answer


@pytest.mark.parametrize(
    ("at", "since", "until"),
    [
        pytest.param(0, 0, 1, id="first second"),
        pytest.param(10.7, 10, 11, id="within a second of its age"),
        pytest.param(59.2, 59, 60, id="last second"),
    ],
)
def test_answers_are_ready_for_one_second_of_the_age(at: float, since: float, until: float) -> None:
    page = a_page()
    page.make_ready(NOW + at, 2, True)
    assert (page.since, page.until) == (NOW + since, NOW + until)
    assert (page.word, page.cookies_matter, page.used) == (2, True, True)


def test_answers_are_never_ready_longer_than_the_page_is_fresh() -> None:
    page = a_page(revalidate=10.5)
    page.make_ready(NOW + 10.2, 2, False)
    assert page.until == NOW + 10.5


def test_making_ready_again_forgets_the_answers_of_the_second_before() -> None:
    page = a_page()
    page.make_ready(NOW, 2, False)
    hit(page)
    page.make_ready(NOW + 1, 2, False)
    assert page.ready == {}


@pytest.mark.parametrize(
    ("seconds", "expected"), [(1, True), (59.9, True), (60, False), (3601, False), (-1, False)]
)
def test_only_time_may_have_passed_for_another_second(seconds: float, expected: bool) -> None:
    page = a_page()
    page.make_ready(NOW, 2, False)
    assert page.still_fresh(NOW + seconds) is expected
    assert (page.since <= NOW + seconds < page.until) is expected


def test_a_page_never_judged_is_not_ready_by_itself() -> None:
    assert a_page().still_fresh(NOW) is False


def test_the_number_of_ready_answers_is_bounded() -> None:
    page = a_page()
    page.make_ready(NOW, 2, False)
    for number in range(100):
        hit(page, f"gzip;q=0.{number:03}")
    assert len(page.ready) <= 16


def test_no_long_accept_encoding_is_kept() -> None:
    page = a_page()
    page.make_ready(NOW, 2, False)
    assert hit(page, "gzip," * 1_000)[0] == "200 OK"
    assert page.ready == {}


def test_a_page_is_invalidated_by_its_names_its_key_and_its_base() -> None:
    page = Page(an_entry(tags=("a",)), 0, "base")
    assert {"all", "path:/page", "url:/page?", "below:/", "tag:a", "key:key", "base:base"} == set(
        page.names
    )
