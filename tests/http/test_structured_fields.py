"""`isgware.http.structured_fields`: dictionaries as RFC 9651 has them, or nothing at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isgware.http.structured_fields import dictionary
from tests.core.making import examples


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", {}, id="empty"),
        pytest.param("max-age=60", {"max-age": 60}, id="integer"),
        pytest.param("a=-5, b=1.5", {"a": -5, "b": 1.5}, id="negative, decimal"),
        pytest.param("no-store", {"no-store": True}, id="no value: true"),
        pytest.param("a=?0, b=?1", {"a": False, "b": True}, id="booleans"),
        pytest.param(r'a="x\"y\\z"', {"a": 'x"y\\z'}, id="string"),
        pytest.param("a=tok/en:*", {"a": "tok/en:*"}, id="token"),
        pytest.param("a=:aGk=:", {"a": None}, id="bytes"),
        pytest.param("a=@1659578233", {"a": None}, id="date"),
        pytest.param('a=("x" y 1);p', {"a": ("x", "y", 1)}, id="inner list"),
        pytest.param("a=()", {"a": ()}, id="empty inner list"),
        pytest.param('a=1;p;q="x";r=?0, b;c=d', {"a": 1, "b": True}, id="parameters"),
        pytest.param("a=1 ,\tb", {"a": 1, "b": True}, id="white space"),
        pytest.param("a=1, a=2", {"a": 2}, id="the last of two"),
        pytest.param("*a.b_c-1", {"*a.b_c-1": True}, id="characters of keys"),
        pytest.param("a=999999999999999", {"a": 999999999999999}, id="fifteen digits"),
        *(
            pytest.param(text, None, id=f"no dictionary: {text}")
            for text in (
                "Max-Age=1", "a=1,", ", a", "a,,b", "a=1 b", "a= 1", "a =1", "a=1;B", "a=", "=1",
                'a="x', r'a="\x"', "a='1'", "a=1.", "a=.5", "a=1.1234", "a=1000000000000000",
                "a=--1", "a=?2", "a=:*:", "a=(1", "a=(1,2)", 'a=("x"y)', "a=&", "&&&&&", "a=\u00e9",
                "a=60s", "a=1; B=2", "a=@1.5",
            )
        ),
    ],
)  # fmt: skip
def test_dictionary(text: str, expected: object) -> None:
    assert dictionary(text) == expected


@examples
@given(st.text('ab1 =,;"()?:.-\\@\t', max_size=30))
def test_never_raises(text: str) -> None:
    assert dictionary(text) is None or isinstance(dictionary(text), dict)
