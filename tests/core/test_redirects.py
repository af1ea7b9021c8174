"""`isgware.core.redirects`: tracking parameters on the Location of stored redirects."""

from __future__ import annotations

import pytest

from isgware.core.cache_key import Request
from isgware.core.redirects import location_for, redirected
from tests.core.making import an_entry


def led(location: str, query: str, kept: str = "", status: str = "301 Moved") -> str | None:
    request = Request("http", "h", "", "/old", kept)
    headers = (("Content-Type", "text/html"), ("location", location))
    return location_for(an_entry(status=status, request=request, headers=headers), query)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        pytest.param("/new", "/new?utm_source=x", id="no query"),
        pytest.param("/new?page=2", "/new?page=2&utm_source=x", id="a query"),
        pytest.param("/new?", "/new?utm_source=x", id="an empty query"),
        pytest.param("/new?a&", "/new?a&utm_source=x", id="an open query"),
        pytest.param("/new#top", "/new?utm_source=x#top", id="a fragment"),
        pytest.param("/new?a=1#b?c#d", "/new?a=1&utm_source=x#b?c#d", id="both"),
        pytest.param("https://else.test/", "https://else.test/?utm_source=x", id="another host"),
        pytest.param("/new?utm_source=app", None, id="the app says it itself"),
        pytest.param("", None, id="nowhere"),
    ],
)
def test_what_was_left_out_is_put_back(location: str, expected: str | None) -> None:
    assert led(location, "page=2&utm_source=x", "page=2") == expected


def test_several_keep_their_order_and_spelling() -> None:
    query = "utm_source=a%20b&page=2&gclid=G+1&utm_source=c"
    assert led("/new", query, "page=2") == "/new?utm_source=a%20b&gclid=G+1&utm_source=c"


def test_other_parameters_are_not_put_back() -> None:
    assert led("/new", "session=1&utm_source=x") == "/new?utm_source=x"
    assert led("/new", "session=1") is None
    assert led("/new", "") is None


def test_what_is_in_the_key_the_app_has_seen() -> None:
    assert led("/new", "utm_source=x", "utm_source=x") is None


@pytest.mark.parametrize("status", ["200 OK", "300 Multiple Choices", "404 Not Found"])
def test_only_redirects_lead_anywhere(status: str) -> None:
    assert led("/new", "utm_source=x", status=status) is None


def test_what_no_query_may_hold_is_escaped() -> None:
    assert led("/new", 'utm_source=<a href="#">') == "/new?utm_source=%3Ca%20href=%22%23%22%3E"


def test_the_other_headers_stay() -> None:
    entry = an_entry(status="302 Found", headers=(("X", "y"), ("Location", "/new")))
    assert redirected([("X", "y"), ("Location", "/new"), ("Age", "1")], entry, "gclid=1") == [
        ("X", "y"), ("Location", "/new?gclid=1"), ("Age", "1"),
    ]  # fmt: skip
