"""`isgware.http.lifetime`: how long fresh, how old (RFC 9111, section 4.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import http_date

from isgware.http.cache_control import effective
from isgware.http.fields import Headers
from isgware.http.lifetime import (
    age_value,
    explicit_lifetime,
    heuristic_lifetime,
    initial_age,
    window,
)
from tests.core.making import NOW, examples

CC = "Cache-Control"


def at(seconds: float) -> str:
    return http_date(NOW + seconds)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param((), None, id="4.2.1 nothing said"),
        pytest.param(((CC, "public"),), None, id="public is no lifetime"),
        pytest.param(((CC, "max-age=60"),), 60, id="max-age"),
        pytest.param(((CC, "max-age=60, s-maxage=5"),), 5, id="4.2.1 s-maxage goes first"),
        pytest.param(((CC, "s-maxage=5"), (CC, "max-age=60")), 5, id="on two lines"),
        pytest.param(((CC, "max-age=60"), ("Expires", at(-9))), 60, id="5.3 max-age over Expires"),
        pytest.param(((CC, "max-age=0"), ("Expires", at(99))), 0, id="5.3 even when it is 0"),
        pytest.param((("Expires", at(99)), ("Date", at(0))), 99, id="Expires minus Date"),
        pytest.param((("Expires", at(99)), ("Date", at(-1))), 100, id="the origin's clock counts"),
        pytest.param((("Expires", at(99)),), 99, id="without Date, from when it came"),
        pytest.param((("Expires", at(0)), ("Date", at(0))), 0, id="expires at once"),
        pytest.param((("Expires", at(-5)), ("Date", at(0))), 0, id="in the past"),
        pytest.param((("Expires", "0"),), 0, id="5.3 an invalid one is in the past"),
        pytest.param((("Expires", "-1"),), 0, id="5.3 likewise"),
        pytest.param((("Expires", "Thu, 18 Aug 2050 02:01:18 UTC"),), 0, id="5.3 wrong zone"),
        pytest.param((("Expires", at(9)), ("Expires", at(99))), 0, id="4.2.1 two that differ"),
        pytest.param((("Expires", at(9)), ("Expires", at(9))), 9, id="4.2.1 two that agree"),
        pytest.param(((CC, "max-age=60, max-age=1"),), 60, id="4.2.1 the first of two"),
        pytest.param(((CC, "max-age=1"), (CC, "max-age=60")), 1, id="4.2.1 the first line"),
        pytest.param(((CC, 'max-age="60"'),), 60, id="5.2 quoted"),
        pytest.param(((CC, "MAX-AGE=60"),), 60, id="5.2 any case"),
        pytest.param(((CC, "max-age=0060"),), 60, id="1.2.2 leading zeros"),
        pytest.param(((CC, "max-age=99999999999"),), 2**31, id="1.2.2 overflow is 2^31"),
        pytest.param(((CC, "max-age=-1"),), 0, id="4.2.1 negative is stale"),
        pytest.param(((CC, "max-age=60.5"),), 0, id="4.2.1 a fraction is stale"),
        pytest.param(((CC, "max-age='60'"),), 0, id="4.2.1 wrong quotes"),
        pytest.param(((CC, "max-age=60a"),), 0, id="4.2.1 trailing letter"),
        pytest.param(((CC, "max-age"),), 0, id="4.2.1 without argument"),
        pytest.param(((CC, 'ext="max-age=60", max-age=1'),), 1, id="5.2 within quotes"),
        pytest.param(((CC, "s-maxage=x, max-age=60"),), 0, id="a malformed s-maxage decides"),
        pytest.param(((CC, "max-age=1"), ("CDN-Cache-Control", "max-age=60")), 60, id="9213 2.2"),
        pytest.param(
            (("CDN-Cache-Control", "must-revalidate"), ("Expires", at(99))), None,
            id="9213 2.2 Expires is left out",
        ),
        pytest.param(
            (("CDN-Cache-Control", "max-age=60;"), (CC, "max-age=1")), 1, id="9213 2.1 malformed"
        ),
        pytest.param(
            (("CDN-Cache-Control", 'max-age="60"'), (CC, "max-age=1")), 0,
            id="9213 2.1 wrong type",
        ),
        pytest.param(
            (("CDN-Cache-Control", "max-age=60"), ("ISG-Cache-Control", "max-age=7")), 7,
            id="9213 2.2 ours goes first",
        ),
    ],
)  # fmt: skip
def test_explicit_lifetime(headers: Headers, seconds: float | None) -> None:
    assert explicit_lifetime(headers, *effective(headers), NOW) == seconds


@pytest.mark.parametrize(
    ("code", "headers", "share", "seconds"),
    [
        pytest.param(200, (("Last-Modified", at(-1000)),), 0.1, 100, id="4.2.2 a tenth"),
        pytest.param(200, (("Last-Modified", at(-1000)),), 0.0, None, id="switched off"),
        pytest.param(200, (), 0.1, None, id="nothing to guess from"),
        pytest.param(200, (("Last-Modified", "soon"),), 0.1, None, id="no date"),
        pytest.param(200, (("Last-Modified", at(50)),), 0.1, 0, id="in the future"),
        pytest.param(200, (("Last-Modified", at(-1e8)),), 0.1, 86_400, id="a day at most"),
        pytest.param(
            200, (("Last-Modified", at(-2000)), ("Date", at(-1000))), 0.1, 100, id="from its Date"
        ),
        pytest.param(404, (("Last-Modified", at(-1000)),), 0.1, 100, id="9110 15.1 404"),
        pytest.param(403, (("Last-Modified", at(-1000)),), 0.1, None, id="9110 15.1 not 403"),
        pytest.param(
            599, (("Last-Modified", at(-1000)), (CC, "public")), 0.1, 100, id="5.2.2.9 public"
        ),
    ],
)
def test_heuristic_lifetime(
    code: int, headers: Headers, share: float, seconds: float | None
) -> None:
    said, _ = effective(headers)
    assert heuristic_lifetime(headers, code, said, share, NOW) == seconds


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        pytest.param([], 0, id="absent"),
        pytest.param(["30"], 30, id="seconds"),
        pytest.param(["7200, 0"], 7200, id="5.1 the first member"),
        pytest.param(["0,7200"], 0, id="5.1 the first member is 0"),
        pytest.param(["7200", "0"], 7200, id="5.1 the first line"),
        pytest.param(["0", "7200"], 0, id="5.1 the first line is 0"),
        pytest.param([" ,, 7200", "0"], 7200, id="9110 5.6.1.2 empty members"),
        pytest.param(["", "7200"], 7200, id="9110 5.6.1.2 an empty line"),
        pytest.param(["2147483649"], 2**31, id="1.2.2 huge"),
        pytest.param(["9" * 40], 2**31, id="1.2.2 beyond huge"),
        *(
            pytest.param([text], 0, id=f"5.1 ignored: {text!r}")
            for text in ("abc", "-7200", "7200.0", "", "7200;a=b", "+5", "5s", '"5"', "\u0665")
        ),
    ],
)
def test_age_value(lines: list[str], seconds: float) -> None:
    assert age_value(lines) == seconds


@pytest.mark.parametrize(
    ("headers", "requested", "seconds"),
    [
        pytest.param((), 0, 0, id="made now"),
        pytest.param((("Date", at(0)),), 0, 0, id="its Date is now"),
        pytest.param((("Date", at(-10)),), 0, 10, id="apparent age"),
        pytest.param((("Date", at(10)),), 0, 0, id="a clock that is fast"),
        pytest.param((("Date", "never"),), 0, 0, id="no date"),
        pytest.param((("Age", "30"),), 0, 30, id="age of an upstream cache"),
        pytest.param((("Age", "30"), ("Date", at(-10))), 0, 30, id="the greater of the two"),
        pytest.param((("Age", "5"), ("Date", at(-10))), 0, 10, id="the greater of the two, again"),
        pytest.param((("Age", "30"),), -4, 34, id="the app took its time"),
        pytest.param((), -4, 4, id="counts from the request"),
        pytest.param((), 4, 0, id="a clock that was set back"),
    ],
)
def test_initial_age(headers: Headers, requested: float, seconds: float) -> None:
    assert initial_age(headers, NOW + requested, NOW) == seconds


def test_fractions_of_a_second_are_no_age() -> None:
    assert initial_age((("Date", at(0)),), NOW + 0.9, NOW + 0.9) == 0


def test_windows() -> None:
    said, _ = effective([(CC, "stale-while-revalidate=30, stale-if-error=x")])
    assert window(said, "stale-while-revalidate") == 30  # RFC 5861, section 3
    assert window(said, "stale-if-error") == 0
    assert window({}, "stale-if-error") == 0


@examples
@given(
    st.lists(
        st.tuples(
            st.sampled_from([CC, "Expires", "Date", "Age", "Last-Modified", "CDN-Cache-Control"]),
            st.one_of(st.text(max_size=20), st.sampled_from([at(-5), at(5), "max-age=5", "7"])),
        ),
        max_size=5,
    )
)
def test_no_field_makes_it_raise_or_gives_a_negative_number(headers: list[tuple[str, str]]) -> None:
    said = tuple(headers)
    lifetime = explicit_lifetime(said, *effective(said), NOW)
    assert lifetime is None or lifetime >= 0
    assert initial_age(said, NOW, NOW) >= 0
