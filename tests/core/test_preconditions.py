"""Conditions and ranges of a request, applied to the answer of a stored page (RFC 9110, 13, 14)."""

from __future__ import annotations

from typing import Any

import pytest

from isgware.core.preconditions import Answer, fitted
from isgware.core.stored_page import Entry
from isgware.storage.process_cache import Page
from tests.core.making import NOW, an_entry

MODIFIED, EARLIER = "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:36 GMT"
ENCODED = {"encodings": {"gzip": b"zipped", "br": b"brotli"}}
DATED: dict[str, Any] = {
    "headers": (("Content-Type", "text/html"), ("Last-Modified", MODIFIED)),
    "last_modified": MODIFIED,
    **ENCODED,
}
NEVER = "Mon, 01 Jan 2001 00:00:00 GMT"


def answered(
    environ: dict[str, str], method: str = "GET", accept: str | None = None, **given: Any
) -> Answer:
    entry: Entry = an_entry(**given)
    whole = Page(entry, 0, "base").answer(accept, NOW + 5, "HIT", "isgware; hit")
    return fitted(whole, entry, {"REQUEST_METHOD": method, **environ})


def test_without_any_of_them_the_answer_is_as_it_is() -> None:
    entry = an_entry()
    whole = Page(entry, 0, "base").answer(None, NOW, "HIT", "isgware; hit")
    assert fitted(whole, entry, {"REQUEST_METHOD": "GET"}) is whole
    head = fitted(whole, entry, {"REQUEST_METHOD": "HEAD"})
    assert head == (whole[0], whole[1], ())  # 9.3.2


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("accept", "environ", "status"),
    [
        # If-None-Match (13.1.2)
        pytest.param(None, {"HTTP_IF_NONE_MATCH": '"tag"'}, 304, id="13.1.2 same"),
        pytest.param(None, {"HTTP_IF_NONE_MATCH": 'W/"tag"'}, 304, id="13.1.2 weak comparison"),
        pytest.param(None, {"HTTP_IF_NONE_MATCH": '"a", "tag" ,"b"'}, 304, id="13.1.2 list"),
        pytest.param(None, {"HTTP_IF_NONE_MATCH": "*"}, 304, id="13.1.2 any"),
        pytest.param("gzip", {"HTTP_IF_NONE_MATCH": '"tag-gzip"'}, 304, id="8.8.3.3 encoding"),
        pytest.param("gzip", {"HTTP_IF_NONE_MATCH": '"tag"'}, 200, id="8.8.3.3 another encoding"),
        pytest.param(None, {"HTTP_IF_NONE_MATCH": '"old"'}, 200, id="13.1.2 another page"),
        pytest.param(None, {}, 200, id="not conditional"),
        # If-Modified-Since (13.1.3)
        pytest.param(None, {"HTTP_IF_MODIFIED_SINCE": MODIFIED}, 304, id="13.1.3 same date"),
        pytest.param(None, {"HTTP_IF_MODIFIED_SINCE": NEVER}, 304, id="13.1.3 later date"),
        pytest.param(None, {"HTTP_IF_MODIFIED_SINCE": EARLIER}, 200, id="13.1.3 earlier date"),
        pytest.param(None, {"HTTP_IF_MODIFIED_SINCE": "soon"}, 200, id="13.1.3 no date"),
        pytest.param(None, {"HTTP_IF_NONE_MATCH": '"old"', "HTTP_IF_MODIFIED_SINCE": MODIFIED}, 200,
                     id="13.1.3 ignored beside If-None-Match"),
        # If-Match (13.1.1)
        pytest.param(None, {"HTTP_IF_MATCH": '"tag"'}, 200, id="13.1.1 same"),
        pytest.param(None, {"HTTP_IF_MATCH": "*"}, 200, id="13.1.1 any"),
        pytest.param(None, {"HTTP_IF_MATCH": '"a", "tag"'}, 200, id="13.1.1 list"),
        pytest.param(None, {"HTTP_IF_MATCH": 'W/"tag"'}, 412, id="13.1.1 strong comparison"),
        pytest.param(None, {"HTTP_IF_MATCH": '"old"'}, 412, id="13.1.1 another page"),
        pytest.param(None, {"HTTP_IF_MATCH": '"old"', "HTTP_IF_NONE_MATCH": '"tag"'}, 412,
                     id="13.2.2 If-Match goes first"),
        pytest.param(None, {"HTTP_IF_MATCH": '"tag"', "HTTP_IF_NONE_MATCH": '"tag"'}, 304,
                     id="13.2.2 and then If-None-Match"),
        # If-Unmodified-Since (13.1.4)
        pytest.param(None, {"HTTP_IF_UNMODIFIED_SINCE": MODIFIED}, 200, id="13.1.4 same date"),
        pytest.param(None, {"HTTP_IF_UNMODIFIED_SINCE": EARLIER}, 412, id="13.1.4 earlier date"),
        pytest.param(None, {"HTTP_IF_UNMODIFIED_SINCE": "soon"}, 200, id="13.1.4 no date"),
        pytest.param(None, {"HTTP_IF_MATCH": '"tag"', "HTTP_IF_UNMODIFIED_SINCE": EARLIER}, 200,
                     id="13.1.4 ignored beside If-Match"),
    ],
)  # fmt: skip
def test_conditions(accept: str | None, environ: dict[str, str], status: int, method: str) -> None:
    found, headers, body = answered(environ, method, accept, **DATED)
    assert int(found[:3]) == status
    assert bool(body) == (status == 200 and method == "GET")
    assert status != 412 or dict(headers)["Content-Length"] == "0"


