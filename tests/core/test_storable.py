"""`isgware.core.storable`: may this response be stored; if not, why; and as what."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isgware.core.cache_key import Request
from isgware.core.storable import (
    Learn,
    Refusal,
    Response,
    Terms,
    ViewDirectives,
    lifetime,
    promising,
    storable,
    varies,
)
from isgware.http.fields import Headers
from isgware.policy import ONE_YEAR, Policy
from tests.core.making import NOW, an_entry, examples

MINUTE = Policy(revalidate=60)
HERE = Request("http", "example.com", "", "/page", "a=1")


def verdict(
    status: str = "200 OK",
    headers: Headers = (),
    body: bytes = b"body",
    policy: Policy = MINUTE,
    request: Request = HERE,
    **given_arguments: Any,
) -> Terms | Refusal | Learn:
    response = Response(status, headers, body)
    return storable(response, request, policy, **{"declared": True, **given_arguments})


def terms(*args: Any, **given_arguments: Any) -> Terms:
    found = verdict(*args, **given_arguments)
    assert isinstance(found, Terms), found
    return found


# Status (design 7).


@pytest.mark.parametrize("status", ["200 OK", "203 X", "300 X", "301 X", "308 X", "200"])
def test_what_is_cacheable_by_nature_is_stored(status: str) -> None:
    assert terms(status) == Terms(60.0, ONE_YEAR)


@pytest.mark.parametrize(
    "status",
    [
        "201 Created", "202 Accepted", "204 No Content", "206 Partial Content", "304 Not Modified",
        "400 Bad Request", "401 X", "403 Forbidden", "405 X", "413 X", "414 X", "429 X", "431 X",
        "500 X", "501 X", "502 X", "503 X", "504 X", "100 Continue", "305 X", "306 X",
    ],
)  # fmt: skip
def test_other_statuses_are_not_stored(status: str) -> None:
    assert verdict(status) == Refusal(f"status-{status[:3]}")


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone"])
def test_a_first_missing_page_is_kept_for_ten_seconds_in_a_quota(status: str) -> None:
    assert terms(status) == Terms(10.0, 10.0, error_quota=True)


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone"])
def test_a_missing_page_replaces_the_page_it_unpublishes_and_stays(status: str) -> None:
    assert terms(status, replaces=an_entry()) == Terms(10.0, ONE_YEAR, tombstone=True)


def test_a_tombstone_replaces_a_tombstone() -> None:
    old = an_entry(status="404 Not Found", tombstone=True)
    assert terms("410 Gone", replaces=old).tombstone


def test_a_missing_page_that_replaces_one_that_never_was_has_no_tombstone() -> None:
    assert not terms("404 X", replaces=an_entry(status="404 X", error_quota=True)).tombstone


@pytest.mark.parametrize("status", ["302 Found", "303 X", "307 X"])
def test_a_temporary_redirect_is_for_visitors_without_cookies_and_sixty_seconds(
    status: str,
) -> None:
    found = terms(status, policy=Policy(revalidate=3600))
    assert found == Terms(60.0, 60.0, anonymous=True)


def test_shorter_lifetimes_hold_for_errors_and_redirects_too() -> None:
    short = Policy(revalidate=5, expire=8)
    assert (terms("404 X", policy=short).revalidate, terms("302 X", policy=short).expire) == (5, 8)


# Refusals.


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        pytest.param([("Set-Cookie", "a=b")], "set-cookie", id="sets a cookie"),
        pytest.param([("set-COOKIE", "")], "set-cookie", id="sets it in any case"),
        pytest.param([("Cache-Control", "no-store")], "no-store", id="no-store"),
        pytest.param([("Cache-Control", "private")], "private", id="private"),
        pytest.param([("cache-control", "PRIVATE")], "private", id="upper case"),
        pytest.param([("Cache-Control", 'private="x-a"')], "private", id="with fields"),
        pytest.param([("Cache-Control", "public"), ("Cache-Control", "private")], "private",
                     id="second line"),
        pytest.param([("Cache-Control", "max-age=6, private , public")], "private", id="list"),
        pytest.param([("Cache-Control", "private; max-age=0")], "private", id="wrong separator"),
        pytest.param([("CDN-Cache-Control", "no-store")], "no-store", id="targeted"),
        pytest.param([("Vary", "*")], "vary-star", id="Vary: *"),
        pytest.param([("Vary", "  * ")], "vary-star", id="padded"),
        pytest.param([("VARY", "Accept, *")], "vary-star", id="in a list"),
        pytest.param([("Vary", "Cookie"), ("Vary", "*")], "vary-star", id="second line of Vary"),
        pytest.param([("X-A", "a\r\nSet-Cookie: b")], "bad-header", id="response splitting"),
        pytest.param([("X-A", "a\0")], "bad-header", id="NUL"),
        pytest.param([("X A", "a")], "bad-header", id="bad name"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("obey", [True, False], ids=["shared", "ignore"])
def test_refused(headers: list[tuple[str, str]], reason: str, obey: bool) -> None:
    """Refusals count in every mode of cache_control (design 6)."""
    assert verdict(headers=tuple(headers), obey=obey) == Refusal(reason)


@pytest.mark.parametrize("status", ["200 OK\r\nX: y", "OK", "", "2x0 OK", "1000 X"], ids=repr)
def test_a_status_line_that_is_none_is_refused(status: str) -> None:
    assert verdict(status) == Refusal("bad-header")


def test_the_view_may_refuse() -> None:
    assert verdict(of_view=ViewDirectives(refused=True)) == Refusal("no-store")


def test_no_cache_is_refused_where_nobody_declared_the_route() -> None:
    headers = (("Cache-Control", "no-cache, s-maxage=60"),)
    assert verdict(headers=headers, policy=Policy(), declared=False) == Refusal("no-cache")


def test_no_cache_does_not_overrule_a_declaration() -> None:
    assert terms(headers=(("Cache-Control", "no-cache"),)).revalidate == 60


def test_an_empty_page_never_replaces_one_that_had_a_body() -> None:
    assert verdict(body=b"", replaces=an_entry()) == Refusal("empty-body")


def test_an_empty_page_may_replace_an_empty_one_and_be_a_first() -> None:
    assert terms(body=b"") == terms(body=b"", replaces=an_entry(body=b"")) == Terms(60.0, ONE_YEAR)


# Redirects to the page itself.

ROOT = Request("http", "example.com", "", "/")
CAFE = Request("http", "example.com", "", "/caf\xc3\xa9/~me")


@pytest.mark.parametrize(
    ("request_", "location", "reason"),
    [
        pytest.param(HERE, "https://example.com/page?a=1", "redirect-to-other-origin", id="https"),
        pytest.param(HERE, "//www.example.com/page?a=1", "redirect-to-other-origin", id="host"),
        pytest.param(HERE, "http://example.com:80/page?a=1", "redirect-to-other-origin", id="port"),
        pytest.param(HERE, "https://example.com/page?a=1#top", "redirect-to-other-origin",
                     id="fragment"),
        pytest.param(HERE, "/page?a=1", "redirect-to-itself", id="itself"),
        pytest.param(HERE, "?a=1", "redirect-to-itself", id="itself, relative"),
        pytest.param(HERE, "http://example.com/page?a=1", "redirect-to-itself", id="absolute"),
        pytest.param(ROOT, "https://example.com", "redirect-to-other-origin",
                     id="an empty path is / (RFC 3986 6.2.3)"),
        pytest.param(CAFE, "https://example.com/caf%c3%a9/~me", "redirect-to-other-origin",
                     id="hex digits in lower case (6.2.2.1)"),
        pytest.param(CAFE, "https://example.com/caf%C3%A9/%7Eme", "redirect-to-other-origin",
                     id="needless quoting (6.2.2.2)"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", ["301 X", "302 X", "303 X", "307 X", "308 X"])
def test_a_redirect_to_the_same_url_is_not_stored(
    request_: Request, location: str, reason: str, status: str
) -> None:
    headers = (("Location", location),)
    assert verdict(status, headers, request=request_) == Refusal(reason)


@pytest.mark.parametrize(
    "location",
    ["/page/", "/page", "/page?a=2", "/other?a=1", "https://example.com/Page?a=1", "/page?A=1"],
)
def test_a_redirect_elsewhere_is_stored(location: str) -> None:
    assert terms("301 X", (("Location", location),)).revalidate == 60


@examples
@given(location=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30))
def test_no_location_raises(location: str) -> None:
    assert isinstance(verdict("301 X", (("Location", location),)), Terms | Refusal)


@pytest.mark.parametrize("location", ["http://[::1", "//[", "http://a]b/", "http://h:port/"])
def test_a_malformed_location_does_not_raise(location: str) -> None:
    assert isinstance(verdict("301 X", (("Location", location),)), Terms | Refusal)


# Vary.


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ((), set()),
        (("",), set()),
        (("Accept",), {"accept"}),
        ((" Accept-Language ,COOKIE,, ",), {"accept-language", "cookie"}),
        (("Accept", "Cookie"), {"accept", "cookie"}),
        (("*",), {"*"}),
        (('"Accept, *', "a b;c"), {"*"}),
        (("X-A, @",), {"x-a", "*"}),
    ],
)
def test_varies(values: tuple[str, ...], names: set[str]) -> None:
    assert varies(tuple(("vAry", value) for value in values)) == names


def test_a_header_that_is_not_keyed_is_learned() -> None:
    assert verdict(headers=(("Vary", "X-B, X-A"),)) == Learn(("x-a", "x-b"))


def test_keyed_headers_need_no_learning() -> None:
    assert terms(headers=(("Vary", "X-A"),), keyed=frozenset({"x-a"})) == Terms(60.0, ONE_YEAR)


@pytest.mark.parametrize("name", ["Cookie", "Authorization", "Accept-Encoding", "Host"])
def test_some_headers_are_never_learned(name: str) -> None:
    assert terms(headers=(("Vary", name),)).revalidate == 60


def test_a_page_that_varies_by_cookie_is_the_anonymous_one() -> None:
    assert terms(headers=(("Vary", "Accept-Encoding, Cookie"),)) == Terms(
        60.0, ONE_YEAR, vary_cookie=True
    )


def test_a_page_that_varies_by_too_much_is_not_stored() -> None:
    wide = (("Vary", ", ".join(f"X-{number}" for number in range(9))),)
    assert verdict(headers=wide) == Refusal("vary-too-wide")


def test_what_is_learned_adds_up_with_what_is_keyed() -> None:
    some = (("Vary", "X-1, X-2, X-3, X-4, X-5"),)
    keyed = frozenset({"a", "b", "c", "d"})
    assert verdict(headers=some, keyed=keyed) == Refusal("vary-too-wide")


# Lifetimes: view, decorator and routes, the response's own, ISG(revalidate=) (design 3).

SHARED = (("Cache-Control", "s-maxage=40"),)


@pytest.mark.parametrize(
    ("said", "policy", "headers", "default", "expected"),
    [
        pytest.param(30, 60, SHARED, 50, 30, id="the view"),
        pytest.param(False, 60, SHARED, 50, False, id="the view: until told"),
        pytest.param(0, 60, SHARED, 50, 0, id="the view: never"),
        pytest.param(None, 60, SHARED, 50, 60, id="the policy"),
        pytest.param(None, False, SHARED, 50, False, id="the policy: until told"),
        pytest.param(None, 0, SHARED, 50, 0, id="the policy: never"),
        pytest.param(None, None, SHARED, 50, 40, id="the response"),
        pytest.param(None, None, (("CDN-Cache-Control", "max-age=7"), *SHARED), 50, 7, id="CDN"),
        pytest.param(None, None, (("ISG-Cache-Control", "max-age=8"), *SHARED), 50, 8, id="ISG"),
        pytest.param(None, None, (("Cache-Control", "s-maxage=0"),), 50, 0, id="response: 0"),
        pytest.param(None, None, (("Cache-Control", "s-maxage=x"),), 50, 0, id="malformed"),
        pytest.param(None, None, (("Cache-Control", "max-age=40"),), 50, 50,
                     id="max-age addresses browsers"),
        pytest.param(None, None, (), 50, 50, id="the default"),
        pytest.param(None, None, (), False, False, id="the default: until told"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("declared", [True, False])
def test_lifetime(
    said: Any, policy: Any, headers: Headers, default: Any, expected: Any, declared: bool
) -> None:
    found = lifetime(
        Response("200 OK", headers, b""), Policy(revalidate=policy),
        ViewDirectives(revalidate=said), declared=declared, default=default, obey=True,
    )  # fmt: skip
    assert (found, found is False) == (expected, expected is False)


def test_a_declared_route_for_which_nobody_says_is_kept_until_told() -> None:
    assert terms(policy=Policy()) == Terms(None, ONE_YEAR)


def test_an_undeclared_route_for_which_nobody_says_is_not_stored() -> None:
    assert verdict(policy=Policy(), declared=False) == Refusal("no-lifetime")


@pytest.mark.parametrize(
    ("age", "expected"),
    [("15", (40.0, 15.0)), ("39", (40.0, 39.0)), ("40", "revalidate-0"), ("x", (40.0, 0.0))],
)
def test_what_a_lifetime_has_spent_upstream_is_gone(age: str, expected: Any) -> None:
    found = verdict(headers=(*SHARED, ("Age", age)), policy=Policy(), now=NOW)  # RFC 9111, 4.2.3
    if isinstance(found, Refusal):
        assert found.reason == expected
    else:
        assert isinstance(found, Terms)
        assert (found.revalidate, found.age) == expected
    assert terms(headers=(*SHARED, ("Age", age)), policy=Policy(revalidate=9)).age == 0


def test_lifetimes_of_the_response_can_be_ignored() -> None:
    assert terms(headers=SHARED, policy=Policy(), obey=False).revalidate is None


@pytest.mark.parametrize("of_view", [ViewDirectives(revalidate=0), ViewDirectives(revalidate=0.0)])
def test_revalidate_zero_is_never_stored(of_view: ViewDirectives) -> None:
    assert verdict(of_view=of_view) == Refusal("revalidate-0")


def test_the_view_may_say_when_its_page_expires() -> None:
    assert terms(of_view=ViewDirectives(expire=600)) == Terms(60.0, 600.0)


def test_a_page_does_not_expire_before_it_is_stale() -> None:
    assert terms(of_view=ViewDirectives(revalidate=900, expire=600)) == Terms(900.0, 900.0)


# Whether a visitor's own answer merits a render behind it.


@pytest.mark.parametrize(
    ("status", "headers", "default", "reason"),
    [
        pytest.param("200 OK", (), 60, None, id="storable by default"),
        pytest.param("200 OK", SHARED, None, None, id="storable by its headers"),
        pytest.param("200 OK", (), None, "no-lifetime", id="nobody says"),
        pytest.param("200 OK", (("Set-Cookie", "a"),), 60, "set-cookie", id="sets a cookie"),
        pytest.param("200 OK", (("Cache-Control", "no-cache"),), 60, "no-cache", id="nonces"),
        pytest.param("200 OK", (("Cache-Control", "private"),), 60, "private", id="private"),
        pytest.param("200 OK", (("Vary", "*"),), 60, "vary-star", id="Vary: *"),
        pytest.param("200 OK", (("Vary", "X-A, Cookie"),), 60, None, id="Vary is learned"),
        pytest.param("302 Found", (("Location", "/"),), 60, None, id="redirect"),
        pytest.param("404 Not Found", (), 60, "status", id="no double work for floods of errors"),
        pytest.param("500 X", (), 60, "status", id="error"),
        pytest.param("nonsense", (), 60, "status", id="no status at all"),
    ],
)
def test_promising(status: str, headers: Headers, default: Any, reason: str | None) -> None:
    assert promising(status, headers, default=default, obey=True) == reason


# Whatever the app says.

fields = st.tuples(
    st.sampled_from(["Cache-Control", "Vary", "Location", "Set-Cookie", "CDN-Cache-Control", "X"]),
    st.text(max_size=20),
)


@examples
@given(
    status=st.one_of(st.text(max_size=6), st.integers(100, 599).map(str)),
    headers=st.lists(fields, max_size=4).map(tuple),
    declared=st.booleans(),
)
def test_no_response_raises(status: str, headers: Headers, declared: bool) -> None:
    found = verdict(status, headers, declared=declared)
    assert isinstance(found, Terms | Refusal | Learn)
    if any(name == "Set-Cookie" for name, _ in headers):
        assert isinstance(found, Refusal)
