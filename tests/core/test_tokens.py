"""`isgware.core.tokens`: nonces and tokens of the clean room are found, or their page is unfit."""

from __future__ import annotations

import pytest

from isgware.core.places import BODY, blanked, blanked_headers, in_body
from isgware.core.tokens import Token, alike, alphabet_of, cookie_token, find, merged, nonces

NONCE = "Rm9vYmFyYmF6cXV4Zm9vYg=="
OTHER = "0123456789abcdef"
HTML = ("Content-Type", "text/html; charset=utf-8")


def policy(value: str, name: str = "Content-Security-Policy") -> tuple[tuple[str, str], ...]:
    return (HTML, (name, value))


def left(headers: tuple[tuple[str, str], ...], body: bytes) -> bytes | None:
    """Headers and body without what was found; ``None`` if the page is refused."""
    places = find(nonces(headers, body), headers, body)
    if places is None:
        return None
    lines = "\n".join(value for _, value in blanked_headers(headers, places)).encode()
    return lines + b"\n" + blanked(body, in_body(places))


@pytest.mark.parametrize("name", ["Content-Security-Policy", "content-security-policy-report-only"])
def test_a_nonce_is_found_wherever_it_stands(name: str) -> None:
    headers = (
        *policy(f"script-src 'self' 'nonce-{NONCE}'; style-src 'nonce-{NONCE}'", name),
        ("Link", f"</a.js>; rel=preload; nonce={NONCE}"),
    )
    body = f"<script nonce='{NONCE}'></script><meta name=n content={NONCE}>".encode()
    places = find(nonces(headers, body), headers, body)
    assert places is not None
    assert [place.where for place in places] == [BODY, BODY, 1, 1, 2]
    assert NONCE[:6].encode() not in (left(headers, body) or NONCE.encode())


def test_each_nonce_of_a_page_is_another() -> None:
    headers = policy(f"script-src 'nonce-{NONCE}'; style-src 'nonce-{OTHER}'")
    assert [token.arguments for token in nonces(headers, b"")] == [(0, "text", 2), (1, "hex", 0)]


def test_one_nonce_may_begin_like_another() -> None:
    headers = policy(f"script-src 'nonce-{OTHER}'; style-src 'nonce-{OTHER}{OTHER}'")
    body = f"{OTHER} {OTHER}{OTHER}".encode()
    places = find(nonces(headers, body), headers, body)
    assert places is not None
    assert [place.length for place in in_body(places)] == [16, 32]


@pytest.mark.parametrize(
    "element",
    [
        '<meta http-equiv="Content-Security-Policy" content="script-src \'nonce-{}\'">',
        "<META content='script-src &#39;nonce-{}&#39;' http-equiv=content-security-policy>",
        '<meta http-equiv="Content-Security-Policy" content="script-src &#x27;nonce-{}&#x27;">',
    ],
)
def test_a_policy_may_stand_in_a_meta_element(element: str) -> None:
    body = element.format(OTHER).encode()
    assert OTHER.encode() not in (left((HTML,), body) or OTHER.encode())
    assert nonces((("Content-Type", "text/plain"),), body) == []


@pytest.mark.parametrize(
    "said",
    [
        "'nonce-short'",
        f"nonce-{OTHER}",
        "'nonce-with characters that no nonce has'",
        "'unsafe-inline'",
    ],
)
def test_what_is_no_nonce_stays(said: str) -> None:
    assert nonces(policy(f"script-src {said}"), b"") == []


@pytest.mark.parametrize(
    "escaped", ["Rm9vYmFyYmF6cXV4Zm9vYg%3D%3D", "Rm9vYmFyYmF6cXV4Zm9vYg\\u003D\\u003D"]
)
def test_a_nonce_that_was_escaped_refuses_the_page(escaped: str) -> None:
    assert left(policy(f"script-src 'nonce-{NONCE}'"), escaped.encode()) is None


def test_a_nonce_of_short_words_that_was_escaped_refuses_the_page() -> None:
    assert left(policy("script-src 'nonce-abc-def_ghi-jkl_=='"), b"abc-def_ghi-jkl_%3D%3D") is None


def test_a_nonce_in_a_body_that_is_encoded_refuses_the_page() -> None:
    headers = policy(f"script-src 'nonce-{NONCE}'")
    assert left((*headers, ("Content-Encoding", "gzip")), b"\x1f\x8b") is None
    wide = (("Content-Type", "text/html; charset=utf-16"), headers[1])
    assert left(wide, NONCE.encode("utf-16")) is None
    assert left((("Content-Type", "text/html; charset=of-ours"), headers[1]), b"") is not None


def test_a_token_that_a_body_needs_is_in_it() -> None:
    token = cookie_token("csrf", "a-token-of-some-length")
    assert token == Token("a-token-of-some-length", "cookie:csrf", ("text",), True)
    assert find([token], (HTML,), b"nothing") is None
    assert find([token], (HTML, ("X-Token", token.text)), b"nothing") is None
    places = find([token], (HTML,), b"<p>a-token-of-some-length</p>")
    assert places is not None
    assert places[0].fixed


@pytest.mark.parametrize(
    "value",
    ["short", "fifteen-letters", "has a space in it", 'has"quotes"in it', "<b>0123456789012"],
)
def test_no_cookie_is_a_token_that_is_short_or_means_something(value: str) -> None:
    assert cookie_token("csrf", value) is None


@pytest.mark.parametrize(
    ("value", "alphabet", "fits"),
    [
        ("0123456789abcdef", "hex", True),
        ("0123456789abcdeg", "hex", False),
        ("0123456789ABCDEF", "HEX", True),
        ("~+/=-_.zZ0123456", "text", True),
        ("0123456789abcde", "hex", False),
        ("<b>0123456789abc", "text", False),
        ("0123456789abcde\n", "text", False),
        ("0123456789abcd\xe9\xe9", "text", False),
    ],
)
def test_only_what_is_alike_stands_for_a_token(value: str, alphabet: str, fits: bool) -> None:
    assert alike(value, alphabet, 16) is fits


def test_alphabets_are_told_apart() -> None:
    assert [alphabet_of(text) for text in ("09af", "09AF", "09aF", "<")] == [
        "hex",
        "HEX",
        "text",
        "",
    ]


def test_places_that_lie_in_one_another_refuse_the_page() -> None:
    body = b"token-of-sixteen-and-more"
    one = find([Token("token-of-sixteen-and", "a")], (), body)
    other = find([Token("sixteen-and-more", "b")], (), body)
    assert one
    assert other
    assert merged([one], (), body) == one
    assert merged([one, other], (), body) is None
