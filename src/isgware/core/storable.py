"""Whether a response may be stored, and if not, why.

One function decides both what is stored and which reason is reported. It is called after each
clean-room render. `promising` calls it for a visitor's own answer, before such a render is started.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urljoin, urlsplit

from ..adaptive import Adaptive
from ..http.cache_control import TARGETED, TOKEN, effective, shared_lifetime
from ..http.fields import Headers, sound_headers, sound_status, values
from ..http.lifetime import explicit_lifetime, initial_age
from ..policy import UNKEYABLE, Policy
from .cache_key import Request
from .stored_page import Entry

KEPT: Final = frozenset({200, 203, 300, 301, 308})
GONE: Final = frozenset({404, 410})
TEMPORARY: Final = frozenset({302, 303, 307})
MAX_ERROR_SECONDS: Final = 10.0
MAX_REDIRECT_SECONDS: Final = 60.0
MAX_LEARNED: Final = 8


#: Stands for a request that is not known: no redirect leads to it.
_ANYWHERE: Final = Request("http", "", "", "\0")
_UNDECLARED: Final = Policy()
#: Fields that can give a lifetime for shared caches.
_SAY_LIFETIMES: Final = frozenset(("cache-control", *TARGETED))
#: Reasons by which an app marks a page as personal.
WITHDRAWING: Final = frozenset({
    "no-store", "private", "set-cookie", "vary-star", "revalidate-0", "token-not-found",
    "status-401", "status-402", "status-403", "status-407", "status-451",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Response:
    """A whole response of the app, as captured."""

    status: str
    headers: Headers
    body: bytes

    @property
    def code(self) -> int:
        return int(self.status[:3])

    def all(self, name: str) -> list[str]:
        return values(self.headers, name)

    def first(self, name: str) -> str:
        return next(iter(self.all(name)), "")


def streams(headers: Sequence[tuple[str, str]]) -> bool:
    """Whether a response has no end: server-sent events, or a multipart response whose parts
    replace each other (pictures of a camera, server push)."""
    for kind in values(headers, "content-type"):
        if kind.lower().startswith(("text/event-stream", "multipart/x-mixed-replace")):
            return True
    return False


@dataclass(frozen=True, slots=True)
class ViewDirectives:
    """What the view declared about the page while it rendered."""

    revalidate: float | bool | Adaptive | None = None
    expire: float | None = None
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """How a page may be stored. ``revalidate=None``: fresh until invalidated. ``age``: seconds of
    its lifetime that were spent when it arrived, if its headers give the lifetime. ``by_default``:
    the lifetime comes from ``ISG(revalidate=)`` only. ``adaptive``: the lifetime is adapted;
    ``interval``: its value so far."""

    revalidate: float | None
    expire: float
    vary_cookie: bool = False
    anonymous: bool = False
    error_quota: bool = False
    tombstone: bool = False
    age: float = 0.0
    by_default: bool = False
    adaptive: Adaptive | None = None
    interval: float | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a response is not stored: a token for ``detail=``, and more text for people."""

    reason: str
    text: str = ""

    @property
    def withdraws(self) -> bool:
        """Whether the app marks the page as personal by it: then a stored page may not be served
        any more. Other refusals are failures, which keep the stored page."""
        return self.reason in WITHDRAWING


@dataclass(frozen=True, slots=True)
class Learn:
    """The response varies by headers that are not in its key yet."""

    names: tuple[str, ...]


