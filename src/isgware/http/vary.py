"""Which of several stored responses a request selects, by Vary (RFC 9111, section 4.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from .fields import MAX_KEYED_VALUE

#: Fields whose values must not be stored, not even as part of a key. A response that varies by one
#: of them is stored for requests without it only.
PERSONAL: Final = frozenset({"cookie", "cookie2", "authorization", "proxy-authorization"})
#: Fields by which an app may treat a GET as another method. Its response is not stored, and the
#: request is not repeated in the background.
OVERRIDING: Final = frozenset({
    "x-http-method", "x-http-method-override", "x-method-override",
})  # fmt: skip
#: Fields by which a proxy tells an app that the request was for another URL than the request line
#: has. Apps do not name them in Vary, so responses are always kept apart by them: a client that
#: invents such a field gets a page of its own.
REROUTING: Final = frozenset({
    "x-forwarded-host", "x-forwarded-port", "x-forwarded-prefix", "x-forwarded-proto",
    "x-forwarded-scheme", "x-forwarded-server", "x-forwarded-ssl", "x-host",
    "x-original-host", "x-original-url", "x-rewrite-url", "x-script-name", *OVERRIDING,
})  # fmt: skip
_ANY_CASE: Final = frozenset({"accept-charset", "accept-encoding", "accept-language"})
_COMMA = re.compile(r"[ \t]*,[ \t,]*")
_SEMICOLON = re.compile(r"[ \t]*;[ \t]*")


def selecting(
    names: Iterable[str], header: Callable[[str], str | None]
) -> tuple[tuple[str, str], ...] | None:
    """The request fields that ``names`` nominates, normalised, without those that are absent.
    ``None`` if one may not be part of a key: credentials, method overrides, and oversized values.
    """
    found = []
    for name in sorted(names):
        value = header(name)
        if value is None:
            continue
        if name in PERSONAL or name in OVERRIDING or len(value) > MAX_KEYED_VALUE:
            return None
        found.append((name, normalised(name, value)))
    return tuple(found)


def normalised(name: str, value: str) -> str:
    """A field value in a form that is equal for equivalent values: lines joined, spaces around
    delimiters removed, lower case where case does not matter. The order of languages is kept, since
    many apps take it for a preference. A value with a quoted string is compared as it is."""
    value = value.strip(" \t")
    if '"' in value:
        return value
    value = _SEMICOLON.sub(";", _COMMA.sub(",", value))
    if name in _ANY_CASE:
        value = value.lower()
    if name == "accept-encoding":  # its order has no meaning (RFC 9110, 12.5.3)
        value = ",".join(sorted(set(value.split(","))))
    return value
