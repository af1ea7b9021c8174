"""`isgware.http.ranges`: parts of a page (RFC 9110, sections 14 and 13.1.5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isgware.http.ranges import MAX_RANGES, Unsatisfiable, covers, multipart, wanted
from tests.core.making import examples


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        pytest.param("bytes=0-4", ((0, 4),), id="14.1.2 first five"),
        pytest.param("bytes=3-3", ((3, 3),), id="one byte"),
        pytest.param("bytes=4-", ((4, 9),), id="14.1.2 from the fifth on"),
        pytest.param("bytes=-3", ((7, 9),), id="14.1.2 the last three"),
        pytest.param("bytes=-99", ((0, 9),), id="14.1.2 a suffix longer than the page"),
        pytest.param("bytes=5-99", ((5, 9),), id="14.1.2 beyond the end"),
        pytest.param("bytes=0-1,4-5", ((0, 1), (4, 5)), id="several"),
        pytest.param("bytes= 0-1 , 4-5 ,", ((0, 1), (4, 5)), id="spaces, empty elements"),
        pytest.param("bytes=4-5,0-1", ((4, 5), (0, 1)), id="14.2 in the order asked for"),
        pytest.param("bytes=0-1,99-", ((0, 1),), id="one of two is satisfiable"),
        pytest.param("BYTES=0-1", ((0, 1),), id="14.1 units in any case"),
        pytest.param("bytes=10-", Unsatisfiable(), id="14.4 past the end"),
        pytest.param("bytes=-0", Unsatisfiable(), id="14.1.2 the last none"),
        pytest.param("bytes=99-,100-", Unsatisfiable(), id="none of two"),
        *(
            pytest.param(field, None, id=f"14.2 ignored: {field}")
            for field in (
                "", "bytes", "bytes=", "bytes=,", "bytes=-", "bytes=a-b", "bytes=1", "bytes=5-2",
                "bytes=0-1,x", "lines=0-1", "bytes=+1-2", "bytes=0-0x1", "bytes=1-2-3",
                "bytes=0-9" + "9" * 30, "bytes=0-5,5-9", "bytes=0-,0-", "bytes=\u0661-",
            )
        ),
        pytest.param("bytes=0-3,3-5", None, id="14.2 ignored: one byte twice, of few"),
        pytest.param(
            "bytes=" + ",".join(f"{n}-{n}" for n in range(MAX_RANGES + 1)), None, id="too many"
        ),
    ],
)  # fmt: skip
def test_wanted(field: str, expected: object) -> None:
    assert wanted(field, 10) == expected


def test_no_range_of_an_empty_page() -> None:
    assert wanted("bytes=0-", 0) == Unsatisfiable()


@examples
@given(st.text("bytes=0123456789-, ", max_size=30), st.integers(0, 20))
def test_spans_lie_within_the_page_and_are_no_more_than_it(field: str, length: int) -> None:
    spans = wanted("bytes=" + field, length)
    if isinstance(spans, tuple):
        assert all(0 <= first <= last < length for first, last in spans)
        assert sum(last - first + 1 for first, last in spans) <= length


THEN, LATER = "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:38 GMT"
AT = 784111777.0


@pytest.mark.parametrize(
    ("if_range", "etag", "modified", "made", "expected"),
    [
        pytest.param('"a"', '"a"', "", AT, True, id="13.1.5 the same tag"),
        pytest.param('"b"', '"a"', "", AT, False, id="13.1.5 another tag"),
        pytest.param('W/"a"', 'W/"a"', "", AT, False, id="13.1.5 strong comparison"),
        pytest.param('W/"a"', '"a"', "", AT, False, id="13.1.5 weak against strong"),
        pytest.param(THEN, '"a"', THEN, AT + 60, True, id="13.1.5 the same date"),
        pytest.param(THEN, '"a"', THEN, AT + 0.5, False, id="8.8.2.2 too young to be strong"),
        pytest.param(LATER, '"a"', THEN, AT + 60, False, id="13.1.5 exactly the same"),
        pytest.param(THEN, '"a"', "", AT + 60, False, id="the page has no date"),
        pytest.param("soon", '"a"', "soon", AT + 60, False, id="no date"),
    ],
)
def test_covers(if_range: str, etag: str, modified: str, made: float, expected: bool) -> None:
    assert covers(if_range, etag, modified, AT, made) is expected


def test_several_parts() -> None:
    media_type, body = multipart(b"0123456789", ((0, 1), (8, 9)), "text/plain", "cut")
    assert media_type == "multipart/byteranges; boundary=cut"
    assert body == (
        b"\r\n--cut\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01"
        b"\r\n--cut\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/10\r\n\r\n89"
        b"\r\n--cut--\r\n"
    )