@pytest.mark.parametrize(("since", "status"), [(-1, 200), (0, 304), (1, 304)])
def test_a_page_without_a_date_was_modified_when_it_was_made(since: int, status: int) -> None:
    from werkzeug.http import http_date

    found = answered({"HTTP_IF_MODIFIED_SINCE": http_date(NOW + since)})  # RFC 9111, 4.3.2
    assert int(found[0][:3]) == status


def test_a_304_says_what_a_200_would_have_said_but_of_the_body() -> None:
    stored = (
        ("Content-Type", "text/html"), ("Vary", "Cookie"), ("Cache-Control", "max-age=1"),
        ("Expires", "0"), ("Content-Location", "/x"), ("Date", "today"),
    )  # fmt: skip
    status, headers, body = answered(
        {"HTTP_IF_NONE_MATCH": "*"}, accept="gzip", headers=stored, **ENCODED
    )
    assert (status, body) == ("304 Not Modified", ())
    assert {name for name, _ in headers} == {
        "Vary", "Cache-Control", "Expires", "Content-Location", "ETag", "Age", "X-ISG-Cache",
        "Cache-Status", "Date", "X-Accel-Expires",
    }  # fmt: skip


@pytest.mark.parametrize("status", ["404 Not Found", "301 Moved Permanently", "203 X"])
@pytest.mark.parametrize(
    "environ", [{"HTTP_IF_NONE_MATCH": "*"}, {"HTTP_RANGE": "bytes=0-1"}], ids=["304", "206"]
)
def test_only_a_200_becomes_something_else(status: str, environ: dict[str, str]) -> None:
    assert answered(environ, status=status)[0] == status


# Ranges (14).


def test_a_part() -> None:
    status, headers, body = answered({"HTTP_RANGE": "bytes=1-2"}, **DATED)
    said = dict(headers)
    assert (status, body) == ("206 Partial Content", (b"ht",))
    assert (said["Content-Range"], said["Content-Length"]) == ("bytes 1-2/6", "2")
    assert said["ETag"] == '"tag"'  # 15.3.7: with all that a 200 would have said
    assert said["Content-Type"] == "text/html"
    assert said["Age"] == "5"


