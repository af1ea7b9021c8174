"""`isgware.storage.process_cache.Page`: a stored page made ready to send (P8), and its headers."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder

from isgware import ISG, Policy
from isgware.core.preconditions import CONDITIONS, Answer
from isgware.serving.prepared_hits import CREDENTIALS, PreparedHit
from isgware.storage.process_cache import Page
from tests.core.making import NOW, an_entry

ENCODED = {"encodings": {"gzip": b"zipped", "br": b"brotli"}}


def a_page(**given: Any) -> Page:
    return Page(an_entry(**given), 0, "base")


def headers_of(answer: Answer) -> dict[str, str]:
    names = [name.lower() for name, _ in answer[1]]
    assert len(names) == len(set(names)), f"a header came twice: {names}"
    return dict(answer[1])


def hit(page: Page, accept: str | None = None, seconds: float = 0) -> Answer:
    made = ready(page, accept, seconds)
    return made.line, made.headers, (made.body,)


def ready(
    page: Page, accept: str | None = None, seconds: float = 0, method: str = "GET"
) -> PreparedHit:
    return PreparedHit(page, method, accept, 2, False, NOW + seconds)


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


def test_an_empty_page_is_an_empty_chunk() -> None:
    answer = hit(a_page(body=b""))
    assert answer[2] == (b"",)
    assert headers_of(answer)["Content-Length"] == "0"


# A hit is a look-up (P8).


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
    made = ready(page, seconds=at)
    assert (made.since, made.until) == (NOW + since, NOW + until)
    assert page.used
    assert page.visited


def test_answers_are_never_ready_longer_than_the_page_is_fresh() -> None:
    assert ready(a_page(revalidate=10.5), seconds=10.2).until == NOW + 10.5


def test_another_second_has_headers_of_its_own() -> None:
    made = ready(a_page())
    before = made.headers
    assert made.renew(NOW + 1)
    assert (dict(before)["Age"], dict(made.headers)["Age"]) == ("0", "1")


@pytest.mark.parametrize(
    ("seconds", "expected"), [(1, True), (59.9, True), (60, False), (3601, False), (-1, False)]
)
def test_only_time_may_have_passed_for_another_second(seconds: float, expected: bool) -> None:
    made = ready(a_page())
    assert made.renew(NOW + seconds) is expected
    assert (made.since <= NOW + seconds < made.until) is expected


def test_what_was_let_go_does_not_get_ready_again() -> None:
    made = ready(a_page())
    made.until = 0.0
    assert made.renew(NOW) is False


def test_head_has_every_header_and_no_body() -> None:
    page = a_page()
    get, head = ready(page), ready(page, method="HEAD")  # RFC 9110, section 9.3.2
    assert (head.line, head.headers, head.body) == (get.line, get.headers, b"")
    assert head.renew(NOW + 1)
    assert head.body == b""


# Visitors who are not plain.


@pytest.mark.parametrize("name", CREDENTIALS)
def test_who_is_known_is_not_answered_from_here(name: str) -> None:
    made = ready(a_page())
    assert made.conditional({"REQUEST_METHOD": "GET", name: ""}) is None


def test_what_a_304_says_is_ready_for_a_second() -> None:
    made = ready(a_page(**ENCODED), "gzip")
    asks = {"REQUEST_METHOD": "GET", "HTTP_IF_NONE_MATCH": made.etag}
    first = made.unchanged
    assert made.etag == '"tag-gzip"'
    assert made.conditional(asks) == ("304 Not Modified", first, ())
    assert made.renew(NOW + 1)
    assert (dict(first)["Age"], dict(made.unchanged)["Age"]) == ("0", "1")


@pytest.mark.parametrize("status", ["404 Not Found", "301 Moved Permanently"])
def test_what_is_not_200_has_no_tag_to_be_validated_by(status: str) -> None:
    assert ready(a_page(status=status)).etag is None


_DATE = "Sun, 06 Nov 1994 08:49:37 GMT"


def seen_by_a_hit(name: str, said: list[tuple[str, str]], **options: Any) -> bool:
    """Whether a hit on a page that says ``said`` looks twice at who sends the header ``name``."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/html"), *said])
        return [b"page"]

    looked: list[str] = []
    with contextlib.closing(ISG(app, store="memory:", **options)) as isg:
        environ = EnvironBuilder(path="/page").get_environ()
        for _ in range(3):  # a miss, a hit that is looked at, and one that is ready
            b"".join(isg(environ.copy(), lambda *_: None))
        isg._special = isg._slow = lambda *_: looked.append(name) or [b""]  # type: ignore[method-assign, assignment, func-returns-value]
        assert isg(environ.copy(), lambda *_: None) == [b"page"]
        assert not looked
        isg({**environ, name: ""}, lambda *_: None)
    return bool(looked)


@pytest.mark.parametrize("name", sorted({*CREDENTIALS, *CONDITIONS}))
def test_no_credential_and_no_condition_is_overlooked(name: str) -> None:
    routes = {"/page": Policy(revalidate=60)}
    assert seen_by_a_hit(name, [("Last-Modified", _DATE)], routes=routes)


@pytest.mark.parametrize(
    "name", sorted({*CREDENTIALS, *CONDITIONS, "HTTP_CACHE_CONTROL", "HTTP_PRAGMA"})
)
def test_pages_of_visitors_own_requests_heed_directives_too(name: str) -> None:
    assert seen_by_a_hit(name, [("Cache-Control", "max-age=60")], cache_control="full")


def test_other_headers_are_no_reason_to_look() -> None:
    routes = {"/page": Policy(revalidate=60)}
    assert not seen_by_a_hit("HTTP_ACCEPT", [], routes=routes)
    assert not seen_by_a_hit("HTTP_CACHE_CONTROL", [], routes=routes)


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        pytest.param({"HTTP_IF_NONE_MATCH": '"old"'}, "200 OK", id="another page"),
        pytest.param({"HTTP_IF_NONE_MATCH": 'W/"tag"'}, "304 Not Modified", id="weakly"),
        pytest.param({"HTTP_IF_NONE_MATCH": '"tag"', "HTTP_IF_MATCH": '"other"'},
                     "412 Precondition Failed", id="If-Match goes first"),
        pytest.param({"HTTP_IF_NONE_MATCH": '"tag"', "HTTP_RANGE": "bytes=0-1"},
                     "304 Not Modified", id="a range of what one has"),
        pytest.param({"HTTP_RANGE": "bytes=0-1"}, "206 Partial Content", id="a range"),
    ],
)  # fmt: skip
def test_conditions_are_judged_for_each_request(asked: dict[str, str], line: str) -> None:
    answer = ready(a_page()).conditional({"REQUEST_METHOD": "GET", **asked})
    assert answer is not None
    assert answer[0] == line


def test_an_unmodified_since_matters_where_there_is_a_date() -> None:
    assert not seen_by_a_hit(
        "HTTP_IF_UNMODIFIED_SINCE", [], routes={"/page": Policy(revalidate=60)}
    )


def test_a_stored_error_is_no_304() -> None:
    made = ready(a_page(status="404 Not Found"))
    answer = made.conditional({"REQUEST_METHOD": "GET", "HTTP_IF_NONE_MATCH": '"tag"'})
    assert answer is not None
    assert answer[0] == "404 Not Found"


def test_a_page_is_invalidated_by_its_names_its_key_and_its_base() -> None:
    page = Page(an_entry(tags=("a",)), 0, "base")
    assert {"all", "path:/page", "url:/page?", "below:/", "tag:a", "key:key", "base:base"} == set(
        page.names
    )
