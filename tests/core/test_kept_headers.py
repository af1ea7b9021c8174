"""`isgware.core.downstream.kept_headers`: what of a response's head is stored."""

from __future__ import annotations

from typing import Any

import pytest

from isgware.core.cache_key import Request
from isgware.core.downstream import kept_headers, spent
from isgware.core.storable import Response, Terms, varying
from isgware.http.fields import Headers
from isgware.policy import NOTHING, Policy

PRIVATE = "private, max-age=0, must-revalidate"
PAGE = Terms(60.0, 3600.0)


def kept(
    headers: Headers = (), terms: Terms = PAGE, policy: Policy = NOTHING, downstream: float = 60
) -> dict[str, str]:
    response = Response("200 OK", headers, b"")
    found = kept_headers(response, terms, policy, Request("http", "h", "", "/"), downstream)
    assert len({name.lower() for name, _ in found}) == len(found)
    return dict(found)


@pytest.mark.parametrize(
    "name",
    [
        "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Trailer",
        "Transfer-Encoding", "Upgrade", "Proxy-Connection", "Date", "Age", "X-ISG-Cache",
        "Cache-Status", "Content-Length", "ETag", "transfer-ENCODING",
    ],
)  # fmt: skip
def test_what_is_hop_by_hop_or_made_anew_is_dropped(name: str) -> None:
    assert name not in kept(((name, "x"),))


def test_what_connection_names_is_hop_by_hop() -> None:
    found = kept((("Connection", "close, X-Hop"), ("X-HOP", "1"), ("X-Kept", "2")))
    assert set(found) == {"X-Kept", "Cache-Control"}  # RFC 9110, section 7.6.1


@pytest.mark.parametrize(
    "name",
    ["Content-Type", "Content-Language", "Link", "Last-Modified", "Expires", "Content-Encoding",
     "Strict-Transport-Security", "X-Frame-Options", "Access-Control-Allow-Origin", "Location"],
)  # fmt: skip
def test_the_apps_own_headers_are_kept(name: str) -> None:
    assert kept(((name, "value"),))[name] == "value"


def test_repeated_headers_keep_their_order() -> None:
    links = (("Link", "<a>"), ("X", "y"), ("Link", "<b>"))
    found = kept_headers(
        Response("200 OK", links, b""), PAGE, Policy(), Request("http", "h", "", "/"), 60
    )
    assert found[:3] == links


# Vary.


@pytest.mark.parametrize(
    ("headers", "policy", "expected"),
    [
        pytest.param((), {}, None, id="none"),
        pytest.param((("Vary", "accept-language"),), {}, "Accept-Language", id="the app's"),
        pytest.param((("Vary", "X-B"), ("vary", "X-A, x-b")), {}, "X-A, X-B", id="lines joined"),
        pytest.param((), {"vary": ["Accept-Language"]}, "Accept-Language", id="the policy's"),
        pytest.param((("Vary", "X-A"),), {"vary": ["X-B"]}, "X-A, X-B", id="both"),
        pytest.param((), {"vary": ["cookie:currency"]}, "Cookie", id="a keyed cookie"),
        pytest.param((("Vary", ""),), {}, None, id="an empty one"),
    ],
)
def test_vary_names_all_that_the_page_depends_on(
    headers: Headers, policy: dict[str, Any], expected: str | None
) -> None:
    assert kept(headers, policy=Policy(**policy)).get("Vary") == expected


# Cache-Control (design 3).


@pytest.mark.parametrize(
    ("terms", "policy", "expected"),
    [
        pytest.param(PAGE, {}, "public, max-age=0, s-maxage=60, stale-while-revalidate=3540",
                     id="R and E = expire - revalidate"),
        pytest.param(Terms(None, 3600.0), {},
                     "public, max-age=0, s-maxage=30, stale-while-revalidate=3570",
                     id="until told: caches in front cannot be purged"),
        pytest.param(Terms(60.0, 60.0), {},
                     "public, max-age=0, s-maxage=60, stale-while-revalidate=0",
                     id="expires when it is stale"),
        pytest.param(Terms(60.0, 3600.0, vary_cookie=True), {}, PRIVATE, id="Vary: Cookie"),
        pytest.param(Terms(60.0, 60.0, anonymous=True), {}, PRIVATE, id="visitors without cookies"),
        pytest.param(PAGE, {"bypass": ["preview"]}, PRIVATE, id="bypass cookies"),
        pytest.param(PAGE, {"bypass": bool}, PRIVATE, id="bypass callable"),
        pytest.param(PAGE, {"vary": ["cookie:ab"]}, PRIVATE, id="a keyed cookie"),
    ],
)  # fmt: skip
def test_cache_control(terms: Terms, policy: dict[str, Any], expected: str) -> None:
    assert kept(terms=terms, policy=Policy(**policy), downstream=30)["Cache-Control"] == expected


def test_the_views_own_cache_control_is_left_alone() -> None:
    assert kept((("cache-control", "max-age=5"),)) == {"cache-control": "max-age=5"}


def test_a_page_invalidated_before_its_time_is_not_fresh_in_front_of_us() -> None:
    found = spent(list(kept().items()))
    assert found == [
        ("Cache-Control", "public, max-age=0, s-maxage=0, stale-while-revalidate=3540")
    ]


def test_what_the_view_said_holds_for_an_invalidated_page_too() -> None:
    headers = [("Cache-Control", "s-maxage=5"), ("X", "public, max-age=0, s-maxage=1")]
    assert spent(headers) == headers


def test_a_page_whose_key_a_cookie_may_have_decided_is_private() -> None:
    request = Request("http", "h", "", "/", headers=(("accept-language", "de"),))
    said = Response("200 OK", (), b"")
    for by_cookie, expected in (((), False), (["accept-language"], True), (["x"], False)):
        found = dict(kept_headers(said, PAGE, NOTHING, request, 60, by_cookie))
        assert (found["Cache-Control"] == PRIVATE) is expected


def test_a_page_that_says_it_varies_by_what_a_cookie_decides_is_private() -> None:
    said = Response("200 OK", (("Vary", "Accept-Language"),), b"")
    plain = Request("http", "h", "", "/")
    found = dict(kept_headers(said, PAGE, NOTHING, plain, 60, ["accept-language"]))
    assert found["Cache-Control"] == PRIVATE


def test_what_a_render_looked_at_joins_its_vary() -> None:
    response = Response("200 OK", (("Vary", "Accept"),), b"")
    found = varying(response, ["origin", "accept"])
    assert found.headers == (("Vary", "Accept"), ("Vary", "Origin"))
    assert varying(found, ["origin"]) is found
