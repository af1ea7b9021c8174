"""`isgware.shared_cache.rules`: what may be stored, and what a request gets; a row a rule."""

from __future__ import annotations

import math
from typing import Any

import pytest
from werkzeug.http import http_date

from isgware.core.freshness import State
from isgware.core.storable import Refusal
from isgware.http.cache_control import parse
from isgware.http.fields import Headers
from isgware.shared_cache.rules import (
    NO_WISHES,
    Storing,
    Use,
    Wishes,
    choose,
    kept,
    may_store,
    stale_on_error,
    wishes,
)
from tests.core.making import NOW

FRESH = ("Cache-Control", "max-age=60")
TAG = ("ETag", '"a"')


def cc(text: str) -> tuple[str, str]:
    return ("Cache-Control", text)


def verdict(*headers: tuple[str, str], status: str = "200 OK", **given: Any) -> Storing | Refusal:
    fields = {"credentials": False, "requested": NOW, "received": NOW}
    return may_store(status, headers, **{**fields, **given})


def stored(*headers: tuple[str, str], **given: Any) -> Storing:
    found = verdict(*headers, **given)
    assert isinstance(found, Storing), found
    return found


def refused(*headers: tuple[str, str], **given: Any) -> str:
    found = verdict(*headers, **given)
    assert isinstance(found, Refusal), found
    return found.reason


# Section 3: storing.


@pytest.mark.parametrize(
    "status",
    ["200", "203", "204", "299", "300", "301", "302", "303", "307", "308", "400", "403", "404",
     "405", "410", "414", "451", "499", "500", "501", "502", "503", "504", "599"],
)  # fmt: skip
def test_section_3_any_final_status_with_explicit_freshness(status: str) -> None:
    assert stored(FRESH, status=f"{status} X").lifetime == 60


@pytest.mark.parametrize("status", ["100", "103", "206", "304", "416"])
def test_section_3_no_interim_and_no_partial_response(status: str) -> None:
    assert refused(FRESH, status=f"{status} X") == f"status-{status}"


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        pytest.param((), "no-lifetime", id="3 nothing says that it may be"),
        pytest.param((TAG,), "no-lifetime", id="3 a validator alone does not"),
        pytest.param((("Last-Modified", http_date(NOW - 9)),), "no-lifetime",
                     id="4.2.2 no guesses unless asked for"),
        pytest.param((cc("public"),), "no-lifetime", id="public, and no way to validate"),
        pytest.param((cc("max-age=0"),), "stale", id="stale, and no way to validate"),
        pytest.param((cc("max-age=60"), ("Age", "60")), "stale", id="4.2 it has been spent"),
        pytest.param((("Expires", "0"),), "stale", id="5.3 Expires: 0"),
        pytest.param((FRESH, cc("no-store")), "no-store", id="5.2.2.5"),
        pytest.param((cc("No-StOrE, max-age=60"),), "no-store", id="5.2 in any case"),
        pytest.param((cc('max-age=60, no-store="x"'),), "no-store", id="5.2.2.5 has no argument"),
        pytest.param((cc("private, max-age=60"),), "private", id="5.2.2.7 unqualified"),
        pytest.param((cc('private="", max-age=60'),), "private", id="5.2.2.7 naming nothing"),
        pytest.param((cc('private="x", private, max-age=60'),), "private", id="5.2.2.7 both"),
        pytest.param((cc('no-cache="x", no-cache, max-age=60'),), "stale", id="5.2.2.4 both"),
        pytest.param((cc('no-cache=" , ", max-age=60'),), "stale", id="5.2.2.4 naming nothing"),
        pytest.param((FRESH, ("Set-Cookie", "a=b")), "set-cookie", id="for one visitor"),
        pytest.param((FRESH, ("Set-Cookie2", "a=b")), "set-cookie", id="likewise"),
        pytest.param((FRESH, ("Vary", "*")), "vary-star", id="4.1"),
        pytest.param((FRESH, ("Vary", "Foo,*")), "vary-star", id="4.1 among others"),
        pytest.param((FRESH, ("Vary", ""), ("Vary", " * ")), "vary-star", id="4.1 padded"),
        pytest.param((FRESH, ("Vary", '"Foo, Bar')), "vary-star", id="4.1 what is no name"),
        pytest.param((FRESH, ("Vary", "a,b,c,d,e,f,g,h,i")), "vary-too-wide", id="a key's limit"),
        pytest.param((FRESH, ("X", "a\r\nb")), "bad-header", id="9110 5.5"),
        pytest.param((cc("max-age=60"), ("CDN-Cache-Control", "no-store")), "no-store",
                     id="9213 2.2 targeted refusal"),
        pytest.param((cc("max-age=60"), ("CDN-Cache-Control", "private")), "private",
                     id="9213 2.2 likewise"),
        pytest.param((cc("no-store"), ("CDN-Cache-Control", "max-age=60, &&")), "no-store",
                     id="9213 2.1 malformed: as if absent"),
    ],
)  # fmt: skip
def test_section_3_refusals(headers: Headers, reason: str) -> None:
    assert refused(*headers) == reason


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param((FRESH,), (60, 0, 0), id="max-age"),
        pytest.param((cc("s-maxage=60"),), (60, 0, 0), id="s-maxage"),
        pytest.param((("Expires", http_date(NOW + 60)),), (60, 0, 0), id="Expires"),
        pytest.param((FRESH, ("Age", "20")), (60, 20, 0), id="4.2.3 what is left of it"),
        pytest.param((cc("max-age=60, stale-while-revalidate=5"),), (60, 0, 5), id="5861 3"),
        pytest.param((cc("max-age=60, stale-while-revalidate=5, stale-if-error=9"),), (60, 0, 9),
                     id="5861 4"),
        pytest.param((cc("max-age=0, stale-while-revalidate=5"),), (0, 0, 5), id="stale, usable"),
        pytest.param((cc("no-cache, max-age=60"), TAG), (0, 0, 0), id="5.2.2.4 to be validated"),
        pytest.param((cc("no-cache"), ("Last-Modified", "x")), (0, 0, 0), id="5.2.2.4 by date"),
        pytest.param((cc("public"), TAG), (0, 0, 0), id="5.2.2.9 to be validated"),
        pytest.param((cc("max-age=0"), TAG), (0, 0, 0), id="stale, to be validated"),
        pytest.param((cc('no-cache="x", max-age=60'),), (60, 0, 0), id="5.2.2.4 qualified"),
        pytest.param((cc('private="x", max-age=60'),), (60, 0, 0), id="5.2.2.7 qualified"),
        pytest.param((cc("max-age=60, ext, ext2=1"),), (60, 0, 0), id="5.2.3 extensions"),
        pytest.param((cc("no-store"), ("CDN-Cache-Control", "max-age=60")), (60, 0, 0),
                     id="9213 2.2 targeted consent"),
        pytest.param((cc("max-age=60"), ("Pragma", "no-cache")), (60, 0, 0),
                     id="5.4 Pragma says nothing in a response"),
    ],
)  # fmt: skip
def test_section_3_terms(headers: Headers, expected: tuple[float, float, float]) -> None:
    found = stored(*headers)
    assert (found.lifetime, found.age, found.stale) == expected


