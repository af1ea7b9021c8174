"""`isgware.core.interned_strings`: strings that many pages have in common are held once."""

from __future__ import annotations

import pytest

from isgware.core.interned_strings import shared
from isgware.core.stored_page import decode, encode
from isgware.testing import make_entry


def text(of: str, times: int = 1) -> str:
    """A string of its own, which no other part of the program holds."""
    return "".join([of] * times)


def test_equal_strings_are_one() -> None:
    assert shared(text("text/", 2)) is shared(text("text/", 2))


def test_long_ones_are_left_alone() -> None:
    long = text("x", 300)
    assert shared(long) is long
    assert shared(text("x", 300)) is not long


@pytest.mark.parametrize("junk", [None, 1, [], b"text"], ids=repr)
def test_what_is_no_string_is_refused(junk: object) -> None:
    with pytest.raises(TypeError):
        shared(junk)


def test_pages_read_from_a_store_share_what_is_the_same_in_all() -> None:
    entry = make_entry(headers=(("Content-Type", "text/html"),))
    one, other = (decode(encode(entry), entry.key) for _ in range(2))
    assert one is not None
    assert other is not None
    assert one.headers[0][1] is other.headers[0][1]
    assert one.route is other.route
