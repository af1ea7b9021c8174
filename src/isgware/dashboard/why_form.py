"""The page Why: what would happen to a request that somebody types in, step by step.

It is posted, so that what is typed (cookies, say) is in no URL and no log.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from ..errors import ConfigurationError
from ..formatting import duration, expiry
from ..management.operations import Operations
from ..management.why_report import Why

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_MOST: Final = 100
Given = dict[str, str]


def why_form(isg: Operations, given: Given) -> dict[str, Any]:
    """``given``: ``url`` (or a path), ``method``, and lines of ``headers`` (``Name: value``) and
    ``cookies`` (``name=value``). Raises `InvalidPath` and `ConfigurationError`."""
    url = given.get("url", given.get("path", "")).strip()
    asked = {
        "url": url,
        "method": given.get("method", "GET").upper(),
        "headers": given.get("headers", ""),
        "cookies": given.get("cookies", ""),
    }
    if not url:
        return {"asked": asked, "why": None, "steps": [], "methods": METHODS}
    if asked["method"] not in METHODS:
        raise ConfigurationError("method is one of " + ", ".join(METHODS))
    scheme, host, path = _parts(url)
    why = isg.why(
        path,
        method=asked["method"],
        headers=_pairs(asked["headers"], ":"),
        cookies=_pairs(asked["cookies"], "="),
        scheme=scheme,
        host=host,
    )
    steps = [{"name": name, "text": text} for name, text in _steps(why) if text]
    return {"asked": asked, "why": why, "steps": steps, "methods": METHODS}


def _parts(url: str) -> tuple[str, str, str]:
    if not url.startswith(("http://", "https://")):
        return "", "", url.partition("#")[0]
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigurationError(f"That is no URL: {error}.") from None
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, parts.netloc, path


def _pairs(text: str, between: str) -> dict[str, str]:
    found = {}
    for line in filter(None, map(str.strip, text.replace(";", "\n").splitlines()
                                 if between == "=" else text.splitlines())):  # fmt: skip
        name, sign, value = line.partition(between)
        if not sign or not name.strip():
            kind = "Cookies" if between == "=" else "Headers"
            raise ConfigurationError(f"{kind} are written as name{between}value, each on a line.")
        found[name.strip()] = value.strip()
    if len(found) > _MOST:
        raise ConfigurationError(f"At most {_MOST} of them.")
    return found


def _steps(why: Why) -> Iterator[tuple[str, str]]:
    """In the order in which a visit goes."""
    declared = f" ({', '.join(why.declared_by)})" if why.declared_by else ""
    yield "Route", f"{why.route}{declared}" if why.route else "Nobody declares this URL."
    yield "Policy", why.policy
    yield "Key", "; ".join(_key(why))
    yield "Left out of the key", "&".join(why.query_dropped)
    yield "Stored page", _stored(why)
    yield "Its render read", "; ".join(why.reads)
    yield "Filled in for each visitor", ", ".join((*why.filled, *why.holes))
    yield "Decided by", why.decided_by
    yield "Failures", f"{why.failures} in a row: {why.last_error}" if why.failures else ""
    yield "Next try", f"in {duration(why.retry)}" if why.retry else ""
    yield "Last time", why.refused
    yield "Then", why.follows


def _key(why: Why) -> Iterator[str]:
    if why.query_kept:
        yield "query " + "&".join(why.query_kept)
    for kind, pairs in (("header", why.headers), ("cookie", why.cookies)):
        for name, value in pairs:
            yield f"{kind} {name}: {'absent' if value is None else value}"


def _stored(why: Why) -> str:
    if not why.state:
        return ""
    if why.age is None:
        return why.state
    left = "until told" if why.ttl is None else f"ttl {duration(why.ttl)}"
    return f"{why.state}, {duration(why.age)} old, {left}, {expiry(why.expires)}"
