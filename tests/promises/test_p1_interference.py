"""Non-interference, P1's oracle, where pages come about in other ways: kept from visitors' own
requests, behind a loading page, listed, keyed by headers and cookies."""

from __future__ import annotations

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isgware import ISG, Policy
from tests.promises.kit import Clock, Inline, call, environ_of, visit
from tests.promises.strange import STRANGE, echo, honest, request

LANGUAGES = {"Accept-Language": ["en", "fr"]}
KEYED = Policy(revalidate=60, vary={**LANGUAGES, "X-Foo": ["1", "2"], "cookie:sid": ["abc"]})
#: How each is made, the app in it, and what else a plain visitor's browser says.
KINDS = {
    "full": (honest, {"cache_control": "full"}, {}),
    "full, with a default": (honest, {"cache_control": "full", "revalidate": 60}, {}),
    "loading": (
        echo,
        {"routes": {"/page": Policy(revalidate=60, fallback="loading")}},
        {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"},
    ),
    "not-found": (
        echo,
        {"routes": {"/<path:x>": Policy(revalidate=60, fallback="not-found", paths=["/page"])}},
        {},
    ),
    "keyed": (echo, {"routes": {"/page": KEYED}}, {}),
    "no query": (echo, {"routes": {"/page": Policy(revalidate=60, query=())}}, {}),
    "base_url": (
        echo,
        {"routes": {"/page": Policy(revalidate=60)}, "base_url": "https://www.test"},
        {},
    ),
    "with a secret": (echo, {"routes": {"/page": Policy(revalidate=60)}, "secret": "s" * 16}, {}),
}


def make(kind: str, **more) -> tuple[ISG, Clock]:
    app, options, _ = KINDS[kind]
    clock = Clock()
    return ISG(app, store="memory:", clock=clock, executor=Inline(), **options, **more), clock


def plain_visits(kind: str, isg: ISG, clock: Clock) -> list[tuple[str, int, bytes]]:
    """What a plain visitor gets: at first, again, of a stale page, once that was renewed, of one
    that has expired, and again."""
    headers, said = KINDS[kind][2], []
    for pause in (0, 0, 61, 0, 3e8, 0, 0):
        clock.tick(pause)
        reply = visit(isg, "/page", headers=headers)
        said.append((reply.cache, reply.code, reply.body))
    return said


@functools.cache
def expected(kind: str) -> set[tuple[int, bytes]]:
    """Everything that plain visitors get where nobody else has ever been, and from the bare app."""
    isg, clock = make(kind)
    said = {(code, body) for _, code, body in plain_visits(kind, isg, clock)}
    isg.close(0)
    own = call(KINDS[kind][0], environ_of("/page", headers=KINDS[kind][2]))
    return said | {(own.code, own.body)}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None, database=None)
@given(strange=st.lists(STRANGE, min_size=1, max_size=3), late=st.booleans())
def test_p1_nobody_changes_what_a_plain_visitor_gets(kind, strange, late):
    """``late``: the strange ones come when the page is stored, and when it is stale."""
    isg, clock = make(kind)
    if late:
        plain_visits(kind, isg, clock)
    for one in strange:
        for _ in range(2):
            call(isg, request(one))
        clock.tick(61)
        call(isg, request(one))
    for label, code, body in plain_visits(kind, isg, clock):
        assert (code, body) in expected(kind), (label, body)
    assert visit(isg, "/page", headers=KINDS[kind][2]).cache == "HIT"
    isg.close(0)


def test_p1_plain_visitors_get_one_page_but_for_the_loading_page():
    """So that the test above compares with little enough: own answers and clean-room renders."""
    assert {kind: len(expected(kind)) for kind in KINDS} == {
        "full": 1, "full, with a default": 1, "loading": 3, "not-found": 2,
        "keyed": 2, "no query": 2, "base_url": 2, "with a secret": 2,
    }  # fmt: skip
