"""The headers of a stored page for caches in front: which are kept, and with which lifetime.

nginx takes the lifetime of an answer from ``Cache-Control`` and counts it from the arrival of the
answer; it ignores ``Age``. It would keep a page that is an hour old for another whole lifetime.
``X-Accel-Expires`` gives the remaining lifetime and takes precedence over ``Cache-Control``.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Final

from werkzeug.http import parse_set_header

from ..http.cache_control import delta_seconds, parse
from ..http.fields import DROPPED, Headers
from ..policy import Policy
from .cache_key import Request
from .interned_strings import shared
from .storable import Response, Terms, varies

NAME: Final = "X-Accel-Expires"
_PRIVATE: Final = "private, max-age=0, must-revalidate"
_NOT_SHARED: Final = ("private", "no-store", "no-cache")
_OWN: Final = re.compile(r"(public, max-age=0, s-maxage=)\d+(, stale-while-revalidate=)\d+\Z")
_LIFETIMES: Final = re.compile(
    r"(public, max-age=0, s-maxage=)(\d+), stale-while-revalidate=(\d+)\Z"
)
_FROM_NOW: Final = re.compile(r"^(public, max-age=0, s-maxage=)(\d+)(?=, stale-while-revalidate=)")


def kept_headers(
    response: Response, terms: Terms, policy: Policy, request: Request, downstream: float,
    by_cookie: Collection[str] = (),
) -> Headers:  # fmt: skip
    """The stored headers: the app's own, with Cache-Control and Vary set to what isgware does.
    ``by_cookie`` names the keyed headers whose value may come from a cookie of the visitor."""
    nominated = {
        item.lower() for line in response.all("connection") for item in parse_set_header(line)
    }
    dropped = DROPPED | nominated | {"vary"}
    headers = [pair for pair in response.headers if pair[0].lower() not in dropped]
    vary = varies(response.headers) | {name for name, _ in policy.headers}
    if policy.keyed_cookies or policy.variants or terms.vary_cookie:
        vary |= {"cookie"}
    if vary:
        headers.append(("Vary", ", ".join(sorted(name.title() for name in vary))))
    if not response.all("cache-control"):
        keyed = vary.union(name for name, _ in request.headers)
        private = not keyed.isdisjoint(by_cookie)
        headers.append(("Cache-Control", _cache_control(terms, policy, downstream, private)))
    # Many pages have equal headers: keep one object for all of them.
    return tuple((shared(name), shared(value)) for name, value in headers)


def by_cookie(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Headers of an answer that the app made for one visitor because of their cookies, which a
    cache in front has to be told as of the stored page. A lifetime that the app said stays."""
    named = ", ".join(value for name, value in headers if name.lower() == "vary")
    if varies(tuple(headers)).isdisjoint({"cookie", "*"}):
        headers = [pair for pair in headers if pair[0].lower() != "vary"]
        headers.append(("Vary", f"{named}, Cookie" if named else "Cookie"))
    if not any(name.lower() in ("cache-control", "expires") for name, _ in headers):
        headers = [*headers, ("Cache-Control", _PRIVATE)]
    return headers


def spent(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Headers of a page that was invalidated before its lifetime ended: caches in front must not
    treat it as fresh. A lifetime that the view itself set is left alone."""
    return [
        (
            name,
            _FROM_NOW.sub(r"\g<1>0", value) if name == "Cache-Control" else value,
        )
        for name, value in headers
    ]


def extended(headers: list[tuple[str, str]], age: int) -> list[tuple[str, str]]:
    """Headers of a page that is fresh until it is invalidated, ``age`` seconds old: the lifetime
    for caches in front is counted from now. A lifetime counts from a page's generation (RFC 9111,
    section 4.2), so without this a cache in front would revalidate an older page on every request.
    """
    return [
        (name, _FROM_NOW.sub(lambda found: f"{found[1]}{int(found[2]) + age}", value))
        if name == "Cache-Control"
        else (name, value)
        for name, value in headers
    ]


def limited(headers: list[tuple[str, str]], lifetime: int, stale: bool) -> list[tuple[str, str]]:
    """Headers of a page that is to be renewed when it is ``lifetime`` seconds old: caches in front
    keep it no longer, and where it is not ``stale`` then, but gone, they do not use it afterwards.
    A lifetime that the view itself set is left alone."""

    def shorter(found: re.Match[str]) -> str:
        window = found[3] if stale else "0"
        return f"{found[1]}{min(int(found[2]), lifetime)}, stale-while-revalidate={window}"

    return [
        (name, _LIFETIMES.sub(shorter, value)) if name == "Cache-Control" else (name, value)
        for name, value in headers
    ]


def _cache_control(terms: Terms, policy: Policy, downstream: float, private: bool) -> str:
    private = private or bool(policy.bypass or policy.keyed_cookies or policy.variants)
    if private or terms.vary_cookie or terms.anonymous:
        return _PRIVATE
    shared = downstream if terms.revalidate is None else terms.revalidate
    window = max(0, int(terms.expire - shared))
    return f"public, max-age=0, s-maxage={int(shared)}, stale-while-revalidate={window}"


def without_seconds(cache_control: str) -> str:
    """A Cache-Control that isgware has written, without its numbers; any other unchanged."""
    return _OWN.sub(r"\g<1>\g<2>", cache_control)


def with_seconds(headers: Headers, revalidate: float, expire: float) -> Headers:
    """Headers in which isgware has written a lifetime, with this one instead."""
    window = max(0, int(expire - revalidate))
    return tuple(
        (name, _OWN.sub(rf"\g<1>{int(revalidate)}\g<2>{window}", value))
        if name.lower() == "cache-control"
        else (name, value)
        for name, value in headers
    )


def lifetime_in_front(headers: Headers) -> int:
    """Seconds for which nginx would keep an answer with these headers. 0 if it would not, or if the
    app itself sets ``X-Accel-Expires``."""
    if any(name.lower() == "x-accel-expires" for name, _ in headers):
        return 0
    said = parse(value for name, value in headers if name.lower() == "cache-control")
    if any(name in said for name in _NOT_SHARED):
        return 0
    for name in ("s-maxage", "max-age"):
        if name in said:
            return int(delta_seconds(said[name]) or 0)
    return 0


@lru_cache(maxsize=4_096)
def accel_expires(seconds: int) -> tuple[str, str]:
    """The header that makes nginx keep an answer for so many seconds, at least one: with 0, all
    visitors of a busy page would be forwarded here during that second."""
    return NAME, str(max(1, seconds))
