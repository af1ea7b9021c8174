"""What a shared cache may do with a visitor's own exchange (RFC 9111).

Two questions. `may_store`: the app has answered a request; may the response be kept, and on what
terms? `choose`: a request has come and a response is stored for it; what does the visitor get?
Nothing here reads a clock: ages and times come in as seconds.

    stored response        request says                      use
    ---------------        ------------                      ---
    none                   only-if-cached                    TIMEOUT (5.2.1.7)
    none                   -                                 FORWARD
    no-cache               -                                 VALIDATE (5.2.2.4)
    any                    no-cache                          VALIDATE (5.2.1.4)
    older than             max-age=…                         VALIDATE (5.2.1.1)
    fresh for less than    min-fresh=…                       VALIDATE (5.2.1.3)
    fresh                  -                                 FRESH    (4)
    stale, must-revalidate -                                 VALIDATE (5.2.2.2, 5.2.2.8)
    stale by request of the site's owner, or within
    stale-while-revalidate -                                 STALE, revalidated behind it (RFC 5861)
    stale                  max-stale, enough of it           STALE (5.2.1.2)
    stale                  -                                 VALIDATE (4.2.4)

``VALIDATE`` becomes TIMEOUT for ``only-if-cached``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Final

from ..core.freshness import State
from ..core.storable import MAX_LEARNED, Refusal, varies
from ..http.cache_control import Directives, delta_seconds, effective, field_names, parse
from ..http.fields import DROPPED, Headers, sound_headers, sound_status, values
from ..http.lifetime import explicit_lifetime, heuristic_lifetime, initial_age, window

#: Final status codes whose meaning for caches is implemented (5.2.2.3): all that RFC 9110
#: registers, except 206 and 304, which are parts of responses, and 416, which describes one.
UNDERSTOOD: Final = frozenset({
    200, 201, 202, 203, 204, 205, 300, 301, 302, 303, 305, 307, 308, 400, 401, 402, 403, 404, 405,
    406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 417, 421, 422, 426, 500, 501, 502, 503, 504,
    505,
})  # fmt: skip
_PARTS: Final = frozenset({206, 304, 416})
#: These are about fields of one request, its body, its sender or its connection, so they do not
#: predict the answer to the next visitor of the URL. An app that sets a lifetime on all of its
#: responses sets it on these, too, and anybody can provoke them.
_ABOUT_THE_REQUEST: Final = frozenset({
    401, 407, 408, 411, 412, 413, 415, 417, 421, 425, 426, 428, 429, 431,
})  # fmt: skip
#: Reasons why a response is for its visitor only.
_NOT_FOR_EVERYBODY: Final = frozenset({"private", "no-store", "set-cookie", "vary-star"})
#: Statuses of a URL whose page is gone, or is no longer public.
_WITHDRAWN: Final = frozenset({401, 402, 403, 404, 407, 410, 451})
#: Errors in place of which a stale page may be sent (RFC 5861, section 4).
ERRORS: Final = frozenset({500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Wishes:
    """A request's cache directives (RFC 9111, section 5.2.1), in seconds; ``None``: absent."""

    no_cache: bool = False
    no_store: bool = False
    only_if_cached: bool = False
    max_age: float | None = None
    min_fresh: float | None = None
    max_stale: float | None = None
    stale_if_error: float = 0.0


NO_WISHES: Final = Wishes()


def wishes(cache_control: str | None, pragma: str | None) -> Wishes:
    """``Pragma: no-cache`` counts if there is no Cache-Control (section 5.4). A directive with a
    malformed argument is ignored, except max-age, which then counts as 0."""
    if cache_control is None:
        return Wishes(no_cache="no-cache" in parse([pragma])) if pragma else NO_WISHES
    said = parse([cache_control])

    def seconds(name: str, otherwise: float | None) -> float | None:
        if name not in said:
            return None
        found = delta_seconds(said[name])
        return otherwise if found is None else found

    return Wishes(
        no_cache="no-cache" in said,
        no_store="no-store" in said,
        only_if_cached="only-if-cached" in said,
        max_age=seconds("max-age", 0.0),
        min_fresh=seconds("min-fresh", None),
        max_stale=math.inf if said.get("max-stale", "") is None else seconds("max-stale", None),
        stale_if_error=window(said, "stale-if-error"),
    )


