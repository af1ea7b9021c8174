"""`isgware.core.downstream`: for how long nginx may keep an answer."""

from __future__ import annotations

import pytest

from isgware.core.downstream import accel_expires, lifetime_in_front
from isgware.http.fields import Headers


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param((("Cache-Control", "public, max-age=0, s-maxage=60"),), 60, id="s-maxage"),
        pytest.param((("cache-control", "max-age=30"),), 30, id="max-age"),
        pytest.param((("Cache-Control", "max-age=30"), ("Cache-Control", "s-maxage=5")), 5,
                     id="two lines"),
        pytest.param((("Cache-Control", "s-maxage=60, private"),), 0, id="private"),
        pytest.param((("Cache-Control", "no-cache, s-maxage=60"),), 0, id="no-cache"),
        pytest.param((("Cache-Control", "no-store"),), 0, id="no-store"),
        pytest.param((("Cache-Control", "s-maxage=soon"),), 0, id="malformed"),
        pytest.param((("Cache-Control", "s-maxage=0, max-age=60"),), 0, id="nothing"),
        pytest.param((("CDN-Cache-Control", "max-age=60"),), 0, id="nginx does not read it"),
        pytest.param((("Cache-Control", "s-maxage=9"), ("x-accel-expires", "0")), 0,
                     id="the app says it itself"),
        pytest.param((), 0, id="nothing said"),
    ],
)  # fmt: skip
def test_the_lifetime_that_nginx_takes_from_headers(headers: Headers, expected: int) -> None:
    assert lifetime_in_front(headers) == expected


def test_an_answer_is_kept_for_one_second_at_least() -> None:
    assert [accel_expires(left) for left in (-5, 0, 1, 7)] == [
        ("X-Accel-Expires", text) for text in ("1", "1", "1", "7")
    ]
