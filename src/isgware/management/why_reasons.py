"""The cause of each ``detail=``: the cookie, header, directive or policy that decides it."""

from __future__ import annotations

import dataclasses
from typing import Final

from ..core.cache_key import Visitor, counting_cookie
from ..core.freshness import ALL
from ..formatting import duration
from ..policy import NOTHING, Policy
from ..routing.framework import Site
from ..routing.planner import Target, personal
from ..storage.dependency_state import as_recorded
from ..storage.page_store import PageStore
from ..storage.process_cache import Page

#: Reasons that come from the request or the app's answer, by their token in ``detail=``.
_DECIDERS: Final[dict[str, str]] = {
    "revalidate-0": "revalidate=0, or the directive s-maxage=0",
    "bypass": "the policy's callable bypass=",
    "bypass-failed": "the policy's callable bypass=, which raised",
    "draft": "the draft cookie, which this visitor owns",
    "not-listed": "the policy's paths=, which does not list it, with fallback='not-found'",
    "report": "the option enabled='report'",
    "odd-path": "the request's path",
    "odd-query": "the request's query",
    "odd-host": "the request's host or scheme",
    "odd-header": "a keyed header that is too long or holds control characters",
    "odd-cookie": "a keyed cookie that is too long or holds control characters",
    "odd-variant": "a value of vary=['session:...'] or ['user:...'] that makes no key",
    "variant-failed": "a function of vary=['user:...'], which raised, or is not registered",
    "odd-tag": "a tag of the page, which is empty, too long, unprintable, or cannot be filled",
    "clean-room-failed": "its render failed, and the route has not worked in the clean room yet",
    "set-cookie": "the header Set-Cookie of the app's answer",
    "private": "the directive Cache-Control: private of the app's answer",
    "no-store": "the directive Cache-Control: no-store of the app's answer, or page.no_store()",
    "no-cache": "the directive Cache-Control: no-cache of the app's answer",
    "vary-star": "the header Vary: * of the app's answer",
    "vary-too-wide": "the header Vary of the app's answer, which names too many",
    "no-lifetime": "nobody says for how long the page is fresh",
    "token-not-found": "a token or nonce of the app's answer that is not in it as it was made",
    "hole-failed": "a hole of the page that cannot be rendered for nobody in particular",
    "hole-not-found": "a hole of the page that does not stand in it as it was made",
    "nested-hole": "a hole of the page that stands in another",
    "no-token": "the visitor's cookie of value_holes=, which is missing or not as the app makes it",
    "empty-body": "an empty answer, which does not replace a page that had a body",
    "shrunk": "the policy's shrink_limit=, for which the new page is too short",
    "not-accepted": "the policy's callable accept=",
    "too-big": "the option max_page, which the app's answer is larger than",
    "streaming": "the header Content-Type: text/event-stream of the app's answer",
    "redirect-to-other-origin": "the header Location of the app's answer",
    "redirect-to-itself": "the header Location of the app's answer",
    "bad-location": "the header Location of the app's answer",
    "bad-header": "a header of the app's answer",
    "must-understand": "the directive Cache-Control: must-understand of the app's answer",
    "stale": "the app's answer, which was stale when it came",
}
#: Fields of a policy that may have very long values.
_LONG: Final = ("paths", "loading_page")
_WHO: Final = {
    "HTTP_AUTHORIZATION": "the header Authorization",
    "REMOTE_USER": "the server's REMOTE_USER",
    "AUTH_TYPE": "the server's AUTH_TYPE",
}


def readable(detail: str) -> str:
    """The token, and its meaning."""
    if detail.startswith("status-"):
        return f"{detail}, the status of the app's answer"
    said = _DECIDERS.get(detail)
    return f"{detail}, {said}" if said else detail


