"""``cache_control="full"``: what happens behind visitors, and what site owners say about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from isgware import RegenerationError, page
from isgware.export.choice import static
from tests.shared_cache.asking import CC, TAG, ask, play
from tests.shared_cache.conftest import InProcess
from tests.shared_cache.script import Step

SWR = (CC, "max-age=2, stale-while-revalidate=100")
PERSONAL = {
    "Cookie": "session=1", "User-Agent": "mine", "X-Forwarded-For": "198.51.100.7",
    "Accept-Language": "en", "Referer": "http://mine.test/",
}  # fmt: skip


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


@pytest.mark.parametrize("vary", ["Foo", "Cookie"])
def test_what_was_learned_of_a_url_may_be_forgotten(client: InProcess, vary: str) -> None:
    answer = ((CC, "max-age=60"), ("Vary", vary))
    play(client, *[answer] * 9)
    ask(client)
    assert ask(client).get("X-ISG-Cache") == "HIT"
    for name in list(client.isg.runtime.store.backend._notes):
        client.isg.runtime.store.backend.drop_note(name)
    client.isg.runtime.engine.planner.learned_routes._known.clear()
    client.isg._memo.clear()
    assert ask(client, **{vary: "1"}).get("X-ISG-Cache") != "HIT"


def test_a_304_may_tell_of_more_that_a_response_varies_by(client: InProcess) -> None:
    more = ((CC, "max-age=60"), ("Vary", "Foo"))
    client.play("a", [
        Step("asked", ((CC, "max-age=2"), TAG)), Step("validated", more), Step("asked", more),
        Step("asked", more),
    ])  # fmt: skip
    ask(client, Foo="1")
    client.tick(3)
    assert ask(client, Foo="1").get("X-ISG-Cache") == "REVALIDATED"
    assert ask(client, Foo="2").body == b"body 2"
    assert ask(client, Foo="2").get("X-ISG-Cache") == "HIT"


@pytest.mark.parametrize("field", ["Location", "Content-Location"])
@pytest.mark.parametrize(
    ("url", "gone"),
    [
        ("http://site.test/script/a/other", True), ("//SITE.test/script/a/other", True),
        ("http://evil.test/script/a/other", False), ("https://site.test/script/a/other", False),
        ("http://site.test:81/script/a/other", False),
    ],
)  # fmt: skip
def test_only_urls_of_the_same_origin_are_purged(
    client: InProcess, field: str, url: str, gone: bool
) -> None:
    client.play("a", [Step("asked", ((CC, "max-age=60"),)), Step("asked", ((field, url),))])
    ask(client, path="/other")
    client.ask("POST", "/script/a/this", "", [("X-Step", "1")], b"x")
    state = client.isg.why("/script/a/other", host="site.test", scheme="http").outcome
    assert state == ("REVALIDATED" if gone else "HIT")


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

    client.isg.runtime.shared_cache.application = app  # type: ignore[union-attr]
    ask(client)
    assert ask(client).get("X-ISG-Cache") == "HIT"
    client.isg.purge_tag("news")
    assert ask(client).get("X-ISG-Cache") == "REVALIDATED"
    said[0] = page.no_store
    client.isg.purge_all()
    assert ask(client).get("X-ISG-Cache") is None
    assert ask(client).get("X-ISG-Cache") is None


def test_what_is_kept_is_never_exported(client: InProcess) -> None:
    play(client, ((CC, "max-age=60"),))
    ask(client)
    (stored,) = client.isg.runtime.catalogue.stored("/script/a")
    assert stored[1] is not None
    assert static(stored[1], with_app=True) == "own"


def test_who_owns_a_draft_cookie_gets_the_apps_own_answers(
    with_options: Callable[..., InProcess],
) -> None:
    client = with_options(secret="s" * 16)
    play(client, *[((CC, "max-age=60"),)] * 9)
    drafts = client.isg.runtime.shared_cache.response_store._drafts  # type: ignore[union-attr]
    assert drafts is not None
    cookie = drafts.issue(60, secure=False).partition(";")[0]
    ask(client, Cookie=cookie)
    assert ask(client).get("X-ISG-Cache") == "MISS"
    assert ask(client).get("X-ISG-Cache") == "HIT"
    assert ask(client, Cookie=cookie).get("X-ISG-Cache") is None
    assert ask(client).get("X-ISG-Cache") == "HIT"