@pytest.mark.parametrize(
    ("status", "text", "reason"),
    [
        pytest.param("200 OK", "must-understand, no-store, max-age=60", None, id="stands in"),
        pytest.param("599 X", "must-understand, no-store, max-age=60", "must-understand", id="599"),
        pytest.param("599 X", "must-understand, max-age=60", "must-understand", id="alone"),
        pytest.param("404 X", "must-understand, max-age=60", None, id="understood"),
    ],
)
def test_section_5_2_2_3_must_understand(status: str, text: str, reason: str | None) -> None:
    found = verdict(cc(text), status=status)
    assert (found.reason if isinstance(found, Refusal) else None) == reason


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        pytest.param("max-age=60", False, id="max-age"),
        pytest.param("max-age=60, public", True, id="5.2.2.9 public"),
        pytest.param("s-maxage=60", True, id="5.2.2.10 s-maxage"),
        pytest.param("max-age=60, must-revalidate", True, id="5.2.2.2 must-revalidate"),
        pytest.param("max-age=60, proxy-revalidate", False, id="5.2.2.8 proxy-revalidate"),
        pytest.param("max-age=60, public, private", False, id="private all the same"),
    ],
)
def test_section_3_5_requests_with_credentials(text: str, allowed: bool) -> None:
    assert isinstance(verdict(cc(text), credentials=True), Storing) is allowed
    directives = parse([text])
    used = choose(State.FRESH, directives, age=1, lifetime=60, credentials=True, asked=NO_WISHES)
    assert used is (Use.FRESH if "private" in text or allowed else Use.FORWARD)


def test_section_5_2_1_5_a_request_may_ask_that_nothing_is_stored() -> None:
    assert refused(FRESH, asked_not_to=True) == "no-store"


def test_section_4_2_2_guesses_on_request() -> None:
    found = stored(("Last-Modified", http_date(NOW - 1000)), heuristic=0.1)
    assert found.lifetime == 100


