"""`isgware.core.places`: where something is put into a stored page."""

from __future__ import annotations

from typing import Any

import pytest

from isgware.core.places import (
    BODY,
    NONCE,
    Place,
    between,
    blanked,
    blanked_headers,
    joined,
    place_from,
)
from isgware.core.spliced_gzip import deflated
from isgware.core.stored_page import Entry, decode, encode
from tests.core.making import an_entry

HEADERS = (("Content-Type", "text/html"), ("Content-Security-Policy", "'nonce-abcdefgh'"))
IN_BODY = Place(BODY, 3, 4, NONCE, (0, "hex", 0), True)
IN_HEADER = Place(1, 7, 8, "hole", ("name", None, 1.5, True))


def a_page(*places: Place, **given: Any) -> Entry:
    return an_entry(body=b"<p>text</p>", headers=HEADERS, places=places, **given)


def compressed(*places: Place) -> Entry:
    pieces = deflated(b"<p>text</p>", [place for place in places if place.where == BODY])
    lengths = tuple(map(len, pieces))
    return a_page(*places, encodings={"gzip": b"".join(pieces)}, pieces=lengths)


def test_places_are_kept_with_the_page() -> None:
    page = compressed(IN_BODY, IN_HEADER)
    assert decode(encode(page), page.key) == page


@pytest.mark.parametrize(
    "places",
    [
        pytest.param((Place(BODY, 8, 4, NONCE),), id="beyond the body"),
        pytest.param((Place(1, 10, 8, NONCE),), id="beyond a header"),
        pytest.param((Place(2, 0, 1, NONCE),), id="in no header"),
        pytest.param((Place(-2, 0, 1, NONCE),), id="nowhere"),
        pytest.param((Place(BODY, -1, 1, NONCE),), id="before the body"),
        pytest.param((Place(BODY, 3, -1, NONCE),), id="of negative length"),
        pytest.param((Place(BODY, 3, 4, NONCE), Place(BODY, 5, 1, NONCE)), id="in one another"),
        pytest.param((Place(BODY, 5, 1, NONCE), Place(BODY, 1, 1, NONCE)), id="out of order"),
        pytest.param((Place(1, 0, 1, NONCE), Place(BODY, 1, 1, NONCE)), id="body last"),
    ],
)
def test_a_page_whose_places_are_not_in_it_is_a_miss(places: tuple[Place, ...]) -> None:
    page = a_page(*places)
    assert decode(encode(page), page.key) is None


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"encodings": {"br": b"abc"}}, id="in another encoding"),
        pytest.param({"encodings": {"gzip": b"abc"}}, id="in no pieces"),
        pytest.param({"encodings": {"gzip": b"abc"}, "pieces": (1, 1)}, id="in pieces cut off"),
        pytest.param({"encodings": {"gzip": b"abc"}, "pieces": (3,)}, id="in too few pieces"),
        pytest.param({"encodings": {"gzip": b"abc"}, "pieces": (4, -1)}, id="in less than none"),
        pytest.param({"pieces": (1, 2)}, id="not compressed, in pieces"),
    ],
)
def test_a_page_that_cannot_be_filled_is_a_miss(given: dict[str, Any]) -> None:
    page = a_page(IN_BODY, **given)
    assert decode(encode(page), page.key) is None


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param([0, 1, 2, "kind", []], id="too few"),
        pytest.param([0, 1, True, "kind", [], False], id="a truth as a length"),
        pytest.param([0, 1.0, 2, "kind", [], False], id="a fraction"),
        pytest.param([0, 1, 2, "", [], False], id="no kind"),
        pytest.param([0, 1, 2, "k" * 2_000, [], False], id="an endless kind"),
        pytest.param([0, 1, 2, "kind", [[]], False], id="an argument that is a list"),
        pytest.param([0, 1, 2, "kind", [float("nan")], False], id="an argument that is no number"),
        pytest.param([0, 1, 2, "kind", [], 1], id="a number as a truth"),
    ],
)
def test_what_describes_no_place_is_refused(raw: list[Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        place_from(raw)


def test_what_was_made_for_nobody_is_blanked() -> None:
    assert blanked(b"<p>text</p>", [IN_BODY]) == b"<p>0000</p>"
    assert blanked_headers(HEADERS, (IN_BODY, IN_HEADER))[1][1] == "'nonce-00000000'"


def test_values_stand_between_pieces() -> None:
    assert joined(between(b"<p>text</p>", [IN_BODY]), [b"other"]) == b"<p>other</p>"
    assert joined(between(b"whole", []), []) == b"whole"
