"""``cache_control="full"``: what happens behind visitors, and what site owners say about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from isgware import Policy, RegenerationError, page
from tests.http.conftest import InProcess
from tests.http.script import Origin, Seen, Step
from tests.promises.kit import Clock, visit

CC = "Cache-Control"
SWR = (CC, "max-age=2, stale-while-revalidate=100")
TAG = ("ETag", '"a"')
PERSONAL = {
    "Cookie": "session=1", "User-Agent": "mine", "X-Forwarded-For": "198.51.100.7",
    "Accept-Language": "en", "Referer": "http://mine.test/",
}  # fmt: skip


def ask(client: InProcess, *, path: str = "", query: str = "", **headers: str) -> Seen:
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return client.ask("GET", f"/script/a{path}", query, named, b"")


def play(client: InProcess, *answers: tuple[tuple[str, str], ...], **given: Any) -> None:
    """The app's answers, one after the other, whoever asks."""
    client.play("a", [Step("asked", answer, **given) for answer in answers])


# Revalidation behind a stale page (RFC 5861, section 3).


def test_the_request_behind_a_stale_page_is_nobodys(client: InProcess) -> None:
    play(client, (SWR, ("Vary", "Foo")), (SWR, ("Vary", "Foo")))
    client.ask("GET", "/script/a", "q=1", [("Foo", "1"), *PERSONAL.items()], b"")
    client.tick(3)
    stale = client.ask("GET", "/script/a", "q=1", [("Foo", "1"), *PERSONAL.items()], b"")
    assert (stale.get("X-ISG-Cache"), stale.body) == ("STALE", b"body 0")
    assert client.later.run() == 1
    behind = client.seen("a")[1]
    assert (behind["HTTP_FOO"], behind["QUERY_STRING"]) == ("1", "q=1")
    assert {name: behind.get("HTTP_" + name.upper().replace("-", "_")) for name in PERSONAL} == {
        **dict.fromkeys(PERSONAL), "User-Agent": behind["HTTP_USER_AGENT"],
    }  # fmt: skip
    assert behind["HTTP_USER_AGENT"].startswith("isgware/")
    assert behind["REMOTE_ADDR"] == "192.0.2.1"
    fresh = client.ask("GET", "/script/a", "q=1", [("Foo", "1")], b"")
    assert (fresh.get("X-ISG-Cache"), fresh.body) == ("HIT", b"body 1")


def test_it_asks_whether_the_page_still_holds(client: InProcess) -> None:
    client.play("a", [Step("asked", (SWR, TAG)), Step("validated", (SWR, ("X-New", "1")))])
    ask(client)
    client.tick(3)
    assert ask(client).get("X-ISG-Cache") == "STALE"
    client.later.run()
    assert client.seen("a")[1]["HTTP_IF_NONE_MATCH"] == '"a"'
    renewed = ask(client)
    assert (renewed.get("X-ISG-Cache"), renewed.get("X-New")) == ("HIT", "1")
    assert (renewed.get("Age"), renewed.body) == ("0", b"body 0")


def test_many_stale_visits_are_one_request(client: InProcess) -> None:
    play(client, (SWR,), (SWR,))
    ask(client)
    client.tick(3)
    assert {ask(client).get("X-ISG-Cache") for _ in range(5)} == {"STALE"}
    client.later.run()
    assert len(client.seen("a")) == 2


@pytest.mark.parametrize("failure", [{"status": "500 No"}, {"fails": True}], ids=["500", "error"])
def test_a_failure_keeps_the_page_and_is_not_repeated_at_once(
    client: InProcess, failure: dict[str, Any]
) -> None:
    client.play("a", [Step("asked", (SWR,)), *[Step("asked", **failure)] * 3])
    ask(client)
    client.tick(3)
    for _ in range(3):
        assert ask(client).body == b"body 0"
        client.later.run()
    assert len(client.seen("a")) == 2
    client.tick(60)
    ask(client)
    client.later.run()
    assert len(client.seen("a")) == 3


def test_a_response_that_may_not_be_kept_ends_the_page(client: InProcess) -> None:
    play(client, (SWR,), ((CC, "private"),), ((CC, "private"),))
    ask(client)
    client.tick(3)
    ask(client)
    client.later.run()
    assert ask(client).get("X-ISG-Cache") is None


