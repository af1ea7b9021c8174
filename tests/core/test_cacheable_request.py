"""`isgware.core.cache_key`: what a stored render may see of a visitor's request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isgware.core.cache_key import (
    HARMLESS_COOKIES,
    TRACKING,
    Request,
    Rules,
    Visitor,
    ambiguous_target,
    cookie_pairs,
    counting_cookie,
    decoded,
    narrow,
    narrow_query,
    url_refusal,
)
from tests.core.making import a_visitor, examples, native, tokens

LANGUAGES = Rules(headers=(("accept-language", ("en", "fr")),))
PLAIN = Request("http", "example.com", "", "/page")


# Narrowing (P1): what is not in the key is not in the request.

rules_of_a_page = st.builds(
    Rules,
    query=st.one_of(st.just("all"), st.lists(tokens, max_size=2).map(tuple)),
    headers=st.lists(tokens, max_size=2, unique=True).map(lambda n: tuple((x, None) for x in n)),
    cookies=st.lists(tokens, max_size=2, unique=True).map(lambda n: tuple((x, None) for x in n)),
)
header_maps = st.dictionaries(
    st.one_of(tokens.map(lambda n: "HTTP_" + n.upper().replace("-", "_")), native), native
)


@examples
@given(
    rules=rules_of_a_page,
    headers=header_maps,
    cookies=st.lists(st.tuples(tokens, tokens), max_size=4),
    query=st.lists(st.tuples(tokens, tokens), max_size=4),
)
def test_a_request_holds_only_what_its_rules_name(
    rules: Rules,
    headers: dict[str, str],
    cookies: list[tuple[str, str]],
    query: list[tuple[str, str]],
) -> None:
    headers = {**headers, "HTTP_COOKIE": "; ".join(f"{k}={v}" for k, v in cookies)}
    text = "&".join(f"{name}={value}" for name, value in query)
    request = narrow(replace(a_visitor(query=text), headers=headers), rules)
    if isinstance(request, str):
        assert request.startswith("odd-")
        return
    assert {name for name, _ in request.headers} <= {name for name, _ in rules.headers}
    assert {name for name, _ in request.cookies} <= {name for name, _ in rules.cookies}
    shown = {part.partition("=")[0] for part in request.query.split("&") if part}
    assert rules.query == "all" or shown <= set(rules.query)


@examples
@given(rules=rules_of_a_page, noise=header_maps, method=st.sampled_from(["GET", "HEAD", "POST"]))
def test_what_no_rule_names_changes_nothing(
    rules: Rules, noise: dict[str, str], method: str
) -> None:
    """Non-interference: two visitors who differ by unkeyed headers only ask for the same page."""
    keyed = {"HTTP_" + name.upper().replace("-", "_") for name, _ in rules.headers}
    noise = {name: value for name, value in noise.items() if name not in {*keyed, "HTTP_COOKIE"}}
    plain = narrow(a_visitor(query="a=1"), rules)
    strange = replace(a_visitor(query="a=1", method=method), headers=noise)
    assert narrow(strange, rules) == plain


@pytest.mark.parametrize(
    "header",
    [
        "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PROTO", "HTTP_FORWARDED", "HTTP_ORIGIN",
        "HTTP_USER_AGENT", "HTTP_ACCEPT_LANGUAGE", "HTTP_X_ORIGINAL_URL", "HTTP_RANGE",
        "HTTP_X_HTTP_METHOD_OVERRIDE", "HTTP_IF_NONE_MATCH", "HTTP_AUTHORIZATION", "HTTP_COOKIE",
        "HTTP_X_ISG_CACHE", "REMOTE_ADDR", "REMOTE_USER", "CONTENT_LENGTH", "isgware.render",
    ],
)  # fmt: skip
def test_an_unkeyed_header_is_not_seen(header: str) -> None:
    visitor = replace(a_visitor(), headers={header: "evil"})
    assert narrow(visitor, Rules()) == narrow(a_visitor(), Rules())


def test_base_url_takes_scheme_and_host_out_of_the_key() -> None:
    request = narrow(a_visitor(host="evil.example"), Rules(), ("https", "www.example.com"))
    assert request == Request("https", "www.example.com", "", "/page")


@pytest.mark.parametrize(
    ("accept", "value"),
    [
        pytest.param("fr", "fr", id="exact"),
        pytest.param("fr-CH, fr;q=0.9, en;q=0.8", "fr", id="best match"),
        pytest.param("en;q=0.1, fr;q=0.2", "fr", id="weights"),
        pytest.param("de", None, id="none of them"),
        pytest.param("fr;q=0", None, id="refused"),
        pytest.param("", None, id="empty"),
        pytest.param("\x80;;q=,,", None, id="nonsense"),
    ],
)
def test_named_values_are_negotiated(accept: str, value: str | None) -> None:
    request = narrow(a_visitor(accept_language=accept), LANGUAGES)
    assert isinstance(request, Request)
    assert request.headers == ((("accept-language", value),) if value else ())


@examples
@given(accept=native)
def test_negotiation_yields_a_named_value_or_nothing(accept: str) -> None:
    request = narrow(a_visitor(accept_language=accept), LANGUAGES)
    assert isinstance(request, Request)
    assert request.headers in ((), (("accept-language", "en"),), (("accept-language", "fr"),))


def test_named_values_of_other_headers_match_whole_and_in_any_case() -> None:
    rules = Rules(headers=(("x-tier", ("Gold", "free")),))
    gold, other = narrow(a_visitor(x_tier=" gold "), rules), narrow(a_visitor(x_tier="x"), rules)
    assert isinstance(gold, Request)
    assert isinstance(other, Request)
    assert (gold.headers, other.headers) == ((("x-tier", "Gold"),), ())


def test_a_resolver_says_the_value_in_place_of_the_header() -> None:
    def resolve(name: str, visitor: Visitor) -> str:
        return f"{name} of {visitor.path}"

    rules = replace(LANGUAGES, resolvers={"accept-language": resolve})
    request = narrow(a_visitor(accept_language="fr"), rules)
    assert isinstance(request, Request)
    assert request.headers == (("accept-language", "accept-language of /page"),)


@pytest.mark.parametrize(
    ("visitor", "reason"),
    [
        pytest.param(a_visitor(x_tier="x" * 1025), "odd-header", id="long header"),
        pytest.param(a_visitor(x_tier="a\r\nb"), "odd-header", id="header with a line break"),
        pytest.param(a_visitor(cookie="tier=" + "x" * 1025), "odd-cookie", id="long cookie"),
        pytest.param(a_visitor(cookie="tier=a\0b"), "odd-cookie", id="cookie with NUL"),
    ],
)
def test_an_odd_keyed_value_makes_no_key(visitor: Visitor, reason: str) -> None:
    rules = Rules(headers=(("x-tier", None),), cookies=(("tier", None),))
    assert narrow(visitor, rules) == reason


def test_one_keyed_cookie_is_seen_without_the_others() -> None:
    request = narrow(
        a_visitor(cookie="id=7; currency=EUR; x=y"), Rules(cookies=(("currency", None),))
    )
    assert isinstance(request, Request)
    assert request.cookies == (("currency", "EUR"),)


def test_the_first_of_two_cookies_of_one_name_counts() -> None:
    request = narrow(a_visitor(cookie="c=1; c=2"), Rules(cookies=(("c", None),)))
    assert isinstance(request, Request)
    assert request.cookies == (("c", "1"),)


@pytest.mark.parametrize(
    ("value", "seen"),
    [("EUR", (("currency", "EUR"),)), ("XXX", ()), ("eur", ()), ("", ())],
)
def test_named_values_of_a_cookie_are_the_only_ones(value: str, seen: Any) -> None:
    rules = Rules(cookies=(("currency", ("EUR", "USD")),))
    request = narrow(a_visitor(cookie=f"currency={value}"), rules)
    assert isinstance(request, Request)
    assert request.cookies == seen


# The query.


@pytest.mark.parametrize(
    ("query", "names", "kept"),
    [
        pytest.param("b=2&a=1", "all", "b=2&a=1", id="all, in their order"),
        pytest.param("a=1&a=2", "all", "a=1&a=2", id="duplicates stay"),
        pytest.param("a=1", (), "", id="none"),
        pytest.param("a=1&b=2&c=3", ("a", "c"), "a=1&c=3", id="names"),
        pytest.param("a=1&utm_source=x", "all", "a=1", id="tracking"),
        pytest.param("utm%5Fsource=x&%75tm_source=y", "all", "", id="tracking, quoted"),
        pytest.param("a=1&utm_source=x;q=2", "all", "a=1", id="a semicolon hides nothing"),
        pytest.param("a=1;b=2", ("b",), "", id="a semicolon separates nothing"),
        pytest.param("a%26b=1", ("a",), "", id="quoted ampersand"),
        pytest.param("%61=1", ("a",), "%61=1", id="quoted name, kept as it came"),
        pytest.param("utm_source=x", ("utm_source",), "utm_source=x", id="tracking, if listed"),
        pytest.param("A=1", ("a",), "", id="names have case"),
        pytest.param("a+b=1", ("a b",), "a+b=1", id="plus is a space"),
        pytest.param("flag", ("flag",), "flag", id="without a value"),
    ],
)
def test_query_is_narrowed(query: str, names: Any, kept: str) -> None:
    assert narrow_query(query, names) == kept


@pytest.mark.parametrize("name", [name.replace("*", "campaign") for name in TRACKING])
def test_tracking_parameters_are_not_shown(name: str) -> None:
    assert narrow_query(f"page=2&{name}=x", "all") == "page=2"


@examples
@given(query=native, names=st.one_of(st.just("all"), st.lists(tokens, max_size=3).map(tuple)))
def test_narrowing_a_query_twice_changes_nothing_more(query: str, names: Any) -> None:
    once = narrow_query(query, names)
    assert narrow_query(once, names) == once


# Odd requests: their pages are never stored.


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({}, None, id="plain"),
        pytest.param({"path": "/a/b;x.css"}, None, id="parameters in the path are its own"),
        pytest.param({"path": "/a//b"}, None, id="slashes inside"),
        pytest.param({"path": "/caf\xc3\xa9"}, None, id="UTF-8"),
        pytest.param({"path": "/a.b/..c/.well-known"}, None, id="dots in names"),
        pytest.param({"path": "", "script_name": "/app"}, None, id="the mount point itself"),
        pytest.param({"path": ""}, "odd-path", id="empty path"),
        pytest.param({"path": "*"}, "odd-path", id="asterisk form"),
        pytest.param({"path": "http://evil/x"}, "odd-path", id="absolute form"),
        pytest.param({"path": "//evil/x"}, "odd-path", id="two slashes"),
        pytest.param({"path": "/a/../b"}, "odd-path", id="dot-dot"),
        pytest.param({"path": "/a/."}, "odd-path", id="dot"),
        pytest.param({"path": "/a\\b"}, "odd-path", id="backslash"),
        pytest.param({"path": "/a\0"}, "odd-path", id="NUL"),
        pytest.param({"path": "/a\r\nSet-Cookie: x"}, "odd-path", id="CR LF"),
        pytest.param({"path": "/\xff"}, "odd-path", id="bad UTF-8"),
        pytest.param({"path": "/\udcff"}, "odd-path", id="surrogate"),
        pytest.param({"path": "/" + "a" * 4096}, "odd-path", id="long path"),
        pytest.param({"path": "/" + "a/" * 80}, "odd-path", id="many segments"),
        pytest.param({"query": "a=\n"}, "odd-query", id="line break in the query"),
        pytest.param({"query": "a=\xe9"}, "odd-query", id="raw bytes in the query"),
        pytest.param({"query": "a" * 4097}, "odd-query", id="long query"),
        pytest.param({"host": ""}, "odd-host", id="empty host"),
        pytest.param({"host": "a,evil"}, "odd-host", id="two hosts"),
        pytest.param({"host": "a:80@evil"}, "odd-host", id="user info"),
        pytest.param({"host": "a/b"}, "odd-host", id="slash in the host"),
        pytest.param({"host": "a b"}, "odd-host", id="space in the host"),
        pytest.param({"host": "a\r\nb"}, "odd-host", id="line break in the host"),
        pytest.param({"host": "[::1]:8000"}, None, id="IPv6"),
        pytest.param({"host": "[:::]"}, "odd-host", id="no IPv6 address in brackets"),
        pytest.param({"host": "[1.2.3.4]:80"}, "odd-host", id="an IPv4 address in brackets"),
        pytest.param({"scheme": "ws"}, "odd-host", id="another scheme"),
    ],
)
def test_url_refusal(changes: dict[str, str], reason: str | None) -> None:
    assert url_refusal(replace(a_visitor(), **changes)) == reason


@examples
@given(
    path=st.text(max_size=20), query=st.text(max_size=20), host=st.text(max_size=20), script=native
)
def test_no_url_raises(path: str, query: str, host: str, script: str) -> None:
    odd = url_refusal(replace(a_visitor(path, query), host=host, script_name=script))
    assert odd in (None, "odd-path", "odd-query", "odd-host")


@examples
@given(path=native, script=native)
def test_the_path_of_an_ordinary_url_is_invalidated_by_exactly_its_name(
    path: str, script: str
) -> None:
    visitor = replace(a_visitor("/" + path), script_name=script)
    if url_refusal(visitor) is None:
        full = decoded(script + "/" + path)
        assert full.encode().decode("latin-1") == script + "/" + path


# Cookies.


@pytest.mark.parametrize(
    ("header", "pairs"),
    [
        pytest.param("a=1; b=2", [("a", "1"), ("b", "2")], id="two"),
        pytest.param(" a = 1 ;b=2;", [("a", "1"), ("b", "2")], id="spaces"),
        pytest.param('a="x=y"', [("a", '"x=y"')], id="raw values"),
        pytest.param("a", [("a", "")], id="no equals sign"),
        pytest.param("=v; ;", [], id="no name"),
        pytest.param(None, [], id="no header"),
        pytest.param(7, [], id="not a string"),
    ],
)
def test_cookie_pairs(header: Any, pairs: list[tuple[str, str]]) -> None:
    assert cookie_pairs(header) == pairs


@pytest.mark.parametrize(
    ("header", "counted", "found"),
    [
        pytest.param("sessionid=1", None, "sessionid", id="by default any"),
        pytest.param("_ga=1; _ga_X=2; _fbp=3", None, None, id="but known analytics"),
        pytest.param("_ga=1; theme=dark", None, "theme", id="first that counts"),
        pytest.param("sessionid=1; theme=dark", ("session*",), "sessionid", id="pattern"),
        pytest.param("theme=dark", ("session*",), None, id="not in the list"),
        pytest.param("sessionid=1", (), None, id="nobody is personal"),
        pytest.param("SESSIONID=1", ("sessionid",), None, id="names have case"),
        pytest.param("sessionid=", None, "sessionid", id="empty value"),
        pytest.param("", None, None, id="no cookies"),
    ],
)
def test_counting_cookie(header: str, counted: Any, found: str | None) -> None:
    assert counting_cookie(header, counted) == found


def test_a_cookie_in_the_key_makes_nobody_personal() -> None:
    assert counting_cookie("currency=EUR", None, ("currency",)) is None


@pytest.mark.parametrize("name", [name.replace("*", "x") for name in HARMLESS_COOKIES])
def test_analytics_and_consent_cookies_do_not_count(name: str) -> None:
    assert counting_cookie(f"{name}=1", None) is None


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/", False), ("/a/b.html?x=%2F%41", False), ("/caf%C3%A9", False), ("/a%20b", False),
        ("/a%22%3Cb%3E%60%7B%7C%7D%5B%5D%5E", False), ("/a%25b%3Ac%27%28%29%2B%40", False),
        ("/%41", True), ("/%7a", True), ("/%30", True), ("/a%2Db", True), ("/%2e%2E/b", True),
        ("/a%2Fb", True), ("/a%5cb", True), ("/%5F", True), ("/%7E", True),
        ("http://evil.test/", True), ("*", True), ("", True),
    ],
)  # fmt: skip
def test_ambiguous_target(target: str, expected: bool) -> None:
    assert ambiguous_target(target) is expected