def test_vary_names_in_any_case_and_on_any_line() -> None:
    found = stored(FRESH, ("Vary", "FOO, Bar"), ("vary", "baz,, host"))
    assert found.vary == ("bar", "baz", "foo")  # the host is in every key


def test_section_3_1_what_is_kept() -> None:
    headers = (
        ("Content-Type", "a"), ("Connection", "x-hop, close"), ("X-Hop", "1"), ("X-Kept", "1"),
        ("Keep-Alive", "1"), ("Proxy-Authentication-Info", "1"), ("TE", "x"), ("Upgrade", "x"),
        ("Transfer-Encoding", "x"), ("Content-Length", "5"), ("Age", "7"), ("Date", "today"),
        ("X-Secret", "1"), ("X-Checked", "1"),
        cc('max-age=60, private="x-secret", no-cache="X-Checked"'),
        ("X-Also", "1"), cc('private="x-also"'),
    )  # fmt: skip
    names = [name for name, _ in kept(headers, stored(*headers))]
    assert names == ["Content-Type", "X-Kept", "Date", "Cache-Control", "Cache-Control"]


# Section 4: using what is stored.


def used(
    text: str = "max-age=60", state: State | None = State.FRESH, age: float = 10,
    lifetime: float = 60, **asked: Any,
) -> Use:  # fmt: skip
    return choose(
        state, parse([text]), age=age, lifetime=lifetime, credentials=False, asked=Wishes(**asked)
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({"state": None}, Use.FORWARD, id="4 nothing stored"),
        pytest.param({"state": State.GONE}, Use.FORWARD, id="4.4 invalidated"),
        pytest.param({}, Use.FRESH, id="4 fresh"),
        pytest.param({"state": State.STALE, "age": 61}, Use.VALIDATE, id="4.2.4 stale"),
        pytest.param({"state": State.EXPIRED, "age": 61}, Use.VALIDATE, id="4.2.4 expired"),
        pytest.param({"state": State.EXPIRED, "age": 60}, Use.VALIDATE, id="4.2 as old as that"),
        pytest.param({"text": "no-cache"}, Use.VALIDATE, id="5.2.2.4 no-cache"),
        pytest.param({"text": 'no-cache="a"'}, Use.FRESH, id="5.2.2.4 qualified"),
        pytest.param({"text": 'no-cache=","'}, Use.VALIDATE, id="5.2.2.4 naming nothing"),
        pytest.param({"text": "must-revalidate"}, Use.FRESH, id="5.2.2.2 says nothing when fresh"),
        # The request's wishes (5.2.1).
        pytest.param({"no_cache": True}, Use.VALIDATE, id="5.2.1.4 no-cache"),
        pytest.param({"max_age": 9}, Use.VALIDATE, id="5.2.1.1 older than max-age"),
        pytest.param({"max_age": 10}, Use.FRESH, id="5.2.1.1 as old as max-age"),
        pytest.param({"max_age": 0}, Use.VALIDATE, id="5.2.1.1 max-age=0"),
        pytest.param({"min_fresh": 51}, Use.VALIDATE, id="5.2.1.3 not fresh for long enough"),
        pytest.param({"min_fresh": 50}, Use.FRESH, id="5.2.1.3 fresh for long enough"),
        pytest.param({"no_store": True}, Use.FRESH, id="5.2.1.5 no-store is about storing"),
        pytest.param({"only_if_cached": True}, Use.FRESH, id="5.2.1.7 stored"),
        pytest.param({"only_if_cached": True, "state": None}, Use.TIMEOUT, id="5.2.1.7 not stored"),
        pytest.param({"only_if_cached": True, "state": State.STALE, "age": 61}, Use.TIMEOUT,
                     id="5.2.1.7 stale"),
        pytest.param({"only_if_cached": True, "no_cache": True}, Use.TIMEOUT, id="5.2.1.7 both"),
        # Stale all the same.
        pytest.param({"state": State.STALE, "age": 65, "max_stale": 5}, Use.STALE,
                     id="5.2.1.2 max-stale"),
        pytest.param({"state": State.STALE, "age": 66, "max_stale": 5}, Use.VALIDATE,
                     id="5.2.1.2 not enough of it"),
        pytest.param({"state": State.EXPIRED, "age": 1e6, "max_stale": math.inf}, Use.STALE,
                     id="5.2.1.2 however stale"),
        pytest.param({"state": State.STALE, "age": 65, "text": "max-age=60, must-revalidate",
                      "max_stale": 5}, Use.VALIDATE, id="5.2.2.2 must-revalidate"),
        pytest.param({"state": State.STALE, "age": 65, "text": "max-age=60, proxy-revalidate",
                      "max_stale": 5}, Use.VALIDATE, id="5.2.2.8 proxy-revalidate"),
        pytest.param({"state": State.STALE, "age": 65, "text": "s-maxage=60", "max_stale": 5},
                     Use.VALIDATE, id="5.2.2.10 s-maxage"),
        pytest.param({"state": State.STALE, "age": 65, "text": "stale-while-revalidate=5"},
                     Use.REFRESH, id="5861 3 within the window"),
        pytest.param({"state": State.STALE, "age": 66, "text": "stale-while-revalidate=5"},
                     Use.VALIDATE, id="5861 3 after it"),
        pytest.param({"state": State.STALE, "age": 65,
                      "text": "s-maxage=60, stale-while-revalidate=5"}, Use.REFRESH,
                     id="5861 3 beside s-maxage"),
        pytest.param({"state": State.STALE, "age": 65,
                      "text": "must-revalidate, stale-while-revalidate=5"}, Use.VALIDATE,
                     id="4.2.4 must-revalidate goes before it"),
        pytest.param({"state": State.STALE, "age": 65,
                      "text": "no-cache, stale-while-revalidate=5"}, Use.VALIDATE,
                     id="5.2.2.4 no-cache goes before it"),
        pytest.param({"state": State.STALE, "age": 10}, Use.REFRESH,
                     id="revalidated by the site's owner: stale, once"),
        pytest.param({"state": State.STALE, "age": 10, "text": "must-revalidate"}, Use.VALIDATE,
                     id="likewise, with must-revalidate"),
    ],
)  # fmt: skip
def test_section_4(given: dict[str, Any], expected: Use) -> None:
    assert used(**given) is expected