def test_one_that_now_varies_is_left_to_the_next_visitor(client: InProcess) -> None:
    play(client, (SWR,), (SWR, ("Vary", "Foo")), (SWR, ("Vary", "Foo")))
    ask(client)
    client.tick(3)
    ask(client)
    client.later.run()
    assert ask(client, Foo="1").get("X-ISG-Cache") == "MISS"
    assert ask(client, Foo="1").get("X-ISG-Cache") == "HIT"


# What site owners say.


def test_a_purge_ends_every_variant_and_query(client: InProcess) -> None:
    play(client, *[((CC, "max-age=60"), ("Vary", "Foo"))] * 4)
    for number in ("1", "2"):
        ask(client, Foo=number)
        assert ask(client, Foo=number).get("X-ISG-Cache") == "HIT"
    client.isg.purge_path("/script/a")
    for number in ("1", "2"):
        assert ask(client, Foo=number).get("X-ISG-Cache") == "REVALIDATED"
        assert ask(client, Foo=number).get("X-ISG-Cache") == "HIT"


def test_purging_an_url_covers_its_tracking_parameters(client: InProcess) -> None:
    play(client, *[((CC, "max-age=60"),)] * 4)
    ask(client, query="a=1&utm_source=x")
    client.isg.purge_path("/script/a?a=1")
    assert ask(client, query="a=1&utm_source=x").get("X-ISG-Cache") == "REVALIDATED"


def test_a_revalidation_serves_the_page_once_more(client: InProcess) -> None:
    play(client, ((CC, "max-age=60"),), ((CC, "max-age=60"),))
    ask(client)
    client.isg.revalidate_path("/script/a")
    stale = ask(client)
    assert (stale.get("X-ISG-Cache"), stale.body) == ("STALE", b"body 0")
    client.later.run()
    assert ask(client).body == b"body 1"


def test_an_invalidation_while_the_app_answers_wins(client: InProcess) -> None:
    play(client, ((CC, "max-age=60"),), ((CC, "max-age=60"),))
    client.origin.now = lambda: client.isg.purge_path("/script/a") or client.clock.now
    ask(client)
    client.origin.now = client.clock
    assert ask(client).body == b"body 1"


def test_a_write_while_the_app_answers_the_first_visitor_wins(client: InProcess) -> None:
    play(client, ((CC, "max-age=60"),), ((CC, "no-store"),), ((CC, "max-age=60"),))

    def meanwhile() -> float:
        client.origin.now = client.clock
        client.ask("POST", "/script/a", "", [("X-Step", "1")], b"x")
        return client.clock.now

    client.origin.now = meanwhile
    ask(client)
    assert ask(client).body == b"body 2"


def test_regenerate_is_for_declared_pages(client: InProcess) -> None:
    play(client, ((CC, "max-age=60"),))
    ask(client)
    with pytest.raises(RegenerationError, match="not declared"):
        client.isg.regenerate("/script/a")


def test_pages_lists_what_is_stored(client: InProcess) -> None:
    play(client, ((CC, "max-age=60"), ("Age", "10")))
    ask(client, query="q=1")
    (info,) = client.isg.pages()
    assert (info.path, info.state, info.age, info.ttl) == ("/script/a", "fresh", 10, 50)


def test_a_view_may_tag_its_answer_or_refuse(with_options: Callable[..., InProcess]) -> None:
    client = with_options()
    play(client, *[((CC, "max-age=60"),)] * 5)
    said: list[Callable[[], object]] = [lambda: page.tag("news")]
    scripted = client.isg.application

    def app(environ: Any, start_response: Any) -> Any:
        said[0]()
        return scripted(environ, start_response)

    client.isg._http._application = app  # type: ignore[union-attr]
    ask(client)
    assert ask(client).get("X-ISG-Cache") == "HIT"
    client.isg.purge_tag("news")
    assert ask(client).get("X-ISG-Cache") == "REVALIDATED"
    said[0] = page.no_store
    client.isg.purge_all()
    assert ask(client).get("X-ISG-Cache") is None
    assert ask(client).get("X-ISG-Cache") is None


# Beside declared routes, and other modes.

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
    full = with_options(store=store)
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
    client.isg._http._application = app  # type: ignore[union-attr]
    first, again = visit(client.isg, "/p"), visit(client.isg, "/p")
    assert (first.cache, again.cache, first.body == again.body) == ("MISS", second, True)


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
    backend = client.isg._backend.backend
    client.isg._backend.backend = object()  # type: ignore[assignment]
    try:
        with pytest.raises(AttributeError):
            ask(client)
    finally:
        client.isg._backend.backend = backend
    page_now = next(iter(client.isg._memo.values()))
    assert page_now.entry.own
    assert page_now.ready
