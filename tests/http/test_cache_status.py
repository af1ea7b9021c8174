"""`isgware.http.cache_status`: Cache-Status (RFC 9211)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isgware.http.cache_status import forwarded, hit
from tests.core.making import examples


@pytest.mark.parametrize(
    ("ttl", "expected"),
    [
        pytest.param(None, "isgware; hit", id="no lifetime"),
        pytest.param(41, "isgware; hit; ttl=41", id="whole"),
        pytest.param(40.2, "isgware; hit; ttl=41", id="adds up with a truncated Age"),
        pytest.param(0.001, "isgware; hit; ttl=1", id="fresh is never 0"),
        pytest.param(-0.001, "isgware; hit; ttl=-1", id="stale is never 0"),
        pytest.param(-3.5, "isgware; hit; ttl=-4", id="stale is negative (2.4)"),
    ],
)
def test_hit(ttl: float | None, expected: str) -> None:
    assert hit(ttl) == expected


@pytest.mark.parametrize(
    ("why", "given_parameters", "expected"),
    [
        pytest.param("bypass", {}, "isgware; fwd=bypass", id="reason alone (2.2)"),
        pytest.param("uri-miss", {"status": 200, "stored": True},
                     "isgware; fwd=uri-miss; fwd-status=200; stored", id="miss, stored (2.3, 2.5)"),
        pytest.param("miss", {"collapsed": True}, "isgware; fwd=miss; collapsed", id="2.6"),
        pytest.param("stale", {"ttl": -2, "detail": "stale-if-error"},
                     "isgware; fwd=stale; ttl=-2; detail=stale-if-error", id="token detail (2.8)"),
        pytest.param("bypass", {"detail": "two words"},
                     'isgware; fwd=bypass; detail="two words"', id="string detail (2.8)"),
        pytest.param("bypass", {"detail": "5xx"},
                     'isgware; fwd=bypass; detail="5xx"', id="a token begins with a letter"),
        pytest.param("bypass", {"detail": 'a"b\\c'},
                     'isgware; fwd=bypass; detail="a\\"b\\\\c"', id="escapes (8941 3.3.3)"),
    ],
)  # fmt: skip
def test_forwarded(why: str, given_parameters: dict[str, Any], expected: str) -> None:
    assert forwarded(why, **given_parameters) == expected


@pytest.mark.parametrize("detail", ["a\r\nSet-Cookie: b", "a\0b", "é", "a\tb"], ids=repr)
def test_a_detail_cannot_split_the_header(detail: str) -> None:
    value = forwarded("bypass", detail=detail)
    assert value.isascii()
    assert value.isprintable()


@examples
@given(detail=st.text(max_size=30))
def test_any_detail_makes_one_sound_parameter(detail: str) -> None:
    value = forwarded("bypass", detail=detail)
    assert value.isascii()
    assert value.isprintable() or not value
    assert value.startswith("isgware; fwd=bypass")