def decider(detail: str, visitor: Visitor, target: Target | None, site: Site) -> str:
    """What in this request, its policy or the app's answer leads to ``detail``."""
    if detail == "authorization":
        named = [text for name, text in _WHO.items() if visitor.headers.get(name)]
        return named[0] if named else "the client's certificate"
    if detail == "untrusted-host":
        return f"the host {visitor.host!r}, which is not in trusted_hosts"
    if detail == "cookie" and target is not None:
        name = personal(visitor, target.policy)
        return f"the cookie {name!r}: the page varies by cookie, and this one counts"
    if detail == "bypass-cookie" and target is not None:
        return _bypass_cookie(visitor, target, site)
    if detail.startswith("status-"):
        return "the status of the app's answer"
    return _DECIDERS.get(detail, detail)


def _bypass_cookie(visitor: Visitor, target: Target, site: Site) -> str:
    header = visitor.headers.get("HTTP_COOKIE")
    name = counting_cookie(header, site.bypass_cookies) if site.bypass_cookies else None
    if name:
        return f"the cookie {name!r}, in which the framework keeps something for this visitor"
    names = target.policy.bypass
    name = counting_cookie(header, names) if names and not callable(names) else None
    return f"the cookie {name!r}, named in bypass="


#: Why a page with `Depended.due` is renewed.
REPLICAS: Final = "dependencies_lag: replicas may not have had yet what had just been changed"


def fresh_until(page: Page, now: float) -> str:
    """For how long a stored page is fresh."""
    left, depended = page.ttl(now), page.entry.depended
    if left is None:
        return "fresh until told"
    said = f"fresh for another {duration(left)}"
    return f"{said} ({REPLICAS})" if depended is not None and depended.due else said


def changed_by(page: Page, page_store: PageStore, now: float, fingerprint: str) -> str:
    """Why a stored page is not fresh: the first reason that applies in `judge`."""
    entry, mirror = page.entry, page_store.mirror
    if entry.nonce != mirror.nonce:
        return "the store has lost its table of invalidations since the render"
    if entry.generation < mirror.floor:
        return "so many purges came since that the oldest were forgotten"
    for verb, table in (("purge", mirror.hard), ("revalidation", mirror.soft)):
        for name in page.names:
            if table.get(name, 0) > entry.generation:
                return f"a {verb} of {_named(name)} since the render"
    if entry.generation < mirror.soft_floor:
        return "so many revalidations came since that the oldest were forgotten"
    if entry.depended is not None:
        if text := mirror.tellings.why(entry.depended, entry.generation):
            return text
        if entry.depended.overdue(now):
            return (
                f"{REPLICAS} when it was rendered, {duration(now - entry.rendered_at)} ago: it is "
                "renewed once more"
            )
    if now >= entry.expires_at:
        return f"expire={entry.expire:g}: it was rendered {duration(now - entry.rendered_at)} ago"
    if entry.fingerprint != fingerprint:
        return "the policy has changed since the render"
    if now >= entry.fresh_until:
        ago = duration(now - entry.rendered_at)
        return f"revalidate={entry.revalidate:g}: it was rendered {ago} ago"
    if not as_recorded(entry, page_store.dependencies):
        return "the option dependencies= has changed since the render"
    return "the store is out of reach for too long, or the clock was put back"


def _named(name: str) -> str:
    kind, _, value = name.partition(":")
    if name == ALL:
        return "everything"
    words = {
        "tag": "the tag", "path": "the path", "url": "the URL", "below": "all below",
        "route": "the route",
    }  # fmt: skip
    return f"{words.get(kind, kind)} {value!r}"


def policy_text(policy: Policy) -> str:
    """A policy as it would be written."""
    said = []
    for field in dataclasses.fields(Policy):
        value = getattr(policy, field.name)
        if value == getattr(NOTHING, field.name):
            continue
        if field.name == "vary":
            value = {name: list(values) if values else None for name, values in value}
        elif callable(value):
            value = getattr(value, "__qualname__", type(value).__name__)
            said.append(f"{field.name}={value}")
            continue
        said.append(f"{field.name}={'...' if field.name in _LONG else repr(value)}")
    return ", ".join(said) or "nothing said"
