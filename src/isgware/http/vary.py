"""Which of several stored responses a request selects, by Vary (RFC 9111, section 4.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from .fields import MAX_KEYED_VALUE

#: What they hold must not lie in a store, not even in a key: a response that varies by one is kept
#: for requests without it alone.
PERSONAL: Final = frozenset({"cookie", "cookie2", "authorization", "proxy-authorization"})
#: By these an app may take a GET for another method: what it answers then is nothing to keep, and
#: nothing to be asked for again behind anybody.
OVERRIDING: Final = frozenset({
    "x-http-method", "x-http-method-override", "x-method-override",
})  # fmt: skip
#: By these a proxy, or anybody, tells an app that it was asked for something else than the request
#: line says. No app names them in Vary, so responses are kept apart by them in any case: who makes
#: them up makes a page for those who send the same.
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
    """The fields of a request that ``names`` nominates, normalised; those that are absent are left
    out. ``None`` if they may not be part of a key: personal ones, those that change the method,
    and oversized ones."""
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
    """A field value as one of many that mean the same: lines joined, spaces around delimiters
    removed, and case where it does not count. The order of languages is left alone: many apps take
    it for a preference. With a quoted string in it a value is compared as it is."""
    value = value.strip(" \t")
    if '"' in value:
        return value
    value = _SEMICOLON.sub(";", _COMMA.sub(",", value))
    if name in _ANY_CASE:
        value = value.lower()
    if name == "accept-encoding":  # its order never says anything (RFC 9110, 12.5.3)
        value = ",".join(sorted(set(value.split(","))))
    return value
