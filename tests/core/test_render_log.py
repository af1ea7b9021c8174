"""The last renders of a page, as they are stored with it."""

from __future__ import annotations

import pytest

from isgware.core.render_log import LAST, PastRender, noted, past_renders, renders_of
from tests.core.making import an_entry


def test_the_last_ones_are_kept_and_told_the_latest_first() -> None:
    text = ""
    made = [PastRender(1_700_000_000.25 + at, 0.125, "visitor", "changed") for at in range(9)]
    for render in made:
        text = noted(text, render)
    assert past_renders(text) == made[: -LAST - 1 : -1]
    assert len(text) < 40 * LAST


@pytest.mark.parametrize("by", ["visitor", "background", "worker", "build", "regenerate"])
def test_who_asked_for_it_is_told(by: str) -> None:
    for found in ("first", "changed", "unchanged"):
        render = PastRender(1.0, 2.0, by, found)
        assert past_renders(noted("", render)) == [render]


@pytest.mark.parametrize("line", ["", "x", "1 2 vi ?", "1 2 vi", "a 2 vi *", "1 2 vi * more"])
def test_what_is_no_line_is_left_out(line: str) -> None:
    assert past_renders(f"{line}\n1.00 2 xy +") == [PastRender(1.0, 2.0, "", "changed")]


def test_of_a_page_of_an_earlier_release_its_own_render_is_known() -> None:
    entry = an_entry(rendered_at=5.0, render_seconds=2.0)
    assert renders_of(entry) == [PastRender(5.0, 2.0, "", "")]