@pytest.mark.parametrize(
    ("text", "age", "asked", "expected"),
    [
        pytest.param("max-age=60", 61, {}, False, id="4.2.4 not allowed"),
        pytest.param("stale-if-error=5", 65, {}, True, id="5861 4 within the window"),
        pytest.param("stale-if-error=5", 66, {}, False, id="5861 4 after it"),
        pytest.param("max-age=60", 60, {}, False, id="5861 4 stale this very moment"),
        pytest.param("max-age=60", 65, {"stale_if_error": 5}, True, id="5861 4 by request"),
        pytest.param("must-revalidate, stale-if-error=5", 65, {}, False, id="must-revalidate"),
        pytest.param("proxy-revalidate, stale-if-error=5", 65, {}, False, id="proxy-revalidate"),
        pytest.param("no-cache, stale-if-error=5", 65, {}, False, id="no-cache"),
        pytest.param("s-maxage=60, stale-if-error=5", 65, {}, True, id="beside s-maxage"),
        pytest.param("s-maxage=60", 65, {"stale_if_error": 5}, False, id="s-maxage"),
    ],
)
def test_rfc_5861_section_4(text: str, age: float, asked: dict[str, Any], expected: bool) -> None:
    found = stale_on_error(parse([text]), Wishes(**asked), age=age, lifetime=60)
    assert found is expected


@pytest.mark.parametrize(
    ("cache_control", "pragma", "expected"),
    [
        pytest.param(None, None, NO_WISHES, id="nothing"),
        pytest.param("", None, NO_WISHES, id="empty"),
        pytest.param("no-cache", None, Wishes(no_cache=True), id="no-cache"),
        pytest.param("NO-STORE , only-if-cached", None, Wishes(no_store=True, only_if_cached=True),
                     id="in any case"),
        pytest.param("max-age=5, min-fresh=6, max-stale=7", None,
                     Wishes(max_age=5, min_fresh=6, max_stale=7), id="seconds"),
        pytest.param("max-stale", None, Wishes(max_stale=math.inf), id="5.2.1.2 however stale"),
        pytest.param("max-stale=x", None, NO_WISHES, id="malformed max-stale"),
        pytest.param("min-fresh=x", None, NO_WISHES, id="malformed min-fresh"),
        pytest.param("max-age=x", None, Wishes(max_age=0), id="malformed max-age"),
        pytest.param("stale-if-error=5", None, Wishes(stale_if_error=5), id="5861 4"),
        pytest.param(None, "no-cache", Wishes(no_cache=True), id="5.4 Pragma"),
        pytest.param(None, "other", NO_WISHES, id="5.4 another Pragma"),
        pytest.param("max-stale=1", "no-cache", Wishes(max_stale=1), id="5.4 not beside the other"),
    ],
)  # fmt: skip
def test_wishes(cache_control: str | None, pragma: str | None, expected: Wishes) -> None:
    assert wishes(cache_control, pragma) == expected