def storable(
    response: Response,
    request: Request,
    policy: Policy,
    *,
    declared: bool,
    of_view: ViewDirectives = ViewDirectives(),
    keyed: frozenset[str] = frozenset(),
    default: float | bool | Adaptive | None = None,
    obey: bool = True,
    full: bool = False,
    now: float = 0.0,
    replaces: Entry | None = None,
) -> Terms | Refusal | Learn:
    """Decide about one clean-room response.

    ``keyed`` names the headers in the key. ``default`` is ``ISG(revalidate=)``. ``obey``: lifetimes
    for shared caches count. ``full``: lifetimes for all caches count, too. ``now`` is when the app
    answered. ``replaces`` is the page that would be overwritten.
    """
    if refusal := _refused(response, request, of_view, declared):
        return refusal
    unknown = tuple(sorted(varies(response.headers) - keyed - UNKEYABLE))
    if unknown:
        if len(unknown) + len(keyed) > MAX_LEARNED:
            return Refusal("vary-too-wide")
        return Learn(unknown)
    if replaces is not None and response.code == 200 and not response.body and replaces.body:
        return Refusal("empty-body")
    revalidate = lifetime(
        response, policy, of_view, declared=declared, default=default, obey=obey, full=full, now=now
    )
    age = 0.0
    if obey and of_view.revalidate is None and policy.revalidate is None:
        age = _age(response, full, now)
    adaptive, interval = None, replaces.interval if replaces is not None else None
    if isinstance(revalidate, Adaptive):
        adaptive, revalidate = revalidate, revalidate.within(interval)
        interval = revalidate
    if revalidate is None:
        return Refusal("no-lifetime")
    if revalidate is not False and revalidate - age <= 0:
        return Refusal("revalidate-0")
    vary_cookie = "cookie" in varies(response.headers)
    terms = _terms(response.code, revalidate, policy, of_view, vary_cookie, replaces)
    by_default = lifetime(
        response, policy, of_view, declared=declared, default=None, obey=obey, full=full, now=now
    ) is None  # fmt: skip
    return replace(terms, age=age, by_default=by_default, adaptive=adaptive, interval=interval)


def unread(head: Response, of_view: ViewDirectives, reason: str) -> Refusal:
    """Decide about a response whose body is not read, for ``reason``. Its headers may still mark
    the page as personal."""
    refusal = _refused(head, _ANYWHERE, of_view, True)
    return refusal if refusal is not None and refusal.withdraws else Refusal(reason)


def promising(
    status: str,
    headers: Headers,
    *,
    default: float | bool | Adaptive | None,
    obey: bool,
    full: bool = False,
    now: float = 0.0,
) -> str | None:
    """Whether a visitor's own answer on an undeclared route merits a clean-room render: ``None`` if
    it does, else why not. Errors do not: a flood of them would double the app's work."""
    response = Response(status, headers, b"")
    if not sound_status(status) or response.code not in KEPT | TEMPORARY:
        return "status"
    if default is None and not full:
        if _SAY_LIFETIMES.isdisjoint([name.lower() for name, _ in headers]):
            return "no-lifetime"  # most answers, so that the rest is not read
    if streams(headers):
        return "streaming"
    verdict = storable(
        response,
        _ANYWHERE,
        _UNDECLARED,
        declared=False,
        keyed=frozenset(varies(headers) - {"*"}),
        default=default,
        obey=obey,
        full=full,
        now=now,
    )
    return verdict.reason if isinstance(verdict, Refusal) else None


def withdrawal(headers: Headers, of_view: ViewDirectives) -> Refusal | None:
    """Whether the headers of a successful response, or the view while it rendered, mark the page as
    personal. This takes precedence over all other refusals."""
    if any(name.lower() == "set-cookie" for name, _ in headers):
        return Refusal("set-cookie")
    if of_view.refused:
        return Refusal("no-store")
    directives, _ = effective(headers)
    for name in ("no-store", "private"):
        if name in directives:
            return Refusal(name)
    if "*" in varies(headers):
        return Refusal("vary-star")
    if of_view.revalidate == 0 and of_view.revalidate is not False:
        return Refusal("revalidate-0")
    return None


def for_everybody(status: str, headers: Headers) -> bool:
    """Whether the status and headers of an answer to a declared URL would allow it to be stored."""
    for name, _ in headers:  # the most frequent reason
        if name.lower() == "set-cookie":
            return False
    response = Response(status, headers, b"")
    if not sound_status(status) or response.code not in KEPT:
        return False
    anywhere = Request("http", "", "", "\0")
    refusal = _refused(response, anywhere, ViewDirectives(), True)
    return refusal is None and "*" not in varies(headers)


def personal_response(response: Response | None) -> bool:
    """Whether a response, such as an error, is meant for one visitor and must not be shared."""
    if response is None:
        return False
    directives, _ = effective(response.headers)
    refused = "private" in directives or "no-store" in directives
    return refused or bool(response.all("set-cookie")) or "*" in varies(response.headers)


def _refused(
    response: Response, request: Request, of_view: ViewDirectives, declared: bool
) -> Refusal | None:
    if not sound_status(response.status):
        return Refusal("bad-header")
    if response.code not in KEPT | GONE | TEMPORARY:
        return Refusal(f"status-{response.code}")
    if withdrawn := withdrawal(response.headers, of_view):
        return withdrawn
    if not sound_headers(response.headers):
        return Refusal("bad-header")
    directives, _ = effective(response.headers)
    if "no-cache" in directives and not declared:
        return Refusal("no-cache")
    if 300 < response.code < 400 and response.first("location"):
        return _circular(response.first("location"), request)
    return None


