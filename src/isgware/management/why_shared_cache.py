"""`why` for ``cache_control="full"``: of URLs that no route declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..core.cache_key import Visitor
from ..core.freshness import State
from ..core.places import places_summary
from ..core.reads import listed
from ..formatting import duration
from ..http.cache_control import effective
from ..routing.planner import has_credentials
from ..shared_cache.cache import asked
from ..shared_cache.rules import NO_WISHES, Use, choose
from ..storage.process_cache import Page
from .why_reasons import changed_by

if TYPE_CHECKING:
    from ..shared_cache.cache import SharedCache
    from ..storage.page_store import PageStore

_SERVED: Final = "The stored page is served."
_KEPT: Final = "The app answers; its answer is stored if its headers say that it may be."
_OUTCOMES: Final = {
    Use.FRESH: ("HIT", "", _SERVED),
    Use.STALE: ("STALE", "max-stale", _SERVED),
    Use.REFRESH: ("STALE", "", "The stored page is served, and validated behind the visitor."),
    Use.VALIDATE: ("REVALIDATED", "", "The app is asked whether the stored page still holds."),
    Use.FORWARD: ("MISS", "", _KEPT),
    Use.TIMEOUT: ("BYPASS", "only-if-cached", "504: the request wants nothing but a stored page."),
}


def own(http: SharedCache, page_store: PageStore, visitor: Visitor, now: float) -> dict[str, Any]:
    """The parts of a `Why` about a GET or HEAD of this URL."""
    environ = {**visitor.headers, "REQUEST_METHOD": visitor.method}
    place = None if http.response_store.is_draft(visitor) else http.response_store.place(visitor)
    if place is None:
        return {
            "outcome": "PASS",
            "detail": "not-declared",
            "follows": "The request goes to the app.",
            "decided_by": "the request's URL or cookies",
        }
    page, state = http.response_store.find(place)
    wanted, credentials = asked(environ), has_credentials(environ)
    directives = effective(page.entry.headers)[0] if page else {}
    age = now - page.entry.rendered_at if page else 0.0
    lifetime = (page.entry.revalidate or 0.0) if page else 0.0
    use = choose(
        state, directives, age=age, lifetime=lifetime, credentials=credentials, asked=wanted
    )
    outcome, detail, follows = _OUTCOMES[use]
    if use is Use.FORWARD and state is State.GONE:
        outcome = "REVALIDATED"
    return {
        "outcome": outcome,
        "detail": detail,
        "follows": follows,
        "decided_by": _decided_by(use, page, state, page_store, now, wanted is not NO_WISHES),
        "policy": "the response's own headers (RFC 9111)",
        "key": place.key,
        "headers": tuple((name, visitor.header(name)) for name in place.nominated),
        **(page_parts(page, state, now) if page and state else {}),
    }


def _decided_by(
    use: Use,
    page: Page | None,
    state: State | None,
    page_store: PageStore,
    now: float,
    wishes: bool,
) -> str:
    if page is None or state is None:
        return "nothing is stored for this request"
    if use is Use.FRESH:
        return f"fresh for another {duration(page.ttl(now) or 0.0)}"
    if state is State.FRESH and use is Use.FORWARD:
        return "the request's credentials, which the stored response does not allow for"
    if state is State.FRESH and wishes:
        return "the directives of the request"
    if state is State.GONE or not page.entry.revalidate or now < page.entry.fresh_until:
        return changed_by(page, page_store, now, page.entry.fingerprint)
    return f"stale for {duration(now - page.entry.fresh_until)}"


def page_parts(page: Page, state: State, now: float) -> dict[str, Any]:
    entry = page.entry
    return {
        "state": state.value,
        "status": entry.code,
        "age": max(0.0, now - entry.rendered_at),
        "ttl": page.ttl(now),
        "expires": None if entry.restored else entry.expires_at - now,
        "interval": entry.interval,
        "restored": entry.restored,
        "tags": entry.tags,
        "filled": places_summary((*entry.places, *entry.holes)),
        "reads": listed(entry.reads, entry.hole_reads, entry.client_reads),
    }
