"""``cache_control="full"`` beside declared routes, and what of it holds in the other modes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from isgware import Policy, revalidate
from tests.shared_cache.asking import CC, ask, play
from tests.shared_cache.conftest import InProcess
from tests.shared_cache.script import Step

ROUTE = {"/script/<name>": Policy(revalidate=60)}


@pytest.mark.parametrize("mode", ["shared", "full", "ignore"])
@pytest.mark.parametrize("said", ["no-cache", "no-store", "max-age=0", "only-if-cached"])
def test_no_visitor_has_a_declared_page_rendered(
    with_options: Callable[..., InProcess], mode: str, said: str
) -> None:
    client = with_options(cache_control=mode, routes=ROUTE)
    play(client, (), ())
    ask(client)
    for _ in range(2):
        assert ask(client, Cache_Control=said, Pragma="no-cache").get("X-ISG-Cache") == "HIT"
    assert len(client.seen("a")) == 1


@pytest.mark.parametrize("mode", ["shared", "ignore"])
def test_other_modes_store_nothing_of_a_visitors_own_request(
    with_options: Callable[..., InProcess], mode: str
) -> None:
    client = with_options(cache_control=mode)
    play(client, *[((CC, "max-age=60"),)] * 3)
    for _ in range(2):
        assert ask(client).get("X-ISG-Cache") is None
        client.later.run()
    assert len(client.seen("a")) == 2


def test_a_page_of_a_visitors_request_is_never_taken_for_a_clean_one(
    with_options: Callable[..., InProcess], tmp_path: Any
) -> None:
    store = f"file:{tmp_path}/store"
    full = with_options(store=store, backend_timeout=30.0)
    play(full, ((CC, "max-age=60"),))
    ask(full, Cookie="a=b")
    assert ask(full).get("X-ISG-Cache") == "HIT"
    declared = with_options(store=store, cache_control="shared", routes=ROUTE)
    play(declared, ())
    assert ask(declared).get("X-ISG-Cache") == "MISS"
    assert "HTTP_COOKIE" not in declared.seen("a")[0]
    shared = with_options(store=store, cache_control="shared", revalidate=60)
    play(shared, ())
    assert ask(shared).get("X-ISG-Cache") != "HIT"
    assert len(shared.seen("a")) == 1


@pytest.mark.parametrize(
    ("mode", "said", "ttl"),
    [
        ("full", "max-age=30", "ttl=30"),
        ("full", "max-age=30, s-maxage=20", "ttl=20"),
        ("shared", "max-age=30", None),
        ("ignore", "s-maxage=30", None),
    ],
)
def test_a_declared_page_that_nobody_gave_a_time_goes_by_its_headers(
    with_options: Callable[..., InProcess], mode: str, said: str, ttl: str | None
) -> None:
    client = with_options(cache_control=mode, routes={"/script/<name>": Policy()})
    play(client, ((CC, said),))
    ask(client)
    status = ask(client).get("Cache-Status")
    assert status == ("isgware; hit" + (f"; {ttl}" if ttl else ""))


@pytest.mark.parametrize("mode", ["shared", "full"])
def test_the_age_that_an_upstream_cache_says_is_part_of_the_lifetime(
    with_options: Callable[..., InProcess], mode: str
) -> None:
    client = with_options(cache_control=mode, routes={"/script/<name>": Policy()})
    play(client, ((CC, "s-maxage=60"), ("Age", "45")))
    ask(client)
    hit = ask(client)
    assert (hit.get("Age"), hit.get("Cache-Status")) == ("45", "isgware; hit; ttl=15")


def test_a_default_time_is_for_pages_that_say_nothing(
    with_options: Callable[..., InProcess],
) -> None:
    client = with_options(revalidate=60)
    play(client, (), (), ())
    assert ask(client, Cookie="a=b").get("X-ISG-Cache") == "BYPASS"
    client.later.run()
    assert "HTTP_COOKIE" not in client.seen("a")[1]  # rendered in the clean room
    assert ask(client).get("X-ISG-Cache") == "HIT"


def test_guesses_are_made_on_request_alone(with_options: Callable[..., InProcess]) -> None:
    modified = ("Last-Modified", -1000.0)
    for share, state in ((0, None), (0.1, "HIT")):
        client = with_options(heuristic=share)
        client.play("a", [Step("asked", (modified,))] * 2)
        ask(client)
        assert ask(client).get("X-ISG-Cache") == state


def test_a_page_that_is_fresh_until_told_may_be_kept_downstream_for_a_while_from_now(
    with_options: Callable[..., InProcess],
) -> None:
    client = with_options(routes={"/script/<name>": Policy(revalidate=False)})
    play(client, ())
    ask(client)
    for seconds in (0, 30, 1000):
        client.tick(seconds)
        for _ in range(2):  # made ready, and ready
            hit = ask(client)
            age = int(hit.get("Age") or -1)
            assert f"s-maxage={age + 60}," in (hit.get(CC) or "")


def test_a_decorator_that_is_met_makes_a_clean_page(with_options: Callable[..., InProcess]) -> None:
    client = with_options()
    play(client, *[((CC, "max-age=60"),)] * 5)
    scripted = client.isg.application

    @revalidate(60)
    def view(environ: Any, start_response: Any) -> Any:
        return scripted(environ, start_response)

    client.isg.runtime.shared_cache.application = view  # type: ignore[union-attr]
    client.isg.runtime.engine.renderer.producer._application = view
    for cookie in ("a=1", "b=2"):
        met = ask(client, Cookie=cookie)
        assert met.get("X-ISG-Cache") in ("BYPASS", "HIT")
        client.later.run()
    assert ["HTTP_COOKIE" in one for one in client.seen("a")] == [True, False]
    (info,) = client.isg.pages()
    assert info.ttl == 60


def test_one_that_is_met_on_a_page_that_said_nothing_too(
    with_options: Callable[..., InProcess],
) -> None:
    client = with_options()
    play(client, *[()] * 5)
    scripted = client.isg.application
    assert ask(client).get("X-ISG-Cache") is None

    @revalidate(60)
    def view(environ: Any, start_response: Any) -> Any:
        return scripted(environ, start_response)

    client.isg.runtime.shared_cache.application = view  # type: ignore[union-attr]
    client.isg.runtime.engine.renderer.producer._application = view
    assert ask(client).get("Cache-Status") == "isgware; fwd=bypass; detail=learning"
    client.later.run()
    assert ask(client).get("X-ISG-Cache") == "HIT"


def test_what_other_modes_have_learned_is_left_alone(
    with_options: Callable[..., InProcess], tmp_path: Any
) -> None:
    options = {"store": f"file:{tmp_path}/store", "backend_timeout": 30.0}
    shared = with_options(cache_control="shared", **options)
    play(shared, *[((CC, "s-maxage=60"),)] * 3)
    ask(shared)
    shared.later.run()
    assert ask(shared).get("X-ISG-Cache") == "HIT"
    full = with_options(**options)
    play(full, ((CC, "max-age=30"),))
    assert ask(full).get("X-ISG-Cache") == "MISS"
    assert ask(full).get("Cache-Status") == "isgware; hit; ttl=30"
