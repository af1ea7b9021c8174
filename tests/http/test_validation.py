"""`isgware.http.validation`: asking whether a response still holds (RFC 9111, 4.3 and 3.2)."""

from __future__ import annotations

import pytest

from isgware.http.fields import Headers
from isgware.http.validation import conditions, describes, is_about, updated


@pytest.mark.parametrize(
    ("etag", "modified", "expected"),
    [
        pytest.param('"a"', "", {"HTTP_IF_NONE_MATCH": '"a"'}, id="4.3.1 tag"),
        pytest.param('W/"a"', "", {"HTTP_IF_NONE_MATCH": 'W/"a"'}, id="4.3.1 weak tag"),
        pytest.param("", "then", {"HTTP_IF_MODIFIED_SINCE": "then"}, id="4.3.1 date"),
        pytest.param('"a"', "then", {"HTTP_IF_NONE_MATCH": '"a"', "HTTP_IF_MODIFIED_SINCE": "then"},
                     id="4.3.1 both"),
        pytest.param("", "", {}, id="nothing to ask by"),
    ],
)  # fmt: skip
def test_conditions(etag: str, modified: str, expected: dict[str, str]) -> None:
    assert conditions(etag, modified) == expected


@pytest.mark.parametrize(
    ("said", "known", "expected"),
    [
        pytest.param((), '"a"', True, id="4.3.4 says no tag"),
        pytest.param((("ETag", '"a"'),), '"a"', True, id="4.3.4 the same"),
        pytest.param((("etag", 'W/"a"'),), '"a"', True, id="4.3.4 the same, weakly"),
        pytest.param((("ETag", '"b"'),), '"a"', False, id="4.3.4 another"),
        pytest.param((("ETag", '"b"'),), "", True, id="was asked by date"),
    ],
)
def test_is_about(said: Headers, known: str, expected: bool) -> None:
    assert is_about(said, known) is expected


STORED = (("Content-Type", "a"), ("X-A", "1"), ("X-A", "2"), ("Cache-Control", "max-age=1"))


@pytest.mark.parametrize(
    ("fresh", "expected"),
    [
        pytest.param((), STORED, id="nothing new"),
        pytest.param((("x-a", "3"),), (STORED[0], STORED[3], ("x-a", "3")),
                     id="3.2 replaces every line of its name"),
        pytest.param((("X-B", "9"),), (*STORED, ("X-B", "9")), id="3.2 adds"),
        pytest.param((("Content-Type", "b"),), (*STORED[1:], ("Content-Type", "b")),
                     id="3.2 Content-Type, too"),
        *(
            pytest.param(((name, "9"),), STORED, id=f"3.2 leaves {name} alone")
            for name in (
                "Content-Length", "Content-Encoding", "Content-Range", "Content-MD5", "ETag",
                "Connection", "Transfer-Encoding", "Keep-Alive", "Age", "Set-Cookie", "X-ISG-Cache",
                "Proxy-Authentication-Info",
            )
        ),
        pytest.param((("Connection", "x-c, close"), ("X-C", "1")), STORED, id="3.1 nominated"),
    ],
)  # fmt: skip
def test_updated(fresh: Headers, expected: Headers) -> None:
    assert updated(STORED, fresh) == expected


def test_what_is_confirmed_is_as_of_now() -> None:
    assert updated((("Date", "then"),), ()) == ()
    assert updated((("Date", "then"),), (("Date", "now"),)) == (("Date", "now"),)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        pytest.param((), True, id="says nothing"),
        pytest.param((("ETag", '"a"'), ("Last-Modified", "then"), ("Content-Length", "5")), True,
                     id="4.3.5 agrees in all"),
        pytest.param((("ETag", '"b"'),), False, id="4.3.5 another tag"),
        pytest.param((("Last-Modified", "later"),), False, id="4.3.5 another date"),
        pytest.param((("content-length", "6"),), False, id="4.3.5 another length"),
    ],
)  # fmt: skip
def test_describes(head: Headers, expected: bool) -> None:
    assert describes(head, '"a"', "then", 5) is expected
