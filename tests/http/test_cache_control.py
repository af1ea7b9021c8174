"""`isgware.http.cache_control`: Cache-Control and its targeted forms, syntax only."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isgware.http.cache_control import delta_seconds, effective, parse, shared_lifetime
from tests.core.making import examples

REFUSALS = {"no-store", "private"}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([], {}, id="no field"),
        pytest.param([""], {}, id="empty field"),
        pytest.param([",, ,"], {}, id="empty elements (RFC 9110 5.6.1)"),
        pytest.param(["public"], {"public": None}, id="without argument"),
        pytest.param(["max-age=60"], {"max-age": "60"}, id="token argument"),
        pytest.param(['max-age="60"'], {"max-age": "60"}, id="quoted argument (5.2)"),
        pytest.param(["PRIVATE, Max-Age=1"], {"private": None, "max-age": "1"}, id="case (5.2)"),
        pytest.param([" public ,\tno-store "], {"public": None, "no-store": None}, id="spaces"),
        pytest.param(["a", "b=1"], {"a": None, "b": "1"}, id="several fields are one list"),
        pytest.param(["max-age=1, max-age=2"], {"max-age": "1"}, id="first of two (4.2.1)"),
        pytest.param(["max-age=1", "max-age=2"], {"max-age": "1"}, id="first of two fields"),
        pytest.param(['private="set-cookie, x", a'], {"private": "set-cookie, x", "a": None},
                     id="comma in a quoted string"),
        pytest.param(['private="a"', 'private="B, a"'], {"private": "a, b"},
                     id="all fields of two (5.2.2.7)"),
        pytest.param(['private="a", private'], {"private": None}, id="the whole response, too"),
        pytest.param(['no-cache, no-cache="a"'], {"no-cache": None}, id="and the other way round"),
        pytest.param(['no-cache="", no-cache="a"'], {"no-cache": None}, id="naming nothing, too"),
        pytest.param(['x="no-store"'], {"x": "no-store"}, id="a quoted word is no directive"),
        pytest.param([r'x="a\"b\\c"'], {"x": r'a"b\c'}, id="quoted pairs (RFC 9110 5.6.4)"),
        pytest.param(["no-store="], {"no-store": ""}, id="empty argument"),
        pytest.param(["ext=a-b/c"], {"ext": "a-b/c"}, id="lenient argument"),
    ],
)  # fmt: skip
def test_parse(lines: list[str], expected: dict[str, str | None]) -> None:
    assert parse(lines) == expected


@pytest.mark.parametrize(
    "field",
    [
        pytest.param("@@@, private", id="before it"),
        pytest.param("private, @@@", id="after it"),
        pytest.param("private; max-age=60", id="semicolon after it"),
        pytest.param("max-age=60; private", id="semicolon before it"),
        pytest.param("private max-age=60", id="space after it"),
        pytest.param("max-age=60 private", id="space before it"),
        pytest.param('x="unterminated, private', id="quote that never ends"),
        pytest.param('max-age="6"0, private', id="junk after a quoted string"),
        pytest.param("max-age=60,, ,private", id="empty elements"),
        pytest.param("=, private", id="no name"),
    ],
)
def test_a_typing_error_hides_no_refusal(field: str) -> None:
    assert "private" in parse([field])


@pytest.mark.parametrize("refusal", sorted(REFUSALS))
@examples
@given(before=st.text('ab=;,\\ \t"', max_size=8).filter(lambda text: '"' not in text))
def test_whatever_comes_before_it_a_refusal_counts(refusal: str, before: str) -> None:
    assert refusal in parse([f"{before},{refusal}"])


@examples
@given(lines=st.lists(st.text(), max_size=3))
def test_parse_never_raises(lines: list[str]) -> None:
    found = parse(lines)
    assert all(name == name.lower() and name for name in found)


@examples
@given(line=st.text('abno-store="\\,; \t', max_size=40))
def test_parse_never_raises_on_what_looks_like_directives(line: str) -> None:
    assert isinstance(parse([line]), dict)


@pytest.mark.parametrize(
    "unit", ["a=", " ", '"', "\\", ",", "a= ", '="', "\\\"", "a ", ";", '","', '"\\'], ids=repr
)  # fmt: skip
@pytest.mark.parametrize("end", ["", '"', "\\", "@"], ids=repr)
def test_time_to_parse_grows_gently(unit: str, end: str) -> None:
    """8 kB is as long as servers let a field be."""
    began = time.process_time()
    parse(["a=" + unit * (8_000 // len(unit)) + end])
    assert time.process_time() - began < 5.0


# Targeted fields (RFC 9213).

COMMON = ("Cache-Control", "s-maxage=1")
CDN = ("CDN-Cache-Control", "max-age=2")
OWN = ("ISG-Cache-Control", "max-age=3")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param([], ({}, False), id="none"),
        pytest.param([COMMON], ({"s-maxage": "1"}, False), id="Cache-Control"),
        pytest.param([COMMON, CDN], ({"max-age": "2"}, True), id="targeted replaces it (2.2)"),
        pytest.param([COMMON, CDN, OWN], ({"max-age": "3"}, True), id="most specific first (2.2)"),
        pytest.param([COMMON, ("CDN-Cache-Control", "")], ({"s-maxage": "1"}, False),
                     id="an empty targeted field is not there (2.2)"),
        pytest.param([("cache-CONTROL", "a"), ("Cache-Control", "b")],
                     ({"a": None, "b": None}, False), id="names in any case, lines joined"),
        pytest.param([("Surrogate-Control", "max-age=9"), COMMON], ({"s-maxage": "1"}, False),
                     id="others' fields are not ours"),
    ],
)  # fmt: skip
def test_effective(headers: list[tuple[str, str]], expected: object) -> None:
    assert effective(headers) == expected


# Numbers.


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0), ("60", 60.0), ("0000000000060", 60.0), ("2147483648", 2.0**31),
        ("9" * 30, 2.0**31), (None, None), ("", None), ("-1", None), ("+1", None), ("1.5", None),
        ("1e3", None), (" 60", None), ("\uff16\uff10", None), ("\u00b2", None), ("0x10", None),
    ],
)  # fmt: skip
def test_delta_seconds(text: str | None, seconds: float | None) -> None:
    assert delta_seconds(text) == seconds


@examples
@given(text=st.one_of(st.none(), st.text(max_size=30)))
def test_delta_seconds_is_a_bounded_number_or_nothing(text: str | None) -> None:
    seconds = delta_seconds(text)
    assert seconds is None or 0 <= seconds <= 2**31


@examples
@given(number=st.integers(0, 10**40), zeros=st.integers(0, 20))
def test_delta_seconds_reads_any_whole_number(number: int, zeros: int) -> None:
    assert delta_seconds("0" * zeros + str(number)) == float(min(number, 2**31))


@pytest.mark.parametrize(
    ("directives", "targeted", "seconds"),
    [
        pytest.param({}, False, None, id="not said"),
        pytest.param({"max-age": "60"}, False, None, id="max-age addresses browsers too"),
        pytest.param({"max-age": "1", "s-maxage": "2"}, False, 2.0, id="s-maxage"),
        pytest.param({"max-age": "60"}, True, 60.0, id="max-age in a targeted field"),
        pytest.param({"max-age": "1", "s-maxage": "2"}, True, 2.0, id="both in a targeted field"),
        pytest.param({"s-maxage": "0"}, False, 0.0, id="zero"),
        pytest.param({"s-maxage": "soon"}, False, 0.0, id="malformed is stale (9111 4.2.1)"),
        pytest.param({"s-maxage": None}, False, 0.0, id="without argument"),
    ],
)
def test_shared_lifetime(
    directives: dict[str, str | None], targeted: bool, seconds: float | None
) -> None:
    assert shared_lifetime(directives, targeted) == seconds
