"""`isgware.core.spliced_gzip`: a compressed page that is filled is the page with its values."""

from __future__ import annotations

import gzip
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isgware.core.places import BODY, NONCE, Place, between, joined
from isgware.core.spliced_gzip import SplicedGzip, deflated, stored
from tests.core.making import examples

#: Text that compresses, so that pieces refer to what stands before them.
texts = st.builds(
    b"".join, st.lists(st.sampled_from([b"<p>", b"</p>", b"0", b"00", b"token", b"\xff"]))
)


@st.composite
def pages(draw: st.DrawFn) -> tuple[bytes, tuple[Place, ...], list[bytes]]:
    """A body, places in it, and what to put there."""
    body, places, values = draw(texts) * draw(st.sampled_from([1, 1, 300])), [], []
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=8)))
    for start, end in zip(cuts[::2], cuts[1::2], strict=False):
        fixed = draw(st.booleans())
        places.append(Place(BODY, start, end - start, NONCE, (), fixed))
        value = draw(st.one_of(texts, st.binary(max_size=80)))
        values.append(value[: end - start].ljust(end - start, b"0") if fixed else value)
    return body, tuple(places), values


@examples
@given(page=pages())
def test_a_filled_page_unpacks_to_what_replacing_makes(
    page: tuple[bytes, tuple[Place, ...], list[bytes]],
) -> None:
    body, places, values = page
    wanted, start = b"", 0
    for place, value in zip(places, values, strict=True):
        wanted += body[start : place.offset] + value
        start = place.end
    wanted += body[start:]
    pieces = between(body, places)
    assert joined(pieces, values) == wanted
    assert gzip.decompress(SplicedGzip(pieces, deflated(body, places)).filled(values)) == wanted


def test_a_body_with_every_byte_is_primed_by_nothing() -> None:
    body = bytes(range(256)) * 3
    places = tuple(Place(BODY, at, 20, NONCE, (), True) for at in (100, 300, 500))
    values = [b"x" * 20] * 3
    filled = SplicedGzip(between(body, places), deflated(body, places)).filled(values)
    assert gzip.decompress(filled) == joined(between(body, places), values)


def test_what_is_put_in_may_be_longer_than_a_stored_block() -> None:
    value = random.Random(1).randbytes(200_000)
    places = (Place(BODY, 3, 0, "hole"),)
    filled = SplicedGzip(between(b"abcdef", places), deflated(b"abcdef", places)).filled([value])
    assert gzip.decompress(filled) == b"abc" + value + b"def"
    assert len(stored(value)) == 8


@pytest.mark.parametrize("size", [0, 1, 4_095, 4_096, 5_000, 70_000, 1_234_567])
def test_checksums_of_long_pieces_are_combined(size: int) -> None:
    tail = random.Random(size).randbytes(size)
    pieces, places = [b"head", tail], (Place(BODY, 4, 0, "hole"),)
    filled = SplicedGzip(pieces, deflated(b"head" + tail, places)).filled([b"value"])
    assert filled[-8:-4] == zlib.crc32(b"headvalue" + tail).to_bytes(4, "little")


def test_the_length_says_nothing_about_a_token() -> None:
    """The attack on compression: a guess in the page that equals the token does not shorten it."""
    body = b"<p>secret-token-0001</p>" * 20 + b"<form>................</form>"
    places = (Place(BODY, body.index(b"."), 16, "cookie:t", (), True),)
    page = SplicedGzip(between(body, places), deflated(body, places))
    lengths = {len(page.filled([guess])) for guess in (b"secret-token-000", b"zzzzzzzzzzzzzzzz")}
    assert len(lengths) == 1


def test_places_of_fixed_length_cost_little_size() -> None:
    row = b"<tr><td>cell</td><td><form action=/delete>%s</form></td></tr>\n"
    body = b"".join(row % (b"0" * 64) for _ in range(10))
    starts = [found + 26 for found in range(len(body)) if body.startswith(b"<form", found)]
    fixed = tuple(Place(BODY, start, 0, NONCE, (), True) for start in starts)
    loose = tuple(Place(BODY, start, 0, NONCE) for start in starts)
    assert sum(map(len, deflated(body, fixed))) < sum(map(len, deflated(body, loose))) / 2
