"""`isgware.page`: what a view may say while it renders, and that it says nothing elsewhere."""

from __future__ import annotations

import contextvars
from collections.abc import Iterator
from typing import Any

import pytest

from isgware import page
from isgware.errors import ConfigurationError
from isgware.policy import Policy
from isgware.render_context import Rendering, current, declare


@pytest.fixture
def rendering() -> Iterator[Rendering]:
    """A clean-room render in progress."""
    inside = Rendering(prerendering=True)
    token = current.set(inside)
    yield inside
    current.reset(token)


def test_a_view_adds_tags(rendering: Rendering) -> None:
    page.tag("author:7")
    page.tag("a", "b")
    assert rendering.tags == ("author:7", "a", "b")


@pytest.mark.parametrize("tag", [7, None, b"a"], ids=repr)
def test_what_is_no_text_is_no_tag(rendering: Rendering, tag: Any) -> None:
    with pytest.raises(ConfigurationError, match="is not a tag"):
        page.tag(tag)
    assert rendering.tags == ()


@pytest.mark.parametrize("tag", ["", "a\n", "x" * 257], ids=repr)
def test_a_text_that_makes_no_tag_is_noted_and_no_error(rendering: Rendering, tag: str) -> None:
    page.tag("a", tag, "b")
    assert (rendering.tags, rendering.invalid_tag) == (("a", "b"), True)


@pytest.mark.parametrize("seconds", [30, 0, False, None, 1.5])
def test_a_view_says_how_long_its_page_is_fresh(rendering: Rendering, seconds: Any) -> None:
    page.revalidate = seconds
    assert rendering.revalidate is page.revalidate is seconds


@pytest.mark.parametrize("seconds", [True, -1, "60", float("nan")], ids=repr)
def test_a_lifetime_that_cannot_be_meant_is_refused(rendering: Rendering, seconds: Any) -> None:
    with pytest.raises(ConfigurationError, match="revalidate"):
        page.revalidate = seconds
    assert rendering.revalidate is None


def test_a_view_says_when_its_page_expires(rendering: Rendering) -> None:
    page.expire = 600
    assert rendering.expire == page.expire == 600


def test_a_view_may_take_its_words_back(rendering: Rendering) -> None:
    page.expire = 600
    page.expire = None
    assert rendering.expire is None


@pytest.mark.parametrize("seconds", [0, -1, True, "soon"], ids=repr)
def test_an_expiry_that_cannot_be_meant_is_refused(rendering: Rendering, seconds: Any) -> None:
    with pytest.raises(ConfigurationError, match="expire"):
        page.expire = seconds
    assert rendering.expire is None


def test_a_view_keeps_its_page_out_of_the_store(rendering: Rendering) -> None:
    page.no_store()
    assert rendering.refused


def test_prerendering_is_true_in_the_clean_room(rendering: Rendering) -> None:
    assert page.prerendering
    rendering.prerendering = False
    assert not page.prerendering, "a visitor's own request is none"


def test_a_misspelt_word_is_an_error(rendering: Rendering) -> None:
    with pytest.raises(AttributeError):
        page.revalidates = 60  # type: ignore[attr-defined]
    assert rendering.revalidate is None


def test_outside_of_a_render_page_does_nothing() -> None:
    """P10: without the middleware a view behaves as if it had said nothing."""

    def view() -> tuple[Any, ...]:
        page.tag("a", "")
        page.no_store()
        page.revalidate = -1
        page.expire = 0
        declare(Policy(), {})
        return page.prerendering, page.revalidate, page.expire, current.get()

    assert contextvars.Context().run(view) == (False, None, None, None)


def test_renders_in_different_contexts_do_not_hear_each_other() -> None:
    renderings = [Rendering(True), Rendering(True)]
    contexts = [contextvars.Context() for _ in renderings]
    for context, rendering in zip(contexts, renderings, strict=True):
        context.run(current.set, rendering)
    contexts[0].run(page.tag, "mine")
    assert [rendering.tags for rendering in renderings] == [("mine",), ()]


def test_the_first_policy_declared_in_a_run_counts(rendering: Rendering) -> None:
    outer, inner = Policy(revalidate=1), Policy(revalidate=2)
    declare(outer, {"slug": "a"})
    declare(inner, {"slug": "b"})
    assert (rendering.policy, rendering.arguments) == (outer, {"slug": "a"})
