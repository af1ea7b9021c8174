"""Finds tokens in a clean-room response that must differ for each visitor.

*CSP nonces* (Content Security Policy Level 3, section 2.3.1) are found without configuration;
*double-submit cookies* where a policy names them. If a token is known to be in a page, but cannot
be found there as it was made (escaped, encoded, compressed, split), `find` reports that and the
page is not stored: no token of the clean room is ever stored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from .places import BODY, COOKIE, NONCE, Place, Places, Plain, sound_places

Lines = Sequence[tuple[str, str]]
#: Finds a framework's tokens in headers and body; ``None`` if one of them is not found.
Finder = Callable[[Lines, bytes], Places | None]
MIN_LENGTH: Final = 16
_POLICIES: Final = frozenset({
    "content-security-policy", "content-security-policy-report-only",
})  # fmt: skip
_NONCE: Final = re.compile(r"'nonce-([A-Za-z0-9+/_-]+={0,2})'", re.IGNORECASE)
_META: Final = re.compile(rb"<meta\s[^>]*content-security-policy[^>]*>", re.IGNORECASE)
_QUOTED: Final = re.compile(r"&#(?:0*39|x0*27);|&apos;", re.IGNORECASE)
_MARKUP: Final = ("text/html", "application/xhtml+xml")
#: Characters that the value of a double-submit cookie may have: none has a meaning in HTML.
_VALUE: Final = r"[A-Za-z0-9_.~+/=-]"
_FIT: Final = re.compile(f"{_VALUE}{{{MIN_LENGTH},4096}}")
#: Alphabets, the smallest first.
_ALPHABETS: Final = {
    "hex": re.compile(r"[0-9a-f]+"),
    "HEX": re.compile(r"[0-9A-F]+"),
    "text": re.compile(_VALUE + "+"),
}
#: Characters that are never escaped, and those that are escaped only in JavaScript.
_RUNS: Final = (re.compile("[A-Za-z0-9]+"), re.compile("[A-Za-z0-9_-]+"))
#: A part of a token of this length is not in a page by chance.
_TELLING: Final = 6


@dataclass(frozen=True, slots=True)
class Token:
    """``text`` as the app made it. ``needed``: it must occur in the body."""

    text: str
    kind: str
    arguments: tuple[Plain, ...] = ()
    needed: bool = False


def alphabet_of(text: str) -> str:
    """The name of the smallest alphabet that ``text`` is written in; "" if in none."""
    return next((name for name, known in _ALPHABETS.items() if known.fullmatch(text)), "")


def alike(value: str, alphabet: str, length: int) -> bool:
    """Whether ``value`` may replace a token of that alphabet and length."""
    return len(value) == length and _ALPHABETS[alphabet].fullmatch(value) is not None


def nonces(headers: Lines, body: bytes) -> list[Token]:
    """The nonces of the page's own policies, in a header or in a meta element. They are replaced by
    nonces of the same alphabet, padding included."""
    said = [value for name, value in headers if name.lower() in _POLICIES]
    kind = _first(headers, "content-type").partition(";")[0].strip().lower()
    if kind in _MARKUP:
        found = (match[0].decode("latin-1") for match in _META.finditer(body))
        said += [_QUOTED.sub("'", element) for element in found]
    texts = dict.fromkeys(text for value in said for text in _NONCE.findall(value))
    return [
        Token(text, NONCE, (number, alphabet_of(text.rstrip("=")), text.count("=")))
        for number, text in enumerate(texts)
        if len(text) >= MIN_LENGTH
    ]


def cookie_token(name: str, value: str) -> Token | None:
    """The token in a cookie that a policy's ``value_holes`` names; ``None`` if it is too short, or
    has characters that a token must not have."""
    if not _FIT.fullmatch(value):
        return None
    return Token(value, COOKIE + name, (alphabet_of(value),), needed=True)


def find(tokens: Iterable[Token], headers: Lines, body: bytes) -> Places | None:
    """All places of ``tokens`` in headers and body; ``None`` if one of them occurs in a form in
    which it cannot be replaced."""
    known = {token.text.encode(): token for token in tokens}
    if not known:
        return ()
    if not readable(headers):
        return None
    longest_first = sorted(known, key=len, reverse=True)
    pattern = re.compile(b"|".join(map(re.escape, longest_first)))
    places: list[Place] = []
    for where, data in texts(headers, body):
        found = list(_found(pattern, known, where, data))
        if _torn(known, data, found):
            return None
        places += found
    missing = {token.kind for token in known.values() if token.needed}
    if missing - {place.kind for place in places if place.where == BODY}:
        return None
    return tuple(places)


def texts(headers: Lines, body: bytes) -> Iterator[tuple[int, bytes]]:
    """All texts in which a token may occur, each with its `Place.where`."""
    yield BODY, body
    for number, (_, value) in enumerate(headers):
        yield number, value.encode("latin-1")


def merged(parts: Iterable[Places], headers: Lines, body: bytes) -> Places | None:
    """Places that were found in several ways, in order; ``None`` if two overlap."""
    places = tuple(sorted(place for part in parts for place in part))
    return places if sound_places(places, body, headers) else None


def _found(
    pattern: re.Pattern[bytes], known: dict[bytes, Token], where: int, data: bytes
) -> Iterable[Place]:
    for match in pattern.finditer(data):
        token = known[match[0]]
        yield Place(
            where, match.start(), len(match[0]), token.kind, token.arguments, fixed=True
        )  # fmt: skip


def _torn(known: dict[bytes, Token], data: bytes, found: list[Place]) -> bool:
    """Whether a characteristic part of a token occurs where the token does not: it was escaped
    there."""
    whole = b"\n".join(data[place.offset : place.end] for place in found)
    for text in known:
        for run in _RUNS:
            part = max(run.findall(text.decode()), key=len, default="").encode()
            if len(part) >= _TELLING and data.count(part) != whole.count(part):
                return True
    return False


def readable(headers: Lines) -> bool:
    """Whether the body is plain text: not encoded, and in a charset that extends ASCII."""
    if any(name.lower() == "content-encoding" for name, _ in headers):
        return False
    charset = re.search(r"charset\s*=\s*\"?([^\s\";]+)", _first(headers, "content-type"), re.I)
    try:
        return charset is None or "nonce".encode(charset[1]) == b"nonce"
    except LookupError:
        return True


def _first(headers: Lines, name: str) -> str:
    return next((value for key, value in headers if key.lower() == name), "")