def test_a_part_is_one_of_the_encoding_that_is_sent() -> None:
    status, headers, body = answered({"HTTP_RANGE": "bytes=-3"}, accept="gzip", **DATED)
    assert (status, body, dict(headers)["ETag"]) == (
        "206 Partial Content", (b"ped",), '"tag-gzip"'
    )  # fmt: skip


def test_several_parts() -> None:
    status, headers, body = answered({"HTTP_RANGE": "bytes=0-0,-1"}, **DATED)
    said = dict(headers)
    kind, _, boundary = said["Content-Type"].partition("; boundary=")
    assert (status, kind) == ("206 Partial Content", "multipart/byteranges")
    assert "Content-Range" not in said  # 15.3.7.2
    assert said["Content-Length"] == str(len(body[0]))
    assert body[0].count(f"--{boundary}\r\n".encode()) == 2
    assert b"Content-Range: bytes 5-5/6\r\n\r\n>" in body[0]


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        pytest.param("bytes=0-1", ["bytes 0-1/4"], id="a part"),
        pytest.param("bytes=0-0,2-2", [], id="several"),
        pytest.param("bytes=9-", ["bytes */4"], id="none"),
    ],
)
def test_what_the_app_says_of_ranges_of_a_whole_page_is_not_said_of_parts(
    ranges: str, expected: list[str]
) -> None:
    headers = (("Content-Type", "text/html"), ("Content-Range", "bytes 0-3/4"))
    answer = answered({"HTTP_RANGE": ranges}, headers=headers, body=b"page")
    assert [value for name, value in answer[1] if name == "Content-Range"] == expected


def test_none_of_the_ranges_is_there() -> None:
    status, headers, body = answered({"HTTP_RANGE": "bytes=6-"}, **DATED)
    assert (status, body) == ("416 Range Not Satisfiable", ())
    assert dict(headers)["Content-Range"] == "bytes */6"  # 14.4


@pytest.mark.parametrize(
    ("method", "environ", "status"),
    [
        pytest.param("HEAD", {"HTTP_RANGE": "bytes=0-1"}, 200, id="14.2 GET alone"),
        pytest.param("GET", {"HTTP_RANGE": "bytes=0-1", "HTTP_IF_RANGE": '"tag"'}, 206,
                     id="13.1.5 of this page"),
        pytest.param("GET", {"HTTP_RANGE": "bytes=0-1", "HTTP_IF_RANGE": MODIFIED}, 206,
                     id="13.1.5 by date"),
        pytest.param("GET", {"HTTP_RANGE": "bytes=0-1", "HTTP_IF_RANGE": '"old"'}, 200,
                     id="13.1.5 of another page"),
        pytest.param("GET", {"HTTP_RANGE": "bytes=9-", "HTTP_IF_RANGE": '"old"'}, 200,
                     id="13.1.5 of another page, beyond the end"),
        pytest.param("GET", {"HTTP_IF_RANGE": '"tag"'}, 200, id="13.1.5 without Range"),
        pytest.param("GET", {"HTTP_RANGE": "bytes=0-1", "HTTP_IF_NONE_MATCH": '"tag"'}, 304,
                     id="13.2.2 If-None-Match goes before Range"),
        pytest.param("GET", {"HTTP_RANGE": "bytes=0-1", "HTTP_IF_MATCH": '"old"'}, 412,
                     id="13.2.2 If-Match, too"),
        pytest.param("GET", {"HTTP_RANGE": "bytes=5-2"}, 200, id="14.2 malformed"),
        pytest.param("GET", {"HTTP_RANGE": "bytes=0-,0-,0-"}, 200, id="14.2 more than the page"),
    ],
)  # fmt: skip
def test_ranges(method: str, environ: dict[str, str], status: int) -> None:
    assert int(answered(environ, method, **DATED)[0][:3]) == status
