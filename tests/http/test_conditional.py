"""`isgware.http.conditional`: validators, 304, and the choice among stored encodings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isgware.http.conditional import (
    NOT_MODIFIED_FIELDS,
    PREFERENCE,
    choose_encoding,
    etag_for,
    not_modified,
    precondition,
    strong_etag,
)
from tests.core.making import NOW, examples

ALL = ("br", "zstd", "gzip")
OLD, DATE, LATER = (
    "Sun, 06 Nov 1994 08:49:36 GMT",
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:38 GMT",
)


# ETags (RFC 9110, section 8.8.3).


def test_a_strong_tag_of_the_app_is_kept() -> None:
    assert strong_etag(b"body", '"abc"') == '"abc"'


@pytest.mark.parametrize("given_tag", ["", 'W/"abc"', "abc", '"abc', '"a"b"', '"a", "b"'])
def test_any_other_tag_gives_way_to_one_of_the_bytes(given_tag: str) -> None:
    made = strong_etag(b"body", given_tag)
    assert made == strong_etag(b"body", "") != given_tag


@examples
@given(one=st.binary(max_size=20), other=st.binary(max_size=20))
def test_a_made_tag_names_the_bytes(one: bytes, other: bytes) -> None:
    assert (strong_etag(one, "") == strong_etag(other, "")) == (one == other)


def test_each_encoding_has_a_strong_tag_of_its_own() -> None:
    tags = [etag_for('"abc"', encoding) for encoding in PREFERENCE]
    assert tags == ['"abc-br"', '"abc-zstd"', '"abc-gzip"', '"abc"']


# 304 (RFC 9110, section 13).


@pytest.mark.parametrize(
    ("if_none_match", "expected"),
    [
        pytest.param('"abc"', True, id="same"),
        pytest.param('W/"abc"', True, id="weak comparison (13.1.2)"),
        pytest.param('"x", W/"y" ,"abc"', True, id="list"),
        pytest.param("*", True, id="any"),
        pytest.param(" * ", True, id="any, padded"),
        pytest.param('"a,b", "abc"', True, id="comma in a tag"),
        pytest.param('"ab"', False, id="other"),
        pytest.param('"ABC"', False, id="case"),
        pytest.param('"abc-gzip"', False, id="another encoding"),
        pytest.param("abc", False, id="without quotes"),
        pytest.param("", False, id="empty"),
        pytest.param('"abc', False, id="broken"),
        pytest.param('w/"x"*', False, id="nonsense"),
    ],
)
def test_if_none_match(if_none_match: str, expected: bool) -> None:
    assert not_modified('"abc"', "", if_none_match, None) is expected


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        pytest.param(DATE, True, id="same second"),
        pytest.param(LATER, True, id="later"),
        pytest.param(OLD, False, id="earlier"),
        pytest.param("yesterday", False, id="not a date: ignored (13.1.3)"),
        pytest.param("Sun, 99999999999999999999 Nov 1994 08:49:37 GMT", False, id="no such day"),
        pytest.param("Sun, 06 Nov 1994 08:49:37 +99999999999999999999", False, id="no such zone"),
        pytest.param("Sun, 06 Nov 1994 08:49:38 UTC", False, id="a zone that is no HTTP date's"),
        pytest.param("Sun, 06 Nov 1994 08:49:38 +0000", False, id="an offset"),
        pytest.param("Sun, 06 Nov 1994 08:49", False, id="cut off"),
        pytest.param(f"{LATER}, {LATER}", False, id="two of them"),
        pytest.param(f"{LATER}; length=9", False, id="with a parameter"),
        pytest.param("", False, id="empty"),
        pytest.param("Sunday, 06-Nov-94 08:49:37 GMT", True, id="obsolete format (5.6.7)"),
        pytest.param(None, False, id="absent"),
    ],
)
def test_if_modified_since(since: str | None, expected: bool) -> None:
    assert not_modified('"abc"', DATE, None, since) is expected


def test_if_none_match_goes_before_if_modified_since() -> None:
    assert not_modified('"abc"', DATE, '"other"', LATER) is False


@pytest.mark.parametrize(
    ("since", "code"),
    [(LATER, 0), (DATE, 0), (OLD, 412), (OLD.replace("GMT", "UTC"), 0), ("x", 0), ("", 0)],
)
def test_if_unmodified_since(since: str, code: int) -> None:
    asks = {"HTTP_IF_UNMODIFIED_SINCE": since}
    assert precondition('"abc"', DATE, NOW, asks) == code


def test_a_page_without_last_modified_does_not_heed_dates() -> None:
    assert not_modified('"abc"', "", None, LATER) is False


@examples
@given(tag=st.text(max_size=20), since=st.text(max_size=40))
def test_no_validator_raises(tag: str, since: str) -> None:
    assert not_modified('"abc"', DATE, tag, since) in (True, False)
    assert not_modified('"abc"', DATE, None, since) in (True, False)


@pytest.mark.parametrize(
    "field", ["cache-control", "content-location", "etag", "expires", "vary"]
)  # fmt: skip
def test_a_304_carries_what_rfc_9110_asks_for(field: str) -> None:
    assert field in NOT_MODIFIED_FIELDS  # section 15.4.5; Date is the server's


@pytest.mark.parametrize("field", ["content-length", "content-encoding", "content-type"])
def test_a_304_describes_no_body(field: str) -> None:
    assert field not in NOT_MODIFIED_FIELDS


# Encodings (RFC 9110, section 12.5.3).


@pytest.mark.parametrize(
    ("accept", "stored", "expected"),
    [
        pytest.param(None, ALL, "identity", id="not said"),
        pytest.param("", ALL, "identity", id="empty: none wanted"),
        pytest.param("gzip", ALL, "gzip", id="one"),
        pytest.param("GZip", ALL, "gzip", id="any case"),
        pytest.param("x-gzip", ALL, "gzip", id="alias (8.4.1.3)"),
        pytest.param("gzip, deflate, br, zstd", ALL, "br", id="a browser's"),
        pytest.param("gzip, deflate, br, zstd", ("gzip",), "gzip", id="only what is stored"),
        pytest.param("br", ("gzip",), "identity", id="not stored"),
        pytest.param("gzip;q=1.0, br;q=0.5", ALL, "gzip", id="weights"),
        pytest.param("gzip; q=0.5 , br ; q=0.5", ALL, "br", id="equal weights: our preference"),
        pytest.param("br;q=0, gzip", ALL, "gzip", id="refused"),
        pytest.param("gzip;q=0", ALL, "identity", id="only refused"),
        pytest.param("*", ALL, "br", id="anything"),
        pytest.param("*;q=0", ALL, "identity", id="nothing: identity is sent all the same"),
        pytest.param("br;q=0, *", ALL, "zstd", id="anything but one"),
        pytest.param("identity;q=0, *;q=0", ALL, "identity", id="even identity refused"),
        pytest.param("identity", ALL, "identity", id="identity asked for"),
        pytest.param("identity;q=0.9, gzip;q=0.5", ALL, "identity", id="identity preferred"),
        pytest.param("identity;q=0.5, gzip;q=0.5", ALL, "gzip", id="identity as good as gzip"),
        pytest.param("identity;q=0, gzip;q=0.001", ALL, "gzip", id="least weight"),
        pytest.param("gzip;q=0.001", ALL, "gzip", id="unnamed identity is not preferred"),
        pytest.param("gzip;q=2", ALL, "identity", id="malformed weight refuses"),
        pytest.param("gzip;q=nan", ALL, "identity", id="no number refuses"),
        pytest.param("gzip;q=1.0001", ALL, "identity", id="too many digits refuse"),
        pytest.param("gzip;level=9;q=0.5, br;q=0.1", ALL, "gzip", id="other parameters"),
        pytest.param("br, br;q=0", ("br",), "br", id="first of two"),
        pytest.param("deflate, compress", ALL, "identity", id="none that we make"),
        pytest.param(",,gzip,,", ALL, "gzip", id="empty elements"),
    ],
)
def test_choose_encoding(accept: str | None, stored: tuple[str, ...], expected: str) -> None:
    assert choose_encoding(accept, stored) == expected


weights = st.sampled_from(["", ";q=0", ";q=1", ";q=0.5", ";q=0.001", ";q=x", "; q=0.9"])
wishes = st.dictionaries(st.sampled_from([*PREFERENCE, "*", "deflate"]), weights)


@examples
@given(wishes=wishes, stored=st.sets(st.sampled_from(ALL)))
def test_what_is_chosen_is_stored_and_not_refused(wishes: dict[str, str], stored: set[str]) -> None:
    chosen = choose_encoding(", ".join(map("".join, wishes.items())), stored)
    wish = wishes.get(chosen, wishes.get("*", ";q=0"))
    assert chosen == "identity" or (chosen in stored and wish not in (";q=0", ";q=x"))


@examples
@given(accept=st.text(max_size=60))
def test_no_accept_encoding_raises(accept: str) -> None:
    assert choose_encoding(accept, ALL) in PREFERENCE


@pytest.mark.parametrize("stored", [("gzip",), ("zstd", "gzip"), ALL])
def test_the_order_of_what_is_stored_does_not_matter(stored: tuple[str, ...]) -> None:
    accept = "gzip, br, zstd"
    assert choose_encoding(accept, stored) == choose_encoding(accept, reversed(stored))