def _circular(location: str, request: Request) -> Refusal | None:
    """A redirect to the page's own URL, or to one that differs only in scheme or host."""
    if request.path == "\0":
        return None
    try:
        here = urlsplit(request.url)
        there = urlsplit(urljoin(request.url, location))
    except ValueError:
        return Refusal("bad-location")
    if _path(here) != _path(there):
        return None
    if (here.scheme, here.netloc) == (there.scheme, there.netloc):
        return Refusal("redirect-to-itself") if here.query == there.query else None
    same_query = parse_qsl(here.query, True) == parse_qsl(there.query, True)
    return Refusal("redirect-to-other-origin") if same_query else None


def _path(url: SplitResult) -> str:
    """The path with its escapes decoded (RFC 3986, section 6.2.2): the app cannot tell spellings
    apart."""
    return unquote(url.path) or "/"


def lifetime(
    response: Response,
    policy: Policy,
    of_view: ViewDirectives,
    *,
    declared: bool,
    default: float | bool | Adaptive | None,
    obey: bool,
    full: bool = False,
    now: float = 0.0,
) -> float | bool | Adaptive | None:
    """Seconds fresh, in this order of precedence: view, policy, Cache-Control, default."""
    if of_view.revalidate is not None:
        return of_view.revalidate
    if policy.revalidate is not None:
        return policy.revalidate  # type: ignore[return-value]
    if obey:
        own = _heard(response, full, now)
        if own is not None:
            return own
    if default is not None:
        return default
    return False if declared else None


def _heard(response: Response, full: bool, now: float) -> float | None:
    directives, targeted = effective(response.headers)
    if full:
        return explicit_lifetime(response.headers, directives, targeted, now)
    return shared_lifetime(directives, targeted)


def _age(response: Response, full: bool, now: float) -> float:
    """Seconds of the lifetime that were spent when the response arrived, if its own headers give
    the lifetime."""
    return 0.0 if _heard(response, full, now) is None else initial_age(response.headers, now, now)


def _terms(
    code: int,
    revalidate: float | bool,
    policy: Policy,
    of_view: ViewDirectives,
    vary_cookie: bool,
    replaces: Entry | None,
) -> Terms:
    seconds = None if revalidate is False else float(revalidate)
    expire = float(of_view.expire or policy.expire)  # type: ignore[arg-type]
    if seconds is not None:
        expire = max(expire, seconds)
    if code in TEMPORARY:
        seconds = min(MAX_REDIRECT_SECONDS, seconds or MAX_REDIRECT_SECONDS)
        expire = min(MAX_REDIRECT_SECONDS, expire)
        return Terms(seconds, expire, vary_cookie, anonymous=True)
    if code in GONE:
        seconds = min(MAX_ERROR_SECONDS, seconds or MAX_ERROR_SECONDS)
        tombstone = replaces is not None and (replaces.tombstone or replaces.code not in GONE)
        if not tombstone:
            expire = min(MAX_ERROR_SECONDS, expire)
        return Terms(seconds, expire, vary_cookie, error_quota=not tombstone, tombstone=tombstone)
    return Terms(seconds, expire, vary_cookie)


def varies(headers: Headers) -> frozenset[str]:
    """Lower-case names in all Vary lines. An empty line is ignored; an invalid name counts as
    ``*``."""
    names: set[str] = set()
    for name, value in headers:
        if name.lower() == "vary":
            items = (item.strip(" \t").lower() for item in value.split(","))
            names.update(item if TOKEN.fullmatch(item) else "*" for item in items if item)
    return frozenset(names)


def without_vary_cookie(headers: Headers) -> Headers:
    """The headers without ``Cookie`` in any Vary line."""
    kept = []
    for name, value in headers:
        if name.lower() == "vary":
            items = (item.strip() for item in value.split(","))
            value = ", ".join(item for item in items if item and item.lower() != "cookie")
            if not value:
                continue
        kept.append((name, value))
    return tuple(kept)


def varying(response: Response, names: Iterable[str]) -> Response:
    """``response`` with these headers named in its Vary."""
    missing = sorted(set(names) - varies(response.headers))
    if not missing:
        return response
    vary = ("Vary", ", ".join(name.title() for name in missing))
    return replace(response, headers=(*response.headers, vary))
