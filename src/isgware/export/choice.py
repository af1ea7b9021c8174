"""Which stored pages may be files, and with which headers.

A file server checks nothing: until the next export it sends a file to everyone who requests its
URL. So a page is a file only if each visitor without credentials would have got it. The app answers
requests for all other pages; a reason is given for each.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ..backends.base import Row
from ..core.cache_key import Request, Visitor
from ..core.freshness import State
from ..core.storable import varies
from ..core.stored_page import Entry
from ..http.fields import Headers
from ..policy import Policy
from ..routing.planner import Planner

#: Why a page is left out, with how it is said of several.
REASONS: Final = {
    "query": "with a query string",
    "variant": "that differ by header or cookie",
    "cookie": "that depend on the visitor's cookies (Vary: Cookie)",
    "bypass": "of routes with bypass=, which some visitors do not get",
    "personal": "that visitors with cookies do not get",
    "value-holes": "with tokens or nonces, new in every answer, so that the app has to send them "
    "(a CSP of hashes needs no nonces)",
    "holes": "with holes, which the app fills for each visitor",
    "private": "whose headers forbid shared copies",
    "status": "with a status that files do not have",
    "expired": "past their time",
    "own": "that answered one visitor's own request (cache_control='full')",
    "headers": "with headers that a file server cannot send",
    "path": "whose path cannot be a file name",
    "clash": "whose file is another page's",
    "foreign": "whose file name is taken by what is not isgware's",
    "site": "of other sites",
    "needs-app": "with Cache-Control of their own, which needs the app to judge",
    "dropped": "that the app does not keep any more",
    "missing": "that the store has lost",
}
#: What can be done about some of them.
REMEDIES: Final = {
    "cookie": "Reading the session, the user or a cookie while a page renders makes it depend on "
    "cookies. Put such parts into holes with client=True, which the browser fills, and export "
    "again after a build.",
    "holes": "Say client=True where those holes are used: the browser fills them, and the page is "
    "a file. Or leave those pages to the app.",
    "value-holes": "Put a form with a token into a hole with client=True, and have the policy name "
    "hashes instead of nonces; or leave those pages to the app.",
    "personal": "Take cookies= and keyed cookies off the routes that are to be files.",
    "bypass": "Take bypass= off the routes that are to be files.",
    "private": "The app says Cache-Control: private or no-store for them.",
    "needs-app": "Name MODULE:APP instead of the store.",
    "expired": "isgware build renders them anew.",
    "missing": "isgware build renders them anew.",
    "dropped": "Declare their routes again, or purge them.",
    "site": "Say whose pages to export with --base-url.",
    "variant": "A file is one for all: take vary= off, or leave those pages to the app.",
}
MOVED: Final = frozenset({301, 308})
#: Headers that a file server sets itself, or that applied to the app's answer only.
_DROPPED: Final = frozenset({
    "accept-ranges", "content-length", "content-range", "etag", "keep-alive", "last-modified",
    "server", "vary", "www-authenticate", "x-accel-buffering", "x-accel-charset",
    "x-accel-expires", "x-accel-limit-rate",
})  # fmt: skip
#: The body is stored elsewhere, or is not what its type says.
_HANDED_OVER: Final = frozenset({
    "content-encoding", "x-accel-redirect", "x-sendfile", "x-lighttpd-send-file",
})  # fmt: skip
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}\Z")
#: nginx reads no token of its configuration that is longer than 4,096 bytes in its written form.
_MAX_VALUE: Final = 4_000
#: What isgware sends for a public page if the view sets nothing.
_SHARED: Final = re.compile(r"public, max-age=0, s-maxage=\d+, stale-while-revalidate=\d+\Z")


@dataclass(frozen=True, slots=True)
class Static:
    """A page as a file. For a redirect only ``status``, ``location`` and headers count."""

    path: str
    status: int
    content_type: str
    headers: Headers
    location: str = ""


def row_reason(row: Row, state: State, site: str) -> str:
    """Why a page is left out, as far as its row in the store shows; empty if it is not."""
    if site_of(row.url) != site:
        return "site"
    if row.status != 200 and row.status not in MOVED:
        return "status"
    if row.query:
        return "query"
    if row.variant:
        return "variant"
    return "expired" if state is State.EXPIRED else ""


def site_of(url: str) -> str:
    """The scheme and host of a URL, also of a damaged one, which ``urlsplit`` refuses."""
    return "/".join(url.split("/")[:3])


def static(entry: Entry, *, with_app: bool) -> Static | str:
    """The page as a file, or why it cannot be one. ``with_app``: its policy was checked, too."""
    fields = [(name.lower(), value) for name, value in entry.headers]
    names = {name for name, _ in fields}
    control = ", ".join(value for name, value in fields if name == "cache-control")
    if entry.own:
        return "own"  # a file can neither age nor be validated as RFC 9111 asks
    if entry.places:
        return "value-holes"
    if entry.holes:
        return "holes"
    if entry.vary_cookie:
        return "cookie"
    if entry.anonymous or entry.request.cookies or entry.request.variants:
        return "personal"
    if entry.request.headers or varies(entry.headers) - {"accept-encoding"}:
        return "variant"
    if re.search(r"\b(private|no-store)\b", control.lower()):
        return "private"
    if not with_app and not _SHARED.match(control):
        return "needs-app"
    if names & _HANDED_OVER or not all(_NAME.match(name) for name in names):
        return "headers"
    kept = _joined(entry.headers)
    location = kept.pop("Location", "")
    content_type = kept.get("Content-Type", "")
    if entry.code in MOVED:
        kept = {name: text for name, text in kept.items() if not name.startswith("Content-")}
    if any(written_size(text) > _MAX_VALUE for text in (location, *kept.values())):
        return "headers"
    if bool(location) != (entry.code in MOVED) or (entry.code == 200 and not content_type):
        return "headers"
    headers = tuple(sorted(kept.items()))
    return Static(entry.request.full_path, entry.code, content_type, headers, location)


def _joined(headers: Headers) -> dict[str, str]:
    """One value for each name (RFC 9110, section 5.3)."""
    kept: dict[str, str] = {}
    for name, value in headers:
        if name.lower() not in _DROPPED and value.strip():
            known = name.title()
            kept[known] = f"{kept[known]}, {value.strip()}" if known in kept else value.strip()
    return kept


def written_size(text: str) -> int:
    """Characters of a header's value as nginx's maps spell it, at most, and with any prefix."""
    return len(text) + 41 * text.count("$") + text.count('"') + text.count("\\")


def policy_reason(planner: Planner, request: Request, build_id: str) -> str:
    """Why the app would not give this page to all visitors, by its current policies."""
    match = planner.match(_visitor(request))
    learned_route = planner.learned_route(request.base_key(build_id))
    learned = planner.declarations.learned(learned_route)
    known = (match.policy if match is not None else None, learned)
    policies = [policy for policy in known if policy is not None]
    if not policies and not planner.declarations.stores(learned_route):
        return "dropped"
    if learned_route.vary or any(policy.vary for policy in policies):
        return "variant"
    if learned_route.vary_cookie:
        return "cookie"
    if any(map(_lets_bypass, policies)):
        return "bypass"
    return "dropped" if any(_never_stores(policy) for policy in policies) else ""


def outdated(planner: Planner, entry: Entry) -> bool:
    """Whether the page was made under another policy, so that it counts as stale."""
    request = entry.request
    plan = planner.plan(_visitor(request), (request.scheme, request.host))
    target = plan.target if plan is not None else None
    return target is not None and target.policy.fingerprint != entry.fingerprint


def _visitor(request: Request) -> Visitor:
    return Visitor("GET", request.scheme, request.host, request.script_name, request.path, "", {})


def _lets_bypass(policy: Policy) -> bool:
    return policy.bypass is not None and policy.bypass != ()


def _never_stores(policy: Policy) -> bool:
    return policy.revalidate == 0 and policy.revalidate is not False
