"""`isgware.core.stored_page`: a page survives the codec whole, and nothing else comes out of it."""

from __future__ import annotations

import json
import math
import pickle
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isgware.core.depended import Depended
from isgware.core.stored_page import MAGIC, VERSION, Entry, decode, encode
from isgware.http.fields import sound_headers, sound_status
from tests.core.making import NOW, an_entry, examples, native, requests, tokens

seconds = st.floats(0, 1e12)
header_values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12)
entries = st.builds(
    Entry,
    key=native,
    request=requests,
    status=st.sampled_from(["200 OK", "404 Not Found", "301 Moved Permanently", "200"]),
    headers=st.lists(st.tuples(tokens, header_values), max_size=3).map(tuple),
    body=st.binary(max_size=40),
    rendered_at=seconds,
    revalidate=st.one_of(st.none(), seconds),
    expire=seconds,
    encodings=st.dictionaries(st.sampled_from(["br", "zstd", "gzip"]), st.binary(max_size=20)),
    etag=header_values,
    last_modified=header_values,
    tags=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    generation=st.integers(0, 2**63),
    nonce=native,
    order=st.integers(0, 2**63),
    depended=st.none()
    | st.builds(
        Depended,
        st.lists(st.binary(min_size=8, max_size=8), max_size=3).map(b"".join),
        st.binary(max_size=20),
        st.booleans(),
        st.integers(0, 2),
    ),
    fingerprint=native,
    build_id=native,
    route=native,
    render_seconds=seconds,
    vary_cookie=st.booleans(),
    anonymous=st.booleans(),
    error_quota=st.booleans(),
    tombstone=st.booleans(),
)


@examples
@given(entry=entries)
def test_an_entry_comes_back_as_it_was(entry: Entry) -> None:
    assert decode(encode(entry), entry.key) == entry


@examples
@given(entry=entries, other=native)
def test_an_entry_found_under_another_key_is_a_miss(entry: Entry, other: str) -> None:
    assert decode(encode(entry), other) == (entry if other == entry.key else None)


# Damage: whole or nothing (P3).


@examples
@given(entry=entries, data=st.data())
def test_a_truncated_entry_is_a_miss(entry: Entry, data: st.DataObject) -> None:
    whole = encode(entry)
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert decode(whole[:cut], entry.key) is None


