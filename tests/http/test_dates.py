"""`isgware.http.dates`: what is an HTTP date, and what is not (RFC 9110, section 5.6.7)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import http_date as written

from isgware.http.dates import http_date
from tests.core.making import NOW, examples

AT = 784111777.0  # Sun, 06 Nov 1994 08:49:37 GMT


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("Sun, 06 Nov 1994 08:49:37 GMT", AT, id="IMF-fixdate"),
        pytest.param("Sunday, 06-Nov-94 08:49:37 GMT", AT, id="RFC 850"),
        pytest.param("Sun Nov  6 08:49:37 1994", AT, id="asctime"),
        pytest.param("SUN, 06 nov 1994 08:49:37 gmt", AT, id="any case (9111 4.2)"),
        pytest.param(" Sun, 06 Nov 1994 08:49:37 GMT ", AT, id="spaces around it"),
        pytest.param("Sat, 31 Dec 2016 23:59:60 GMT", 1483228799.0, id="leap second"),
        pytest.param("Thursday, 18-Aug-50 02:01:18 GMT", 2544400878.0, id="two digits: ahead"),
        pytest.param("Sun, 21 Nov 2286 04:46:39 GMT", 10000039599.0, id="far ahead"),
        pytest.param("", None, id="empty"),
        pytest.param("0", None, id="number"),
        pytest.param("-1", None, id="negative number"),
        pytest.param("Thu, 18 Aug 2050 02:01:18 UTC", None, id="another zone"),
        pytest.param("Thu, 18 Aug 2050 02:01:18 +0000", None, id="offset"),
        pytest.param("Thu, 18 Aug 50 02:01:18 GMT", None, id="two-digit year"),
        pytest.param("Thu 18 Aug 2050 02:01:18 GMT", None, id="no comma"),
        pytest.param("Thu, 18  Aug  2050 02:01:18 GMT", None, id="two spaces"),
        pytest.param("Thu, 18-Aug-2050 02:01:18 GMT", None, id="dashes"),
        pytest.param("Thu, 18 Aug 2050 02.01.18 GMT", None, id="dots"),
        pytest.param("Thu, 18 Aug 2050 2:01:18 GMT", None, id="one-digit hour"),
        pytest.param("Thu, 31 Feb 2050 02:01:18 GMT", None, id="no such day"),
        pytest.param("Thu, 18 Aug 0000 02:01:18 GMT", None, id="no such year"),
        pytest.param("Thu, 18 Aug 2050 25:01:18 GMT", None, id="no such hour"),
        pytest.param("Thu, \u0661\u0668 Aug 2050 02:01:18 GMT", None, id="other digits"),
    ],
)
def test_dates(text: str, seconds: float | None) -> None:
    assert http_date(text, NOW) == seconds


def test_a_two_digit_year_is_at_most_fifty_years_ahead() -> None:
    in_2023 = http_date("Monday, 01-Jan-73 00:00:00 GMT", NOW)
    assert in_2023 == datetime(2073, 1, 1, tzinfo=UTC).timestamp()
    assert http_date("Monday, 01-Jan-74 00:00:00 GMT", NOW) == 126230400.0


@pytest.mark.parametrize("now", [1e300, -1e300, float("nan"), float("inf")])
def test_a_year_of_two_digits_is_of_no_century_for_a_clock_beyond_all_dates(now: float) -> None:
    assert http_date("Monday, 01-Jan-73 00:00:00 GMT", now) is None


@examples
@given(st.integers(0, 10_000_000_000))
def test_every_date_that_is_written_is_read(seconds: int) -> None:
    assert http_date(written(seconds), NOW) == float(seconds)


@examples
@given(st.text(max_size=40))
def test_never_raises(text: str) -> None:
    assert http_date(text, NOW) is None or text.strip()
