"""`isgware.http.vary`: which stored response a request selects (RFC 9111, section 4.1)."""

from __future__ import annotations

import pytest

from isgware.http.vary import OVERRIDING, PERSONAL, normalised, selecting


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        pytest.param("foo", " 1, 2 ", "1,2", id="spaces"),
        pytest.param("foo", "1,,2", "1,2", id="empty elements"),
        pytest.param("foo", "A;b = 1", "A;b = 1", id="case counts"),
        pytest.param("foo", "a ; b", "a;b", id="parameters"),
        pytest.param("foo", '"a, b"', '"a, b"', id="a quoted string is left alone"),
        pytest.param("accept-language", "eN, De;Q=0.5", "en,de;q=0.5", id="languages in any case"),
        pytest.param("accept-language", "de, en", "de,en", id="the order of languages may count"),
        pytest.param("accept-encoding", "gzip, BR", "br,gzip", id="that of encodings never does"),
        pytest.param("accept", "text/html;level=A", "text/html;level=A", id="media types"),
    ],
)
def test_normalised(name: str, value: str, expected: str) -> None:
    assert normalised(name, value) == expected


@pytest.mark.parametrize(
    ("names", "fields", "expected"),
    [
        pytest.param((), {"foo": "1"}, (), id="nothing nominated"),
        pytest.param(("foo",), {"foo": "1", "bar": "2"}, (("foo", "1"),), id="one of two"),
        pytest.param(("b", "a"), {"a": "1", "b": "2"}, (("a", "1"), ("b", "2")), id="sorted"),
        pytest.param(("foo",), {}, (), id="absent"),
        pytest.param(("foo",), {"foo": ""}, (("foo", ""),), id="empty is not absent"),
        pytest.param(("foo",), {"foo": "x" * 5_000}, None, id="too long for a key"),
        pytest.param(("cookie",), {}, (), id="without cookies"),
    ],
)
def test_selecting(names: tuple[str, ...], fields: dict[str, str], expected: object) -> None:
    assert selecting(names, fields.get) == expected


@pytest.mark.parametrize("name", sorted(PERSONAL | OVERRIDING))
def test_what_is_personal_or_changes_the_method_is_never_part_of_a_key(name: str) -> None:
    assert selecting((name,), {name: "secret"}.get) is None