@examples
@given(entry=entries, data=st.data())
def test_an_entry_with_a_flipped_bit_is_a_miss(entry: Entry, data: st.DataObject) -> None:
    whole = bytearray(encode(entry))
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    whole[bit // 8] ^= 1 << bit % 8
    assert decode(bytes(whole), entry.key) is None


@examples
@given(entry=entries, data=st.data(), junk=st.binary(min_size=1, max_size=8))
def test_an_overwritten_entry_is_a_miss(entry: Entry, data: st.DataObject, junk: bytes) -> None:
    whole = encode(entry)
    at = data.draw(st.integers(0, len(whole)))
    damaged = whole[:at] + junk + whole[at + len(junk) :]
    assert decode(damaged, entry.key) == (entry if damaged == whole else None)


@examples
@given(entry=entries, junk=st.binary(min_size=1, max_size=8))
def test_an_entry_with_something_behind_it_is_a_miss(entry: Entry, junk: bytes) -> None:
    assert decode(encode(entry) + junk, entry.key) is None


@pytest.mark.parametrize("body", [b"\n<html>", b" ", b"  <!doctype html>", b"{}", b"]"], ids=repr)
def test_no_byte_of_an_entry_can_be_changed_unnoticed(body: bytes) -> None:
    """Bodies that could pass for JSON, or for its white space, right behind the description."""
    whole = encode(an_entry(body=body))
    for at in range(len(whole)):
        for value in {0, 0xFF, (whole[at] + 1) % 256, (whole[at] - 1) % 256} - {whole[at]}:
            damaged = whole[:at] + bytes([value]) + whole[at + 1 :]
            assert decode(damaged, "key") is None, f"byte {at} of {len(whole)}"


@examples
@given(data=st.binary(max_size=60))
def test_foreign_bytes_are_a_miss(data: bytes) -> None:
    assert decode(data, "key") is None
    assert decode(MAGIC + bytes([VERSION]) + data, "key") is None


@pytest.mark.parametrize(
    "data",
    [None, "", 0, True, [], {}, memoryview(b""), object()],
    ids=lambda data: type(data).__name__,
)
def test_what_is_not_bytes_is_a_miss(data: Any) -> None:
    assert decode(data, "key") is None


def test_another_version_is_a_miss() -> None:
    whole = bytearray(encode(an_entry()))
    assert whole[len(MAGIC)] == VERSION
    whole[len(MAGIC)] += 1
    assert decode(bytes(whole), "key") is None


def test_a_pickle_is_a_miss() -> None:
    assert decode(pickle.dumps(an_entry()), "key") is None


# Hostile descriptions, with a checksum that is right.


def description(whole: bytes) -> tuple[dict[str, Any], int, int]:
    """What an encoded entry says of itself, and between which bytes it stands."""
    start = whole.index(b"{")
    end = start + struct.unpack(">I", whole[start - 4 : start])[0]
    return json.loads(whole[start:end]), start, end


def sealed(described: Any, bodies: bytes = b"") -> bytes:
    """The bytes of an entry with any description, and a checksum that is right."""
    text = described if isinstance(described, bytes) else json.dumps(described).encode()
    rest = struct.pack(">I", len(text)) + text + bodies
    return MAGIC + bytes([VERSION]) + struct.pack(">I", zlib.crc32(rest)) + rest


def forged(change: Callable[[Any], Any]) -> bytes:
    """The bytes of `an_entry` whose description ``change`` has been through."""
    whole = encode(an_entry())
    described, _, end = description(whole)
    return sealed(change(described), whole[end:])


def test_what_is_forged_without_a_change_is_the_entry() -> None:
    assert decode(forged(lambda described: described), "key") == an_entry()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("key", None), ("key", "other"), ("status", 200), ("status", "200 OK\r\nX: y"),
        ("status", "99"), ("status", "999 X"), ("status", "200 \u2192"), ("headers", None),
        ("headers", [["X"]]), ("headers", [["X", 1]]), ("headers", [["X", "a\r\nb"]]),
        ("headers", [["X", "a\0"]]), ("headers", [["X\n", "a"]]), ("headers", [["", "a"]]),
        ("headers", [["X Y", "a"]]), ("headers", [["X", "\u010a"]]), ("headers", "XY"),
        ("headers", [["X", "\ud800"]]), ("rendered_at", "now"), ("rendered_at", None),
        ("rendered_at", math.nan), ("rendered_at", math.inf), ("rendered_at", 1e300),
        ("rendered_at", True), ("revalidate", "60"), ("revalidate", math.inf),
        ("expire", None), ("expire", -math.inf), ("generation", 1.5), ("generation", None),
        ("generation", True), ("order", "1"), ("etag", None), ("etag", 'a"\r\nX: "'),
        ("last_modified", "\n"), ("tags", [1]), ("tags", None),
        ("nonce", 1), ("fingerprint", None), ("build_id", []), ("route", {}),
        ("request", None), ("request", ["http"]), ("request", [1, 2, 3, 4, 5]),
        ("request", ["http", "h", "", "/\u0100", ""]),
        ("request", ["http", "h", "", "/", "", ""]), ("keyed", None), ("keyed", [[], [], [], []]),
        ("keyed", [[["a", 1]], []]), ("keyed", [[["a"]], []]), ("bodies", None),
        ("bodies", [["br", -1]]), ("bodies", [["br", 10**9]]), ("bodies", [["br", "1"]]),
        ("bodies", [["br"]]), ("bodies", [["br", 1.0]]), ("bodies", [["rot13", 1]]),
        ("bodies", [["br", None]]),
    ],
    ids=repr,
)  # fmt: skip
def test_a_hostile_description_is_a_miss(name: str, value: Any) -> None:
    assert decode(forged(lambda described: {**described, name: value}), "key") is None


