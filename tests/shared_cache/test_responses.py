"""``cache_control="full"``: bodies, faults, and what is not stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from isgware.routing.framework import Site
from tests.promises.faults import FAULTS, FaultyBackend
from tests.promises.kit import Clock, visit
from tests.shared_cache.asking import CC, TAG, ask, play
from tests.shared_cache.conftest import InProcess
from tests.shared_cache.script import Origin, Step

# Bodies.


class Broken:
    """Announces more than it sends."""

    def __call__(self, environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [(CC, "max-age=60"), ("Content-Length", "9")])
        yield b"short"


def chunks(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [(CC, "max-age=60"), ("Content-Type", "text/plain")])
    yield b"a"
    yield b"b"


def large(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [(CC, "max-age=60")])
    for _ in range(20):
        yield b"0123456789"


@pytest.mark.parametrize(
    ("app", "second"),
    [(Broken(), "MISS"), (chunks, "HIT"), (large, "MISS")],
    ids=["broken", "chunks", "large"],
)
def test_only_a_whole_response_within_the_limit_is_stored(
    with_options: Callable[..., InProcess], app: Any, second: str
) -> None:
    client = with_options(max_page=100)
    client.isg.runtime.shared_cache.application = app  # type: ignore[union-attr]
    first, again = visit(client.isg, "/p"), visit(client.isg, "/p")
    assert (first.cache, again.cache, first.body == again.body) == ("MISS", second, True)


def test_what_is_announced_as_too_large_passes_as_it_is(
    with_options: Callable[..., InProcess],
) -> None:
    client = with_options(max_page=5)
    play(client, ((CC, "max-age=60"),))
    assert ask(client).get("X-ISG-Cache") is None


@pytest.mark.parametrize(
    ("path", "host"),
    [("//script/a", "site.test"), ("/script/a/../a", "site.test"), ("/script/a", "evil.test"),
     ("/script/a", "a,b")],
)  # fmt: skip
def test_odd_urls_and_foreign_hosts_have_no_place(
    with_options: Callable[..., InProcess], path: str, host: str
) -> None:
    client = with_options(trusted_hosts=["site.test"])
    client.isg.runtime.shared_cache.application = chunks  # type: ignore[union-attr]
    for _ in range(2):
        assert visit(client.isg, path, host=host).cache == ""
    assert visit(client.isg, "/script/a").cache == "MISS"


def test_nothing_personal_lies_in_the_store(client: InProcess) -> None:
    play(client, *[((CC, "max-age=60, public"), ("Vary", "Cookie, Authorization"))] * 3)
    for headers in ({"Cookie": "a=b"}, {"Authorization": "x"}):
        assert ask(client, **headers).get("X-ISG-Cache") is None
    assert list(client.isg.pages()) == []
    assert not client.isg.runtime.memory.recent(9)
    assert len(client.isg.runtime.memory) == 0


def test_a_304_for_another_page_confirms_nothing(client: InProcess) -> None:
    client.play("a", [
        Step("asked", ((CC, "max-age=2"), TAG)),
        Step("validated", ((CC, "max-age=60"), ("ETag", '"b"'))),
        Step("asked", ((CC, "max-age=60"),)),
    ])  # fmt: skip
    ask(client)
    client.tick(3)
    again = ask(client)
    assert (again.body, again.get("ETag")) == (b"body 2", None)
    assert "HTTP_IF_NONE_MATCH" not in client.seen("a")[2]
    assert ask(client).body == b"body 2"


# Pages that say nothing.


def test_a_page_that_says_nothing_is_not_looked_for_each_time(client: InProcess) -> None:
    play(client, (), (), ((CC, "max-age=60"),))
    ask(client)
    looked: list[str] = []
    find = client.isg.runtime.engine.page_store.find
    client.isg.runtime.engine.page_store.find = lambda key, *given, **more: (  # type: ignore[method-assign]
        looked.append(key) or find(key, *given, **more)
    )
    assert ask(client).get("X-ISG-Cache") is None
    assert looked == []
    assert ask(client).get("X-ISG-Cache") == "MISS"  # as soon as it says something it is kept
    assert ask(client).get("X-ISG-Cache") == "HIT"


def test_only_if_cached_counts_there_too(client: InProcess) -> None:
    play(client, (), ())
    ask(client)
    assert ask(client, Cache_Control="only-if-cached").code == 504


def test_what_may_not_be_stored_passes_untouched(clock: Clock) -> None:
    origin = Origin(clock)
    client = InProcess()
    try:
        for answer in ((), ((CC, "no-store"),), ((CC, "private"),), (("Set-Cookie", "a=b"),)):
            origin.play("a", [Step("asked", answer)])
            client.play("a", [Step("asked", answer)])
            bare, passed = visit(origin, "/script/a"), visit(client.isg, "/script/a")
            assert (bare.status, bare.headers, bare.body) == (
                passed.status, passed.headers, passed.body
            )  # fmt: skip
    finally:
        client.isg.close(0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_hit_asks_neither_the_store_nor_the_app(client: InProcess) -> None:
    play(client, ((CC, "max-age=60"),))
    ask(client)
    ask(client)
    backend = client.isg.runtime.store.backend
    client.isg.runtime.store.backend = object()  # type: ignore[assignment]
    try:
        ask(client)  # the word is all that it reads of the store, and that it holds already
    finally:
        client.isg.runtime.store.backend = backend
    ready = next(iter(client.isg._memo.values()))
    assert ready.page.entry.own


# Faults (P4).


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_broken_store_is_never_the_visitors(
    with_options: Callable[..., InProcess], fault: str
) -> None:
    counted = FaultyBackend()
    healthy = with_options(store=counted)
    play(healthy, *[((CC, "max-age=2"), TAG, ("Vary", "Foo"))] * 9)
    for _ in range(2):
        ask(healthy)
        healthy.tick(3)
    for nth in range(1, len(counted.calls) + 2):
        store = FaultyBackend()
        store.fail_at(nth, FAULTS[fault])
        client = with_options(store=store)
        play(client, *[((CC, "max-age=2"), TAG, ("Vary", "Foo"))] * 9)
        for _ in range(3):
            answer = ask(client)
            assert (answer.code, answer.body[:5]) == (200, b"body ")
            client.tick(3)


@pytest.mark.parametrize("where", ["place", "find", "extended", "coming", "_store"])
def test_a_defect_of_isgwares_own_is_never_the_visitors(
    client: InProcess, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*given: Any, **more: Any) -> Any:
        raise LookupError("a defect")

    play(client, ((CC, "max-age=60"),))
    monkeypatch.setattr(client.isg.runtime.shared_cache.response_store, where, fails)  # type: ignore[union-attr]
    assert ask(client).body == b"body 0"


def test_errors_have_a_quota_of_their_own(client: InProcess) -> None:
    play(client, ((CC, "max-age=60"),), status="404 Not Found")
    ask(client)
    assert ask(client).get("X-ISG-Cache") == "HIT"
    ((_, entry),) = client.isg.runtime.catalogue.stored("/script/a")
    assert entry is not None
    assert entry.error_quota


def test_cookies_that_the_framework_names_are_left_to_the_app(
    with_options: Callable[..., InProcess],
) -> None:
    class Framework(Site):
        bypass_cookies = ("messages",)

    client = with_options(site=Framework())
    play(client, *[((CC, "max-age=60"),)] * 5)
    assert ask(client, Cookie="messages=1").get("X-ISG-Cache") is None
    assert ask(client).get("X-ISG-Cache") == "MISS"
    assert ask(client).get("X-ISG-Cache") == "HIT"
    assert ask(client, Cookie="messages=1").get("X-ISG-Cache") is None
