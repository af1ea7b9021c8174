"""`isgware.core.cache_key.Request`: its keys, which tell apart all it holds, and its names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isgware.core.cache_key import Request, decoded
from tests.core.making import examples, native, requests

PLAIN = Request("http", "example.com", "", "/page")


# The key.


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(PLAIN, scheme="https"), id="scheme"),
        pytest.param(replace(PLAIN, host="example.com:80"), id="port"),
        pytest.param(replace(PLAIN, host="Example.com"), id="case of the host"),
        pytest.param(replace(PLAIN, host="example.com."), id="trailing dot"),
        pytest.param(replace(PLAIN, script_name="/page", path=""), id="mount point"),
        pytest.param(replace(PLAIN, path="/page/"), id="trailing slash"),
        pytest.param(replace(PLAIN, path="/Page"), id="case of the path"),
        pytest.param(replace(PLAIN, path="/page?", query=""), id="question mark in the path"),
        pytest.param(replace(PLAIN, query="a=1"), id="query"),
        pytest.param(replace(PLAIN, headers=(("accept", ""),)), id="empty header"),
        pytest.param(replace(PLAIN, cookies=(("accept", ""),)), id="empty cookie"),
    ],
)
def test_key_differs_by(other: Request) -> None:
    assert other.key() != PLAIN.key()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(
            replace(PLAIN, headers=(("a", "b"),)),
            replace(PLAIN, cookies=(("a", "b"),)),
            id="header or cookie",
        ),
        pytest.param(
            replace(PLAIN, headers=(("a", "b"), ("c", "d"))),
            replace(PLAIN, headers=(("a", "b"),), cookies=(("c", "d"),)),
            id="where cookies begin",
        ),
        pytest.param(
            replace(PLAIN, query="a", headers=(("b", "c"),)),
            replace(PLAIN, query="ab", headers=(("", "c"),)),
            id="where the query ends",
        ),
        pytest.param(
            replace(PLAIN, script_name="/a", path="/b"),
            replace(PLAIN, script_name="", path="/a/b"),
            id="where the script name ends",
        ),
        pytest.param(replace(PLAIN, path="/é"), replace(PLAIN, path="/Ã©"), id="encodings"),
    ],
)
def test_key_is_not_fooled_by_delimiters(one: Request, other: Request) -> None:
    assert one.key() != other.key()


@examples
@given(one=requests, other=requests, builds=st.tuples(native, native))
def test_key_is_injective(one: Request, other: Request, builds: tuple[str, str]) -> None:
    same = (one, builds[0]) == (other, builds[1])
    assert (one.key(builds[0]) == other.key(builds[1])) == same


@examples
@given(request=requests, moved=st.data())
def test_key_is_injective_over_the_same_characters(request: Request, moved: st.DataObject) -> None:
    """Two requests that share all their characters but not where one field ends."""
    text = request.script_name + request.path + request.query
    cuts = sorted(moved.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    other = replace(
        request, script_name=text[: cuts[0]], path=text[cuts[0] : cuts[1]], query=text[cuts[1] :]
    )
    assert (request.key() == other.key()) == (request == other)


@pytest.mark.parametrize(
    ("name", "ignores"),
    [
        pytest.param("base_key", ("query", "headers", "cookies"), id="base key: the URL, no query"),
        pytest.param("page_key", ("headers", "cookies"), id="page key: the URL with its query"),
    ],
)
@pytest.mark.parametrize("field", ["scheme", "host", "script_name", "path", "query", "headers"])
def test_other_keys_cover(name: str, ignores: tuple[str, ...], field: str) -> None:
    value: Any = (("x", "y"),) if field == "headers" else "other"
    changed = replace(PLAIN, **{field: value})
    assert (getattr(changed, name)() == getattr(PLAIN, name)()) == (field in ignores)


@examples
@given(request=requests)
def test_a_response_to_a_visitors_own_request_has_a_key_of_its_own(request: Request) -> None:
    assert replace(request, cookies=()).own_key() != replace(request, cookies=()).key()
    assert replace(request, headers=(), cookies=()).own_key() != request.page_key()


def test_three_kinds_of_key_never_meet() -> None:
    assert len({PLAIN.key(), PLAIN.base_key(), PLAIN.page_key()}) == 3


@pytest.mark.parametrize("name", ["key", "base_key", "page_key"])
def test_builds_have_keys_of_their_own(name: str) -> None:
    assert getattr(PLAIN, name)("1") != getattr(PLAIN, name)("2")


# Names for people.


def test_url_quotes_the_path_and_leaves_the_query() -> None:
    request = Request("https", "example.com:8443", "/app", "/caf\xc3\xa9 1", "q=a%20b")
    assert request.url == "https://example.com:8443/app/caf%C3%A9%201?q=a%20b"


def test_full_path_is_decoded_text() -> None:
    assert Request("http", "h", "/app", "/caf\xc3\xa9").full_path == "/app/café"


def test_decoding_a_path_that_is_not_utf8_does_not_raise() -> None:
    assert decoded("/\xff") == "/\ufffd"


def test_variant_names_keyed_headers_and_cookies() -> None:
    request = replace(PLAIN, headers=(("accept-language", "fr"),), cookies=(("currency", "EUR"),))
    assert request.variant == "accept-language=fr; cookie:currency=EUR"


def test_plain_page_has_no_variant() -> None:
    assert PLAIN.variant == ""