@pytest.mark.parametrize("name", sorted(description(encode(an_entry()))[0]))
def test_a_description_without_a_field_is_a_miss(name: str) -> None:
    def without(described: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in described.items() if key != name}

    assert decode(forged(without), "key") is None


@pytest.mark.parametrize("value", [None, [], "key", 7, [[["a"] * 3] * 3] * 3], ids=repr)
def test_a_description_of_another_shape_is_a_miss(value: Any) -> None:
    assert decode(forged(lambda _: value), "key") is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
field_names = st.sampled_from(
    ["headers", "tags", "bodies", "keyed", "request", "status", "expire", "generation", "etag"]
)


@examples
@given(name=field_names, value=json_values)
def test_no_description_raises(name: str, value: Any) -> None:
    found = decode(forged(lambda described: {**described, name: value}), "key")
    assert found is None or found.key == "key"


def test_nesting_without_end_is_a_miss() -> None:
    assert decode(sealed(b"[" * 100_000), "key") is None


def test_bodies_are_told_apart_by_their_lengths() -> None:
    entry = an_entry(body=b"", encodings={"br": b"a", "gzip": b"", "zstd": b"bc"})
    assert decode(encode(entry), "key") == entry


# What may stand in a response (RFC 9110, section 5.5).


@pytest.mark.parametrize(
    ("name", "value", "sound"),
    [
        pytest.param("X-A", "plain", True, id="plain"),
        pytest.param("X-A", "", True, id="empty"),
        pytest.param("X-A", "a\tb", True, id="tab"),
        pytest.param("X-A", "caf\xe9", True, id="obs-text"),
        pytest.param("X-A", "a\rb", False, id="CR"),
        pytest.param("X-A", "a\nb", False, id="LF"),
        pytest.param("X-A", "a\n", False, id="LF at the end"),
        pytest.param("X-A", "a\0b", False, id="NUL"),
        pytest.param("X-A", "a\x7f", False, id="DEL"),
        pytest.param("X-A", "\u2192", False, id="not a native string (PEP 3333)"),
        pytest.param("X-A", "\u010a", False, id="cut to a byte it is LF"),
        pytest.param("", "a", False, id="no name"),
        pytest.param("X A", "a", False, id="space in the name"),
        pytest.param("X:A", "a", False, id="colon in the name"),
        pytest.param("X-A\n", "a", False, id="LF behind the name"),
        pytest.param(b"X-A", "a", False, id="bytes"),
        pytest.param("X-A", 1, False, id="number"),
    ],
)
def test_sound_headers(name: Any, value: Any, sound: bool) -> None:
    assert sound_headers([("Content-Type", "text/html"), (name, value)]) is sound


@pytest.mark.parametrize(
    ("status", "sound"),
    [
        ("200 OK", True), ("200", True), ("404 Nicht gefunden", True), ("200 ", True),
        ("20 OK", False), ("2000 OK", False), ("abc", False), ("600 X", False), ("099 X", False),
        ("200 OK\r\n", False), ("200 O\0K", False), ("200\n", False), ("", False), (200, False),
        ("200 \u2192", False), ("٢٠٠ OK", False),
    ],
)  # fmt: skip
def test_sound_status(status: Any, sound: bool) -> None:
    assert sound_status(status) is sound


# Times and sizes.


def test_a_page_is_fresh_and_kept_from_its_render_on() -> None:
    entry = an_entry(revalidate=60.0, expire=100.0)
    assert (entry.fresh_until, entry.expires_at) == (NOW + 60, NOW + 100)


def test_a_page_without_lifetime_stays_fresh() -> None:
    assert replace(an_entry(), revalidate=None).fresh_until == math.inf


def test_size_counts_every_encoding() -> None:
    assert an_entry(body=b"12345", encodings={"br": b"1", "gzip": b"12"}).size == 8