@dataclass(frozen=True, slots=True)
class Storing:
    """On what terms a response may be stored. ``lifetime`` counts from its generation, which was
    ``age`` seconds before it arrived. ``stale``: seconds after its lifetime for which it may still
    be used. ``omitted`` names fields that may not be stored with it; ``vary`` those that selected
    it."""

    lifetime: float
    age: float
    stale: float
    vary: tuple[str, ...]
    omitted: frozenset[str]


def may_store(
    status: str,
    headers: Headers,
    *,
    credentials: bool,
    asked_not_to: bool = False,
    requested: float,
    received: float,
    heuristic: float = 0.0,
) -> Storing | Refusal:
    """Section 3, for the response to a GET. ``credentials``: the request has some.
    ``asked_not_to``: it has no-store. ``heuristic``: the share of section 4.2.2, 0 for none."""
    if not sound_status(status) or not sound_headers(headers):
        return Refusal("bad-header")
    code = int(status[:3])
    if code < 200 or code in _PARTS or code in _ABOUT_THE_REQUEST:
        return Refusal(f"status-{code}")
    if asked_not_to:
        return Refusal("no-store")
    if values(headers, "set-cookie") or values(headers, "set-cookie2"):
        return Refusal("set-cookie")  # the response is for the visitor who gets the cookie
    directives, targeted = effective(headers)
    if refused := _refused(directives, code, credentials):
        return refused
    vary = varies(headers)
    if "*" in vary:
        return Refusal("vary-star")
    if len(vary) > MAX_LEARNED:
        return Refusal("vary-too-wide")
    lifetime = explicit_lifetime(headers, directives, targeted, received)
    if lifetime is None:
        lifetime = heuristic_lifetime(headers, code, directives, heuristic, received)
    if lifetime is None and not directives.keys() & {"no-cache", "public"}:
        return Refusal("no-lifetime")
    if _unqualified("no-cache", directives):
        lifetime = 0.0  # never fresh: each use is validated
    lasting = max(
        window(directives, "stale-while-revalidate"), window(directives, "stale-if-error")
    )
    age = initial_age(headers, requested, received)
    if age >= (lifetime or 0.0) + lasting and not has_validator(headers):
        return Refusal("no-lifetime" if lifetime is None else "stale")
    return Storing(
        lifetime or 0.0, age, lasting, tuple(sorted(vary - {"host"})), _omitted(directives)
    )


def withdraws(status: str, refusal: Refusal) -> bool:
    """Whether a response to an anonymous request that may not be stored also withdraws the stored
    one: the page is gone, has moved, or is no longer public. Failures do not, nor do responses that
    are about this one request."""
    code = int(status[:3]) if sound_status(status) else 0
    if code in _WITHDRAWN:
        return True
    if code in _PARTS or not 200 <= code < 400:
        return False
    return code >= 300 or refusal.reason in _NOT_FOR_EVERYBODY


def _refused(directives: Directives, code: int, credentials: bool) -> Refusal | None:
    if "must-understand" in directives:
        if code not in UNDERSTOOD:
            return Refusal("must-understand")
    elif "no-store" in directives:  # must-understand overrides it (5.2.2.3)
        return Refusal("no-store")
    if _unqualified("private", directives):
        return Refusal("private")
    allowed = directives.keys() & {"public", "s-maxage", "must-revalidate"}
    if credentials and not allowed:
        return Refusal("authorization")  # section 3.5
    return None


