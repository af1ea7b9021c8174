"""``cache_control="full"`` among visitors who mean harm, and apps that go wrong on their way."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from werkzeug.test import Client

from isgware import ISG, page
from isgware.http.vary import OVERRIDING, REROUTING
from tests.promises.conftest import django_project as django_project
from tests.promises.kit import environ_of, visit
from tests.shared_cache.asking import CC, TAG, ask, play
from tests.shared_cache.conftest import InProcess
from tests.shared_cache.script import Step

KEPT = [(CC, "max-age=60"), ("Content-Type", "text/plain")]
SWR = (CC, "max-age=2, stale-while-revalidate=100")
Make = Callable[..., InProcess]


def around(client: InProcess, app: Any) -> Any:
    client.isg.runtime.shared_cache.application = app  # type: ignore[union-attr]
    client.isg.runtime.shared_cache._background._application = app  # type: ignore[union-attr]
    return client.isg


# Poisoning.


@pytest.mark.parametrize("name", sorted(REROUTING - OVERRIDING))
def test_who_makes_up_a_rerouting_header_makes_a_page_for_nobody_else(
    client: InProcess, name: str
) -> None:
    def echo(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", KEPT)
        return [environ.get("HTTP_" + name.upper().replace("-", "_"), "sound").encode()]

    isg = around(client, echo)
    evil = {name: "evil.test"}
    assert visit(isg, "/p", headers=evil).text == "evil.test"
    assert visit(isg, "/p").text == "sound"
    for _ in range(3):  # from the store, and from what is ready
        reply = visit(isg, "/p")
        assert (reply.cache, reply.text) == ("HIT", "sound")
        reply = visit(isg, "/p", headers=evil)
        assert (reply.cache, reply.text) == ("HIT", "evil.test")


@pytest.mark.parametrize("name", sorted(OVERRIDING))
def test_a_request_that_overrides_its_method_is_not_kept(client: InProcess, name: str) -> None:
    def echo(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", KEPT)
        return [environ.get("HTTP_" + name.upper().replace("-", "_"), "GET").encode()]

    isg = around(client, echo)
    evil = {name: "DELETE"}
    for _ in range(3):
        reply = visit(isg, "/p", headers=evil)
        assert (reply.cache, reply.text) == ("", "DELETE")
        assert visit(isg, "/p").text == "GET"
    assert visit(isg, "/p").cache == "HIT"


@pytest.mark.parametrize("name", ["RAW_URI", "REQUEST_URI"])
@pytest.mark.parametrize("line", ["/%70", "/%7E/..%2fp", "/a%2Fp", "http://evil.test/p", "*"])
def test_a_request_line_that_says_more_than_the_path_is_not_kept(
    client: InProcess, name: str, line: str
) -> None:
    def echo(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", KEPT)
        return [environ[name].encode()]

    isg = around(client, echo)
    reply = visit(isg, "/p", **{name: line})
    assert (reply.cache, reply.text) == ("", line)
    for cache in ("MISS", "HIT"):
        reply = visit(isg, "/p", **{name: "/p?a=%61"})
        assert (reply.cache, reply.text) == (cache, "/p?a=%61")


@pytest.mark.parametrize("name", ["RAW_URI", "REQUEST_URI"])
def test_a_page_that_is_ready_is_not_for_a_request_line_that_says_more(
    client: InProcess, name: str
) -> None:
    def echo(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", KEPT)
        return [environ[name].encode()]

    isg = around(client, echo)
    for cache in ("MISS", "HIT", "HIT"):
        assert visit(isg, "/p", **{name: "/p"}).cache == cache
    for line in ("/%70", "http://evil.test/p"):
        for headers in ({}, {"If-None-Match": '"other"'}):
            reply = visit(isg, "/p", headers=headers, **{name: line})
            assert (reply.cache, reply.text) == ("", line)
    for _ in range(2):  # another spelling of the same
        assert visit(isg, "/p", **{name: "/p?"}).text == "/p"


@pytest.mark.parametrize("sent", [{"CONTENT_LENGTH": "1"}, {"HTTP_TRANSFER_ENCODING": "chunked"}])
def test_a_page_that_is_ready_is_not_for_a_request_with_a_body(
    client: InProcess, sent: dict[str, str]
) -> None:
    def echo(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", KEPT)
        return [b"".join(environ.get(name, "").encode() for name in sent)]

    isg = around(client, echo)
    for cache in ("MISS", "HIT", "HIT"):
        assert visit(isg, "/p").cache == cache
    for headers in ({}, {"If-None-Match": '"other"'}):
        reply = visit(isg, "/p", headers=headers, **sent)
        assert (reply.cache, reply.text) == ("", *sent.values())
    assert visit(isg, "/p", CONTENT_LENGTH="").cache == "HIT"


def test_what_was_made_for_a_forwarded_host_is_renewed_for_it(client: InProcess) -> None:
    play(client, (SWR,), (SWR,))
    ask(client, X_Forwarded_Host="a.test")
    client.tick(3)
    assert ask(client, X_Forwarded_Host="a.test").get("X-ISG-Cache") == "STALE"
    client.later.run()
    assert client.seen("a")[1]["HTTP_X_FORWARDED_HOST"] == "a.test"


@pytest.mark.parametrize(
    ("status", "sent"),
    [
        ("401 Unauthorized", {}),
        ("412 Precondition Failed", {"If-Match": '"no"'}),
        ("417 Expectation Failed", {"Expect": "no"}),
        ("429 Too Many Requests", {}),
        ("431 Request Header Fields Too Large", {"X-Large": "x" * 100}),
    ],
)
def test_what_one_request_did_wrong_is_not_the_page(
    client: InProcess, status: str, sent: dict[str, str]
) -> None:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        wrong = "HTTP_X_WRONG" in environ
        start_response(status if wrong else "200 OK", KEPT)
        return [b"wrong" if wrong else b"right"]

    isg = around(client, app)
    wrong = visit(isg, "/p", headers={**sent, "X-Wrong": "1"})
    assert (wrong.status, wrong.cache) == (status, "")
    assert (visit(isg, "/p").text, visit(isg, "/p").cache) == ("right", "HIT")


def test_a_language_chosen_by_cookie_is_its_owners(django_project: Callable[..., Any]) -> None:
    from django.http import HttpResponse
    from django.urls import path
    from django.utils.translation import get_language
    from django.views.decorators.cache import cache_control

    @cache_control(max_age=60)
    def said(request: Any) -> HttpResponse:
        return HttpResponse(get_language())

    isg = django_project(
        [path("said", said)],
        MIDDLEWARE=["django.middleware.locale.LocaleMiddleware"],
        LANGUAGES=[("en", "English"), ("de", "German")], USE_I18N=True, LANGUAGE_CODE="en",
        ISGWARE={"store": "memory:", "cache_control": "full"},
    )  # fmt: skip
    german = {"Accept-Language": "en", "Cookie": "django_language=de"}
    english = {"Accept-Language": "en"}
    assert [visit(isg, "/said", headers=german).text for _ in range(2)] == ["de", "de"]
    assert [visit(isg, "/said", headers=english).text for _ in range(3)] == ["en", "en", "en"]
    assert visit(isg, "/said", headers=english).cache == "HIT"
    assert visit(isg, "/said", headers=german).text == "de"
    isg.close(0)


# Invalidation.


def test_a_purged_page_is_not_brought_back_by_the_app_s_consent(client: InProcess) -> None:
    play(client, (SWR, TAG), (SWR, TAG))
    ask(client)
    client.tick(3)
    assert ask(client).get("X-ISG-Cache") == "STALE"
    client.isg.purge_path("/script/a")
    client.later.run()  # was wanted before the purge
    assert len(client.seen("a")) == 1
    assert ask(client).body == b"body 1"
    assert "HTTP_IF_NONE_MATCH" not in client.seen("a")[1]


def test_a_purge_between_a_look_and_a_question_wins(
    client: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = ((CC, "max-age=2"), TAG)
    client.play("a", [Step("asked", said), Step("validated", said), Step("asked", said)])
    ask(client)
    client.tick(3)
    response_store = client.isg.runtime.shared_cache.response_store  # type: ignore[union-attr]
    find = response_store.find

    def purged_meanwhile(place: Any) -> Any:
        patched.undo()
        found = find(place)
        client.isg.purge_path("/script/a")
        return found

    with monkeypatch.context() as patched:
        patched.setattr(response_store, "find", purged_meanwhile)
        ask(client)
    ask(client)
    assert [seen.get("HTTP_IF_NONE_MATCH") for seen in client.seen("a")] == [None, '"a"', None]


def test_a_view_may_refuse_behind_a_stale_page(client: InProcess) -> None:
    visits: list[bool] = []

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        if visits:
            page.no_store()
        visits.append(page.prerendering)
        start_response("200 OK", [SWR])
        return [str(len(visits)).encode()]

    isg = around(client, app)
    visit(isg, "/p")
    client.tick(3)
    assert visit(isg, "/p").cache == "STALE"
    client.later.run()
    assert visits == [False, True]
    assert (visit(isg, "/p").text, visit(isg, "/p").text) == ("3", "4")


def test_a_generator_may_refuse(client: InProcess) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        page.no_store()
        start_response("200 OK", KEPT)
        yield b"mine"

    isg = around(client, app)
    assert [visit(isg, "/p").cache for _ in range(2)] == ["", ""]


# Apps that go wrong on their way.


def test_an_error_page_in_place_of_a_body_is_not_stored_under_its_head(client: InProcess) -> None:
    asked = []

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        asked.append(1)
        start_response("200 OK", KEPT)

        def body() -> Iterator[bytes]:
            if len(asked) > 1:
                yield b"right"
                return
            try:
                raise ValueError("no")
            except ValueError:
                start_response("500 No", [], sys.exc_info())
            yield b"wrong"

        return body()

    isg = around(client, app)
    first = visit(isg, "/p")
    assert (first.status, first.text) == ("500 No", "wrong")
    assert (visit(isg, "/p").text, visit(isg, "/p").text, len(asked)) == ("right", "right", 2)


def test_what_was_written_beside_the_iterable_is_missing_from_a_copy(client: InProcess) -> None:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        write = start_response("200 OK", KEPT)

        def body() -> Iterator[bytes]:
            write(b"a")
            yield b"b"

        return body()

    isg = around(client, app)
    assert [visit(isg, "/p").cache for _ in range(2)] == ["MISS", "MISS"]


def test_nothing_stands_in_for_what_is_on_its_way(client: InProcess) -> None:
    asked = []

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        asked.append(1)
        write = start_response("200 OK", [(CC, "max-age=1, stale-if-error=60"), TAG])
        if len(asked) > 1:
            write(b"half")
            raise ValueError("no")
        return [b"whole"]

    told: list[str] = []

    def start(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], object]:
        told.append(status)
        return lambda data: None

    isg = around(client, app)
    visit(isg, "/p")
    client.tick(2)
    with pytest.raises(ValueError, match="no"):
        isg(environ_of("/p"), start)
    assert told == ["200 OK"]


@pytest.mark.parametrize("header", [KEPT[0], ("X", "1")])
@pytest.mark.parametrize("times", [1, 2])
def test_a_server_that_refuses_a_head_leaves_no_body_open(
    client: InProcess, header: tuple[str, str], times: int
) -> None:
    closed = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            yield b"a"

        def close(self) -> None:
            closed.append(1)

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [header])
        return Body()

    def refuse(status: str, headers: Any, exc_info: Any = None) -> Any:
        raise OSError("gone")

    isg = around(client, app)
    for _ in range(times):
        with pytest.raises(OSError, match="gone"):
            isg(environ_of("/p"), refuse)
    assert len(closed) == times


def test_a_defect_after_the_app_has_answered_is_not_the_visitors(
    client: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[str, str]] = []

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [*said, ("X", "1")])
        return [b"a"]

    isg = around(client, app)
    visit(isg, "/p")  # says nothing: not looked for in the store for a while
    said.append(KEPT[0])

    def broken(*given: Any) -> Any:
        raise RuntimeError("a defect")

    monkeypatch.setattr(isg.runtime.shared_cache.response_store, "find", broken)
    assert (visit(isg, "/p").code, visit(isg, "/p").text) == (200, "a")


def test_a_defect_in_renewing_is_not_the_visitors(
    client: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        known = "HTTP_IF_NONE_MATCH" in environ
        start_response("304 Not Modified" if known else "200 OK", [(CC, "max-age=1"), TAG])
        return [] if known else [b"a"]

    isg = around(client, app)
    visit(isg, "/p")
    client.tick(2)

    def broken(*given: Any) -> Any:
        raise RuntimeError("a defect")

    monkeypatch.setattr(isg.runtime.shared_cache.response_store, "update", broken)
    reply = visit(isg, "/p")
    assert (reply.code, reply.text) == (200, "a")


def test_a_pool_that_cannot_grow_is_not_the_visitors(
    client: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(work: Any) -> bool:
        raise RuntimeError("can't start new thread")

    play(client, (SWR,))
    ask(client)
    client.tick(3)
    monkeypatch.setattr(client.isg.runtime.engine.background.pool, "submit", exhausted)
    reply = ask(client)
    assert (reply.code, reply.get("X-ISG-Cache"), reply.body) == (200, "STALE", b"body 0")


def test_a_defect_after_waiting_is_not_the_visitors(
    client: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(client, ((CC, "max-age=2"),), ((CC, "max-age=2"),))
    ask(client)
    client.tick(3)
    flights, page_store = (
        client.isg.runtime.engine.renderer.flights,
        client.isg.runtime.engine.page_store,
    )

    def broken() -> Any:
        raise RuntimeError("a defect")

    def landed(flight: Any, seconds: float) -> bool:
        monkeypatch.setattr(page_store, "sync", broken)
        return True

    leader, leads = flights.join("own", 0, "", lambda flight: True)
    assert leads
    monkeypatch.setattr(flights, "join", lambda *given: (leader, False))
    monkeypatch.setattr(flights, "wait", landed)
    reply = ask(client)
    assert (reply.code, reply.body) == (200, b"body 1")


@pytest.mark.parametrize("host", ["site.test:80", "SITE.test"])
def test_a_host_that_is_spelled_otherwise_makes_no_page_for_others(host: str) -> None:
    def app(environ, start_response):
        start_response("200 OK", [("Cache-Control", "max-age=60")])
        return [environ["HTTP_HOST"].encode()]

    isg = ISG(app, store="memory:", cache_control="full", enabled=True)
    client = Client(isg)
    assert client.get("/p", headers={"Host": host}).text == host
    assert client.get("/p", headers={"Host": "site.test"}).text == "site.test"
    isg.close(0)