def _unqualified(name: str, directives: Directives) -> bool:
    """Whether a directive that may name fields applies to the whole response."""
    return name in directives and not field_names(directives[name])


def _omitted(directives: Directives) -> frozenset[str]:
    """Fields that qualified directives name: not to be stored (5.2.2.7), or not to be used again
    without validation (5.2.2.4), which is met by storing none of them."""
    return field_names(directives.get("private")) | field_names(directives.get("no-cache"))


def kept(headers: Headers, storing: Storing) -> Headers:
    """The fields to store (3.1): all except those of the connection, those for proxies, those made
    anew for each answer, and those that the response itself excludes."""
    named = {
        name.strip().lower() for line in values(headers, "connection") for name in line.split(",")
    }
    dropped = (DROPPED - {"date"}) | named | storing.omitted
    return tuple(pair for pair in headers if pair[0].lower() not in dropped)


def has_validator(headers: Headers) -> bool:
    """Whether the app can be asked if the response is still valid."""
    return bool(values(headers, "etag") or values(headers, "last-modified"))


class Use(Enum):
    """What a request gets."""

    FRESH = "fresh"  # the stored response
    STALE = "stale"  # the stored response, though stale
    REFRESH = "refresh"  # the stale response, validated in the background
    VALIDATE = "validate"  # the app is asked whether it is still valid
    FORWARD = "forward"  # the app is asked
    TIMEOUT = "timeout"  # 504: the request accepts only a stored response


def choose(
    state: State | None,
    directives: Directives,
    *,
    age: float,
    lifetime: float,
    credentials: bool,
    asked: Wishes,
) -> Use:
    """The table above. ``state`` is ``None`` if nothing is stored; seconds otherwise."""
    use = _choose(state, directives, age, lifetime, credentials, asked)
    if asked.only_if_cached and use in (Use.VALIDATE, Use.FORWARD):
        return Use.TIMEOUT
    return use


def _choose(
    state: State | None, directives: Directives, age: float, lifetime: float,
    credentials: bool, asked: Wishes,
) -> Use:  # fmt: skip
    if state is None or state is State.GONE:
        return Use.FORWARD
    if credentials and not directives.keys() & {"public", "s-maxage", "must-revalidate"}:
        return Use.FORWARD  # section 3.5, in both directions
    if asked.no_cache or _unqualified("no-cache", directives):
        return Use.VALIDATE
    if asked.max_age is not None and age > asked.max_age:
        return Use.VALIDATE
    if asked.min_fresh is not None and lifetime - age < asked.min_fresh:
        return Use.VALIDATE
    if state is State.FRESH:
        return Use.FRESH
    if strict(directives):
        return Use.VALIDATE
    overdue = age - lifetime
    if overdue < 0 or _within(overdue, window(directives, "stale-while-revalidate")):
        return Use.REFRESH
    if asked.max_stale is not None and overdue <= asked.max_stale and "s-maxage" not in directives:
        return Use.STALE
    return Use.VALIDATE


def strict(directives: Directives) -> bool:
    """Whether a stale response may not be used without validation (4.2.4).

    ``s-maxage`` implies ``proxy-revalidate`` (5.2.2.10), but does not rule out the windows that the
    app itself allows beside it: see `choose` and `stale_on_error`.
    """
    return not directives.keys().isdisjoint({"must-revalidate", "proxy-revalidate"})


def stale_on_error(directives: Directives, asked: Wishes, *, age: float, lifetime: float) -> bool:
    """Whether the stored response may be sent in place of an error of the app (RFC 5861, section
    4)."""
    if strict(directives) or _unqualified("no-cache", directives):
        return False
    wished = 0.0 if "s-maxage" in directives else asked.stale_if_error
    return _within(age - lifetime, max(window(directives, "stale-if-error"), wished))


def _within(overdue: float, allowed: float) -> bool:
    return allowed > 0.0 and overdue <= allowed
